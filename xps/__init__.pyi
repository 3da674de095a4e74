from .auditing import audit as audit
from .auditing import audit_assignments as audit_assignments
from .background import subtract_background as subtract_background
from .calibration import calibrate as calibrate
from .components import deconvolve as deconvolve
from .detection import detection_limit as detection_limit
from .khervefitting import khervefitting_components as khervefitting_components
from .multiplet import multiplet_splitting as multiplet_splitting
from .overlayer import overlayer_thickness as overlayer_thickness
from .probed_depth import information_depth as information_depth
from .quantification import quantify as quantify
from .reading import read as read
from .reading import read_series as read_series
from .references import fit_references as fit_references

STEPS: tuple[str, ...]
