"""Infrared spectra: absorbance, reflection, scattering, atmosphere, interferograms."""
