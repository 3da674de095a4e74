"""Bands: tables, fits of spectra and maps, what else may be there."""
