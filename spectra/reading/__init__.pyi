from .inspection import inspect as inspect
from .registry import Reader as Reader
from .registry import read as read
from .series import read_series as read_series
