"""In a notebook: what datasets, audits and calibrations show of themselves, and a panel to fit by hand."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
