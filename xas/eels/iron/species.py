"""Shares of atoms from resolved species: amounts compared by the level behind the edge, where every atom counts alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["species_fraction", "species_shares"]

Array = npt.NDArray[Any]


@verb("xas.eels.species_fraction", axis=AXES, needs={"species_amount": "spectra.mcr_als"}, together=True)
def species_fraction(
    dataset: xr.Dataset, *, level: tuple[float, float], names: tuple[str, ...] | None = None
) -> xr.Dataset:
    r"""Turn amounts of species, as :func:`spectra.mcr_als` resolves them, into shares of the atoms of the edge.

    .. math:: x_j = \frac{a_j h_j}{\sum_i a_i h_i}, \quad h_j = \langle S_j \rangle_\mathrm{level}

    The level behind the edge counts atoms, whatever their white lines are.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``species_amount`` and ``species_spectrum``, resolved in a window that holds ``level``.
    level : (float, float)
        Energies in eV behind the white lines.
    names : tuple of str, optional
        Of the species, in the order of where their spectra have their maxima: ``("Fe2+", "Fe3+")``. Default: names stay.

    Returns
    -------
    xarray.Dataset
        With ``species_fraction`` along ``species``, ± sigma from the noise of the spectra at fixed species. Spectra without
        amounts or whose level is not three of its sigmas are flagged ``no_fraction`` and hold NaN.

    Raises
    ------
    InvalidInput
        The species were not resolved inside ``level``, have no positive level there, or the names are too few.

    Notes
    -----
    What was resolved is one of many solutions (:func:`spectra.mcr_als`): the purest spectra of the series count as pure. If
    no pixel holds one species alone, shares are stretched. No part of sigma.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> energy = np.arange(704.0, 732.0, 0.2)
    >>> pure = np.array([2 * np.exp(-(((energy - at) / 0.8) ** 2)) + (energy > at) for at in (707.8, 709.5)])
    >>> share = np.linspace(0, 1, 11)
    >>> stack = spectra.from_arrays(energy, np.stack([1 - share, share], -1) @ pure, name="mu", dims=("x",))
    >>> iron = spectra.mcr_als(stack, n=2)
    >>> iron = xas.eels.species_fraction(iron, level=(725, 731), names=("Fe2+", "Fe3+"))
    >>> iron.species_fraction.sel(species="Fe3+").values[[0, 5, 10]].round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    axis = spectral_axis(dataset)
    spectra_of = dataset["species_spectrum"].transpose("species", axis).values
    inside = np.isfinite(spectra_of).all(0)
    energy = dataset[axis].values
    there = inside & (energy >= level[0]) & (energy <= level[1])
    if there.sum() < 3:
        raise InvalidInput(
            f"level ({level[0]:g}, {level[1]:g}) eV holds {there.sum()} points of the species' spectra, which were resolved "
            f"from {energy[inside][0]:g} to {energy[inside][-1]:g} eV: resolve them in a window that reaches behind the lines."
        )
    heights = spectra_of[:, there].mean(-1)
    if not (heights > 0).all():
        raise InvalidInput(
            f"a species has no signal in level ({level[0]:g}, {level[1]:g}) eV and counts no atoms: ask for fewer species."
        )
    resolve(heights=heights)
    name = "net" if "net" in dataset else signal_name(dataset)
    known = dataset.get(f"{signal_name(dataset)}_sigma")
    s = spectra_of[:, inside]
    inverse = np.linalg.pinv(s @ s.T)
    back = inverse @ s  # amounts of a linear fit, by channel
    inputs: list[Any] = [
        (dataset["species_amount"], ("species",)),
        (dataset["species_amount_sigma"], ("species",)),
    ]
    if known is not None:
        inputs.append((known.isel({axis: inside}), (axis,)))
    else:
        note(f"{name} has no stated sigma: that of the amounts is taken, from the scatter about their fit")

    def kernel(amount: Array, error: Array, *sigma: Array) -> dict[str, Array]:
        if sigma:
            covariance = np.einsum("in,...n,jn->...ij", back, sigma[0] ** 2, back)
        else:
            covariance = (error[..., :1] ** 2 / inverse[0, 0])[..., None] * inverse
        share, spread = species_shares(amount, covariance, heights)
        return {"share": share, "spread": spread}

    made = map_spectra(kernel, inputs, {"share": ("species",), "spread": ("species",)})
    dims = series_dims(dataset)
    result = dataset.assign(
        species_fraction=made["share"].transpose(*dims, "species").assign_attrs(
            units="", long_name="share of the atoms", level=list(level)
        ),
        species_fraction_sigma=made["spread"].transpose(*dims, "species").assign_attrs(
            units="", long_name="standard uncertainty of the share of the atoms from noise, species held"
        ),
    )  # fmt: skip
    if names is not None:
        result = result.assign_coords(species=_named(energy[inside], s, names))
    return flag(
        result, made["share"].isnull().any("species").transpose(*dims), "no_fraction",
        "the level behind the edge is not three of its uncertainties, or nothing was resolved: too few atoms for a share",
    )  # fmt: skip


def species_shares(amount: Array, covariance: Array, heights: Array) -> tuple[Array, Array]:
    """Shares (..., k) of amounts times heights, and sigmas; NaN where the sum is not three of its sigmas.

    Parameters
    ----------
    amount : (..., k) array
    covariance : (..., k, k) array
    heights : (k,) array
    """
    atoms = amount * heights
    cov = covariance * heights[:, None] * heights
    total = atoms.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = atoms / total
        gradient = (np.eye(heights.size) - share[..., :, None]) / total[..., None]
        variance = np.einsum("...ki,...ij,...kj->...k", gradient, cov, gradient)
        enough = total[..., 0] > 3 * np.sqrt(cov.sum((-1, -2)))
        spread = np.sqrt(np.maximum(variance, 0))
    return np.where(enough[..., None], share, np.nan), np.where(enough[..., None], spread, np.nan)


def _named(energy: Array, s: Array, names: tuple[str, ...]) -> list[str]:
    """Names by the places of the highest points, lowest energy first."""
    if len(names) != len(s) or len(set(names)) != len(names):
        raise InvalidInput(
            f"names are {len(s)} different ones, one for each species, got {', '.join(names)}."
        )
    order = np.argsort(energy[s.argmax(-1)], kind="stable")
    found = [""] * len(names)
    for name, i in zip(names, order, strict=True):
        found[int(i)] = name
    return found
