from .measurements import read as read
from .measurements import read_series as read_series
