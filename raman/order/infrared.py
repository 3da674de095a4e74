r"""Infrared signs of order: which of the bands near 587 and 621 1/cm is higher, and whether there is one at 646."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raman.order.lines import WEAKER, log_presence
from raman.tables import load_table
from spectra.fitting import fit_arrays
from spectra.fitting.spec import Model, Setting, from_tables
from spectra.fitting.understand import Understood, understand

__all__ = ["InfraredBands", "infrared_bands", "log_order_of_ratio"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class InfraredBands:
    """Bands of the infrared spectrum, every array (...); NaN where the fit failed."""

    ratio: Array  # height of the band near 587 over that near 621
    ratio_sigma: Array
    ordered: Array  # natural logarithm of the evidence of the ratio: ordered over disordered
    mixed: Array  # mixed over disordered
    extra: Array  # height of the band near 646 over that near 621
    extra_sigma: Array
    extra_ordered: Array
    extra_mixed: Array
    height: Array  # of the band near 621, in units of the spectrum
    height_sigma: Array


def infrared_bands(x: npt.ArrayLike, y: npt.ArrayLike, sigma: npt.ArrayLike) -> InfraredBands:
    """Fit three pseudo-Voigt lines of one shape on a straight baseline, all inside the window of the table.

    Parameters
    ----------
    x : (n,) array
        Wavenumber in 1/cm, ascending.
    y, sigma : (..., n) array
        Absorbance and its standard uncertainty.

    Returns
    -------
    InfraredBands
    """
    table = load_table("ordering")["infrared"]
    low, high = table["window"]["value"]
    axis, values = np.asarray(x, float), np.asarray(y, float)
    inside = (axis >= low) & (axis <= high)
    spread = np.broadcast_to(np.asarray(sigma, float), values.shape)
    fit = fit_arrays(
        _model(), None, axis[inside], values[..., inside], sigma=spread[..., inside], component_curves=False
    )
    points = int(inside.sum())
    wider = np.sqrt(np.clip(fit.chi2 / max(points - len(fit.free), 1), 1.0, None))

    def read(name: str) -> tuple[Array, Array]:
        k = fit.parameters.index(name)
        return fit.value[..., k], fit.sigma[..., k] * wider

    (ratio, ratio_sigma), (extra, extra_sigma) = read("ratio"), read("extra")
    scatter = table["log_ratio"]
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(np.where(ratio > 0, ratio, np.nan))
        relative = ratio_sigma / ratio
        ordered, mixed = log_order_of_ratio(logarithm, relative, scatter["ordered"], scatter["mixed"])
        typical = table["extra_height"]["value"]
        there, half = (log_presence(extra, extra_sigma, f * typical) for f in (1.0, WEAKER))
    return InfraredBands(
        ratio,
        ratio_sigma,
        ordered,
        mixed,
        extra,
        extra_sigma,
        there,
        half,
        fit.quantity["height"][..., 1],
        fit.quantity_sigma["height"][..., 1] * wider,
    )


def log_order_of_ratio(
    logarithm: npt.ArrayLike, sigma: npt.ArrayLike, ordered: float, mixed: float
) -> tuple[Array, Array]:
    r"""Evidence of a measured ln(I587/I621): ordered over disordered, mixed over disordered (natural logarithms).

    Among ordered samples it is distributed as :math:`+|N(0, \tau)|`, among disordered ones as :math:`-|N(0, \tau)|`
    with :math:`\tau` = ``ordered``, among mixed ones as :math:`N(0, \tau_m)` with ``mixed``.
    """
    from scipy.special import log_ndtr

    t, s = np.asarray(logarithm, float), np.asarray(sigma, float)
    z = t / s * ordered / np.sqrt(s**2 + ordered**2)
    total, narrow = s**2 + ordered**2, s**2 + mixed**2
    normal = 0.5 * np.log(total / narrow) - 0.5 * t**2 * (1 / narrow - 1 / total)
    return np.asarray(log_ndtr(z) - log_ndtr(-z)), np.asarray(normal - math.log(2) - log_ndtr(-z))


@functools.cache
def _model() -> Understood:
    table = load_table("ordering")["infrared"]
    least, most = table["fwhm"]["range"]
    params: dict[str, Any] = {"shape": {"value": 0.6, "min": 0.0, "max": 1.0}}
    components: list[dict[str, Any]] = []
    for name, position in zip(("n_", "m_", "e_"), table["positions"]["value"], strict=True):
        components.append({"shape": "pseudo_voigt", "prefix": name})
        params |= {
            f"{name}position": {"value": position, "min": position - 8, "max": position + 8},
            f"{name}fwhm": {"value": table["fwhm"]["value"], "min": least, "max": most},
            f"{name}area": {"value": 1.0, "min": -math.inf},
            f"{name}fraction": {"expr": "shape"},
        }
    # what is not there has no place or width of its own
    params["e_position"]["vary"] = False
    params["e_fwhm"] = {"expr": "m_fwhm"}
    components.append({"shape": "polynomial", "degree": 1})
    model = from_tables(components, params | {"origin": table["window"]["value"][0]})
    derived = {"ratio": "n_area * m_fwhm / (n_fwhm * m_area)", "extra": "e_area / m_area"}  # of heights
    return understand(
        Model(model.components, model.settings | {n: Setting(expr=e) for n, e in derived.items()})
    )
