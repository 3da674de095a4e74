"""Attenuated total reflection: how deep the light goes, and what a transmission measurement would have shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from raman.infrared.lost_spectra import flag_not_measured
from raman.infrared.transmission import refuse_percent
from spectra.dataset import map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AttenuatedReflection", "correct_atr", "effective_thickness", "penetration_depth"]

FloatArray = npt.NDArray[np.float64]
Polarization = Literal["none", "s", "p"]

_UM = 1e4  # in one cm


@dataclass(frozen=True)
class AttenuatedReflection:
    """The reflection: indices of crystal and sample, angle of incidence in degrees."""

    crystal_index: float
    sample_index: float
    angle: float

    def __post_init__(self) -> None:
        if not 1 <= self.sample_index < self.crystal_index:
            raise InvalidInput(
                f"sample_index must be at least 1 and below crystal_index = {self.crystal_index:g}, got "
                f"{self.sample_index:g}: the crystal must be the denser one."
            )
        if not self.critical_angle < self.angle < 90:
            raise InvalidInput(
                f"angle must lie between the critical angle, {self.critical_angle:.1f} degrees for indices "
                f"{self.crystal_index:g} and {self.sample_index:g}, and 90, got {self.angle:g}: nothing is totally "
                "reflected otherwise."
            )

    @property
    def ratio(self) -> float:
        """Index of the sample over that of the crystal."""
        return self.sample_index / self.crystal_index

    @property
    def critical_angle(self) -> float:
        """In degrees."""
        return float(np.degrees(np.arcsin(self.ratio)))


def penetration_depth(wavenumber: npt.ArrayLike, reflection: AttenuatedReflection) -> FloatArray:
    r"""Depth in um at which the amplitude of the evanescent field has fallen to 1/e.

    .. math:: d_p = \frac{\lambda}{2\pi n_1 \sqrt{\sin^2\theta - (n_2/n_1)^2}}

    The intensity falls to 1/e at half of it; some sources call :math:`d_p` itself the depth of the intensity.

    Parameters
    ----------
    wavenumber : (n,) array
        In 1/cm, above zero.
    reflection : AttenuatedReflection
        Crystal, sample and angle.

    Returns
    -------
    (n,) array
        In um.

    Examples
    --------
    >>> zinc_selenide = AttenuatedReflection(2.4, 1.5, 45.0)
    >>> round(float(penetration_depth(1000.0, zinc_selenide)), 3)
    2.005
    """
    nu = np.asarray(wavenumber, float)
    sine = np.sin(np.radians(reflection.angle))
    with np.errstate(divide="ignore"):
        return np.asarray(
            _UM / nu / (2 * np.pi * reflection.crystal_index * np.sqrt(sine**2 - reflection.ratio**2))
        )


def effective_thickness(
    wavenumber: npt.ArrayLike, reflection: AttenuatedReflection, polarization: Polarization = "none"
) -> FloatArray:
    r"""Thickness in um of a layer that, in transmission, absorbs like one reflection, for weak absorption.

    .. math::

        d_s = \frac{\lambda}{n_1} \frac{n \cos\theta}{\pi (1 - n^2) \sqrt{\sin^2\theta - n^2}}, \qquad
        d_p = d_s \frac{2\sin^2\theta - n^2}{(1 + n^2)\sin^2\theta - n^2}, \qquad n = n_2/n_1

    for light polarised across (s) and in (p) the plane of incidence; unpolarised light has their mean. At 45 degrees
    :math:`d_p = 2 d_s`.

    Parameters
    ----------
    wavenumber : (n,) array
        In 1/cm, above zero.
    reflection : AttenuatedReflection
        Crystal, sample and angle.
    polarization : {"none", "s", "p"}
        ``none``: as much of s as of p.

    Returns
    -------
    (n,) array
        In um, per reflection.

    Examples
    --------
    >>> germanium = AttenuatedReflection(4.0, 1.5, 45.0)
    >>> s, p = (float(effective_thickness(1000.0, germanium, way)) for way in ("s", "p"))
    >>> round(p / s, 12)
    2.0
    """
    nu = np.asarray(wavenumber, float)
    theta = np.radians(reflection.angle)
    n2, sine2 = reflection.ratio**2, np.sin(theta) ** 2
    with np.errstate(divide="ignore"):
        wavelength = _UM / nu / reflection.crystal_index
    across = wavelength * reflection.ratio * np.cos(theta) / (np.pi * (1 - n2) * np.sqrt(sine2 - n2))
    within = across * (2 * sine2 - n2) / ((1 + n2) * sine2 - n2)
    return np.asarray({"s": across, "p": within, "none": (across + within) / 2}[polarization])


@verb("raman.correct_atr", axis="wavenumber")
def correct_atr(
    dataset: xr.Dataset,
    *,
    crystal_index: float = 2.4,
    sample_index: float = 1.5,
    angle: float = 45.0,
    bounces: int = 1,
    polarization: Polarization = "none",
    path: float = 1.0,
    method: Literal["effective_thickness", "penetration_depth"] = "effective_thickness",
) -> xr.Dataset:
    r"""Turn absorbance by attenuated total reflection into that of a layer in transmission; change ``absorbance``.

    The absorbance of :math:`N` reflections is that of a layer of the thickness :math:`N d_e(\tilde\nu)`, which falls
    as :math:`1/\tilde\nu`; here it becomes that of one layer of the thickness ``path``:
    :math:`A = A_\mathrm{ATR}\, \mathrm{path} / (N d_e)`. The index of the sample is taken as constant: the
    displacement of strong bands by its dispersion stays.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``absorbance`` (:math:`-\log_{10} R`) along ``wavenumber``; any series dimensions.
    crystal_index : float
        Refractive index of the crystal: diamond and ZnSe 2.4, silicon 3.4, germanium 4.0.
    sample_index : float
        Refractive index of the sample away from its bands: organic matter 1.5.
    angle : float
        Angle of incidence in degrees.
    bounces : int
        How many times the light meets the sample.
    polarization : {"none", "s", "p"}
        Of the light; ``none`` is as much of both.
    path : float
        Thickness in um of the layer in transmission.
    method : {"effective_thickness", "penetration_depth"}
        What the thickness of one reflection is: Harrick's effective thickness for weak absorption, or the depth at
        which the amplitude of the field is 1/e (half of it is that of the intensity), as many programs have it.
        Both fall alike, so they differ by a constant factor.

    Returns
    -------
    xarray.Dataset
        With ``absorbance`` (and its ``_sigma``) changed, and ``penetration_depth`` and ``effective_thickness`` (um)
        along ``wavenumber``.

    Raises
    ------
    InvalidInput
        No absorbance; an angle below the critical one; a wavenumber of zero.

    References
    ----------
    Effective thickness after Hansen and Harrick (1965), the limit of Fresnel's equations for weak absorption. For
    strong absorption see doi:10.1177/00037028241290838.

    Examples
    --------
    >>> import raman, spectra
    >>> data = spectra.from_arrays([1000, 2000], [0.1, 0.1], axis="wavenumber", name="absorbance")
    >>> flat = raman.correct_atr(data).absorbance.values
    >>> float(round(flat[1] / flat[0], 12))
    2.0
    """
    signal = signal_name(dataset)
    if signal != "absorbance":
        raise InvalidInput(
            f"raman.correct_atr works on absorbance (-log10 R), and this dataset holds {signal}; "
            "call raman.to_absorbance first."
        )
    refuse_percent(dataset, "raman.correct_atr")
    if bounces < 1:
        raise InvalidInput(f"bounces must be at least 1, got {bounces}.")
    if not path > 0:
        raise InvalidInput(f"path must be above 0 um, got {path:g}.")
    reflection = AttenuatedReflection(crystal_index, sample_index, angle)
    nu = dataset["wavenumber"].values.astype(float)
    if nu[0] <= 0:
        raise InvalidInput(
            f"the axis begins at {nu[0]:g} 1/cm, where the depth is without bounds; crop it (spectra.crop)."
        )
    depth, thickness = penetration_depth(nu, reflection), effective_thickness(nu, reflection, polarization)
    layer = thickness if method == "effective_thickness" else depth
    factor = path / (bounces * layer)
    names = [n for n in ("absorbance", "absorbance_sigma") if n in dataset]
    made = {
        n: map_spectra(
            lambda a: {"scaled": a * factor}, [(dataset[n], ("wavenumber",))], {"scaled": ("wavenumber",)}
        )["scaled"].assign_attrs(dataset[n].attrs)
        for n in names
    }
    note(
        f"absorbance is that of {path:g} um in transmission; the {method.replace('_', ' ')} of one reflection is "
        f"{np.interp(1000.0, nu, layer):.4g} um at 1000 1/cm"
        if nu[0] <= 1000 <= nu[-1]
        else f"absorbance is that of {path:g} um in transmission, by the {method.replace('_', ' ')}"
    )
    if method == "penetration_depth":
        note("penetration depth: where the amplitude of the field is 1/e; its intensity is 1/e at half of it")
    depths = {
        "penetration_depth": (
            "wavenumber",
            depth,
            {"units": "um", "long_name": "depth of 1/e of the amplitude"},
        ),
        "effective_thickness": ("wavenumber", thickness, {"units": "um", "long_name": "effective thickness"}),
    }
    return flag_not_measured(dataset.assign(made).assign(depths))
