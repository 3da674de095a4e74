from .background import autobk as autobk
from .edge import edge_position as edge_position
from .mixtures import linear_combination as linear_combination
from .normalization import normalize as normalize
from .q_space import back_fourier as back_fourier
from .reading import read as read
from .reading import read_series as read_series
from .transform import fourier as fourier
from .wavelets import wavelet as wavelet
from .white_line_peak import white_line as white_line

STEPS: tuple[str, ...]
