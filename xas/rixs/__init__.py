"""Resonant inelastic X-ray scattering: photons on a detector made spectra of energy loss, and what lies in them."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

#: Verbs that recipes can name (``xas.rixs.reduce``), announced by the entry point ``spectra.steps``.
STEPS: tuple[str, ...] = (
    "read",
    "read_series",
    "reduce",
    "compare_parts",
    "normalize",
    "fit_lines",
    "oxygen_fingerprint",
    "integrate_windows",
)
