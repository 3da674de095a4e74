"""Share of Fe3+ by the universal curve of two windows on the white lines: the verb and its formula."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, verb
from xas.eels.background.subtraction import AXES
from xas.eels.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ferric_fraction", "ratio_of_share", "share_of_ratio"]

Array = npt.NDArray[Any]
Constants = tuple[float, float, float]

#: Windows that differ by less than this are the same (eV).
SAME = 1e-6


def ratio_of_share(share: npt.ArrayLike, constants: Constants) -> Array:
    r"""Ratio of the windows at a share of Fe3+: :math:`I_3/I_2 = 1/(a x^2 + b x + c) - 1`."""
    a, b, c = constants
    x = np.asarray(share, float)
    return np.asarray(1 / (a * x**2 + b * x + c) - 1)


def share_of_ratio(ratio: npt.ArrayLike, constants: Constants) -> tuple[Array, Array]:
    """Share of Fe3+ at a ratio of the windows, and its derivative; NaN outside of shares 0 to 1.

    Of the two roots the smaller one is taken; no root is real above the ratio at the curve's turning point.
    """
    a, b, c = constants
    r = np.asarray(ratio, float)
    low, high = ratio_of_share(np.array([0.0, 1.0]), constants)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = (r >= low) & (r <= high)
        part = 1 / (np.where(inside, r, np.nan) + 1)
        x = (-b - np.sqrt(b**2 - 4 * a * (c - part))) / (2 * a)
        return x, -(part**2) / (2 * a * x + b)


@verb("xas.eels.ferric_fraction", axis=AXES, needs={"window_ratio": "xas.eels.iron_window_ratio"})
def ferric_fraction(
    dataset: xr.Dataset, *, calibration: Literal["van_aken_liebscher"] = "van_aken_liebscher"
) -> xr.Dataset:
    r"""Fe³⁺ over all iron from the ratio of two windows, by a universal curve.

    .. math:: \frac{I_3}{I_2} = \frac{1}{a x^2 + b x + c} - 1, \quad x = \mathrm{Fe^{3+}}/\sum \mathrm{Fe}

    of which the smaller root is x: ratios from 1.73 (x = 0) to 9.64 (x = 1). Outside of them there is a flag and no number.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``window_ratio`` from :func:`xas.eels.iron_window_ratio`.
    calibration : {"van_aken_liebscher"}
        Curve, with its windows, its continuum and its energy scale; data that were summed in others are refused.

    Returns
    -------
    xarray.Dataset
        With ``ferric_fraction``, its ``_sigma`` (noise, first order) and ``_systematic`` (energy scale, heights of the
        arctangents and the accuracy that is quoted for the curve, ±0.04, in quadrature), and ``valence``, 2 + x, with the
        same. Flags: ``ratio_below_curve`` and ``ratio_above_curve`` (failed), ``no_valence`` where there is no ratio.

    Raises
    ------
    InvalidInput
        The windows or the scale are not those of the curve.

    Notes
    -----
    The constants are known here from two programs that agree and not from the paper (``status`` in the attributes). The
    curve was made from minerals measured by electrons at 0.8 eV. Where sigma is large values that fall outside of
    the curve are lost, so that the mean of a noisy region near x = 0 or 1 is biased inwards: sum its spectra first.

    References
    ----------
    P. A. van Aken & B. Liebscher, Phys. Chem. Minerals (2002), doi:10.1007/s00269-001-0222-6.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> energy = np.arange(700.0, 732.0, 0.2)
    >>> places = ((707.8, 0.7, 3.0), (709.5, 0.8, 3.0), (720.7, 1.2, 1.0), (722.5, 1.2, 1.0))
    >>> lines = sum(h * np.exp(-(((energy - at) / w) ** 2)) for at, w, h in places)
    >>> iron = spectra.from_arrays(energy, lines + 0.2 * (energy > 708), name="mu", attrs={"element": "Fe"})
    >>> iron = xas.eels.ferric_fraction(xas.eels.iron_window_ratio(iron))
    >>> round(float(iron.ferric_fraction), 2)
    0.07
    """
    table = load_table("iron")[calibration]
    _refuse_foreign(dataset, table)
    constants = (table["a"], table["b"], table["c"])
    low, high = ratio_of_share(np.array([0.0, 1.0]), constants)
    accuracy = number(table["accuracy"])
    if table["status"] == "to-verify":
        note(f"the constants of the curve are to be verified: {table['note']}")

    def kernel(ratio: Array, sigma: Array, systematic: Array) -> dict[str, Array]:
        x, slope = share_of_ratio(ratio, constants)
        return {
            "share": x,
            "sigma": slope * sigma,
            "systematic": np.hypot(slope * systematic, np.where(np.isfinite(x), accuracy, np.nan)),
        }

    names = ("window_ratio", "window_ratio_sigma", "window_ratio_systematic")
    made = map_spectra(
        kernel, [(dataset[n], ()) for n in names], dict.fromkeys(("share", "sigma", "systematic"), ())
    )
    result = dataset
    for name, text, offset in (("ferric_fraction", "Fe3+ over all Fe", 0.0), ("valence", "valence", 2.0)):
        result = result.assign({
            name: (made["share"] + offset).assign_attrs(
                units="", long_name=text, curve=calibration, source=table["source"], status=table["status"]
            ),
            f"{name}_sigma": made["sigma"].assign_attrs(
                units="", long_name=f"standard uncertainty of {text} from noise"
            ),
            f"{name}_systematic": made["systematic"].assign_attrs(
                units="", long_name=f"uncertainty of {text} from scale, continuum and curve, common to all spectra"
            ),
        })  # fmt: skip
    ratio = dataset["window_ratio"]
    for where, name, end, x in (
        (ratio < low, "ratio_below_curve", low, 0),
        (ratio > high, "ratio_above_curve", high, 1),
    ):
        result = flag(
            result, where, name,
            f"the ratio of the windows lies beyond {end:.2f}, where the curve ends at a share of {x}: noise, another continuum "
            "or energy scale, or self-absorption; no share is stated",
        )  # fmt: skip
    return flag(
        result, ratio.isnull(), "no_valence", "there is no ratio of windows: look at the flags set before"
    )


def _refuse_foreign(dataset: xr.Dataset, table: dict[str, Any]) -> None:
    """Ratios of other windows, other arctangents or another scale."""
    here = json.loads(dataset["window_ratio"].attrs.get("definition", "{}"))
    for key in ("l3", "l2", "inflections", "arctan_width", "fe2_maximum"):
        if key not in here or np.max(np.abs(np.subtract(here[key], table[key]))) > SAME:
            raise InvalidInput(
                f"this curve holds for {key} = {table[key]} eV, and the data were summed with {here.get(key)}: leave the windows "
                "of xas.eels.iron_window_ratio at their defaults, or calibrate your own with xas.calibrate_valence."
            )
