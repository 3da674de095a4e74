from .background import subtract_background as subtract_background
from .hydrogenic import CrossSection as CrossSection
from .hydrogenic import cross_section as cross_section
from .line_ratio import white_line_ratio as white_line_ratio
from .quantification import quantify as quantify
from .reading import read as read
from .reading import read_series as read_series
from .zero_loss import align_zero_loss as align_zero_loss
from .zero_loss import thickness as thickness

STEPS: tuple[str, ...]
