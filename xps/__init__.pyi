from .background.subtraction import subtract_background as subtract_background
from .deconvolution.components import deconvolve as deconvolve
from .deconvolution.khervefitting import khervefitting_components as khervefitting_components
from .energy_scale.calibration import calibrate as calibrate
from .quantities.detection import detection_limit as detection_limit
from .quantities.multiplet import multiplet_splitting as multiplet_splitting
from .quantities.overlayer import overlayer_thickness as overlayer_thickness
from .quantities.probed_depth import information_depth as information_depth
from .quantities.quantification import quantify as quantify
from .reading import read as read
from .reading import read_series as read_series
from .references.fitting import fit_references as fit_references
from .rules.auditing import audit as audit
from .rules.auditing import audit_assignments as audit_assignments

STEPS: tuple[str, ...]
