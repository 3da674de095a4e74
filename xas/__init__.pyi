from .alignment import align as align
from .background import autobk as autobk
from .calibration import Calibration as Calibration
from .calibration import calibrate_valence as calibrate_valence
from .calibration import load_calibration as load_calibration
from .edge import edge_position as edge_position
from .high_r_noise import estimate_noise as estimate_noise
from .mixtures import linear_combination as linear_combination
from .normalization import normalize as normalize
from .pre_edge import pre_edge_peaks as pre_edge_peaks
from .q_space import back_fourier as back_fourier
from .reading import read as read
from .reading import read_series as read_series
from .rebinning import rebin as rebin
from .self_absorption import correct_overabsorption as correct_overabsorption
from .tabulated_f2 import mback as mback
from .transform import fourier as fourier
from .valence_scale import mixture_valence as mixture_valence
from .valence_scale import valence as valence
from .wavelets import wavelet as wavelet
from .white_line_peak import white_line as white_line
from .writing import athena_options as athena_options
from .writing import write_athena as write_athena
from .writing import write_xdi as write_xdi

STEPS: tuple[str, ...]
