"""Whole measured spectra as components of a fit."""
