"""Normalisation: pre-edge line, post-edge polynomial, edge step, of a whole series in closed form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.e0 import ABOVE_TABLE, find_e0, find_rise, series_e0
from xas.finite import on_finite_points
from xas.noise import estimate_noise
from xas.ranges import Ranges, choose_ranges, points_between
from xas.tables import next_edge

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NormalizationOperator", "normalization_operator", "normalize", "normalize_spectra"]

Array = npt.NDArray[np.float64]

#: What a spectrum's code in the output ``failure`` of :func:`normalize_spectra` means.
FINE, NO_EDGE, NO_RANGE = 0.0, 1.0, 2.0
CURVES = ("pre_edge", "post_edge", "norm", "norm_sigma", "flat")
NUMBERS = ("edge_step", "edge_step_sigma", "failure")


@dataclass(frozen=True)
class NormalizationOperator:
    """Two least-squares fits as matrices; they depend on the grid and the ranges, not on the spectra."""

    pre: slice
    post: slice
    at_e0: int  # grid point nearest to E0
    pre_basis: Array  # (n, p) functions of the pre-edge curve
    pre_fit: Array  # (p, points) their coefficients from the spectrum
    post_basis: Array  # (n, q)
    post_fit: Array  # (q, points)

    @functools.cached_property
    def step_weights(self) -> Array:
        """(n,) The edge step is the sum of the spectrum with these weights."""
        weights = np.zeros(len(self.pre_basis))
        at_e0 = self.post_basis[self.at_e0] @ self.post_fit
        weights[self.post] = at_e0
        weights[self.pre] -= at_e0 @ self.pre_basis[self.post] @ self.pre_fit
        return weights

    @functools.cached_property
    def leverage(self) -> Array:
        """(n,) Weight of a point in the value of the pre-edge curve at that point."""
        own = np.zeros(len(self.pre_basis))
        own[self.pre] = np.einsum("ia,ai->i", self.pre_basis[self.pre], self.pre_fit)
        return own


def normalization_operator(
    energy: Array, e0: float, ranges: Ranges, *, victoreen: float = 0.0
) -> NormalizationOperator | None:
    """Matrices of the pre- and post-edge fits on one grid, or None if the ranges hold too few of its points.

    The polynomials are in (E - E0) scaled to one, where they are well conditioned.
    """
    pre = points_between(energy, e0 + ranges.pre[0], e0 + ranges.pre[1])
    post = points_between(energy, e0 + ranges.post[0], e0 + ranges.post[1])
    if pre.stop - pre.start <= ranges.pre_order or post.stop - post.start <= max(ranges.order, 1):
        return None
    x = (energy - e0) / np.abs(energy - e0).max()
    power = (energy / e0) ** victoreen
    line, polynomial = np.vander(x, ranges.pre_order + 1), np.vander(x, ranges.order + 1)
    return NormalizationOperator(
        pre,
        post,
        int(np.abs(energy - e0).argmin()),
        line / power[:, None],
        np.linalg.pinv(line[pre]) * power[pre],
        polynomial,
        np.linalg.pinv(polynomial[post]),
    )


def normalize_spectra(
    energy: Array, mu: Array, e0: Array, ranges: Ranges, *, sigma: Array | None = None, victoreen: float = 0.0
) -> dict[str, Array]:
    """Normalise spectra on one grid.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Absorption; points that are not finite are left out of the fits and stay NaN.
    e0 : (...) array
        Origins in eV. One matrix product for all spectra that share one.
    ranges : Ranges
        Where the curves are fitted.
    sigma : (...) or (..., n) array, optional
        Standard deviation of the noise of ``mu``, per spectrum or per point. Default: estimated from each spectrum.
    victoreen : float
        The pre-edge curve is a polynomial divided by E to this power.

    Returns
    -------
    dict of arrays
        ``pre_edge``, ``post_edge``, ``norm``, ``norm_sigma``, ``flat`` (..., n); ``edge_step``, ``edge_step_sigma``,
        ``failure`` (...): 0 fine, 1 no edge, 2 too few points in a range (NaN in all others).
    """

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        operator = functools.cache(
            lambda origin: normalization_operator(grid, origin, ranges, victoreen=victoreen)
        )

        def share(origin: float, rows: Array, known: Array | None) -> dict[str, Array]:
            """Spectra that share one origin."""
            fits = operator(origin) if np.isfinite(origin) else None
            if fits is None:
                failure = np.full(len(rows), NO_RANGE if np.isfinite(origin) else NO_EDGE)
                return _failed(rows) | {"failure": failure}
            present = find_rise(grid, rows, origin - ABOVE_TABLE).present
            made = _normalized(fits, rows, estimate_noise(grid, rows) if known is None else known)
            for values in made.values() if not present.all() else ():
                values[~present] = np.nan
            return made | {"failure": np.where(present, FINE, NO_EDGE)}

        def kernel(rows: Array, origins: Array, known: Array | None = None) -> dict[str, Array]:
            if (origins == origins[0]).all():
                return share(float(origins[0]), rows, known)
            out = _failed(rows)
            # ranges move over the grid with E0: no two spectra share their matrices
            for i in range(len(rows)):
                one = slice(i, i + 1)
                made = share(float(origins[i]), rows[one], None if known is None else known[one])
                for name, values in made.items():
                    out[name][one] = values
            return out

        return kernel

    shapes: dict[str, tuple[int, ...] | None] = {**dict.fromkeys(CURVES), **dict.fromkeys(NUMBERS, ())}
    others = [e0] if sigma is None else [e0, sigma]
    result = on_finite_points(prepare, energy, mu, *others, shapes=shapes)
    result["failure"] = np.where(np.isnan(result["failure"]), NO_RANGE, result["failure"])
    return result


def _failed(rows: Array) -> dict[str, Array]:
    return {
        **{name: np.full(rows.shape, np.nan) for name in CURVES},
        **{name: np.full(len(rows), np.nan) for name in NUMBERS},
    }


def _normalized(fits: NormalizationOperator, mu: Array, sigma: Array) -> dict[str, Array]:
    pre_edge = (mu[:, fits.pre] @ fits.pre_fit.T) @ fits.pre_basis.T
    above = mu - pre_edge
    polynomial = (above[:, fits.post] @ fits.post_fit.T) @ fits.post_basis.T
    step = polynomial[:, fits.at_e0].copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / step[:, None]
        norm = above * scale
        flat = norm.copy()
        behind = slice(fits.at_e0, None)
        flat[:, behind] += 1 - polynomial[:, behind] * scale
        step_variance, norm_variance = _variances(fits, norm, sigma)
        return {
            "pre_edge": pre_edge,
            "post_edge": pre_edge + polynomial,
            "norm": norm,
            "norm_sigma": np.sqrt(norm_variance) * np.abs(scale),
            "flat": flat,
            "edge_step": step,
            "edge_step_sigma": np.sqrt(step_variance),
        }


def _variances(fits: NormalizationOperator, norm: Array, sigma: Array) -> tuple[Array, Array]:
    r"""Variances of the edge step S and of S·norm from independent noise of the points.

    To first order :math:`S\,\delta n_i = \delta\mu_i - \delta p_i - n_i\,\delta S` with the pre-edge curve p and the
    step linear in the spectrum; the covariances among the three are kept.
    """
    weights, basis, fit = fits.step_weights, fits.pre_basis, fits.pre_fit
    common = sigma.ndim == 1
    variance = np.ones((1, norm.shape[1])) if common else sigma**2
    inside = variance[:, fits.pre]
    covariance = np.einsum("ri,ai,bi->rab", inside, fit, fit, optimize=True)
    with_step = inside @ (fit * weights[fits.pre]).T
    step = variance @ weights**2
    constant = variance * (1 - 2 * fits.leverage) + np.einsum(
        "rab,ia,ib->ri", covariance, basis, basis, optimize=True
    )
    linear = with_step @ basis.T - variance * weights
    total = norm * step[:, None]
    total += 2 * linear
    total *= norm
    total += constant
    if common:
        total *= sigma[:, None] ** 2
        step = step * sigma**2
    return step, total


@verb("xas.normalize", axis="energy")
def normalize(
    dataset: xr.Dataset,
    *,
    e0: float | Literal["series", "each"] = "series",
    pre: tuple[float, float] | None = None,
    post: tuple[float, float] | None = None,
    order: Literal[0, 1, 2, 3, 4, 5] | None = None,
    pre_order: Literal[0, 1] = 1,
    victoreen: float = 0.0,
) -> xr.Dataset:
    r"""Normalise absorption spectra to an edge step of one, with the uncertainty that their noise leaves.

    A line is fitted below the edge, a polynomial to what stands above that line behind the edge; their distance at
    E0 is the edge step:

    .. math:: \mathrm{norm} = \frac{\mu - \mathrm{pre}}{S}, \quad S = (\mathrm{post} - \mathrm{pre})(E_0), \quad
              \mathrm{flat} = \mathrm{norm} - \frac{\mathrm{post} - \mathrm{pre}}{S} + 1 \;\; (E \ge E_0)

    Both fits are linear, so a series that shares one E0 is normalised by two matrix products. Points that are NaN are
    left out of the fits and stay NaN. The uncertainties are those of the noise alone; the choice of the ranges
    usually matters more.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption ``mu`` along ``energy`` in eV; with ``mu_sigma`` if it is known. ``attrs["element"]`` and
        ``attrs["edge"]`` say where to look for the edge.
    e0 : float or {"series", "each"}
        Origin in eV. "series": one for all spectra, the energy (to 0.1 eV) of steepest ascent on the main rise of the
        first spectrum with an edge, behind pre-edge peaks and below 0.9 of the step. "each": that energy of each
        spectrum, not rounded.
    pre : (float, float), optional
        Range of the pre-edge line in eV from E0, as in (-150, -30). Default: from the second point to half way.
    post : (float, float), optional
        Range of the post-edge polynomial in eV from E0, as in (50, 700); a negative end counts from the end of the
        data: (50, -20). Default: from 25 eV (less for short scans) to the end, or to the element's next edge.
    order : {0, 1, 2, 3, 4, 5}, optional
        Degree of the post-edge polynomial. Default: 2 for a range of at least 300 eV, 1 from 30 eV, 0 below.
    pre_order : {0, 1}
        Degree of the pre-edge line; 0 is a constant.
    victoreen : float
        The pre-edge line is divided by E to this power: 3 describes the absorption of the lighter elements.

    Returns
    -------
    xarray.Dataset
        With ``e0`` (eV), ``edge_step``, ``edge_step_sigma`` per spectrum and ``pre_edge``, ``post_edge``, ``norm``,
        ``norm_sigma``, ``flat`` along ``energy``. Spectra without an edge, or with too few points in a range, are
        flagged ``no_edge`` and ``no_range`` and hold NaN.

    Raises
    ------
    InvalidInput
        If no spectrum has an edge, E0 lies outside of the data, or a range holds too few points.

    Notes
    -----
    Default ranges, the points that a range holds and the edge step (taken at the grid point nearest to E0) are those
    of larch's ``pre_edge``. Where ``mu_sigma`` is not given, the noise of each spectrum is estimated from what its
    neighbours do not predict of a point (:func:`xas.noise.estimate_noise`); ``attrs["noise"]`` of the uncertainties
    says which.

    References
    ----------
    M. Newville, Rev. Mineral. Geochem. 78, 33 (2014), doi:10.2138/rmg.2014.78.2

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.normalize(scan, pre=(-120, -30), post=(50, 340))
    >>> round(float(scan.e0), 1), round(float(scan.edge_step), 3)
    (6548.0, 0.8)
    """
    signal = dataset[signal_name(dataset)]
    energy = dataset["energy"].values.astype(float)
    origin, origins = _origins(dataset, energy, e0)
    ranges = choose_ranges(
        energy,
        origin,
        pre=pre,
        post=post,
        pre_order=pre_order,
        order=order,
        next_edge=next_edge(dataset.attrs.get("element"), dataset.attrs.get("edge")),
    )
    resolve(e0=origin, pre=ranges.pre, post=ranges.post, order=ranges.order, pre_order=ranges.pre_order)
    for text in ranges.notes:
        note(text)
    if dataset.attrs.get("normalized") == "yes":
        note("the data came normalised already and were normalised again")
    sigma = dataset.get(f"{signal.name}_sigma")
    noise = "estimated from the spectrum" if sigma is None else f"{signal.name}_sigma"

    def kernel(mu: Array, e0s: Array, *given: Array) -> dict[str, Array]:
        known = np.broadcast_to(given[0], mu.shape).astype(float) if given else None
        starts = np.broadcast_to(e0s, mu.shape[:-1])
        rows = np.asarray(mu, float)
        return normalize_spectra(energy, rows, starts, ranges, sigma=known, victoreen=victoreen)

    inputs: list[Any] = [(signal, ("energy",)), (origins, ())]
    inputs += [] if sigma is None else [(sigma, ("energy",))]
    made = map_spectra(kernel, inputs, {**dict.fromkeys(CURVES, ("energy",)), **dict.fromkeys(NUMBERS, ())})
    failure = made.pop("failure")
    result = dataset.assign(
        {"e0": origins.assign_attrs(units="eV", long_name="origin of energies E0"), **made}
    )
    units = str(signal.attrs.get("units", ""))
    for name, text in LONG_NAMES.items():
        own = "" if name in {"norm", "norm_sigma", "flat"} else units
        result[name].attrs.update(units=own, long_name=text)
    for name in ("edge_step_sigma", "norm_sigma"):
        result[name].attrs["noise"] = noise
    result = flag(
        result, failure == NO_EDGE, "no_edge",
        "no absorption edge was found near E0: check the channel, the element and e0",
    )  # fmt: skip
    return flag(
        result, failure == NO_RANGE, "no_range",
        "too few finite points in the pre- or post-edge range: mend or drop the spectrum, or widen the range",
    )  # fmt: skip


LONG_NAMES = {
    "edge_step": "edge step",
    "edge_step_sigma": "standard uncertainty of the edge step from noise",
    "pre_edge": "pre-edge line",
    "post_edge": "post-edge polynomial",
    "norm": "normalised absorption",
    "norm_sigma": "standard uncertainty of the normalised absorption from noise",
    "flat": "flattened normalised absorption",
}


def _origins(
    dataset: xr.Dataset, energy: Array, e0: float | Literal["series", "each"]
) -> tuple[float, xr.DataArray]:
    """Common E0 that the ranges refer to, and the E0 of the spectra: one for all, or one each."""
    import xarray as xr

    if not isinstance(e0, str):
        return float(e0), xr.DataArray(float(e0))
    common, near, where = series_e0(dataset)
    if common is None:
        raise InvalidInput(
            f"no absorption edge was found in any spectrum ({where}): the absorption does not rise there. Choose another "
            "channel of the file, or name the element and the edge in dataset.attrs, or give e0 in eV."
        )
    note(f"e0 was looked for {where}")
    if e0 == "series":
        return common, xr.DataArray(common)
    signal = dataset[signal_name(dataset)]
    found = map_spectra(
        lambda mu: {"e0": find_e0(energy, mu.astype(float), near)}, [(signal, ("energy",))], {"e0": ()}
    )
    return common, found["e0"]
