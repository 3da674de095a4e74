"""Vibrational spectroscopy: Raman and infrared spectra calibrated, freed of their background, fitted and judged."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

#: Verbs that recipes can name (``raman.fit_bands``), announced by the entry point ``spectra.steps``.
STEPS: tuple[str, ...] = (
    "calibrate",
    "calibrate_intensity",
    "normalize",
    "correct_atr",
    "diagnose_ordering",
    "carbon_disorder",
    "emsc",
    "fit_bands",
    "kubelka_munk",
    "rank_phases",
    "read",
    "read_series",
    "remove_atmosphere",
    "to_absorbance",
    "transform_interferogram",
)
