from .alignment import Shifts as Shifts
from .alignment import align_channels as align_channels
from .beam_damage import Change as Change
from .beam_damage import compare_parts as compare_parts
from .beam_damage import compare_spectra as compare_spectra
from .homogeneity import Homogeneity as Homogeneity
from .homogeneity import same_shape as same_shape
from .lines import fit_lines as fit_lines
from .normalization import normalize as normalize
from .photons import histogram_of_photons as histogram_of_photons
from .reading import read as read
from .reading import read_series as read_series
from .reduction import reduce as reduce

STEPS: tuple[str, ...]
