"""``python -m spectra`` is the command ``spectra``."""

from spectra.cli import main

main()
