from .channels import read as read
from .channels import read_series as read_series
