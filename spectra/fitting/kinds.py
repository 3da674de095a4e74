"""Numbers that shapes and their compiled kernels share."""

import math

import numpy as np

# by these the kernels know the shapes; the curve of an expression is interpreted
GAUSSIAN = 0
LORENTZIAN = 1
VOIGT = 2
PSEUDO_VOIGT = 3
SGL = 4
GL = 5
BREIT_WIGNER_FANO = 6
ARCTAN_STEP = 7
ERF_STEP = 8
POLYNOMIAL = 9
EXPONENTIAL = 10
POWER_LAW = 11
DONIACH = 12
LA = 13
LF = 14
EXPRESSION = 15
#: Drawn by a technique's own compiled function from a table that the component brings.
TABULATED = 16

#: Widths below this are taken as this: a line narrower than anything measured stays finite.
TINY = 1e-15

LN2 = math.log(2.0)
#: Area of a Gaussian and of a Lorentzian of height 1 over their full width at half maximum.
AREA_G = math.sqrt(math.pi / LN2) / 2
AREA_L = math.pi / 2

#: Highest degree of the polynomial.
DEGREES = 7

#: Convolution with a Gaussian: Gauss-Legendre points per panel, half width of the Gaussian in standard deviations, and
#: the ratio of sigma to the scale of the line below which panels are laid around each point, not along the axis.
PANEL_X, PANEL_W = np.polynomial.legendre.leggauss(10)
REACH = 7.0
NARROW = 0.05
