from .models import shape_model as shape_model
from .shapes import Shape as Shape
from .shapes import list_shapes as list_shapes
