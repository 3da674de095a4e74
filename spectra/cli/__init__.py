"""The command ``spectra``."""

from spectra.cli.app import app, main

__all__ = ["app", "main"]
