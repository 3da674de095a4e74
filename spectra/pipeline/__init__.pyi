from .runner import merge as merge
from .runner import run as run
