"""Files of X-ray absorption: XDI, Athena projects, and raw channels turned into μ(E)."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
