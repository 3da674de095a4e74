"""Repeated scans merged into one spectrum: scans and points that stand apart count less, and sigma is the spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, resolve, verb
from xas.points.noise import estimate_noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Merged", "merge", "merge_spectra"]

Array = npt.NDArray[np.float64]

#: A point counts fully within the first number of standard deviations of the median, and not at all beyond the second.
FULL, NOTHING = 3.0, 6.0
#: A scan is judged by how far a tenth of its points lie at least.
QUANTILE = 0.9
#: Neighbouring points share their spread until it rests on so many degrees of freedom.
FREEDOM = 40
#: 1.4826 times the median absolute deviation of n normal numbers is too small by these factors, from n = 2 on.
SMALL = (1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107)
BLOCK = 4_000_000


@dataclass(frozen=True)
class Merged:
    """Spectrum out of several scans."""

    mean: Array  # (..., n)
    sigma: Array  # (..., n) standard uncertainty of the mean
    weight: Array  # (..., scans) mean weight of the points of each scan, 0 for one that was left out


def merge_spectra(
    energy: Array, mu: Array, *, base: Array | None = None, robust: bool = True, threshold: float = 5.0
) -> Merged:
    r"""Weighted mean of scans on one grid, and the uncertainty that their spread says.

    .. math:: \bar\mu = \frac{\sum_i b_i w_i \mu_i}{\sum_i b_i w_i}, \quad
              \sigma^2 = V\,\frac{\sum_i b_i w_i^2}{(\sum_i b_i w_i)^2}, \quad
              V = \frac{\sum b_i w_i (\mu_i - \bar\mu)^2}
                       {\sum \bigl(\sum_i w_i - \sum_i b_i w_i^2 / \sum_i b_i w_i\bigr)}

    The outer sums in V run over neighbouring points, as many as make 40 degrees of freedom. The weights w fall
    from one at 3 standard deviations from the median to zero at 6, so scans of noise are averaged plainly. First, scans
    of which a tenth of the points lie ``threshold`` times as far from the median as in the typical scan are left out.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., scans, n) array
        Points that are not finite are left out.
    base : (..., scans) array, optional
        Weights b of the scans, such as their inverse variances; 0 leaves a scan out. Default: equal.
    robust : bool
        False for w = 1 throughout.
    threshold : float
        See above. Two scans do not say which of them is wrong: neither is left out, and w is 1.

    Returns
    -------
    Merged

    References
    ----------
    P. J. Rousseeuw & C. Croux, J. Am. Stat. Assoc. 88, 1273 (1993), doi:10.1080/01621459.1993.10476408, for the scale.
    """
    lead, (scans, n) = mu.shape[:-2], mu.shape[-2:]
    rows = np.asarray(mu, float).reshape(-1, scans, n)
    shares = np.ones(rows.shape[:2]) if base is None else np.array(base, float).reshape(-1, scans)
    out = [np.empty((len(rows), n)), np.empty((len(rows), n)), np.empty((len(rows), scans))]
    size = max(1, BLOCK // (scans * n))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        with np.errstate(divide="ignore", invalid="ignore"):
            made = _merged(energy, rows[part], shares[part], robust, threshold)
        for whole, values in zip(out, made, strict=True):
            whole[part] = values
    mean, sigma, weight = out
    return Merged(mean.reshape((*lead, n)), sigma.reshape((*lead, n)), weight.reshape((*lead, scans)))


def _merged(
    energy: Array, y: Array, base: Array, robust: bool, threshold: float
) -> tuple[Array, Array, Array]:
    finite = np.isfinite(y) & (base > 0)[..., None]
    base = np.nan_to_num(base / base.max(1, keepdims=True))
    root = np.sqrt(base)[..., None]
    if robust:
        finite = finite & ~_outlying(y, finite, root, threshold)[:, :, None]
    count = finite.sum(1, keepdims=True)
    weight = finite.astype(float)
    if robust:
        off = np.abs(y - _median(y, finite)) * root / _scale(y, finite, root)
        gentle = np.clip((NOTHING - off) / (NOTHING - FULL), 0.0, 1.0)
        weight *= np.where((count > 2) & np.isfinite(gentle), gentle, 1.0)
    known = np.where(finite, y, 0.0)
    bw = base[..., None] * weight
    total = bw.sum(1)
    mean = (bw * known).sum(1) / total
    square = (bw * np.where(finite, y - mean[:, None], 0.0) ** 2).sum(1)
    freedom = weight.sum(1) - np.nan_to_num((bw * weight).sum(1) / total)
    width = _window(count[:, 0].max(initial=1))
    variance = _running_sum(square, width) / _running_sum(freedom, width)
    lonely = ~(_running_sum(freedom, width) > 1e-9)
    if lonely.any():
        noise = np.array([_noise_of(energy, row) for row in mean])
        variance = np.where(lonely, noise[:, None] ** 2, variance)
    sigma = np.sqrt(variance * (bw * weight).sum(1)) / total
    points = np.maximum(np.isfinite(y).sum(2), 1)
    return np.where(total > 0, mean, np.nan), np.where(total > 0, sigma, np.nan), weight.sum(2) / points


def _noise_of(energy: Array, row: Array) -> float:
    finite = np.isfinite(row)
    return float(estimate_noise(energy[finite], row[finite]))


def _median(y: Array, finite: npt.NDArray[np.bool_]) -> Array:
    """Median over the scans, (rows, 1, n); NaN where there is none."""
    ordered = np.sort(np.where(finite, y, np.inf), axis=1)
    count = finite.sum(1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, y.shape[1] - 1), axis=1)
    return np.where(count > 0, (low + high) / 2, np.nan)


def _scale(y: Array, finite: npt.NDArray[np.bool_], root: Array) -> Array:
    """Standard deviation of a scan of weight one at each point, (rows, 1, n), from medians at neighbouring points."""
    deviation = np.abs(y - _median(y, finite)) * root
    count = finite.sum(1, keepdims=True)
    factor = np.array([1.0, 1.0, *SMALL])
    small = np.where(count < factor.size, factor[np.minimum(count, factor.size - 1)], count / (count - 0.8))
    each = np.nan_to_num(1.4826 * small * _median(deviation, finite))[:, 0]
    width = _window(count.max(initial=1))
    some = _running_sum((count[:, 0] > 1).astype(float), width)
    return np.asarray(_running_sum(each, width) / some)[:, None]


def _outlying(
    y: Array, finite: npt.NDArray[np.bool_], root: Array, threshold: float
) -> npt.NDArray[np.bool_]:
    """Scans that stand apart in a tenth of their points, (rows, scans)."""
    off = np.where(finite, np.abs(y - _median(y, finite)) * root / _scale(y, finite, root), np.nan)
    there: npt.NDArray[np.bool_] = np.asarray(np.isfinite(off).any(2))
    far = np.full(there.shape, np.nan)
    far[there] = np.nanquantile(off[there], QUANTILE, axis=-1)
    typical = _median(far[:, :, None], there[:, :, None])[:, :, 0]
    several = finite.any(2).sum(1, keepdims=True) > 2
    return np.asarray(there & (far > threshold * typical) & several, bool)


def _window(scans: int) -> int:
    return 1 + 2 * int(np.ceil((FREEDOM / max(scans - 1, 1) - 1) / 2)) if scans - 1 < FREEDOM else 1


def _running_sum(y: Array, width: int) -> Array:
    """Sum over ``width`` neighbouring points, fewer at the ends."""
    total = np.concatenate([np.zeros((len(y), 1)), np.cumsum(y, axis=1)], axis=1)
    i = np.arange(y.shape[1])
    stop, start = np.minimum(i + width // 2 + 1, y.shape[1]), np.maximum(i - width // 2, 0)
    return np.asarray(total[:, stop] - total[:, start])


@verb("xas.merge", axis="energy", together=True)
def merge(
    dataset: xr.Dataset,
    *,
    dim: str | None = None,
    weights: Literal["equal", "noise"] = "equal",
    robust: bool = True,
    threshold: float = 5.0,
) -> xr.Dataset:
    r"""Merge repeated scans into one spectrum; its uncertainty is what their spread says.

    Single points far from the median of the scans count less or not at all, and scans that stand apart as a whole are
    left out, flagged and named.

    Parameters
    ----------
    dataset : xarray.Dataset
        Scans on one energy axis, aligned (:func:`xas.align`). Other series dimensions stay.
    dim : str, optional
        Dimension of the repeats. Default: the only one there is.
    weights : {"equal", "noise"}
        "noise" weighs each scan by the inverse of its variance, from ``mu_sigma`` or estimated from the scan.
    robust : bool
        False for the plain mean of all scans.
    threshold : float
        A scan is left out if a tenth of its points lie this many times as far from the median as those of the typical
        scan. It takes three scans to tell.

    Returns
    -------
    xarray.Dataset
        Without ``dim`` in the spectra: the measured quantity, its ``_sigma``, and ``merge_weight`` along ``dim``, 1 for
        a scan that counts fully and 0 for one that was left out. A spectrum of which scans were left out is flagged
        ``outlying_scans`` (a warning); the history names them. Without any finite point it is flagged ``empty``.

    Raises
    ------
    InvalidInput
        If ``dim`` is none of the series or holds fewer than two scans, or ``threshold`` is not above one.

    Notes
    -----
    Spread holds everything that differs from scan to scan: noise, drift of the sample, unsteady energies. It is shared
    between neighbouring points, since three scans say little of the spread at one of them. Where one scan is all there
    is, the noise is estimated from it. Spectra flagged as failed before are left out. Merge spectra that were treated
    alike: absorption as measured, or normalised with the same ranges.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> mu = mu + np.random.default_rng(0).normal(scale=1e-3, size=(5, mu.size))
    >>> mu[3] += 0.1
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs={"element": "Mn", "edge": "K"})
    >>> xas.merge(scans).merge_weight.values.round(1)
    array([1., 1., 1., 0., 1.])
    """
    along = _dimension(dataset, dim)
    if not threshold > 1:
        raise InvalidInput(
            f"threshold compares a scan with the typical one and is above 1, got {threshold:g}."
        )
    resolve(dim=along)
    energy = dataset["energy"].values.astype(float)
    signal = dataset[signal_name(dataset)]
    sigma = dataset.get(f"{signal.name}_sigma")
    usable = ~failed(dataset)

    def kernel(mu: Array, use: Array, *given: Array) -> dict[str, Array]:
        rows = np.asarray(mu, float)
        base = np.broadcast_to(use, rows.shape[:-1]).astype(float)
        if weights == "noise":
            base = base * _inverse_variance(energy, rows, *given)
        made = merge_spectra(energy, rows, base=base, robust=robust, threshold=threshold)
        return {"mean": made.mean, "sigma": made.sigma, "weight": made.weight}

    inputs: list[Any] = [(signal, (along, "energy")), (usable, (along,))]
    inputs += [(sigma, (along, "energy"))] if sigma is not None and weights == "noise" else []
    outputs = {"mean": ("energy",), "sigma": ("energy",), "weight": (along,)}
    made = map_spectra(kernel, inputs, outputs)
    weight = made["weight"].assign_attrs(units="", long_name="weight in the merged spectrum")
    text = f"standard uncertainty of {signal.name} from the spread of the scans"
    new = {
        str(signal.name): made["mean"].assign_attrs(signal.attrs),
        f"{signal.name}_sigma": made["sigma"].assign_attrs(
            units=signal.attrs.get("units", ""), long_name=text
        ),
        "merge_weight": weight,
    }
    result = _beside(dataset, along, weight, set(new)).assign(new)
    there = signal.notnull().any("energy")
    outlying = there & (weight == 0)
    _name(outlying, dataset, along)
    result = flag(
        result, outlying.any(along), "outlying_scans",
        "scans that stand apart from the others were left out: merge_weight is 0 for them",
        severity="warning",
    )  # fmt: skip
    return flag(
        result, made["mean"].isnull().all("energy"), "empty",
        "no scan holds a finite point: drop the spectrum, or read another channel",
    )  # fmt: skip


def _dimension(dataset: xr.Dataset, dim: str | None) -> str:
    dims = series_dims(dataset)
    if dim is None:
        if len(dims) != 1:
            listed = (
                f"several dimensions ({', '.join(dims)})" if dims else "one spectrum and nothing to merge"
            )
            raise InvalidInput(f"xas.merge: the dataset has {listed}; name the one of the repeats with dim=.")
        dim = dims[0]
    if dim not in dims:
        raise InvalidInput(f"dim = {dim!r} is no dimension of the series; {did_you_mean(dim, dims)}.")
    if dataset.sizes[dim] < 2:
        raise InvalidInput(f"xas.merge needs at least 2 scans along {dim}, got {dataset.sizes[dim]}.")
    return dim


def _inverse_variance(energy: Array, rows: Array, *given: Array) -> Array:
    if given:
        known = np.broadcast_to(given[0], rows.shape).reshape(-1, rows.shape[-1])
        noise = np.array([np.median(k[np.isfinite(k)]) if np.isfinite(k).any() else np.nan for k in known])
        noise = noise.reshape(rows.shape[:-1])
    else:
        noise = estimate_noise(energy, rows)
    usable = np.isfinite(noise) & (noise > 0)
    return np.where(usable, 1 / np.where(usable, noise, 1.0) ** 2, 0.0)


def _beside(dataset: xr.Dataset, dim: str, weight: xr.DataArray, made: set[str]) -> xr.Dataset:
    """What else there is: other channels averaged with the same weights, numbers per scan as they are."""
    kept: dict[str, xr.DataArray] = {}
    left: list[str] = []
    for name, variable in dataset.data_vars.items():
        if str(name) in made or name == "status":
            continue
        if dim not in variable.dims or ("energy" not in variable.dims and variable.ndim == 1):
            kept[str(name)] = variable
        elif variable.dtype.kind == "f" and "energy" in variable.dims and not str(name).endswith("_sigma"):
            share = weight.where(variable.notnull(), 0.0)
            mean = (variable.fillna(0.0) * share).sum(dim) / share.sum(dim)
            kept[str(name)] = mean.transpose(..., "energy").assign_attrs(variable.attrs)
        else:
            left.append(str(name))
    if left:
        note(f"variables of single scans were left out: {', '.join(left)}")
    return dataset.drop_vars([str(n) for n in dataset.data_vars]).assign(kept)


def _name(outlying: xr.DataArray, dataset: xr.Dataset, dim: str) -> None:
    """Scans that were left out, into the history; those of a lazy dataset are in merge_weight only."""
    if hasattr(outlying.data, "dask"):
        note("scans that stand apart were left out; merge_weight says which")
        return
    values = outlying.transpose(..., dim).values
    number = int(values.sum())
    if not number:
        note(f"all {dataset.sizes[dim]} scans along {dim} were merged")
        return
    single = values.ndim == 1
    labels = [str(v) for v in dataset["label"].values] if single and "label" in dataset.coords else []
    where = [labels[i] if labels else f"{dim} {i}" for i in np.flatnonzero(values)] if single else []
    named = f": {', '.join(where)}" if where else " (merge_weight says which)"
    note(f"{number} scans that stand apart were left out{named}")
