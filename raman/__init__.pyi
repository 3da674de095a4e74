from . import tables as tables
from .band_fit import fit_bands as fit_bands
from .band_seeking import seek_bands as seek_bands
from .phase_ranking import identify_phases as identify_phases
from .phases import phase_evidence as phase_evidence
from .phases import rank_phases as rank_phases
from .reading import read as read
from .reading import read_series as read_series

STEPS: tuple[str, ...]
