from .background import subtract_background as subtract_background
from .calibration import calibrate as calibrate
from .components import deconvolve as deconvolve
from .reading import read as read
from .reading import read_series as read_series

STEPS: tuple[str, ...]
