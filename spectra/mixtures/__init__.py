"""Mixtures: spectra as sums of others, known or to be found; pure arrays, spectral axis last, for every technique."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
