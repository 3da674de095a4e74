"""Valence of the absorber, by a calibration line of edge positions and by a mixture of standards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import note, verb
from xas.xanes.calibration import Calibration, describe, difference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["mixture_valence", "valence"]

Array = npt.NDArray[np.float64]


def mixture_valence(fraction: Array, covariance: Array, valences: Array) -> tuple[Array, Array]:
    r"""Mean valence of a mixture of standards, per atom of the absorber.

    .. math:: v = \frac{\sum_i f_i v_i}{\sum_i f_i}, \quad
              \sigma_v^2 = g^T C g, \quad g_i = \frac{v_i - v}{\sum_j f_j}

    Parameters
    ----------
    fraction : (..., m) array
        Fractions of the standards.
    covariance : (..., m, m) array
        Their covariance.
    valences : (m,) array
        Valence of each standard.

    Returns
    -------
    valence, sigma : (...) array
        The sigma holds the fractions' uncertainty, not whether the standards are the right ones.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        total = fraction.sum(-1)
        v = fraction @ valences / total
        g = (valences - v[..., None]) / total[..., None]
        return v, np.sqrt(np.einsum("...i,...ij,...j->...", g, covariance, g))


@verb("xas.valence", axis=("energy", "energy_loss"))
def valence(
    dataset: xr.Dataset,
    *,
    calibration: Any,
    reference_valence: dict[str, float] | None = None,
    name: str = "valence",
) -> xr.Dataset:
    """Valence of the absorber from the position of its edge, by standards that were measured alike.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the variable that the calibration was made from and its sigma: ``edge_position``, or ``l3_position`` or
        ``branching_ratio`` of :func:`xas.eels.white_line_ratio`.
    calibration : Calibration or table
        From :func:`xas.calibrate_valence` or :func:`xas.load_calibration`; in a recipe, the table that its ``save``
        writes.
    reference_valence : dict of float, optional
        Valence of each standard of :func:`xas.linear_combination` by name, where that was run before: the valence of
        the mixture is given beside the other, with their difference.
    name : str
        Name of the variable, to keep several calibrations side by side.

    Returns
    -------
    xarray.Dataset
        With ``valence``, ``valence_sigma`` (how far the standards scatter about their line, included) and
        ``valence_noise`` (what noise alone leaves: for differences inside a series); with ``reference_valence`` also
        ``valence_mixture``, ``valence_difference`` and their sigmas. Valences outside of the standards' are marked
        ``outside_standards``; spectra without a position are flagged ``no_valence`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the data were not measured and normalised like the standards, or a standard's valence is missing.

    Notes
    -----
    The structure moves an edge as the valence does: MnO and MnCO3 lie 1.7 eV apart. So a valence is never given with
    less than the scatter of its standards, nor less than the calibration's ``least_sigma``, however small the noise.
    Choose standards of the structure at hand. The systematic of the normalisation ranges is common to standards and
    data and is not counted again.

    References
    ----------
    A. Manceau, M. A. Marcus & S. Grangeon, Am. Mineral. 97, 816 (2012), who prefer
    combinations of standards to calibration lines for manganese oxides.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> mu = 1 / (1 + np.exp(-(energy - np.array([[6544.0], [6547.0], [6550.0]])) / 1.5))
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("sample",), attrs={"element": "Mn", "edge": "K"})
    >>> scans = xas.edge_position(xas.normalize(scans, e0=6547.0, pre=(-120, -30), post=(50, 340)))
    >>> line = xas.calibrate_valence(scans.isel(sample=[0, 2]), valences=(2, 4), names=("MnO", "MnO2"))
    >>> unknown = xas.valence(scans.isel(sample=1), calibration=line)
    >>> round(float(unknown.valence), 1), round(float(unknown.valence_sigma), 1)
    (3.0, 0.4)
    """
    line = _understood(calibration)
    here = describe(dataset, line.variable)
    there = {
        "element": line.element, "edge": line.edge, "measure": line.measure,
        "normalization": line.normalization, "energy_scale": line.energy_scale,
    }  # fmt: skip
    why = difference(there, here)
    if why:
        raise InvalidInput(
            f"the data were not measured like the standards of this calibration: {why}. Treat the data as the standards "
            "were, or make a calibration that was treated as the data are."
        )
    if not name.isidentifier() or (name in dataset.variables and "calibration" not in dataset[name].attrs):
        raise InvalidInput(f"name is that of a new variable, as in 'valence_by_integral', got {name!r}.")
    if not (line.energy_scale and here["energy_scale"]):
        note(
            "whether data and standards share one energy scale is not said (attrs['energy_scale']): an offset of 1 eV is "
            f"{1 / abs(line.slope):.2g} units of valence"
        )
    known = [s.valence for s in line.standards]

    def kernel(position: Array, sigma: Array) -> dict[str, Array]:
        v, total = line.valence(position, sigma)
        return {"value": v, "sigma": total, "noise": sigma / abs(line.slope)}

    inputs = [(dataset[n], ()) for n in (line.variable, f"{line.variable}_sigma")]
    made = map_spectra(kernel, inputs, dict.fromkeys(("value", "sigma", "noise"), ()))
    value = made["value"].assign_attrs(
        units="", long_name="valence", calibration=json.dumps(line.to_spec()),
        standards=", ".join(f"{s.name} ({s.valence:g})" for s in line.standards),
    )  # fmt: skip
    sigma = made["sigma"].assign_attrs(
        units="", long_name="standard uncertainty of the valence, with the scatter of its standards"
    )
    noise = made["noise"].assign_attrs(
        units="", long_name="part of the valence's uncertainty that comes from noise"
    )
    result = dataset.assign({name: value, f"{name}_sigma": sigma, f"{name}_noise": noise})
    if reference_valence is not None:
        result = _beside_mixture(result, name, reference_valence)
    result = flag(
        result, value.isnull(), "no_valence",
        f"{line.variable} is not known: look at the flags set before",
    )  # fmt: skip
    return flag(
        result, (value < min(known)) | (value > max(known)), "outside_standards",
        f"the valence lies outside of its standards', {min(known):g} to {max(known):g}: an extrapolation",
        severity="warning",
    )  # fmt: skip


def _understood(calibration: Any) -> Calibration:
    if isinstance(calibration, Calibration):
        return calibration
    if isinstance(calibration, Mapping):
        return Calibration.from_spec(calibration)
    if isinstance(calibration, str):
        from xas.eels.white_lines.printed_ratios import refuse_printed

        refuse_printed(calibration)
    raise InvalidInput(
        f"calibration is a Calibration or its table, got {calibration!r}; xas.load_calibration reads one from a file."
    )


def _beside_mixture(dataset: xr.Dataset, name: str, reference_valence: Mapping[str, float]) -> xr.Dataset:
    """``dataset`` with the valence by linear combination and its difference from the other."""
    if "fraction" not in dataset or "reference" not in dataset["fraction"].dims:
        raise InvalidInput(
            "reference_valence needs the variable 'fraction' along 'reference', which xas.linear_combination adds: call it "
            "first."
        )
    names = [str(r) for r in dataset["reference"].values]
    missing = [n for n in names if n not in reference_valence]
    if missing:
        raise InvalidInput(
            f"reference_valence lacks the standard {missing[0]!r}; it needs {', '.join(names)}."
        )
    valences = np.array([reference_valence[n] for n in names], float)
    covariance = dataset["fraction_covariance"]
    other = [d for d in covariance.dims if d not in dataset["fraction"].dims]

    def kernel(fraction: Array, spread: Array) -> dict[str, Array]:
        v, sigma = mixture_valence(fraction, spread, valences)
        return {"mixture": v, "sigma": sigma}

    made = map_spectra(
        kernel,
        [(dataset["fraction"], ("reference",)), (covariance, ("reference", str(other[0])))],
        {"mixture": (), "sigma": ()},
    )
    apart = made["mixture"] - dataset[name]
    sigma = (made["sigma"] ** 2 + dataset[f"{name}_sigma"] ** 2) ** 0.5
    texts = {"units": "", "long_name": "valence of the mixture of standards"}
    listed = json.dumps({n: float(reference_valence[n]) for n in names})
    new = {
        f"{name}_mixture": made["mixture"].assign_attrs(texts, reference_valence=listed),
        f"{name}_mixture_sigma": made["sigma"].assign_attrs(
            units="", long_name="standard uncertainty of the mixture's valence from its fractions"
        ),
        f"{name}_difference": apart.assign_attrs(
            units="", long_name="valence of the mixture minus that of the line"
        ),
        f"{name}_difference_sigma": sigma.assign_attrs(
            units="", long_name="standard uncertainty of the difference of the two valences"
        ),
    }
    return dataset.assign(new)
