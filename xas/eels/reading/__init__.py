"""Files of electron energy-loss spectrometers: spectra, line scans and spectrum images along the energy loss."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
