from .against import plot_against as plot_against
from .gallery import write_figures as write_figures
from .html import write_report as write_report
from .pdf import write_pdf as write_pdf
