from . import tables as tables
from .reading import read as read
from .reading import read_series as read_series

STEPS: tuple[str, ...]
