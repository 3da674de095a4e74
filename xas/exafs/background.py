"""AUTOBK: the atomic background as the spline that leaves no signal below R = rbkg, for a whole series at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.exafs.clamp import larch_clamped
from xas.exafs.spline_operator import AutobkOperator, BackgroundOptions, Clamp, clamp_rows, operator_for
from xas.normalization.further_edges import following_energy
from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise
from xas.points.wavenumber import Window, k_grid, wavenumber

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["autobk", "subtract_splines"]

Array = npt.NDArray[np.float64]


def subtract_splines(
    energy: Array,
    mu: Array,
    e0: Array,
    edge_step: Array,
    options: BackgroundOptions,
    sigma: Array | None = None,
) -> dict[str, Array]:
    """Background and chi(k) of spectra on one energy grid.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Absorption; points that are not finite are left out and bridged by the interpolation.
    e0, edge_step : (...) array
        Origin of k in eV, and the step that chi is divided by.
    options : BackgroundOptions
        With the common k range.
    sigma : (...) or (..., n) array, optional
        Standard deviation of the noise of ``mu``. Default: estimated from each spectrum.

    Returns
    -------
    dict of arrays
        ``bkg`` (..., n), equal to ``mu`` outside of the k range; ``chi`` and ``chi_sigma`` (..., n_k), NaN beyond the
        last finite point; ``settled`` (...), 1 unless larch's clamps did not converge.
    """
    n_k = k_grid(options.kmax).size

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        def share(origin: float, rows: Array, step: Array, known: Array | None) -> dict[str, Array]:
            out = _empty(rows, n_k)
            reach = float(wavenumber(grid[-1:], origin)[0]) - options.kmin if np.isfinite(origin) else 0.0
            if reach < 1:
                return out
            try:
                operator = operator_for(grid, origin, options)
            except InvalidInput:  # too few of this spectrum's points are left
                return out
            noise = estimate_noise(grid, rows) if known is None else known
            _fill(out, operator, rows, step, noise, options)
            return out

        def kernel(rows: Array, origins: Array, step: Array, known: Array | None = None) -> dict[str, Array]:
            if (origins == origins[0]).all():
                return share(float(origins[0]), rows, step, known)
            out = _empty(rows, n_k)
            for i in range(len(rows)):
                one = slice(i, i + 1)
                made = share(float(origins[i]), rows[one], step[one], None if known is None else known[one])
                for name, values in made.items():
                    out[name][one] = values
            return out

        return kernel

    shapes: dict[str, tuple[int, ...] | None] = {
        "bkg": None,
        "chi": (n_k,),
        "chi_sigma": (n_k,),
        "settled": (),
    }
    others = [e0, edge_step] if sigma is None else [e0, edge_step, sigma]
    return on_finite_points(prepare, energy, mu, *others, shapes=shapes)


def _empty(rows: Array, n_k: int) -> dict[str, Array]:
    nothing = np.full((len(rows), n_k), np.nan)
    return {"bkg": rows.copy(), "chi": nothing, "chi_sigma": nothing.copy(), "settled": np.ones(len(rows))}


def _fill(
    out: dict[str, Array],
    operator: AutobkOperator,
    rows: Array,
    step: Array,
    noise: Array,
    options: BackgroundOptions,
) -> None:
    mu, n_k = rows[:, operator.points], operator.k.size
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(step > 0, 1 / step, np.nan)[:, None]
    if options.clamp == "larch":
        clamps = clamp_rows(n_k, options)
        coefficients, out["settled"] = larch_clamped(
            operator.fourier @ operator.on_k,
            clamps @ operator.on_k,
            rows[:, operator.points.start :] @ operator.start.T,
            mu @ (operator.fourier @ operator.to_k).T,
            mu @ (clamps @ operator.to_k).T,
        )
    else:
        coefficients = mu @ operator.coefficients.T
    background = coefficients @ operator.splines.T
    chi = operator.interpolated(mu) - coefficients @ operator.on_k.T
    out["bkg"][:, operator.points] = background
    out["chi"][:, :n_k] = chi * scale
    if noise.ndim == 1:
        spread = noise[:, None] * operator.unit_sigma
    else:
        spread = np.sqrt(noise[:, operator.points] ** 2 @ (operator.chi**2).T)
    out["chi_sigma"][:, :n_k] = spread * scale


@verb("xas.autobk", axis="energy")
def autobk(
    dataset: xr.Dataset,
    *,
    rbkg: float = 1.0,
    kmin: float = 0.0,
    kmax: float | None = None,
    kweight: float = 1.0,
    window: Window = "hanning",
    dk: float = 0.1,
    clamp: Clamp = "linear",
    clamp_low: float = 0.0,
    clamp_high: float = 1.0,
    nclamp: int = 3,
    e0: float | None = None,
) -> xr.Dataset:
    r"""Subtract the atomic background above the edge and give the fine structure chi(k) with its uncertainty.

    The background is a cubic spline in k with as many knots as there are independent points below ``rbkg``; it is the
    one that leaves least of the Fourier transform of :math:`k^w \chi(k)` there. That is a linear problem: one matrix,
    made once from the energy grid, turns every spectrum of the series into its chi(k), and the noise of the spectrum
    into the exact uncertainty of chi.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption ``mu`` along ``energy`` with ``e0`` and ``edge_step`` from :func:`xas.normalize`; or normalised data
        (``attrs["normalized"] == "yes"``) with ``e0`` given.
    rbkg : float
        Distance in Å below which the transform is taken to be background.
    kmin, kmax : float
        Range of k in 1/Å. Default ``kmax``: the end of the data, or 10 eV before the next edge.
    kweight : float
        Power w of k in the transform.
    window : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian"}
        Window of the transform between ``kmin`` and ``kmax``.
    dk : float
        Width of its tapers in 1/Å.
    clamp : {"linear", "none", "larch"}
        What holds the spline at the ends. "linear": the first and last points of chi take part in the fit with the
        weights below, whatever the scale of mu. "larch": larch's clamps, whose weight grows with the square of mu;
        meant for comparison, on normalised mu.
    clamp_low, clamp_high : float
        Weights of the clamps at the low and high end of k.
    nclamp : int
        Number of points of the k grid that each clamp holds.
    e0 : float, optional
        Origin of k in eV. Default: the dataset's ``e0``.

    Returns
    -------
    xarray.Dataset
        With ``bkg`` along ``energy`` and ``chi``, ``chi_sigma`` along ``k`` (0.05 1/Å). Spectra without an edge step or
        with too few points are flagged ``no_background`` and hold NaN.

    Raises
    ------
    InvalidInput
        If edge step or E0 are missing, or the k range is empty.

    Notes
    -----
    ``chi_sigma`` is the noise of the points (``mu_sigma``, or estimated from each spectrum), not the uncertainty of
    edge step and E0, which all points share. Knots, points and components are those of larch's ``autobk``; without
    clamps chi is the same to rounding errors. Cost: one matrix product, some 50 µs for 1400 points.

    References
    ----------
    M. Newville, P. Līviņš, Y. Yacoby, J. J. Rehr & E. A. Stern, Phys. Rev. B 47, 14126 (1993),
    doi:10.1103/PhysRevB.47.14126

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 7100.0, 1.0)
    >>> k = np.sqrt(0.2625 * np.clip(energy - 6548, 0, None))
    >>> mu = (1 + 0.1 * np.sin(2 * 2.5 * k) * np.exp(-0.02 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.autobk(xas.normalize(scan), rbkg=1.0)
    >>> scan.chi.dims, round(float(scan.k[-1]), 1)
    (('k',), 12.0)
    """
    _check_numbers(rbkg, kmin, dk, nclamp)
    signal = dataset[signal_name(dataset)]
    energy = dataset["energy"].values.astype(float)
    origins, step = _origin_and_step(dataset, e0)
    options = BackgroundOptions(
        rbkg, kmin, _common_kmax(dataset, energy, origins, kmin, kmax), kweight, window, dk,
        clamp, clamp_low, clamp_high, nclamp,
    )  # fmt: skip
    resolve(kmax=options.kmax)
    if np.unique(origins.values).size == 1:
        resolve(e0=float(origins.values.flat[0]))
        _note_rank(operator_for(energy, float(origins.values.flat[0]), options))
    sigma = dataset.get(f"{signal.name}_sigma")

    def kernel(mu: Array, e0s: Array, steps: Array, *given: Array) -> dict[str, Array]:
        e0s, steps = (np.broadcast_to(a, mu.shape[:-1]) for a in (e0s, steps))
        known = np.broadcast_to(given[0], mu.shape).astype(float) if given else None
        return subtract_splines(energy, np.asarray(mu, float), e0s, steps, options, known)

    inputs: list[Any] = [(signal, ("energy",)), (origins, ()), (step, ())]
    inputs += [] if sigma is None else [(sigma, ("energy",))]
    k = k_grid(options.kmax)
    outputs = {"bkg": ("energy",), "chi": ("k",), "chi_sigma": ("k",), "settled": ()}
    made = map_spectra(kernel, inputs, outputs, sizes={"k": k.size})
    settled = made.pop("settled")
    stale = [d for d in ("k", "r") if d in dataset.dims]
    if stale:
        note(f"results along {' and '.join(stale)} of an earlier call were replaced")
    axis = {"units": "1/angstrom", "long_name": "photoelectron wavenumber"}
    result = dataset.drop_dims(stale).assign(made).assign_coords(k=("k", k, axis))
    noise = "estimated from the spectrum" if sigma is None else f"{signal.name}_sigma"
    result["bkg"].attrs.update(units=signal.attrs.get("units", ""), long_name="atomic background")
    result["chi"].attrs.update(units="", long_name="fine structure chi(k)")
    result["chi_sigma"].attrs.update(
        units="", long_name="standard uncertainty of chi(k) from noise", noise=noise
    )
    result = flag(
        result, result["chi"].isnull().all("k"), "no_background",
        "no chi(k) could be made: the edge step is missing or not positive, or too few points lie above E0",
    )  # fmt: skip
    if clamp != "larch":
        return result
    return flag(
        result, settled == 0, "clamp_not_settled",
        "larch's clamps did not converge: scale mu to an edge step of one, or use the linear clamp",
        severity="warning",
    )  # fmt: skip


def _check_numbers(rbkg: float, kmin: float, dk: float, nclamp: int) -> None:
    if rbkg <= 0:
        raise InvalidInput(
            f"rbkg is a distance above zero, about half the nearest neighbour's, got {rbkg:g} Å."
        )
    if kmin < 0 or dk < 0 or nclamp < 0:
        raise InvalidInput(f"kmin, dk and nclamp are not below zero, got {kmin:g}, {dk:g} and {nclamp}.")


def _origin_and_step(dataset: xr.Dataset, e0: float | None) -> tuple[xr.DataArray, xr.DataArray]:
    import xarray as xr

    normalized = dataset.attrs.get("normalized") == "yes"
    if "edge_step" not in dataset and not normalized:
        raise InvalidInput(
            "xas.autobk needs the variable 'edge_step', which xas.normalize adds: call it first."
        )
    if "e0" not in dataset and e0 is None:
        raise InvalidInput(
            "xas.autobk needs e0, the origin of k: call xas.normalize first, or give e0 in eV."
        )
    origins = xr.DataArray(float(e0)) if e0 is not None else dataset["e0"].compute()
    return origins, dataset["edge_step"] if "edge_step" in dataset else xr.DataArray(1.0)


def _common_kmax(
    dataset: xr.Dataset, energy: Array, origins: xr.DataArray, kmin: float, kmax: float | None
) -> float:
    """End of the k range that all spectra have."""
    starts = origins.values[np.isfinite(origins.values)]
    if not starts.size:
        raise InvalidInput("xas.autobk: no spectrum has an E0; look at the flags that xas.normalize set.")
    highest = float(starts.max())
    end = float(wavenumber(energy[-1:], highest)[0])
    following = following_energy(dataset, highest)
    if kmax is None and following is not None and highest < following - 10 < energy[-1]:
        end = float(wavenumber(np.array([following - 10]), highest)[0])
        note(f"kmax lies 10 eV before the next edge at {following:g} eV")
    if kmax is not None and kmax > end:
        note(f"kmax = {kmax:g} 1/Å was asked for and the data end at {end:.3f}")
    reach = end if kmax is None else min(kmax, end)
    if reach - kmin < 1:
        raise InvalidInput(
            f"kmin = {kmin:g} leaves nothing of the data, which end at k = {end:.2f} 1/Å for e0 = {highest:g} eV; a range "
            "of at least 1 1/Å is needed. Lower kmin, raise kmax, check e0, or measure further."
        )
    return reach


def _note_rank(operator: AutobkOperator) -> None:
    count = operator.splines.shape[1]
    if operator.rank < count:
        note(
            f"the {count} splines are determined to rank {operator.rank} only: widen the k range or raise rbkg"
        )
