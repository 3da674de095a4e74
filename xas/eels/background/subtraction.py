"""Background in front of an edge, its extrapolation under the edge, and the verb that subtracts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, series_value, verb
from xas.eels.background.doubts import flag_over_subtracted
from xas.eels.background.fit import fit_curve
from xas.eels.background.neighbourhood import local_exponent
from xas.eels.background.rows import subtract_rows
from xas.eels.channels.curves import Curve, exponential, polynomial, power_law, power_laws

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AXES", "subtract_background"]

Array = npt.NDArray[Any]
Method = Literal["power_law", "power_laws", "exponential", "polynomial", "linear"]

AXES = ("energy_loss", "energy")
#: Rows that are worked on at a time: what they need stays in the processor's cache.
BLOCK = 256
#: Share of the spectra at each end that the two exponents of ``power_laws`` leave out (Cueva 2012).
PERCENTILES = (5.0, 95.0)
#: How estimators are told in attributes.
ESTIMATORS = {
    "maximum_likelihood": "Poisson maximum likelihood",
    "two_area": "two areas: as good in the mean, with more noise and no test of the fit",
    "log_linear": "line through logarithms: biased where counts are few",
    "least_squares": "weighted least squares",
}


@verb(
    "xas.eels.subtract_background",
    axis=AXES,
    together=lambda options: options["average"] > 1,
)
def subtract_background(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float],
    method: Method | None = None,
    estimator: Literal["maximum_likelihood", "two_area", "log_linear"] = "maximum_likelihood",
    degree: int = 2,
    exponents: tuple[float, float] | None = None,
    average: int = 1,
    gain: float | None = None,
) -> xr.Dataset:
    r"""Fit the background in front of an edge, extrapolate it and subtract it.

    .. math:: B(E) = A \, (E/E_0)^{-r}

    The parameters and their covariance stay with the spectrum, so that what is measured of ``net`` later knows how far
    the background can be trusted (:func:`xas.eels.white_line_ratio`).

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``energy_loss`` or ``energy`` (soft X-rays) in eV; any series dimensions.
    window : (float, float)
        Energies in eV in front of the edge where there is background only.
    method : {"power_law", "power_laws", "exponential", "polynomial", "linear"}, optional
        ``power_laws`` is the sum of two with fixed exponents and amplitudes that are not negative. Default: the power
        law for energy losses, a straight line for soft X-rays.
    estimator : {"maximum_likelihood", "two_area", "log_linear"}
        Of the power law and the exponential. ``two_area`` (power law only) has more noise and no goodness of fit;
        ``log_linear`` is biased at low counts, by 4 % of the edge at 47 counts per channel and 14 % at 9.
    degree : int
        Degree of ``polynomial``.
    exponents : (float, float), optional
        Those of ``power_laws``. Default: the 5th and 95th percentile of the exponents of all spectra of the series.
    average : int
        The exponent of a spectrum is that of the square of so many spectra by side around it (an odd number), along
        the last two series dimensions; its amplitude stays its own. 1: every spectrum for itself.
    gain : float, optional
        Variance of a channel per count: 1 for single electrons counted. Default: 1 where the unit is counts; else what
        the scatter inside the window says.

    Returns
    -------
    xarray.Dataset
        With ``background`` and ``net`` along the axis; ``background_parameter`` with sigma along ``background_term``
        (``log_amplitude`` and ``exponent`` of the power law) and their ``background_covariance``; ``background_redchi``
        of the window and ``background_dispersion``, the variance of a channel per count. Spectra whose window holds no
        positive sum or a value that is not finite are flagged ``no_background`` and hold NaN; ``over_subtracted`` warns
        where the extrapolation lies above the data.

    Raises
    ------
    InvalidInput
        If the window holds too few channels, or options do not go together.

    Notes
    -----
    Where ``<signal>_sigma`` is given it weighs the fit and the unit of counts is not asked for. Covariances assume
    channels that are independent: smoothing, interpolation and alignment by parts of a channel break this. With
    ``average`` the exponents of neighbours are correlated, which the covariance of one spectrum does not show.

    References
    ----------
    Two areas: R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope,
    doi:10.1007/978-1-4419-9583-4. Linear combination: P. Cueva et al., Microsc. Microanal. 18, 667 (2012),
    doi:10.1017/S1431927612000244.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(560.0, 700.0, 0.5)
    >>> counts = 2000.0 * (loss / 600) ** -3.0 + 500.0 * (loss > 642)
    >>> edge = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", units="counts")
    >>> edge = xas.eels.subtract_background(edge, window=(570, 630))
    >>> round(float(edge.background_parameter.sel(background_term="exponent")), 3)
    3.0
    >>> round(float(edge.net.sel(energy_loss=660)), 3)
    500.0
    """
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    chosen: str = method or ("power_law" if axis == "energy_loss" else "linear")
    resolve(method=chosen)
    energy = dataset[axis].values.astype(float)
    inside = slice(int(np.searchsorted(energy, window[0])), int(np.searchsorted(energy, window[1], "right")))
    _check(chosen, estimator, window, energy, inside.stop - inside.start, degree, average, gain)
    known = dataset.get(f"{signal}_sigma")
    if known is not None and gain is not None:
        raise InvalidInput(
            f"gain is for counts without {signal}_sigma; this dataset states sigmas: leave gain out."
        )
    if gain is None and known is None and str(dataset[signal].attrs.get("units", "")).startswith("count"):
        gain = 1.0
    resolve(gain="stated sigmas" if known is not None else gain if gain else "scatter inside the window")
    front = dataset[signal].isel({axis: inside})
    curve = _curve(chosen, energy[inside], degree, exponents, front, axis)
    how = estimator if curve.logarithmic else "least_squares"
    if how in ("log_linear", "two_area"):
        note(f"background by {ESTIMATORS[how]}")
    shared = average > 1 and curve.kind == "power_law"
    made = _subtracted(dataset, curve, inside, known, gain, estimator, average if shared else 1)
    constant = known is None and gain is None and not curve.logarithmic
    result = _labelled(dataset, made, curve, how, chosen, window, "channel" if constant else "count")
    return flag_over_subtracted(result, window)


def _check(
    method: str,
    estimator: str,
    window: tuple[float, float],
    energy: Array,
    channels: int,
    degree: int,
    average: int,
    gain: float | None,
) -> None:
    if not 0 <= degree <= 5:
        raise InvalidInput(f"degree is 0 to 5, got {degree}: what a higher one extrapolates means nothing.")
    needed = 3 * {"polynomial": degree + 1, "linear": 2}.get(method, 2)
    if not window[0] < window[1] or channels < needed:
        raise InvalidInput(
            f"window ({window[0]:g}, {window[1]:g}) holds {channels} channels of data from {energy[0]:g} to "
            f"{energy[-1]:g} eV; a background by {method} needs at least {needed}: give two ascending energies in front "
            "of the edge."
        )
    if window[1] >= energy[-1]:
        raise InvalidInput(
            f"window ends at {window[1]:g} eV and the data at {energy[-1]:g} eV: no edge is left."
        )
    if estimator == "two_area" and method != "power_law":
        raise InvalidInput(
            f"estimator='two_area' is of the power law, not of {method}: leave it at its default."
        )
    if average < 1 or average % 2 == 0:
        raise InvalidInput(f"average is an odd number of spectra by side, as 3 or 5, got {average}.")
    if average > 1 and method != "power_law":
        raise InvalidInput(f"average shares the exponent of a power law; {method} has none: leave it at 1.")
    if average > 1 and estimator != "maximum_likelihood":
        raise InvalidInput("average goes with estimator='maximum_likelihood' only.")
    if gain is not None and not gain > 0:
        raise InvalidInput(f"gain is the variance per count, above 0, got {gain:g}.")


def _curve(
    method: str,
    energy: Array,
    degree: int,
    exponents: tuple[float, float] | None,
    front: xr.DataArray,
    axis: str,
) -> Curve:
    if method == "power_law":
        return power_law(energy)
    if method == "exponential":
        return exponential(energy)
    if method in ("linear", "polynomial"):
        return polynomial(energy, 1 if method == "linear" else degree)
    if exponents is None:
        if front.ndim == 1:
            raise InvalidInput(
                "a single spectrum has no spread of exponents: give exponents, as in (2.0, 4.0)."
            )
        low, high = series_value("exponents", lambda: _spread(front.transpose(..., axis).values, energy))
        exponents = (low, high)
        resolve(exponents=exponents)
    if not abs(exponents[1] - exponents[0]) > 1e-3:
        raise InvalidInput(
            f"exponents are two different numbers, as in (2.0, 4.0), got ({exponents[0]:g}, {exponents[1]:g})."
        )
    return power_laws(energy, (min(exponents), max(exponents)))


def _spread(front: Array, energy: Array) -> tuple[float, float]:
    """Low and high percentile of the exponents of all spectra."""
    found = fit_curve(power_law(energy), energy, front.reshape(-1, energy.size)).parameters[:, 1]
    if not np.isfinite(found).any():
        raise InvalidInput(
            "no spectrum gives an exponent inside the window: give exponents, or move the window."
        )
    low, high = np.nanpercentile(found, PERCENTILES)
    return float(low), float(high)


def _subtracted(
    dataset: xr.Dataset,
    curve: Curve,
    inside: slice,
    known: xr.DataArray | None,
    gain: float | None,
    estimator: str,
    average: int,
) -> dict[str, xr.DataArray]:
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    energy = dataset[axis].values.astype(float)
    kind = np.result_type(dataset[signal].dtype, np.float32)
    inputs: list[Any] = [(dataset[signal], (axis,))]
    if known is not None:
        inputs.append((known, (axis,)))
    if average > 1:
        inputs += [
            (part, ()) for part in local_exponent(dataset, curve, inside, average, gain, known is not None)
        ]

    def kernel(y: Array, *more: Array) -> dict[str, Array]:
        rows = y.reshape(-1, energy.size)
        sigma = np.broadcast_to(more[0], y.shape).reshape(rows.shape) if known is not None else None
        near = [m.reshape(-1) for m in more[-2:]] if average > 1 else None
        n, terms = len(rows), len(curve.terms)
        out: dict[str, Array] = {name: np.empty((n, energy.size), kind) for name in ("background", "net")}
        out |= {"parameter": np.empty((n, terms)), "covariance": np.empty((n, terms, terms))}
        out |= {"redchi": np.empty(n), "dispersion": np.empty(n)}
        for start in range(0, n, BLOCK):
            part = slice(start, start + BLOCK)
            fitted = fit_curve(
                curve, energy[inside], rows[part, inside], estimator=estimator, gain=gain,
                variance=None if sigma is None else sigma[part, inside].astype(float) ** 2,
                exponent=None if near is None else (near[0][part], near[1][part]),
            )  # fmt: skip
            _subtract(curve, energy, fitted.parameters, rows[part], out["background"][part], out["net"][part])
            out["parameter"][part], out["covariance"][part] = fitted.parameters, fitted.covariance
            out["redchi"][part], out["dispersion"][part] = fitted.redchi, fitted.dispersion
        return {name: a.reshape((*y.shape[:-1], *a.shape[1:])) for name, a in out.items()}

    outputs: dict[str, tuple[str, ...]] = {
        "background": (axis,), "net": (axis,), "parameter": ("background_term",),
        "covariance": ("background_term", "background_term_2"), "redchi": (), "dispersion": (),
    }  # fmt: skip
    sizes = dict.fromkeys(("background_term", "background_term_2"), len(curve.terms))
    return map_spectra(kernel, inputs, outputs, sizes=sizes, dtypes={"background": kind, "net": kind})


def _subtract(
    curve: Curve, energy: Array, parameters: Array, y: Array, background: Array, net: Array
) -> None:
    """Write the curve and what lies above it, in their own precision; no power law at energies up to zero."""
    first = int(np.searchsorted(energy, 0.0, "right")) if curve.kind in ("power_law", "power_laws") else 0
    if curve.logarithmic:
        rows = np.require(y, net.dtype, ["C", "W"])
        subtract_rows(rows, curve.argument(energy[first:]), parameters, background, net)
        return
    background[:, :first] = np.nan
    background[:, first:] = parameters @ curve.basis(energy[first:]).T
    np.subtract(y, background, out=net, casting="same_kind")


def _labelled(
    dataset: xr.Dataset,
    made: dict[str, xr.DataArray],
    curve: Curve,
    how: str,
    method: str,
    window: tuple[float, float],
    noise_of: str,
) -> xr.Dataset:
    import xarray as xr

    signal = signal_name(dataset)
    units = str(dataset[signal].attrs.get("units", ""))
    dims = series_dims(dataset)
    order = {name: made[name].transpose(*dims, ...) for name in made}
    texts = {"curve": curve.to_text(), "method": method, "estimator": ESTIMATORS[how], "window": list(window)}
    diagonal = xr.apply_ufunc(
        lambda c: np.sqrt(np.einsum("...ii->...i", c)),
        order["covariance"],
        input_core_dims=[["background_term", "background_term_2"]],
        output_core_dims=[["background_term"]],
        dask="parallelized",
        output_dtypes=[float],
    )
    result = dataset.drop_vars([n for n in dataset.variables if str(n).startswith("background")]).assign(
        background=order["background"].transpose(*dataset[signal].dims).assign_attrs(units=units, **texts),
        net=order["net"]
        .transpose(*dataset[signal].dims)
        .assign_attrs(units=units, long_name="signal without background"),
        background_parameter=order["parameter"].assign_attrs(
            units="", long_name="parameters of the background"
        ),
        background_parameter_sigma=diagonal.assign_attrs(
            units="", long_name="standard uncertainty of the parameters of the background"
        ),
        background_covariance=order["covariance"].assign_attrs(
            units="", long_name="covariance of the parameters of the background"
        ),
        background_redchi=order["redchi"].assign_attrs(
            units="", long_name="chi-square per degree of freedom inside the background's window"
        ),
        background_dispersion=order["dispersion"].assign_attrs(
            units="",
            of=noise_of,
            long_name=f"variance of a channel{' per count' if noise_of == 'count' else ''}",
        ),
    )
    result["background"].attrs["long_name"] = "background"
    result = result.assign_coords(
        background_term=list(curve.terms), background_term_2=list(curve.terms)
    )  # names, no numbers
    return flag(
        result, order["dispersion"].isnull(), "no_background",
        "the background's window holds no positive sum of counts or values that are not finite, or its fit did not "
        "settle: nothing was subtracted; look at the spectrum",
    )  # fmt: skip
