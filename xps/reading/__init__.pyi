from .regions import read as read
from .regions import read_series as read_series
