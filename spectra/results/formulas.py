"""What line shapes and backgrounds are, written out for a results file: ``formula_description`` of a NXfit_function.

Shapes are expressions in their parameters and the axis ``x`` (natural logarithms, powers as ``**``); a convolution
follows in words. Names alone do not say it: sums and products of the same two curves are called by each other's name.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["BROADENED", "FORMULAS"]

BROADENED = ", convolved with a Gaussian of unit area and full width at half maximum fwhm_g"

_GAUSSIAN = "exp(-4*log(2)*((x - position)/fwhm)**2)"
_LORENTZIAN = "1/(1 + 4*((x - position)/fwhm)**2)"
_SIDES = "where(x > position, {above}, {below})"
_L = "1/(1 + 4*((x - position)/fwhm_l)**2)"

#: By the name that the history keeps: a shape, or the method of a background that was subtracted.
FORMULAS: Mapping[str, str] = {
    "gaussian": f"area/(fwhm*sqrt(pi/log(2))/2) * {_GAUSSIAN}",
    "lorentzian": f"area/(fwhm*pi/2) * {_LORENTZIAN}",
    "voigt": "area/(s*sqrt(pi)) * real(wofz((x - position + 1j*fwhm_l/2)/s)), s = fwhm_g/(2*sqrt(log(2))), wofz the "
    "Faddeeva function: the convolution of a Gaussian and a Lorentzian",
    "pseudo_voigt": f"(1 - fraction)*area/(fwhm*sqrt(pi/log(2))/2) * {_GAUSSIAN} "
    f"+ fraction*area/(fwhm*pi/2) * {_LORENTZIAN}",
    "sgl": "area/(fwhm*((1 - fraction)*sqrt(pi/log(2))/2 + fraction*pi/2)) "
    f"* ((1 - fraction)*{_GAUSSIAN} + fraction*{_LORENTZIAN})",
    "gl": "area/(pi*width/(2*sqrt(fraction))*erfcx(sqrt(log(2)*(1 - fraction)/fraction))) "
    "* exp(-4*log(2)*(1 - fraction)*((x - position)/width)**2) / (1 + 4*fraction*((x - position)/width)**2)",
    "breit_wigner_fano": "amplitude*(1 + inverse_q*2*(x - position)/fwhm)**2 / (1 + (2*(x - position)/fwhm)**2)",
    "doniach": "amplitude/cos(pi*asymmetry/(2*(2 - asymmetry)))**(2 - asymmetry) "
    "* cos(pi*asymmetry/2 + (1 - asymmetry)*arctan(-2*(x - position)/fwhm_l)) "
    f"/ (1 + (2*(x - position)/fwhm_l)**2)**((1 - asymmetry)/2){BROADENED}",
    "la": "area/(fwhm_l*sqrt(pi)/4*(gamma(a - 0.5)/gamma(a) + gamma(b - 0.5)/gamma(b))) "
    f"* ({_L})**{_SIDES.format(above='a', below='b')}{BROADENED}",
    "lf": f"area/N * ({_L})**"
    f"{_SIDES.format(above='3 - (3 - a)/(1 + 4*((x - position)/(w*fwhm_l))**2)', below='b')}"
    f"{BROADENED}; N makes the area under the line equal to area",
    "shirley": "B(x) = yL + (yH - yL) * integral[xL..x](y - B) / integral[xL..xH](y - B), iterated from B = yL until no "
    "point moves by more than 1e-6 of yH - yL; yL, yH: means of the points at both ends",
    "slope": "dB/dx = k * integral[xL..x](y - B), B(xL) = yL, B(xH) = yH, iterated like Shirley's; yL, yH: means of the "
    "points at both ends",
    "tougaard": "B(x) = yL + integral[t<x] K(x - t)*(y(t) - yL) dt, K(T) = b*T/((c + c'*T**2)**2 + d*T**2) for T >= t0, 0 "
    "below; yL: mean of the points at the low end",
    "linear": "B(x) = yL + (yH - yL)*(x - xL)/(xH - xL); yL, yH: means of the points at both ends",
    "polynomial": "B(x): polynomial fitted to the points at both ends",
}
