"""One quantity by several techniques: do they agree, on what, and if not, what differs."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
