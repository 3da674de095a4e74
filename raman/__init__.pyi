from . import tables as tables

STEPS: tuple[str, ...]
