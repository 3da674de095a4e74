"""Over-absorption in fluorescence: peaks of thick, concentrated samples are too low; the exact geometry undoes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.tables import edge_energy, next_edge

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Sample", "correct_overabsorption", "fluorescence", "sample_absorption", "true_absorption"]

Array = npt.NDArray[np.float64]

#: Relative distances from the edge at which the tabulated absorption is read, to extrapolate it through the edge.
NEAR, FAR = 0.005, 0.03


@dataclass(frozen=True)
class Sample:
    """Absorption of a sample along its two paths, in units of one over the thickness (or of the edge's, if thick).

    ``other`` (n,) is the absorption of everything but the edge on the way in, plus that of the fluorescence on the way
    out; ``edge`` (n,) is that of the edge on the way in. Both are divided by the sine of the angle.
    """

    other: Array
    edge: Array
    thick: bool


def fluorescence(absorption: Array, sample: Sample) -> Array:
    r"""Fluorescence of a sample, one where the normalised absorption is one.

    .. math:: F(n) = \frac{A(n)}{A(1)}, \quad A(n) = n\,\frac{1 - e^{-z}}{z}, \quad z = \beta + s\,n

    with :math:`\beta` = ``sample.other`` and s = ``sample.edge``; for a thick sample the exponential is left out.

    Parameters
    ----------
    absorption : (..., n) array
        Normalised, flattened absorption.
    sample : Sample

    Returns
    -------
    (..., n) array
    """
    at_one = _escape(sample.other + sample.edge, sample.thick)
    return np.asarray(absorption * _escape(sample.other + sample.edge * absorption, sample.thick) / at_one)


def true_absorption(measured: Array, sample: Sample) -> tuple[Array, Array]:
    r"""Normalised absorption behind a normalised fluorescence: the inverse of :func:`fluorescence`.

    For a thick sample :math:`n = m \beta / (\beta + s - s m)`; else Newton's method on A(n) = m A(1).

    Parameters
    ----------
    measured : (..., n) array
        Normalised, flattened fluorescence m.
    sample : Sample

    Returns
    -------
    absorption : (..., n) array
        NaN where no absorption gives so much fluorescence: :math:`s m A(1) \ge 1`.
    amplification : (..., n) array
        Its derivative by the measured value.
    """
    beta, s = sample.other, sample.edge
    at_one = _escape(beta + s, sample.thick)
    target = np.asarray(measured, float) * at_one
    with np.errstate(divide="ignore", invalid="ignore"):
        possible = target * s < 1
        n = np.where(possible, target * beta / (1 - target * s), np.nan)  # thick
        if not sample.thick:
            # A is concave and rising: from the left Newton's steps go up and never past the root
            n = np.where(possible, np.minimum(measured, n), np.nan)
            for _ in range(60):
                value, slope = _yield(n, beta, s)
                change = (target - value) / slope
                n = n + change
                if np.nanmax(np.abs(change), initial=0.0) < 1e-13:
                    break
            return n, at_one / _yield(n, beta, s)[1]
        return n, at_one * (beta + s * n) ** 2 / beta


def _yield(n: Array, beta: Array, s: Array) -> tuple[Array, Array]:
    """A(n) of a sample of finite thickness and its derivative."""
    z = beta + s * n
    escape = _escape(z, False)
    bend = (np.exp(-z) - escape) / z  # derivative of the escape by z
    return n * escape, escape + n * s * bend


def _escape(z: Array, thick: bool) -> Array:
    return np.asarray(1 / z if thick else -np.expm1(-z) / z)


def sample_absorption(
    formula: str,
    element: str,
    edge: str,
    energy: Array,
    *,
    angle_in: float = 45.0,
    angle_out: float = 45.0,
    thickness: float | None = None,
    density: float | None = None,
) -> Sample:
    """Absorption of a material at each energy, from tabulated cross sections.

    The parts below and above the edge are extrapolated through it as powers of the energy, so that the table's own
    edge does not show.

    Parameters
    ----------
    formula : str
        Whole sample with binder and support: "LiNiO2", "Fe0.02Al2O3".
    element, edge : str
        Absorber, as in "Ni", "K".
    energy : (n,) array
        In eV.
    angle_in, angle_out : float
        Of the beam and of the detector, in degrees from the surface.
    thickness : float, optional
        In micrometres; None for a sample that lets nothing through.
    density : float, optional
        In g/cm³; needed with a thickness.

    Returns
    -------
    Sample
    """
    import xraydb

    here, above = edge_energy(element, edge), next_edge(element, edge)
    if here is None:
        raise InvalidInput(
            f"the {edge} edge of {element!r} is not tabulated; set element and edge in dataset.attrs."
        )
    far = FAR if above is None else min(FAR, 0.8 * (above / here - 1))
    try:
        composition = xraydb.chemparse(formula)
    except (ValueError, KeyError) as error:
        raise InvalidInput(
            f"formula {formula!r} cannot be read ({error}); write it as in 'LiNi0.8Mn0.2O2'."
        ) from None
    if element not in composition:
        raise InvalidInput(f"formula {formula!r} holds no {element}, whose edge was measured.")

    def absorption(x: Array) -> Array:  # 1/cm
        return np.asarray(xraydb.material_mu(formula, np.atleast_1d(x), density=density or 1.0), float)

    low, high = here * np.array([1 - far, 1 - NEAR]), here * np.array([1 + NEAR, 1 + far])
    background = _power_law(low, absorption(low))
    step = _power_law(high, absorption(high) - background(high))
    line = _strongest_line(element, edge)
    sine_in, sine_out = np.sin(np.radians([angle_in, angle_out]))
    length = 1.0 if thickness is None else thickness * 1e-4  # cm
    other = background(energy) / sine_in + absorption(np.array(line))[0] / sine_out
    return Sample(other * length, step(energy) / sine_in * length, thickness is None)


def _power_law(x: Array, y: Array) -> Callable[[Array], Array]:
    exponent = np.log(y[1] / y[0]) / np.log(x[1] / x[0])
    return lambda at: np.asarray(y[0] * (at / x[0]) ** exponent)


def _strongest_line(element: str, edge: str) -> float:
    """Energy in eV of the strongest emission line after ionisation at ``edge``."""
    import xraydb

    lines = xraydb.xray_lines(element, initial_level=edge)
    if not lines:
        raise InvalidInput(
            f"no emission line of {element} {edge} is tabulated: its fluorescence cannot be corrected."
        )
    return float(max(lines.values(), key=lambda line: line.intensity).energy)


@verb(
    "xas.correct_overabsorption", axis="energy", needs={"flat": "xas.normalize", "pre_edge": "xas.normalize"}
)
def correct_overabsorption(
    dataset: xr.Dataset,
    *,
    formula: str,
    angle_in: float = 45.0,
    angle_out: float = 45.0,
    thickness: float | None = None,
    density: float | None = None,
) -> xr.Dataset:
    r"""Correct spectra measured in fluorescence for over-absorption (self-absorption), thick samples and thin ones.

    The fluorescence of a slab of thickness d under the angles φ of the beam and θ of the detector is

    .. math:: F \propto \frac{\mu_a}{\mu/\sin\varphi + \mu_f/\sin\theta}
              \left[1 - e^{-(\mu/\sin\varphi + \mu_f/\sin\theta)\,d}\right]

    with the absorption of the edge :math:`\mu_a = n \Delta\mu`, of everything :math:`\mu`, and :math:`\mu_f` at the
    energy of the fluorescence. The normalised absorption n is the one that gives the measured, normalised F; nothing
    is linearised, and there is no limit on the size of the oscillations.

    Parameters
    ----------
    dataset : xarray.Dataset
        Fluorescence normalised by :func:`xas.normalize`; ``attrs["element"]`` and ``attrs["edge"]`` name the absorber.
    formula : str
        Of the whole sample with binder and support: "LiNiO2", "Fe0.02Al2O3".
    angle_in, angle_out : float
        Between the sample's surface and the beam, or the detector, in degrees.
    thickness : float, optional
        In micrometres. Default: a sample that lets nothing through.
    density : float, optional
        Of the sample in g/cm³, pores included; needed with a thickness.

    Returns
    -------
    xarray.Dataset
        With ``mu``, ``norm``, ``flat``, ``mu_sigma`` and ``norm_sigma`` corrected, and ``amplification`` along ``energy``: by how much
        a small change of the measured spectrum grows. ``edge_step``, ``pre_edge`` and ``post_edge`` stand. Spectra
        with more fluorescence than the sample can give are flagged ``overcorrected`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the formula cannot be read or lacks the absorber, an angle lies outside of 0 to 90 degrees, or a thickness
        comes without a density.

    Notes
    -----
    Cross sections are Elam's (doi:10.1016/S0969-806X(01)00227-4), extrapolated through the edge. For a thick sample
    and absorptions taken at the edge this is the formula of larch's ``fluo_corr``. An error of 5 degrees in an angle or
    of 10 % in the thickness is seen in the amplitudes; noise grows with them.

    References
    ----------
    C. H. Booth & F. Bridges, Phys. Scr. T115, 202 (2005), doi:10.1238/Physica.Topical.115a00202, for samples of any
    thickness in a first-order form.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(8150.0, 9000.0, 0.5)
    >>> mu = 0.1 + (energy > 8345) * (1 + 0.3 * np.exp(-(((energy - 8352) / 3) ** 2)))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Ni", "edge": "K"})
    >>> scan = xas.normalize(scan, e0=8345.0, pre=(-150, -30), post=(100, 600))
    >>> fixed = xas.correct_overabsorption(scan, formula="LiNiO2C60")
    >>> round(float(scan.flat.max()), 2), round(float(fixed.flat.max()), 2)
    (1.3, 2.04)
    """
    for name, angle in (("angle_in", angle_in), ("angle_out", angle_out)):
        if not 0 < angle <= 90:
            raise InvalidInput(f"{name} is in degrees from the surface, above 0 and up to 90, got {angle:g}.")
    if thickness is not None and not (thickness > 0 and density is not None and density > 0):
        raise InvalidInput(
            f"thickness = {thickness:g} micrometres needs to be positive and to come with the density of the sample in "
            f"g/cm³, got density = {density}."
        )
    element, edge = str(dataset.attrs.get("element", "")), str(dataset.attrs.get("edge", "K"))
    name = signal_name(dataset)
    energy = dataset["energy"].values.astype(float)
    sample = sample_absorption(
        formula, element, edge, energy,
        angle_in=angle_in, angle_out=angle_out, thickness=thickness, density=density,
    )  # fmt: skip
    at_edge = int(np.searchsorted(energy, edge_energy(element, edge) or energy[0]))
    at_edge = min(at_edge, energy.size - 1)
    resolve(other_over_edge=float(sample.other[at_edge] / sample.edge[at_edge]))
    here = Sample(sample.other[[at_edge]], sample.edge[[at_edge]], sample.thick)
    growth = float(true_absorption(np.ones(1), here)[1][0])
    note(f"small oscillations at the edge were enlarged {growth:.3g} times")

    of_points = f"{name}_sigma"
    own = (dataset[of_points], ("energy",)) if of_points in dataset else (dataset["noise"], ())

    def kernel(
        flat: Array, norm: Array, pre_edge: Array, total: Array, step: Array, noise: Array
    ) -> dict[str, Array]:
        made, grown = true_absorption(flat.astype(float), sample)
        known = np.isfinite(flat)
        lost = np.asarray((np.isnan(made) & known).any(-1) | ~known.any(-1))
        made = np.where(lost[..., None], np.nan, made)
        grown = np.where(lost[..., None], np.nan, grown)
        scale = step[..., None]
        # the noise of the points grows, that of the curves fitted through many of them does not
        noise = np.broadcast_to(noise if of_points in dataset else noise[..., None], flat.shape)
        point = noise / np.abs(scale)
        together = np.clip(total**2 - point**2, 0, None)
        curve = made + (norm - flat)
        return {
            "flat": made,
            "norm": curve,
            "norm_sigma": np.sqrt((grown * point) ** 2 + together),
            "amplification": grown,
            name: pre_edge + scale * curve,
            of_points: noise * grown,
            "lost": lost.astype(float),
        }

    inputs: list[Any] = [(dataset[n], ("energy",)) for n in ("flat", "norm", "pre_edge", "norm_sigma")]
    inputs += [(dataset["edge_step"], ()), own]
    outputs = ["flat", "norm", "norm_sigma", "amplification", name, of_points]
    made = map_spectra(kernel, inputs, {**dict.fromkeys(outputs, ("energy",)), "lost": ()})
    lost = made.pop("lost")
    new = {
        "amplification": ("", "growth of small changes by the correction"),
        of_points: (str(dataset[name].attrs.get("units", "")), "standard uncertainty of a point"),
    }
    for n, values in made.items():
        units, text = new.get(n, ("", ""))
        values.attrs = dict(dataset[n].attrs) if n in dataset else {"units": units, "long_name": text}
    dataset = dataset.drop_vars("noise", errors="ignore")
    return flag(
        dataset.assign(made), lost == 1, "overcorrected",
        "there is more fluorescence than the sample described can give, or the spectrum failed before: check formula, "
        "angles and thickness, or whether the spectrum was corrected already",
    )  # fmt: skip
