from .arrays import FitResult as FitResult
from .arrays import fit_arrays as fit_arrays
from .engine import fit as fit
from .lmfit_result import to_lmfit as to_lmfit
from .models import shape_model as shape_model
from .redrawing import monte_carlo as monte_carlo
from .shapes import Shape as Shape
from .shapes import list_shapes as list_shapes
