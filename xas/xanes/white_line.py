"""The white line: the first maximum behind the edge, its position and height."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import verb
from xas.normalization.normalized import Kernel, normalized_near_edge
from xas.xanes.local_fit import local_fit, zero_of_derivative
from xas.xanes.repeatability import add_scatter

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["highest_point", "white_line"]

Array = npt.NDArray[np.float64]

#: A maximum must bend downwards by this many standard deviations of its bend.
LEAST_BEND = 5.0


def highest_point(x: Array, y: Array, reach: float) -> dict[str, Array]:
    """Vertex of the local parabola around the highest point.

    Parameters
    ----------
    x : (n,) array
        Energies where the maximum is looked for, ascending.
    y : (rows, n) array
        All finite.
    reach : float
        Half width in eV of the parabola, which moves along until its vertex is its middle.

    Returns
    -------
    dict of arrays
        ``position`` and ``height`` (rows,), NaN where the maximum is an end of ``x``; their derivatives by each point,
        ``by_position`` and ``by_height`` (rows, n); the bend and its derivatives, ``bend`` and ``by_bend``.
    """
    grid = local_fit(x, x, reach, 2)
    rows = np.arange(x.size)[:, None]
    smooth, bend = np.zeros((x.size, x.size)), np.zeros((x.size, x.size))
    smooth[rows, grid.index], bend[rows, grid.index] = grid.hats[:, 0], grid.hats[:, 2]
    peak = np.argmax(y @ smooth.T, axis=1)
    inside = (peak > 0) & (peak < x.size - 1)
    found = zero_of_derivative(x, y, np.where(inside, x[peak], np.nan), reach, order=1, degree=2)
    return {
        "position": found.position,
        "height": found.height,
        "by_position": found.sensitivity,
        "by_height": found.value_hats,
        "bend": np.einsum("rn,rn->r", bend[peak], y),
        "by_bend": bend[peak],
    }


@verb(
    "xas.white_line",
    axis="energy",
    finish=lambda dataset, _: add_scatter(add_scatter(dataset, "white_line_position"), "white_line_height"),
)
def white_line(
    dataset: xr.Dataset, *, window: tuple[float, float] = (-5.0, 40.0), half_width: float = 2.5
) -> xr.Dataset:
    r"""Measure position and height of the white line, the first strong maximum behind the edge.

    The vertex of a parabola fitted to the points within ``half_width`` of it, with weights
    :math:`1 - ((E - E_0)/w)^2`; so it lies between grid points and does not jump with them.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``flat`` from :func:`xas.normalize`, or normalised data (``attrs["normalized"] == "yes"``).
    window : (float, float)
        Where the maximum is looked for, in eV from E0. Of several maxima the highest counts.
    half_width : float
        Half width of the parabola in eV. Wider: less noise, and a position that follows the asymmetry of the line.

    Returns
    -------
    xarray.Dataset
        With ``white_line_position`` (eV) and ``white_line_height`` (edge steps) per spectrum, each with ``_sigma`` from
        noise and ``_systematic`` from the choice of normalisation ranges, and ``_scatter`` for a series of at least 8
        spectra along ``time`` or ``scan`` (see :func:`xas.edge_position`). Spectra without a maximum inside the window,
        or with one that noise could have made, are flagged ``no_white_line`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the data are not normalised, or the window or the half width cannot be one.

    Notes
    -----
    The position hardly depends on the normalisation; the height does. In layered nickel oxides the white line follows
    the charge more sensitively than the edge. The resolution of the monochromator lowers sharp lines: compare heights
    from one beamline.

    References
    ----------
    A parabola through the top of the white line as a measure of the state of charge, per pixel: doi:10.1021/photonsci.5c00020

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 * (energy > 6548) + 0.5 * np.exp(-(((energy - 6556.3) / 4) ** 2))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.white_line(xas.normalize(scan, e0=6548.0, pre=(-120, -30), post=(50, 340)))
    >>> round(float(scan.white_line_position), 2)
    6556.3
    """
    if not window[0] < window[1]:
        raise InvalidInput(
            f"window is two ascending energies in eV from E0, as in (-5, 40), got ({window[0]:g}, {window[1]:g})."
        )
    if not 0 < half_width <= 20:
        raise InvalidInput(f"half_width is in eV, between 0 and 20, got {half_width:g}.")
    data = normalized_near_edge(dataset, "xas.white_line", *window)

    def prepare(grid: Array) -> Kernel:
        return lambda y, own: _clear_maximum(grid, y, own, half_width)

    names = ("position", "height")
    outputs = [f"{n}{end}" for n in names for end in ("", "_sigma", "_systematic")]
    made = map_spectra(
        lambda *arrays: data.measure(arrays, prepare, names), data.inputs, dict.fromkeys(outputs, ())
    )
    result = dataset.assign({f"white_line_{name}": values for name, values in made.items()})
    for name, units in (("position", "eV"), ("height", "")):
        full, words = f"white_line_{name}", f"{name} of the white line"
        definition = f"vertex of the parabola within {half_width:g} eV of the white line's maximum"
        result[full].attrs.update(
            units=units, long_name=words, definition=definition, normalization=data.record_text
        )
        result[f"{full}_sigma"].attrs.update(
            units=units, long_name=f"standard uncertainty of the {words} from noise"
        )
        result[f"{full}_systematic"].attrs.update(
            units=units, long_name=f"what the choice of normalisation ranges does to the {words}", family=data.family_text
        )  # fmt: skip
    return flag(
        result, made["position"].isnull(), "no_white_line",
        "no maximum stands out of the noise inside the window, or the spectrum failed before: move the window, or "
        "widen half_width",
    )  # fmt: skip


def _clear_maximum(x: Array, y: Array, own: Array, reach: float) -> dict[str, Array]:
    """Highest points, without those that noise could have made."""
    top = highest_point(x, y, reach)
    noise = own[:, None] if own.ndim == 1 else own
    with np.errstate(invalid="ignore"):
        clear = -top["bend"] > LEAST_BEND * np.sqrt(((top["by_bend"] * noise) ** 2).sum(1))
    for name in ("position", "height"):
        top[name] = np.where(clear, top[name], np.nan)
    return top
