"""Spectra made ready for analysis, whatever the technique: cosmic rays, baselines, noise, grids."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
