from .baselines import Baselines as Baselines
from .baselines import baseline_methods as baseline_methods
from .baselines import pybaselines_curves as pybaselines_curves
from .baselines import subtract_baseline as subtract_baseline
from .baselines import whittaker_baselines as whittaker_baselines
