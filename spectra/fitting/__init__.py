"""Fits of one or a hundred thousand spectra: line shapes, models, the compiled engine and its results."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
