from .opening import fit_panel as fit_panel
from .session import FitSession as FitSession
