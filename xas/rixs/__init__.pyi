from .alignment import Shifts as Shifts
from .alignment import align_channels as align_channels
from .lines import fit_lines as fit_lines
from .photons import histogram_of_photons as histogram_of_photons
from .reading import read as read
from .reading import read_series as read_series
from .reduction import reduce as reduce

STEPS: tuple[str, ...]
