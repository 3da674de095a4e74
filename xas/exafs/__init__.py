"""The fine structure: background, chi(k), its Fourier and wavelet transforms, its noise."""
