"""Absorbance out of transmittance, or out of the single channels of sample and reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raman.infrared.second_spectrum import second_spectrum
from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Absorbance", "absorbance", "fraction_of", "refuse_percent", "to_absorbance"]

FloatArray = npt.NDArray[np.float64]

_LN10 = float(np.log(10.0))
#: Fractions of light above this are none.
_NO_FRACTION = 5.0
#: No instrument sees so little light over half of a spectrum: percent.
_NO_ABSORBANCE = 10.0
_RATIOS = ("transmittance", "reflectance")


@dataclass(frozen=True)
class Absorbance:
    """Decadic absorbance and its standard uncertainty, NaN where no light was measured."""

    absorbance: FloatArray  # (..., n)
    sigma: FloatArray  # (..., n), NaN without uncertainties
    dark: npt.NDArray[np.bool_]  # (...) some points had no light
    blind: npt.NDArray[np.bool_]  # (...) no point had any


def absorbance(
    light: npt.ArrayLike,
    reference: npt.ArrayLike = 1.0,
    *,
    light_sigma: npt.ArrayLike | None = None,
    reference_sigma: npt.ArrayLike | None = None,
) -> Absorbance:
    r"""Decadic absorbance :math:`A = -\log_{10}(I / I_0)`.

    Parameters
    ----------
    light : (..., n) array
        Light behind the sample; a transmittance where ``reference`` is 1.
    reference : (..., n) array
        Light without it.
    light_sigma, reference_sigma : (..., n) array, optional
        Standard uncertainties; :math:`\sigma_A^2 = [(\sigma_I/I)^2 + (\sigma_{I_0}/I_0)^2] / \ln^2 10`.

    Returns
    -------
    Absorbance
        ``absorbance`` and its ``sigma``, without units and NaN where no light was measured; which spectra had such
        points, and which nothing else.

    Examples
    --------
    >>> absorbance([0.1, 0.01, -0.1]).absorbance
    array([ 1.,  2., nan])
    """
    i, i0 = np.asarray(light, float), np.asarray(reference, float)
    lit = (i > 0) & (i0 > 0)
    ratio = np.where(lit, i, 1.0) / np.where(lit, i0, 1.0)
    relative = np.zeros(ratio.shape)
    for sigma, value in ((light_sigma, i), (reference_sigma, i0)):
        if sigma is not None:
            relative = relative + (np.asarray(sigma, float) / np.where(lit, value, 1.0)) ** 2
    known = light_sigma is not None or reference_sigma is not None
    dark = np.isfinite(i) & np.isfinite(i0) & ~lit
    return Absorbance(
        np.where(lit, -np.log10(ratio), np.nan),
        np.where(lit & known, np.sqrt(relative) / _LN10, np.nan),
        np.asarray(dark.any(-1)),
        np.asarray(~lit.any(-1)),
    )


def fraction_of(
    dataset: xr.Dataset, units: Literal["fraction", "percent"] | None, name: str, allowed: tuple[str, ...]
) -> tuple[str, float]:
    """The measured ratio of light and what it is multiplied by to be a fraction.

    Raises
    ------
    InvalidInput
        Another quantity, or values that are no fractions although nothing says percent.
    """
    signal = signal_name(dataset)
    if signal not in allowed and not (signal == "intensity" and units is not None):
        hint = " Say units='fraction' or 'percent' if it is that." if signal == "intensity" else ""
        raise InvalidInput(f"{name} works on {' or '.join(allowed)}, and this dataset holds {signal}.{hint}")
    stated = str(dataset[signal].attrs.get("units", ""))
    if units is None and stated not in ("", "%"):
        raise InvalidInput(f"{name}: {signal} is in {stated!r}; say units='fraction' or 'percent'.")
    percent = units == "percent" or (units is None and stated == "%")
    if not percent:
        highest = float(dataset[signal].quantile(0.99, skipna=True)) if _in_memory(dataset[signal]) else 0.0
        if highest > _NO_FRACTION:
            raise InvalidInput(
                f"{name}: {signal} reaches {highest:.4g}, so it is percent and no fraction; say units='percent'."
            )
    resolve(units="percent" if percent else "fraction")
    return signal, 0.01 if percent else 1.0


def refuse_percent(dataset: xr.Dataset, verb: str) -> None:
    """Raise where what is called absorbance can be none: half of its values are above 10."""
    values = dataset["absorbance"] if "absorbance" in dataset else None
    if values is None or values.attrs.get("units") or not _in_memory(values):
        return
    middle = float(values.median(skipna=True))
    if middle > _NO_ABSORBANCE:
        raise InvalidInput(
            f"{verb}: half of the absorbance is above {middle:.3g}, so it is no absorbance but percent transmittance: read it "
            "as that, or rename the variable and the attribute signal to transmittance, with units '%'."
        )


def _in_memory(variable: xr.DataArray) -> bool:
    return isinstance(variable.variable._data, np.ndarray)


@verb("raman.to_absorbance", axis="wavenumber")
def to_absorbance(
    dataset: xr.Dataset, *, reference: Any = None, units: Literal["fraction", "percent"] | None = None
) -> xr.Dataset:
    r"""Absorbance of spectra measured as transmittance, or as single channels with a reference; add ``absorbance``.

    :math:`A = -\log_{10} T`, with :math:`T = I / I_0` for single channels. Reflectance gives the apparent absorbance
    :math:`\log_{10}(1/R)`, which is not proportional to concentration (:func:`raman.kubelka_munk` is, for powders).
    Where no light was measured (zero or below) the absorbance is NaN and the spectrum flagged ``no_light``. What is
    absorbance already stays as it is, so that files of both kinds go through one recipe.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``transmittance``, ``reflectance`` or ``single_channel`` along ``wavenumber``; any series dimensions.
    reference : xarray.Dataset, path or (wavenumber, values), optional
        The single channel without sample, where ``dataset`` holds single channels.
    units : {"fraction", "percent"}, optional
        What the transmittance is in. Default: what the dataset says; values that contradict it are refused.

    Returns
    -------
    xarray.Dataset
        With ``absorbance`` as the measured quantity, and ``absorbance_sigma`` where the light has its own.

    Raises
    ------
    InvalidInput
        The dataset holds another quantity, or ``reference`` and ``units`` are given beside absorbance; a single channel
        without ``reference``; percent that is called a fraction, or absorbance; a reference that does not reach.

    Examples
    --------
    >>> import raman, spectra
    >>> data = spectra.from_arrays([1000, 1001], [10.0, 1.0], axis="wavenumber", name="transmittance", units="%")
    >>> raman.to_absorbance(data).absorbance.values
    array([1., 2.])
    """
    signal = signal_name(dataset)
    if signal == "absorbance":
        if reference is not None or units is not None:
            raise InvalidInput(
                "raman.to_absorbance: the dataset holds absorbance already; leave reference and units out."
            )
        refuse_percent(dataset, "raman.to_absorbance")
        note("absorbance already: left as it is")
        return dataset
    sigma = dataset.get(f"{signal}_sigma")
    axis = "wavenumber"
    inputs = [(dataset[signal], (axis,))] + ([] if sigma is None else [(sigma, (axis,))])
    if signal == "single_channel":
        kernel = _against_reference(dataset, reference)
    else:
        if reference is not None:
            raise InvalidInput(
                f"raman.to_absorbance: {signal} is a ratio already; reference= is for single channels."
            )
        signal, factor = fraction_of(dataset, units, "raman.to_absorbance", (*_RATIOS, "single_channel"))
        if signal == "reflectance":
            note("absorbance is log10(1/R), an apparent one: it is not proportional to concentration")

        def kernel(light: FloatArray, light_sigma: FloatArray | None = None) -> Absorbance:
            return absorbance(
                light * factor, light_sigma=None if light_sigma is None else light_sigma * factor
            )

    with_sigma = sigma is not None or (signal == "single_channel" and _has_sigma(reference))
    outputs: dict[str, tuple[str, ...]] = {"absorbance": (axis,), "dark": (), "blind": ()}
    if with_sigma:
        outputs["sigma"] = (axis,)
    made = map_spectra(
        lambda *arrays: vars(kernel(*arrays)), inputs, outputs, dtypes={"dark": bool, "blind": bool}
    )
    attrs = {"units": "", "long_name": "absorbance"}
    result = dataset.assign(absorbance=made["absorbance"].assign_attrs(attrs)).assign_attrs(
        signal="absorbance"
    )
    if with_sigma:
        result = result.assign(absorbance_sigma=made["sigma"].assign_attrs(units=""))
    blind = made["blind"]
    result = flag(
        result,
        made["dark"] & ~blind,
        "no_light",
        "no light was measured at some wavenumbers, where the absorbance is NaN: crop them, or measure a thinner sample",
        severity="warning",
    )
    return flag(
        result,
        blind,
        "not_measured",
        "no point has any light: the spectrum is empty or its background is missing",
    )


def _has_sigma(reference: Any) -> bool:
    if hasattr(reference, "data_vars"):
        return any(str(n).endswith("_sigma") for n in reference.data_vars)
    return isinstance(reference, dict) and "sigma" in reference.get("content", reference)


def _against_reference(dataset: xr.Dataset, reference: Any) -> Any:
    if reference is None:
        only = "background" if "reference" in str(dataset.attrs.get("title", "")) else "single channel"
        raise InvalidInput(
            f"raman.to_absorbance: the dataset holds the {only} alone, which is no absorbance yet; give the other one: "
            "to_absorbance(sample, reference=background)."
        )
    second = second_spectrum(
        reference, "reference", verb="raman.to_absorbance", quantity=("single_channel", "intensity")
    )
    resolve(reference={"content": second.to_spec()})
    grid = dataset["wavenumber"].values.astype(float)
    without = second.on(grid, verb="raman.to_absorbance")
    without_sigma = second.sigma_on(grid, verb="raman.to_absorbance")

    def kernel(light: FloatArray, light_sigma: FloatArray | None = None) -> Absorbance:
        return absorbance(light, without, light_sigma=light_sigma, reference_sigma=without_sigma)

    return kernel
