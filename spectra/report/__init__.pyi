from .against import plot_against as plot_against
from .html import write_report as write_report
