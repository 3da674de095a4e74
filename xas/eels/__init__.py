"""Core-loss spectra of electrons, and soft X-ray L edges: the edges of X-ray absorption on another background."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

#: Verbs that recipes can name (``xas.eels.subtract_background``), announced by the entry point ``spectra.steps``.
STEPS: tuple[str, ...] = (
    "read",
    "read_series",
    "read_line_scan",
    "quantify",
    "subtract_background",
    "white_line_ratio",
    "align_zero_loss",
    "thickness",
    "fourier_log",
    "fourier_ratio",
    "richardson_lucy",
    "fit_references",
    "oxygen_pre_edge",
    "surface_profile",
    "optical_density",
    "align_frames",
    "compare_frames",
    "iron_window_ratio",
    "ferric_fraction",
    "species_fraction",
    "calibrate_energy",
)
