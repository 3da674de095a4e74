from .background import subtract_background as subtract_background

STEPS: tuple[str, ...]
