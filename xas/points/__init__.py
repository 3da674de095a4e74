"""Points and channels of spectra: which are there, how noisy they are, their wavenumbers, windows and groups."""
