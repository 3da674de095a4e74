"""X-ray absorption spectroscopy: XANES and EXAFS of one spectrum or an operando day."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

#: Verbs that recipes can name (``xas.normalize``), announced by the entry point ``spectra.steps``.
STEPS = (
    "read",
    "read_series",
    "align",
    "deglitch",
    "merge",
    "rebin",
    "normalize",
    "edge_position",
    "white_line",
    "pre_edge_peaks",
    "mback",
    "correct_overabsorption",
    "valence",
    "information_depth",
    "autobk",
    "fourier",
    "back_fourier",
    "wavelet",
    "fit_paths",
    "estimate_noise",
    "linear_combination",
    "principal_components",
    "target_transform",
    "mcr_als",
)
