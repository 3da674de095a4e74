"""Position of the edge: measures of valence on the normalised absorption, each between grid points and with a sigma."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import verb
from xas.normalization.normalized import Kernel, normalized_near_edge
from xas.xanes.edge_measures import (
    derivative_maximum,
    half_step,
    integral_edge,
    second_derivative_zero,
    smoothing_matrix,
)
from xas.xanes.repeatability import add_scatter

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["derivative_maximum", "edge_position", "half_step", "integral_edge", "second_derivative_zero"]

Array = npt.NDArray[np.float64]
Measure = Callable[[Array, Array, Array], tuple[Array, Array]]

#: Where edge and white line are looked for, in eV from E0.
BEFORE, AFTER = -30.0, 60.0
#: Where the sigma of a derivative's zero exceeds this part of the smoothing, noise makes several of them; the steepest
#: of those tells too small a sigma. Judged on the curve smoothed further, whose bend is not that of the noise.
LEAST_CLEAR = 0.06


@verb(
    "xas.edge_position",
    axis="energy",
    finish=lambda dataset, options: add_scatter(dataset, options["name"]),
)
def edge_position(
    dataset: xr.Dataset,
    *,
    method: Literal["half_step", "integral", "derivative_maximum", "second_derivative_zero"] = "half_step",
    level: float = 0.5,
    levels: tuple[float, float] = (0.15, 1.0),
    smoothing: float = 1.5,
    name: str = "edge_position",
) -> xr.Dataset:
    """Measure the position of the absorption edge, which follows the valence within one family of compounds.

    "half_step" is where the flattened absorption passes ``level`` for the last time before the white line, so that
    pre-edge peaks do not count; "integral" is the mean energy of the rise between two ``levels``. "derivative_maximum"
    is the steepest point of the main rise and "second_derivative_zero" its inflection: what foils are calibrated by,
    not measures of the valence of oxides, whose rise has shoulders.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``flat`` from :func:`xas.normalize`, or normalised data (``attrs["normalized"] == "yes"``).
    method : {"half_step", "integral", "derivative_maximum", "second_derivative_zero"}
        The measure.
    level : float
        Level of "half_step", in edge steps.
    levels : (float, float)
        Levels of "integral", in edge steps.
    smoothing : float
        Half width in eV of the local polynomials that give the derivatives; part of the measure.
    name : str
        Name of the variable, to keep several measures side by side.

    Returns
    -------
    xarray.Dataset
        With ``edge_position`` (or ``name``) in eV per spectrum, its ``_sigma`` from noise and its ``_systematic`` from
        the choice of normalisation ranges; for a series of at least 8 spectra along ``time`` or ``scan`` also its
        ``_scatter``, one number: how far positions lie from a smooth course. Spectra that do not pass a level are
        flagged ``no_edge_position`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the data are not normalised, a level cannot be one, or ``name`` is taken.

    Notes
    -----
    Three numbers, because they answer three questions. The sigma propagates the noise of the points (``mu_sigma``, or
    estimated from each spectrum) with what it does to pre-edge line and edge step: it says how well two scans of one
    sample under one monochromator setting agree at best. The systematic is the shift under other ranges, see
    :func:`xas.normalize`; it is common to spectra that were treated alike and drops out of their differences. The
    scatter is measured on the series itself and holds the repeatability of the energy, which no single spectrum shows:
    it is the uncertainty of a change along the series. None of them holds the calibration of the energy. Half step and
    derivative maximum differ by 1 to 3 eV.

    The zeros of derivatives have a sigma only where noise moves the one there is: up to 0.5 % of the step at the default
    smoothing and steps of 0.25 eV, up to 2 % at twice the smoothing. Beyond, noise makes several, the spectrum is
    flagged ``noisy_derivative`` and its sigma is NaN: no linear law tells which of them comes out.

    References
    ----------
    H. Dau, P. Liebisch & M. Haumann, Anal. Bioanal. Chem. 376, 562 (2003), doi:10.1007/s00216-003-1982-2, for the
    integral measure.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> shift = np.array([[0.0], [1.2]])
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548 - shift) / 1.5))
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs={"element": "Mn", "edge": "K"})
    >>> scans = xas.edge_position(xas.normalize(scans, pre=(-120, -30), post=(50, 340)))
    >>> scans.edge_position.values.round(1).tolist()
    [6548.0, 6549.2]
    """
    _check_options(dataset, level, levels, smoothing, name)
    data = normalized_near_edge(dataset, "xas.edge_position", BEFORE, AFTER)
    measure, definition = _measure(method, level, levels, smoothing)
    derivative = method in {"derivative_maximum", "second_derivative_zero"}

    def prepare(grid: Array) -> Kernel:
        further = smoothing_matrix(grid, smoothing) if derivative else None

        def kernel(y: Array, own: Array) -> dict[str, Array]:
            size = own if own.ndim == 1 else np.median(own, axis=1)
            position, by_point = measure(grid, y, size)
            made = {"position": position, "by_position": by_point}
            if further is not None:
                made["steady"], made["by_steady"] = measure(grid, y @ further.T, size)
            return made

        return kernel

    names = ("position", "steady") if derivative else ("position",)
    outputs = [f"{n}{end}" for n in names for end in ("", "_sigma", "_systematic")]
    made = map_spectra(
        lambda *arrays: data.measure(arrays, prepare, names), data.inputs, dict.fromkeys(outputs, ())
    )
    unclear = ~(made["steady_sigma"] <= LEAST_CLEAR * smoothing) if derivative else None
    texts = {"units": "eV", "long_name": "edge position", "definition": definition}
    texts["normalization"] = data.record_text
    position = made["position"].assign_attrs(texts)
    stated = made["position_sigma"] if unclear is None else made["position_sigma"].where(~unclear)
    sigma = stated.assign_attrs(units="eV", long_name="standard uncertainty of the edge position from noise")
    systematic = made["position_systematic"].assign_attrs(
        units="eV",
        long_name="what the choice of normalisation ranges does to the edge position",
        family=data.family_text,
    )
    result = dataset.assign({name: position, f"{name}_sigma": sigma, f"{name}_systematic": systematic})
    result = flag(
        result, position.isnull(), "no_edge_position",
        "the absorption does not pass the level before its white line, or the spectrum failed before: check "
        "the normalisation or choose another level",
    )  # fmt: skip
    if unclear is None:
        return result
    return flag(
        result, unclear & position.notnull(), "noisy_derivative",
        "noise makes several zeros of the derivative near the edge, of which one is the position and has no sigma: widen "
        "smoothing, or use the half step",
        severity="warning",
    )  # fmt: skip


def _measure(method: str, level: float, levels: tuple[float, float], smoothing: float) -> tuple[Measure, str]:
    """The function that measures, and what it measures in words."""
    if method == "half_step":
        return (lambda x, y, s: half_step(x, y, s, level)), f"last passage of {level:g} before the white line"
    if method == "integral":
        text = f"mean energy between the levels {levels[0]:g} and {levels[1]:g}"
        return (lambda x, y, s: integral_edge(x, y, s, levels)), text
    if method == "derivative_maximum":
        text = f"maximum of the first derivative, smoothed over {smoothing:g} eV to each side"
        return (lambda x, y, s: derivative_maximum(x, y, s, smoothing)), text
    text = f"zero of the second derivative, smoothed over {smoothing:g} eV to each side"
    return (lambda x, y, s: second_derivative_zero(x, y, s, smoothing)), text


def _check_options(
    dataset: xr.Dataset, level: float, levels: tuple[float, float], smoothing: float, name: str
) -> None:
    if not 0 < smoothing <= 10:
        raise InvalidInput(f"smoothing is a half width in eV between 0 and 10, got {smoothing:g}.")
    if not 0 < level < 5:
        raise InvalidInput(
            f"level is in edge steps and lies between 0 and the white line's height, got {level:g}."
        )
    if not 0 <= levels[0] < levels[1] < 5:
        raise InvalidInput(
            f"levels are two ascending numbers in edge steps, as in (0.15, 1.0), got ({levels[0]:g}, {levels[1]:g})."
        )
    if not name.isidentifier() or name.endswith(("_sigma", "_systematic", "_scatter")):
        raise InvalidInput(f"name is a variable's name, as in 'integral_edge', got {name!r}.")
    if name in dataset.variables and "definition" not in dataset[name].attrs:
        raise InvalidInput(f"name = {name!r} is a variable of this dataset already; choose another one.")
