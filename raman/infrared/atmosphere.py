"""Lines of water and carbon dioxide between source and detector, taken off infrared spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.infrared.second_spectrum import second_spectra
from raman.infrared.transmission import refuse_percent
from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AtmosphereFit", "bridged", "fit_atmosphere", "line_windows", "remove_atmosphere"]

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int_]

#: Structure of a gas below this part of its strongest line is none to fit by.
_FAINT = 0.02
#: 1/cm to either side of a bridge that carry it.
_MARGIN = 20.0
_FEWEST = 4
#: A gas of which splines leave less than this part has no lines.
_SMOOTH = 0.03


@dataclass(frozen=True)
class AtmosphereFit:
    """Spectra without the gases, and how much of each there was; NaN where it could not be fitted."""

    corrected: FloatArray  # (..., n)
    sigma: FloatArray  # (..., n), NaN without uncertainties
    amount: FloatArray  # (..., g)
    amount_sigma: FloatArray  # (..., g)
    shift: FloatArray  # (..., g) in units of the axis, NaN without shifts
    unmeasured: Mask  # (...)


def line_windows(x: FloatArray, gases: FloatArray, spacing: float) -> Mask:
    """Points within ``spacing`` of a line of any gas: (n,) bool for gases (g, n)."""
    inside = np.zeros(x.size, bool)
    for gas in gases:
        rough = np.abs(gas - _smooth(x, gas, spacing))
        lines = x[rough > _FAINT * rough.max()] if rough.max() > 1e-6 * np.abs(gas).max() else x[:0]
        if lines.size:
            at = np.searchsorted(lines, x)
            near = np.minimum(
                np.abs(x - lines[np.clip(at, 0, lines.size - 1)]),
                np.abs(x - lines[np.clip(at - 1, 0, lines.size - 1)]),
            )
            inside |= near <= spacing / 2
    return inside


def _smooth(x: FloatArray, y: FloatArray, spacing: float) -> FloatArray:
    """Running mean over ``spacing``."""
    width = max(int(spacing / np.diff(x).mean()) | 1, 3)
    ends = np.pad(y, width // 2, mode="edge")
    return np.convolve(ends, np.full(width, 1 / width), "valid")


def _splines(x: FloatArray, inside: Mask, spacing: float) -> FloatArray:
    """Cubic splines (n, m) with a knot every ``spacing`` in each unbroken window; zero outside of theirs."""
    from scipy.interpolate import BSpline

    index = np.flatnonzero(inside)
    parts = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    columns: list[FloatArray] = []
    for part in parts:
        grid = x[part]
        if grid.size <= _FEWEST:
            # too few to smooth: each stands for itself and tells nothing
            columns.extend((np.arange(x.size) == point).astype(float) for point in part)
            continue
        pieces = max(1, min(round((grid[-1] - grid[0]) / spacing), (grid.size - 1) // _FEWEST))
        knots = np.linspace(grid[0], grid[-1], pieces + 1)
        basis = BSpline.design_matrix(grid, np.r_[[knots[0]] * 3, knots, [knots[-1]] * 3], 3).toarray()
        whole = np.zeros((x.size, basis.shape[1]))
        whole[part] = basis
        columns.extend(whole.T)
    return np.array(columns).T


def _slopes(x: FloatArray, gases: FloatArray) -> FloatArray:
    """Derivatives of the gases; of lines a few points wide, cubic splines have them and differences do not."""
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(x, gases, axis=-1)(x, 1))


def fit_atmosphere(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    gases: npt.ArrayLike,
    *,
    inside: npt.ArrayLike | None = None,
    spacing: float = 20.0,
    shift: bool = True,
    sigma: npt.ArrayLike | None = None,
) -> AtmosphereFit:
    r"""Amounts of gases by weighted least squares beside a smooth spectrum, and spectra without them.

    In the windows of the lines the model is :math:`\sum_g (a_g W_g + b_g W_g') + \text{splines}`: the derivative lets
    the lines lie beside those of the gas spectrum by :math:`-b_g / a_g`, and the splines, a knot every ``spacing``,
    stand for the sample, whose bands must be wider than that.

    Parameters
    ----------
    x : (n,) array
        Axis.
    y : (..., n) array
        Absorbance; single points may be NaN.
    gases : (g, n) array
        Absorbance of each gas for the amount 1.
    inside : (n,) bool array, optional
        Points that are fitted. Default: those near lines.
    spacing : float
        Of the knots, in units of the axis.
    shift : bool
        Whether the lines may lie beside those of the gas spectra.
    sigma : (..., n) array, optional
        Standard uncertainties, the weights. Without them all points weigh alike, and the scatter of the residual
        gives the uncertainty of the amounts.

    Returns
    -------
    AtmosphereFit
        ``corrected`` and its ``sigma``, ``amount`` of each gas as a multiple of its spectrum, ``shift`` of its lines in
        units of the axis. NaN where too few points are finite near the lines.
    """
    grid, values = np.asarray(x, float), np.asarray(y, float)
    gas = np.atleast_2d(np.asarray(gases, float))
    fitted = line_windows(grid, gas, spacing) if inside is None else np.asarray(inside, bool)
    lines = np.concatenate([gas, _slopes(grid, gas)] if shift else [gas]).T
    model = np.column_stack([lines, _splines(grid, fitted, spacing)])
    lead = values.shape[:-1]
    rows = values.reshape(-1, grid.size)
    errors = (
        None if sigma is None else np.broadcast_to(np.asarray(sigma, float), values.shape).reshape(rows.shape)
    )
    curves = np.full((2, *rows.shape), np.nan)
    numbers = np.full((3, len(rows), len(gas)), np.nan)
    used = np.isfinite(rows) & fitted
    if errors is not None:
        used &= np.isfinite(errors) & (errors > 0)
    unmeasured = used.sum(-1) < model.shape[1] + _FEWEST
    for which in _alike(used, errors, ~unmeasured):
        _fill(which, rows, errors, used[which[0]], model, lines, len(gas), shift, curves, numbers)
    corrected, error = (c.reshape(values.shape) for c in curves)
    amount, amount_sigma, moved = (a.reshape(*lead, len(gas)) for a in numbers)
    return AtmosphereFit(corrected, error, amount, amount_sigma, moved, unmeasured.reshape(lead))


def _alike(used: Mask, errors: FloatArray | None, good: Mask) -> list[Index]:
    """Spectra in groups that can be solved together: the same points, the same weights."""
    groups: dict[bytes, list[int]] = {}
    for i in np.flatnonzero(good):
        key = used[i].tobytes() + (b"" if errors is None else np.where(used[i], errors[i], 0).tobytes())
        groups.setdefault(key, []).append(int(i))
    return [np.array(group) for group in groups.values()]


def _fill(
    which: Index, rows: FloatArray, errors: FloatArray | None, used: Mask, model: FloatArray, lines: FloatArray,
    gases: int, shift: bool, curves: FloatArray, numbers: FloatArray,
) -> None:  # fmt: skip
    """Fit spectra that share their points and weights, and write what came out into their rows."""
    first = which[0]
    weight = np.ones(used.sum()) if errors is None else 1 / errors[first, used]
    solve = np.zeros((model.shape[1], used.size))
    solve[:, used] = np.linalg.pinv(model[used] * weight[:, None]) * weight
    y = rows[which]
    terms = np.where(used, y, 0.0) @ solve.T
    count = lines.shape[1]
    curves[0, which] = y - terms[:, :count] @ lines.T
    numbers[0, which] = terms[:, :gases]
    if errors is None:
        residual = np.where(used, y - terms @ model.T, 0.0)
        free = used.sum() - np.linalg.matrix_rank(model[used])
        variance = (residual**2).sum(-1) / max(free, 1)
        spread = (solve[:gases] ** 2).sum(-1)
        numbers[1, which] = np.sqrt(variance[:, None] * spread)
    else:
        square = errors[first] ** 2
        counted = np.where(used, square, 0.0)
        shared = (solve[:count] * counted) @ solve[:count].T
        numbers[1, which] = np.sqrt(np.diag(shared)[:gases])
        known = np.einsum("np,pn->n", lines, solve[:count]) * counted
        left = square - 2 * known + np.einsum("np,pq,nq->n", lines, shared, lines)
        # outside of the windows the points of each spectrum have their own uncertainties
        own = errors[which] ** 2
        curves[1, which] = np.sqrt(np.maximum(np.where(used, left, own + left - square), 0))
    if shift:
        with np.errstate(divide="ignore", invalid="ignore"):
            numbers[2, which] = -terms[:, gases : 2 * gases] / terms[:, :gases]


def bridged(x: npt.ArrayLike, y: npt.ArrayLike, low: float, high: float) -> FloatArray:
    """Values (..., n) with those between ``low`` and ``high`` replaced by a cubic through the 20 1/cm on either side.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(2200.0, 2500.0)
    >>> y = 0.1 + 1e-3 * (x - 2300) + np.exp(-(((x - 2345) / 10) ** 2))
    >>> float(np.abs(bridged(x, y, 2300, 2390) - (0.1 + 1e-3 * (x - 2300))).max()) < 1e-6
    True
    """
    grid, values = np.asarray(x, float), np.array(y, float)
    gap = (grid >= low) & (grid <= high)
    beside = ((grid >= low - _MARGIN) & (grid <= high + _MARGIN)) & ~gap
    u = (grid - 0.5 * (low + high)) / (0.5 * (high - low) + _MARGIN)
    powers = np.stack([u**k for k in range(4)], -1)
    terms = values[..., beside] @ np.linalg.pinv(powers[beside]).T
    values[..., gap] = terms @ powers[gap].T
    return values


@verb("raman.remove_atmosphere", axis="wavenumber")
def remove_atmosphere(
    dataset: xr.Dataset,
    *,
    atmosphere: Any,
    windows: tuple[tuple[float, float], ...] | None = None,
    spacing: float = 20.0,
    shift: bool = True,
    bridge: tuple[tuple[float, float], ...] = (),
) -> xr.Dataset:
    r"""Take the lines of water and carbon dioxide off absorbance; change ``absorbance``.

    How much of each gas there is comes from a weighted least-squares fit in the windows of its lines, beside splines
    that stand for the sample; lines may lie a little beside those of the gas spectrum. Amounts may be negative: then
    there was more of the gas in the background. Where a gas absorbs so strongly that nothing is left to correct, as
    carbon dioxide may near 2350 1/cm, ``bridge`` draws a cubic over it.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``absorbance`` along ``wavenumber``; any series dimensions.
    atmosphere : xarray.Dataset, path, (wavenumber, values) or mapping of name to such
        Absorbance of the gases: of the humid against the purged instrument, at the resolution of the spectra. Several
        by name: ``{"water": ..., "carbon_dioxide": ...}``.
    windows : tuple of (float, float), optional
        Parts of the axis that are fitted, in 1/cm. Default: within half a ``spacing`` of lines of the gases.
    spacing : float
        Distance in 1/cm of the knots of the splines: wider than the lines, and a third of the narrowest band of the
        sample; what the splines cannot follow of a band goes into the amounts.
    shift : bool
        Whether the lines may lie beside those of the gas spectrum (first order).
    bridge : tuple of (float, float)
        Parts of the axis to draw over, in 1/cm: ``((2290.0, 2390.0),)``. Nothing is known there afterwards: its
        ``_sigma`` is NaN.

    Returns
    -------
    xarray.Dataset
        With ``absorbance`` (and ``_sigma``) changed; ``atmosphere_amount`` and its ``_sigma`` and, with ``shift``,
        ``atmosphere_shift`` (1/cm) along ``gas``.

    Raises
    ------
    InvalidInput
        No absorbance; gas spectra that do not reach, have no lines, or are alike; windows without points.

    Examples
    --------
    >>> import numpy as np, raman, spectra
    >>> nu = np.arange(1400.0, 1800.0)
    >>> lines = sum(np.exp(-(((nu - p) / 2) ** 2)) for p in (1450, 1500, 1507, 1560, 1650, 1700))
    >>> band = np.exp(-(((nu - 1600) / 100) ** 2))
    >>> data = spectra.from_arrays(nu, band + 0.3 * lines, axis="wavenumber", name="absorbance")
    >>> dry = raman.remove_atmosphere(data, atmosphere=(nu, lines))
    >>> dry.atmosphere_amount.values.round(3)
    array([0.3])
    """
    signal = signal_name(dataset)
    if signal != "absorbance":
        raise InvalidInput(
            f"raman.remove_atmosphere works on absorbance, and this dataset holds {signal}; call raman.to_absorbance first."
        )
    refuse_percent(dataset, "raman.remove_atmosphere")
    grid = dataset["wavenumber"].values.astype(float)
    if not spacing > 2 * float(np.diff(grid).max()):
        raise InvalidInput(f"spacing must be wider than two steps of the axis, got {spacing:g} 1/cm.")
    chosen = second_spectra(
        atmosphere, "atmosphere", verb="raman.remove_atmosphere", quantity=("absorbance", "intensity")
    )
    names = [one.name for one in chosen]
    resolve(atmosphere={"content": {one.name: one.to_spec() for one in chosen}})
    gases = np.array([one.on(grid, verb="raman.remove_atmosphere") for one in chosen])
    inside = _chosen_windows(grid, gases, names, windows, spacing)
    for low, high in bridge:
        _check_bridge(grid, low, high)
        inside &= ~((grid >= min(low, high)) & (grid <= max(low, high)))
    _refuse_alike(grid, gases, names, inside, spacing, shift)
    note(f"fitted by {int(inside.sum())} points between {grid[inside][0]:g} and {grid[inside][-1]:g} 1/cm")
    sigma = dataset.get("absorbance_sigma")
    axis = "wavenumber"
    inputs = [(dataset[signal], (axis,))] + ([] if sigma is None else [(sigma, (axis,))])

    def kernel(values: FloatArray, errors: FloatArray | None = None) -> dict[str, Any]:
        made = fit_atmosphere(grid, values, gases, inside=inside, spacing=spacing, shift=shift, sigma=errors)
        corrected, error = made.corrected, made.sigma
        for low, high in (sorted(pair) for pair in bridge):
            corrected = bridged(grid, corrected, low, high)
            error = np.where((grid >= low) & (grid <= high), np.nan, error)
        return {**vars(made), "corrected": corrected, "sigma": error}

    outputs: dict[str, tuple[str, ...]] = {
        "corrected": (axis,), "amount": ("gas",), "amount_sigma": ("gas",), "unmeasured": ()
    }  # fmt: skip
    outputs |= ({"shift": ("gas",)} if shift else {}) | ({"sigma": (axis,)} if sigma is not None else {})
    made = map_spectra(kernel, inputs, outputs, sizes={"gas": len(names)}, dtypes={"unmeasured": bool})
    for low, high in bridge:
        note(f"drawn over from {min(low, high):g} to {max(low, high):g} 1/cm")
    if "gas" in dataset.dims:
        dataset = dataset.drop_dims("gas")
        note("the amounts of an earlier correction were replaced")
    result = dataset.assign(
        absorbance=made["corrected"].assign_attrs(dataset[signal].attrs),
        atmosphere_amount=made["amount"].assign_attrs(units="", long_name="amount of the gas"),
        atmosphere_amount_sigma=made["amount_sigma"].assign_attrs(units=""),
    ).assign_coords(gas=("gas", names))
    if shift:
        result = result.assign(atmosphere_shift=made["shift"].assign_attrs(units="1/cm"))
    if sigma is not None:
        result = result.assign(absorbance_sigma=made["sigma"].assign_attrs(sigma.attrs))
    return flag(
        result,
        made["unmeasured"],
        "not_measured",
        "too few points of the spectrum are finite where the gases have lines",
    )


def _chosen_windows(
    grid: FloatArray, gases: FloatArray, names: Sequence[str], windows: tuple[tuple[float, float], ...] | None,
    spacing: float,
) -> Mask:  # fmt: skip
    if windows is None:
        inside = line_windows(grid, gases, spacing)
        if not inside.any():
            raise InvalidInput(f"{', '.join(names)}: no lines are in the spectrum of the atmosphere.")
        return inside
    inside = np.zeros(grid.size, bool)
    for low, high in windows:
        part = (grid >= min(low, high)) & (grid <= max(low, high))
        if not part.any():
            raise InvalidInput(
                f"windows: ({low:g}, {high:g}) holds no point; the axis runs from {grid[0]:g} to {grid[-1]:g}."
            )
        inside |= part
    return inside


def _check_bridge(grid: FloatArray, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    sides = ((grid >= low - _MARGIN) & (grid < low)).sum(), ((grid > high) & (grid <= high + _MARGIN)).sum()
    if min(sides) < 2:
        raise InvalidInput(
            f"bridge: ({low:g}, {high:g}) has {sides[0]} and {sides[1]} points within {_MARGIN:g} 1/cm to its sides; "
            "at least 2 are needed on both."
        )


def _refuse_alike(
    grid: FloatArray, gases: FloatArray, names: Sequence[str], inside: Mask, spacing: float, shift: bool
) -> None:
    """Refuse gases that the fit cannot tell from each other or from a smooth sample."""
    splines = _splines(grid, inside, spacing)[inside]
    free = int(inside.sum()) - splines.shape[1] - len(names) * (2 if shift else 1)
    if free < _FEWEST:
        raise InvalidInput(
            f"windows hold {inside.sum()} points, {free} more than are fitted; widen them, or the spacing."
        )
    rest = gases[:, inside] - (splines @ (np.linalg.pinv(splines) @ gases[:, inside].T)).T
    size = np.linalg.norm(rest, axis=-1)
    smooth = [
        n for n, s, g in zip(names, size, gases, strict=True) if not s > _SMOOTH * np.linalg.norm(g[inside])
    ]
    if smooth:
        raise InvalidInput(
            f"atmosphere: {smooth[0]} has no lines in the windows, and cannot be told from the sample."
        )
    if len(names) > 1 and np.linalg.cond((rest / size[:, None]).T) > 1e6:
        raise InvalidInput(f"atmosphere: {', '.join(names)} are alike and cannot be told from each other.")
