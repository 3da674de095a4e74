from . import tables as tables
from .band_fit import fit_bands as fit_bands
from .reading import read as read
from .reading import read_series as read_series

STEPS: tuple[str, ...]
