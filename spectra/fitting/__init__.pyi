from .engine import fit as fit
from .engine import to_lmfit as to_lmfit
