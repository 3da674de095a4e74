"""Numbers by which the compiled kernels know the shapes; an expression's curve is interpreted."""

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

#: Widths below this are taken as this: a line narrower than anything measured stays finite.
TINY = 1e-15
