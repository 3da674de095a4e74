from .combination import Combination as Combination
from .combination import combine as combine
from .combination import spline_curve as spline_curve
from .combination import subset_aicc as subset_aicc
from .subsets import Subsets as Subsets
from .subsets import list_subsets as list_subsets
from .subsets import nonnegative_fractions as nonnegative_fractions
