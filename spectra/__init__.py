"""The core of redox-spectra: labelled spectra, fits, results files and reports. It knows no technique."""

import sys as _sys

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

#: Verbs that recipes can name (``spectra.crop``), announced by the entry point ``spectra.steps``.
STEPS = (
    "read",
    "read_series",
    "crop",
    "fit",
    "join_cycler",
    "despike",
    "smooth",
    "subtract_baseline",
    "resample",
    "denoise",
    "mcr_als",
)

if "xarray" in _sys.modules:  # the user has datasets already: give them ``.spectra`` now, at no cost
    import spectra.dataset.accessor  # noqa: F401
