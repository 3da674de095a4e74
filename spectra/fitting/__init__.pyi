from .engine import fit_arrays as fit_arrays
from .models import shape_model as shape_model
from .result import FitResult as FitResult
from .shapes import Shape as Shape
from .shapes import list_shapes as list_shapes
