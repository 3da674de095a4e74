from .dataset import crop as crop
from .dataset import from_arrays as from_arrays
from .dataset import from_larch_group as from_larch_group
from .dataset import from_pandas as from_pandas
from .dataset import to_larch_group as to_larch_group
from .electrochemistry import join_cycler as join_cycler
from .electrochemistry import read_cycler as read_cycler
from .errors import SpectraError as SpectraError
from .fitting import fit as fit
from .fitting import monte_carlo as monte_carlo
from .fitting import to_lmfit as to_lmfit
from .mixtures import mcr_als as mcr_als
from .pipeline import run as run
from .preprocessing import denoise as denoise
from .preprocessing import despike as despike
from .preprocessing import resample as resample
from .preprocessing import smooth as smooth
from .preprocessing import subtract_baseline as subtract_baseline
from .reading import inspect as inspect
from .reading import read as read
from .reading import read_series as read_series
from .report import plot_against as plot_against
from .results import load as load
from .results import save as save
from .simulation import simulate as simulate

STEPS: tuple[str, ...]
