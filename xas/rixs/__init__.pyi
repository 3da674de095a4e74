from .alignment import Shifts as Shifts
from .alignment import align_channels as align_channels
from .beam_damage import Change as Change
from .beam_damage import compare_parts as compare_parts
from .beam_damage import compare_spectra as compare_spectra
from .dispersing import Dispersion as Dispersion
from .dispersing import fit_dispersion as fit_dispersion
from .energy_map import integrate_windows as integrate_windows
from .fingerprint import oxygen_fingerprint as oxygen_fingerprint
from .homogeneity import Homogeneity as Homogeneity
from .homogeneity import same_shape as same_shape
from .lines import fit_lines as fit_lines
from .map_picture import plot_map as plot_map
from .normalization import normalize as normalize
from .photons import histogram_of_photons as histogram_of_photons
from .reading import read as read
from .reading import read_series as read_series
from .reduction import reduce as reduce

STEPS: tuple[str, ...]
