"""Noise of the curves that mixtures are fitted to: which points share it, and how large it is along a spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name
from spectra.errors import InvalidInput
from xas.exafs.chi_noise import noise_of_chi
from xas.mixtures.standards import Form
from xas.normalization.shared_errors import shared_errors
from xas.points.noise import estimate_noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CurveNoise", "noise_of_curve"]

Array = npt.NDArray[np.float64]
Input = tuple["xr.DataArray", tuple[str, ...]]


@dataclass(frozen=True)
class CurveNoise:
    """What the fit of a curve must know of its noise; the size of all of it is read off the residual.

    The noise of the points is ``root`` (n, p) times independent noise of ``sizes``; without ``root`` the points are
    independent, without ``sizes`` the sources are alike.
    """

    root: Array | None
    inputs: tuple[Input, ...]  # for map_spectra, each named below
    names: tuple[str, ...]  # "total", "own", "sizes" or "step"

    def named(self, arrays: tuple[Array, ...]) -> dict[str, Array]:
        """Arrays as a kernel is handed them, by name."""
        return dict(zip(self.names, arrays, strict=True))

    def shared(self, x: Array, y: Array, given: dict[str, Array]) -> Array | None:
        """Independent errors (..., q, n) that all points of a spectrum share: of the normalisation, of the edge step."""
        if "own" in given:
            return shared_errors(x, y, given["total"], given["own"])
        return y[..., None, :] * given["step"][..., None, None] if "step" in given else None


def noise_of_curve(
    dataset: xr.Dataset, form: Form, kweight: float, inside: npt.NDArray[np.bool_], *, weighted: bool
) -> CurveNoise:
    """Noise of ``norm``, ``flat``, the derivative of ``norm`` or ``chi`` times k to a power, at the points ``inside``.

    Raises
    ------
    InvalidInput
        If weights are asked for and the uncertainty of the points is not known.
    """
    signal = dataset[signal_name(dataset)]
    name = "chi_sigma" if form == "chi" else "norm_sigma"
    if name not in dataset and dataset.attrs.get("normalized") == "yes" and form in ("norm", "flat"):
        name = f"{signal.name}_sigma"
    if weighted and form == "derivative":
        raise InvalidInput(
            "weighted is for norm, flat and chi: the points of a derivative are not independent."
        )
    if weighted and name not in dataset:
        raise InvalidInput(f"weighted needs the variable {name!r}, and the data do not have it.")
    if form == "derivative":
        return _of_derivative(dataset, inside)
    if name not in dataset:
        return CurveNoise(None, (), ())
    return _of_chi(dataset, kweight, inside) if form == "chi" else _of_norm(dataset, name, inside)


def _shared_by_neighbours(dataset: xr.Dataset, points: npt.NDArray[np.intp]) -> Array | None:
    """Root (n, n) of the correlation of points that share noise with the next one, as rebinned ones do."""
    if "noise_correlation" not in dataset:
        return None
    with_next = np.clip(dataset["noise_correlation"].values[points[:-1]], 0.0, 0.49)
    return np.asarray(
        np.linalg.cholesky(np.eye(points.size) + np.diag(with_next, 1) + np.diag(with_next, -1))
    )


def _of_norm(dataset: xr.Dataset, name: str, inside: npt.NDArray[np.bool_]) -> CurveNoise:
    """Points on their own; what ``norm_sigma`` has above them is the normalisation's."""
    signal, total = dataset[signal_name(dataset)], dataset[name].isel(energy=inside)
    inputs: dict[str, Input] = {"total": (total, ("energy",))}
    root = _shared_by_neighbours(dataset, np.flatnonzero(inside))
    if name != "norm_sigma" or "edge_step" not in dataset:
        inputs["sizes"] = (total.rename(energy="source"), ("source",))
        return CurveNoise(root, tuple(inputs.values()), tuple(inputs))
    # the noise as xas.normalize saw it
    known = dataset.get(f"{signal.name}_sigma")
    if known is None:
        x = dataset["energy"].values.astype(float)
        noise = map_spectra(
            lambda y: {"noise": estimate_noise(x, np.asarray(y, float))},
            [(signal, ("energy",))],
            {"noise": ()},
        )
        own = (noise["noise"] / np.abs(dataset["edge_step"])).expand_dims(one=1, axis=-1)
        inputs["own"] = (own, ("one",))
    else:
        own = known.isel(energy=inside) / np.abs(dataset["edge_step"])
        inputs["own"] = (own, ("energy",))
        inputs["sizes"] = (own.rename(energy="source"), ("source",))
    return CurveNoise(root, tuple(inputs.values()), tuple(inputs))


def _of_derivative(dataset: xr.Dataset, inside: npt.NDArray[np.bool_]) -> CurveNoise:
    """Differences of points that are independent."""
    energy, signal = dataset["energy"].values.astype(float), signal_name(dataset)
    first, last = np.flatnonzero(inside)[[0, -1]]
    near = slice(max(int(first) - 2, 0), int(last) + 3)
    root = np.gradient(np.eye(energy[near].size), energy[near], axis=0)[inside[near]]
    shared = _shared_by_neighbours(dataset, np.arange(energy.size)[near])
    root = root if shared is None else root @ shared
    if f"{signal}_sigma" not in dataset:
        return CurveNoise(root, (), ())
    sizes = dataset[f"{signal}_sigma"].isel(energy=near).rename(energy="source")
    return CurveNoise(root, ((sizes, ("source",)),), ("sizes",))


def _of_chi(dataset: xr.Dataset, kweight: float, inside: npt.NDArray[np.bool_]) -> CurveNoise:
    """Points of chi share the noise of the points of mu that they were interpolated from and of the background."""
    power = dataset["k"].values[inside] ** kweight
    total = (dataset["chi_sigma"] * dataset["k"] ** kweight).isel(k=inside)
    inputs: dict[str, Input] = {"total": (total, ("k",))}
    if "edge_step_sigma" in dataset and "edge_step" in dataset:
        relative: xr.DataArray = dataset["edge_step_sigma"] / np.abs(dataset["edge_step"])
        inputs["step"] = (relative, ())
    noise = noise_of_chi(dataset)
    assert noise is not None  # chi_sigma is there
    root: Any
    if noise.matrix is not None:
        root = power[:, None] * noise.matrix[inside]
        used = np.flatnonzero(root.any(0))
        part = slice(int(used[0]), int(used[-1]) + 1)
        root = root[:, part]
        inputs["sizes"] = (noise.sizes.isel({noise.axis: part}).rename({noise.axis: "source"}), ("source",))
    else:
        assert noise.covariance is not None
        values, vectors = np.linalg.eigh(noise.covariance[np.ix_(inside, inside)] * power * power[:, None])
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return CurveNoise(root, tuple(inputs.values()), tuple(inputs))
