from . import tables as tables
from .attenuated_reflection import AttenuatedReflection as AttenuatedReflection
from .attenuated_reflection import correct_atr as correct_atr
from .attenuated_reflection import effective_thickness as effective_thickness
from .attenuated_reflection import penetration_depth as penetration_depth
from .axis_calibration import AxisCalibration as AxisCalibration
from .axis_calibration import load_calibration as load_calibration
from .band_fit import fit_bands as fit_bands
from .band_seeking import seek_bands as seek_bands
from .calibrating import calibrate as calibrate
from .calibrating import calibrate_axis as calibrate_axis
from .diffuse_reflection import kubelka_munk as kubelka_munk
from .diffuse_reflection import remission_function as remission_function
from .ordering import diagnose_ordering as diagnose_ordering
from .carbon import carbon_disorder as carbon_disorder
from .crystallites import crystallite_size as crystallite_size
from .phase_ranking import identify_phases as identify_phases
from .phases import phase_evidence as phase_evidence
from .phases import rank_phases as rank_phases
from .reading import read as read
from .reading import read_series as read_series
from .transmission import absorbance as absorbance
from .transmission import to_absorbance as to_absorbance
from .wavelengths import raman_shift as raman_shift
from .wavelengths import vacuum_wavelength as vacuum_wavelength

STEPS: tuple[str, ...]
