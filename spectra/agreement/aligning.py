"""Sources brought onto one series: averaged where only one varies, matched by label or coordinate where all do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spectra.agreement.sources import Source
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["align_sources", "average"]

#: Dimensions that repeat a measurement on one sample, or go over one sample.
REPEATS = ("scan", "repeat", "frame", "distance", "y", "x")


def align_sources(sources: Sequence[Source], tolerance: float | None) -> list[Source]:
    """All sources along the same series dimensions with the same coordinates; NaN where one has no value.

    Raises
    ------
    InvalidInput
        A series that the others do not have, or lengths that differ without coordinates.
    """
    import xarray as xr

    common = [str(d) for d in sources[0].value.dims if all(d in s.value.dims for s in sources)]
    made = [_reduced(s, [str(d) for d in s.value.dims if d not in common], sources) for s in sources]
    for dim in common:
        _check_dim(made, dim)
    first = made[0].value
    arrays: list[list[xr.DataArray]] = []
    for source in made:
        own = [
            a.broadcast_like(source.value) if a.ndim < source.value.ndim else a
            for a in (source.value, source.sigma, source.systematic)
        ]
        if tolerance is not None:
            near = {d: first[d] for d in common if d in first.coords and first[d].dtype.kind in "fiu"}
            if near:
                own = [a.sortby(list(near)).reindex(near, method="nearest", tolerance=tolerance) for a in own]
        arrays.append([_plain(a, common) for a in own])
    aligned = xr.align(*(a for own in arrays for a in own), join="outer")
    found = []
    for i, source in enumerate(made):
        value, sigma, systematic = (a.transpose(*common) for a in aligned[3 * i : 3 * i + 3])
        found.append(replace(source, value=value, sigma=sigma, systematic=systematic))
    met = np.sum([np.isfinite(s.value.values) for s in found], axis=0) > 1
    before = min(int(np.isfinite(s.value.values).sum()) for s in made)
    if common and before and not met.any():
        raise InvalidInput(
            f"no two sources have a value at the same {common[0]}: give tolerance=..., how far apart the coordinates of one "
            "state may lie."
        )
    return found


def _plain(array: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    """Without other coordinates, which would not fit each other, and without attributes."""
    return array.drop_vars([c for c in array.coords if c not in dims]).drop_attrs(deep=False)


def _check_dim(sources: Sequence[Source], dim: str) -> None:
    bare = [s for s in sources if dim not in s.value.coords]
    sizes = {s.name: s.value.sizes[dim] for s in sources}
    if bare and len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name}: {n}" for name, n in sizes.items())
        raise InvalidInput(
            f"the sources have different numbers of spectra along {dim} ({listed}) and {bare[0].name!r} does not say where "
            f"they lie: assign a coordinate {dim!r} to each, so that they can be matched."
        )
    if bare and len(bare) < len(sources):
        raise InvalidInput(
            f"{bare[0].name!r} has no coordinate {dim!r}, as others have: assign it, so that they can be matched."
        )
    for source in sources:
        if dim in source.value.coords and not source.value.indexes[dim].is_unique:
            raise InvalidInput(
                f"{source.name!r} has the same {dim} more than once: average these spectra or number them."
            )


def _reduced(source: Source, own: Sequence[str], sources: Sequence[Source]) -> Source:
    """``source`` averaged over the dimensions that repeat it."""
    for dim in own:
        size = source.value.sizes[dim]
        if dim not in REPEATS and size > 1:
            without = next(s.name for s in sources if dim not in s.value.dims)
            raise InvalidInput(
                f"{source.name!r} has {size} valences along {dim}, and {without!r} has none along it: compare one state of the "
                f"sample, by .isel({dim}=...), or give every source its values along {dim}."
            )
        source = average(source, dim)
    return source


def average(source: Source, dim: str) -> Source:
    """Weighted mean over ``dim``; sigma is made larger where the values scatter by more than it says."""
    value, sigma = source.value, source.sigma
    if value.sizes[dim] == 1:
        return replace(
            source, value=value.isel({dim: 0}), sigma=_at(sigma, dim), systematic=_at(source.systematic, dim)
        )
    weight = (1 / sigma**2).where(np.isfinite(value) & np.isfinite(sigma), 0.0)
    total = weight.sum(dim).where(lambda w: w > 0)
    mean = (weight * value.fillna(0.0)).sum(dim) / total
    n = (weight > 0).sum(dim)
    scatter = (weight * (value - mean) ** 2).sum(dim)
    birge = (scatter / (n - 1).where(n > 1)) ** 0.5
    factor = birge.fillna(1.0).clip(min=1.0)
    most = float(factor.max())
    spread = source.systematic
    systematic = spread.mean(dim) if dim in spread.dims else spread  # it does not average out
    made = replace(source, value=mean, sigma=total**-0.5 * factor, systematic=systematic)
    made = made.remark(f"mean of {value.sizes[dim]} spectra along {dim}")
    if most > 1.5:
        made = made.remark(
            f"along {dim} it scatters {most:.1f} times as much as its sigmas say, and the sigma of the mean was made larger: the "
            "sample is not the same everywhere"
        )
    return made


def _at(array: xr.DataArray, dim: str) -> xr.DataArray:
    return array.isel({dim: 0}) if dim in array.dims else array
