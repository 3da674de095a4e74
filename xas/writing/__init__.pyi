from .athena import athena_options as athena_options
from .athena import write_athena as write_athena
from .xdi import write_xdi as write_xdi
