"""X-ray photoelectron spectroscopy: core levels calibrated, freed of their background and deconvolved."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

#: Verbs that recipes can name (``xps.deconvolve``), announced by the entry point ``spectra.steps``.
STEPS = (
    "read",
    "read_series",
    "calibrate",
    "subtract_background",
    "deconvolve",
    "fit_references",
    "quantify",
    "multiplet_splitting",
    "detection_limit",
    "overlayer_thickness",
    "information_depth",
    "audit",
)
