from .background import subtract_background as subtract_background
from .energy_scale import calibrate_energy as calibrate_energy
from .frame_drift import align_frames as align_frames
from .hydrogenic import CrossSection as CrossSection
from .hydrogenic import cross_section as cross_section
from .hydrogenic import effective_collection_angle as effective_collection_angle
from .iron_curve import ferric_fraction as ferric_fraction
from .iron_species import species_fraction as species_fraction
from .iron_windows import iron_window_ratio as iron_window_ratio
from .iterative_deconvolution import richardson_lucy as richardson_lucy
from .line_ratio import white_line_ratio as white_line_ratio
from .line_scans import read_line_scan as read_line_scan
from .optical_density import optical_density as optical_density
from .oxygen_pre_edges import oxygen_pre_edge as oxygen_pre_edge
from .pictures import plot_edge as plot_edge
from .pictures import plot_map as plot_map
from .plural_scattering import fourier_ratio as fourier_ratio
from .quantification import quantify as quantify
from .reading import read as read
from .reading import read_series as read_series
from .reference_picture import plot_references as plot_references
from .references import fit_references as fit_references
from .single_scattering import fourier_log as fourier_log
from .surface_profiles import surface_profile as surface_profile
from .zero_loss import align_zero_loss as align_zero_loss
from .zero_loss import thickness as thickness

STEPS: tuple[str, ...]
