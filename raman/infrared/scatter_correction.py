"""Extended multiplicative signal correction: effects of thickness, scattering and interferents taken off spectra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raman.infrared.mie_scatter import Spheres, component_count, mie_corrected
from raman.infrared.second_spectrum import second_spectra, second_spectrum
from raman.infrared.transmission import refuse_percent
from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Emsc", "emsc", "multiplicative_correction"]

FloatArray = npt.NDArray[np.float64]

_HIGHEST_DEGREE = 10
#: How uneven the steps may be for the transform behind the scattering of spheres, relative.
_EVEN = 0.05


@dataclass(frozen=True)
class Emsc:
    """Corrected spectra, what was taken off, and how much of the reference is in them; NaN where that failed."""

    corrected: FloatArray  # (..., n)
    sigma: FloatArray  # (..., n), NaN without uncertainties
    baseline: FloatArray  # (..., n) polynomial and interferents
    scale: FloatArray  # (...)
    scale_sigma: FloatArray  # (...), NaN without uncertainties
    unmeasured: npt.NDArray[np.bool_]  # (...) too few finite points
    absent: npt.NDArray[np.bool_]  # (...) the reference counts zero or less


def multiplicative_correction(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    degree: int = 2,
    interferents: npt.ArrayLike | None = None,
    inside: npt.ArrayLike | None = None,
    sigma: npt.ArrayLike | None = None,
) -> Emsc:
    r"""Fit :math:`y = \sum_k c_k x^k + \sum_j d_j z_j + b\, r` and return :math:`(y - \sum c_k x^k - \sum d_j z_j)/b`.

    One factorisation serves all spectra without gaps. Uncertainties of points that are independent of each other are
    carried exactly to first order, what the fit shares among the points included.

    Parameters
    ----------
    x : (n,) array
        Axis.
    y : (..., n) array
        Spectra; single points may be NaN.
    reference : (n,) array
        What the spectra are scaled to.
    degree : int
        Of the polynomial.
    interferents : (m, n) array, optional
        Spectra of what is to be taken off.
    inside : (n,) bool array, optional
        Points that are fitted; the correction goes over all.
    sigma : (..., n) array, optional
        Standard uncertainties.

    Returns
    -------
    Emsc
        ``corrected`` and its ``sigma`` in the units of ``y``, ``baseline`` that was taken off, and ``scale`` b. NaN where
        too few points are finite or the reference counts zero or less, which is said per spectrum.
    """
    grid, values, ref = np.asarray(x, float), np.asarray(y, float), np.asarray(reference, float)
    u = 2 * (grid - 0.5 * (grid[0] + grid[-1])) / (grid[-1] - grid[0])
    columns = [u**k for k in range(degree + 1)]
    if interferents is not None:
        columns += list(np.atleast_2d(np.asarray(interferents, float)))
    model = np.column_stack([*columns, ref])
    fitted = np.ones(grid.size, bool) if inside is None else np.asarray(inside, bool)
    lead = values.shape[:-1]
    rows = values.reshape(-1, grid.size)
    errors = (
        None if sigma is None else np.broadcast_to(np.asarray(sigma, float), values.shape).reshape(rows.shape)
    )
    out = _Rows(np.full((3, *rows.shape), np.nan), np.full((2, len(rows)), np.nan))
    used = np.isfinite(rows) & fitted
    unmeasured = used.sum(-1) < model.shape[1] + 1
    whole = used[:, fitted].all(-1)
    if whole.any():
        out.fill(whole, rows, errors, model, fitted)
    for i in np.flatnonzero(~whole & ~unmeasured):
        out.fill(np.arange(len(rows)) == i, rows, errors, model, used[i])
    scale = out.numbers[0]
    absent = ~unmeasured & ~(scale > 0)
    out.curves[:, absent | unmeasured] = np.nan
    corrected, error, baseline = (a.reshape(values.shape) for a in out.curves)
    return Emsc(
        corrected, error, baseline, scale.reshape(lead), out.numbers[1].reshape(lead), unmeasured.reshape(lead),
        absent.reshape(lead),
    )  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    """Results of the spectra one below the other, filled in by groups that share their points."""

    curves: FloatArray  # corrected, sigma, baseline: (3, rows, n)
    numbers: FloatArray  # scale and its sigma: (2, rows)

    def fill(
        self, which: npt.NDArray[np.bool_], rows: FloatArray, errors: FloatArray | None, model: FloatArray,
        used: npt.NDArray[np.bool_],
    ) -> None:  # fmt: skip
        solve = np.zeros((model.shape[1], model.shape[0]))
        solve[:, used] = np.linalg.pinv(model[used])
        y = rows[which]
        terms = np.where(used, y, 0.0) @ solve.T
        baseline = terms[:, :-1] @ model[:, :-1].T
        scale = terms[:, -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            corrected = (y - baseline) / scale
        self.curves[0, which], self.curves[2, which], self.numbers[0, which] = (
            corrected,
            baseline,
            scale[:, 0],
        )
        if errors is None:
            return
        variance = errors[which] ** 2
        counted = np.where(used, variance, 0.0)
        count = len(solve)
        products = (solve[:, None] * solve[None]).reshape(count * count, -1)
        shared = (counted @ products.T).reshape(-1, count, count)  # covariance of the terms of each spectrum
        # a corrected point answers to each term of the baseline with the model, to the scale with itself
        rest = model[:, :-1]
        with_point = (np.einsum("np,pn->n", rest, solve[:-1]) + corrected * solve[-1]) * counted
        squares = (rest[:, :, None] * rest[:, None]).reshape(len(rest), -1)
        spread = shared[:, :-1, :-1].reshape(len(shared), -1) @ squares.T
        spread += 2 * corrected * (shared[:, :-1, -1] @ rest.T) + corrected**2 * shared[:, -1, -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.curves[1, which] = np.sqrt(np.maximum(variance - 2 * with_point + spread, 0)) / np.abs(scale)
        self.numbers[1, which] = np.sqrt(shared[:, -1, -1])


@verb("raman.emsc", axis=("wavenumber", "raman_shift"))
def emsc(
    dataset: xr.Dataset,
    *,
    reference: Any,
    polynomial: int = 2,
    interferents: Any = None,
    window: tuple[float, float] | None = None,
    method: Literal["emsc", "me_emsc"] = "emsc",
    components: int | None = None,
    max_iterations: int = 30,
    radius: tuple[float, float] = (2.0, 7.1),
    index: tuple[float, float] = (1.1, 1.4),
) -> xr.Dataset:
    r"""Scale spectra to a reference and take polynomial, interferents or scattering off them; change the spectra.

    ``emsc`` fits :math:`y = \sum_k c_k \tilde\nu^k + \sum_j d_j z_j + b\, r` to each spectrum and leaves
    :math:`(y - \sum_k c_k\tilde\nu^k - \sum_j d_j z_j)/b`: what is chemically different from the reference stays in.
    ``me_emsc`` takes off the scattering of absorbing spheres, as single cells and grains show it in infrared
    transmission; it goes on with the corrected spectrum as the reference until the residual stays.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``absorbance`` (or ``intensity``) along ``wavenumber`` or ``raman_shift``; any series dimensions.
    reference : xarray.Dataset, path or (axis, values)
        The spectrum that all are scaled to: the mean of the series, or a pure one.
    polynomial : int
        Degree of the polynomial of ``emsc``; 0 is a constant.
    interferents : xarray.Dataset, path, (axis, values) or mapping of name to such, optional
        Spectra that ``emsc`` fits and takes off.
    window : (float, float), optional
        Part of the axis that ``emsc`` fits; the correction goes over all of it.
    method : {"emsc", "me_emsc"}
        ``me_emsc``: wavenumbers in even steps; no interferents.
    components : int, optional
        Of the curves of scattering. Default: as many as hold 99.96 % of their variance.
    max_iterations : int
        Of ``me_emsc``; one that needs more is flagged ``not_converged``.
    radius : (float, float)
        Of the spheres, in um.
    index : (float, float)
        Refractive indices of the spheres relative to what is around them.

    Returns
    -------
    xarray.Dataset
        With the spectra changed (``_sigma`` carried by ``emsc``), ``emsc_scale`` (b) and ``emsc_baseline`` (what was
        taken off).

    Raises
    ------
    InvalidInput
        A reference that does not reach or is another quantity; percent or fractions of light instead of absorbance.

    References
    ----------
    J. H. Solheim et al., J. Biophotonics 12, e201800415 (2019), doi:10.1002/jbio.201800415.

    Examples
    --------
    >>> import numpy as np, raman, spectra
    >>> nu = np.linspace(1000, 1800, 401)
    >>> pure = np.exp(-(((nu - 1400) / 30) ** 2))
    >>> data = spectra.from_arrays(nu, 0.2 + 0.5 * pure, axis="wavenumber", name="absorbance")
    >>> bool(np.allclose(raman.emsc(data, reference=(nu, pure)).absorbance, pure))
    True
    """
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    if signal in ("transmittance", "reflectance", "single_channel"):
        raise InvalidInput(
            f"raman.emsc works on absorbance, and this dataset holds {signal}; call raman.to_absorbance first."
        )
    refuse_percent(dataset, "raman.emsc")
    grid = dataset[axis].values.astype(float)
    chosen = second_spectrum(reference, "reference", verb="raman.emsc", axis=axis)
    content: dict[str, Any] = {"reference": {"content": chosen.to_spec()}}
    if method == "me_emsc":
        if interferents is not None or window is not None:
            raise InvalidInput(
                "method = 'me_emsc' takes no interferents and no window; crop the spectra instead."
            )
        resolve(**content)
        spheres = _spheres(radius, index, axis, grid)
        return _without_spheres(
            dataset,
            grid,
            chosen.on(grid, verb="raman.emsc", extend=True),
            components,
            max_iterations,
            spheres,
        )
    if not 0 <= polynomial <= _HIGHEST_DEGREE:
        raise InvalidInput(f"polynomial must lie between 0 and {_HIGHEST_DEGREE}, got {polynomial}.")
    others = (
        []
        if interferents is None
        else second_spectra(interferents, "interferents", verb="raman.emsc", axis=axis)
    )
    if others:
        content["interferents"] = {"content": {o.name: o.to_spec() for o in others}}
    resolve(**content)
    inside = np.ones(grid.size, bool) if window is None else (grid >= min(window)) & (grid <= max(window))
    if inside.sum() < polynomial + len(others) + 3:
        raise InvalidInput(
            f"window holds {inside.sum()} points; {polynomial + len(others) + 3} are needed for what is fitted."
        )
    ref = chosen.on(grid, verb="raman.emsc")
    curves = [o.on(grid, verb="raman.emsc") for o in others]
    _refuse_alike(grid, ref, curves, [o.name for o in others], polynomial, inside)
    sigma = dataset.get(f"{signal}_sigma")
    inputs = [(dataset[signal], (axis,))] + ([] if sigma is None else [(sigma, (axis,))])

    def kernel(values: FloatArray, errors: FloatArray | None = None) -> dict[str, Any]:
        return dict(
            vars(
                multiplicative_correction(
                    grid, values, ref, degree=polynomial, interferents=np.array(curves) if curves else None,
                    inside=inside, sigma=errors,
                )
            )
        )  # fmt: skip

    outputs: dict[str, tuple[str, ...]] = {
        "corrected": (axis,), "baseline": (axis,), "scale": (), "unmeasured": (), "absent": ()
    }  # fmt: skip
    if sigma is not None:
        outputs |= {"sigma": (axis,), "scale_sigma": ()}
    made = map_spectra(kernel, inputs, outputs, dtypes={"unmeasured": bool, "absent": bool})
    result = _named(dataset, made, signal)
    if sigma is not None:
        result = result.assign(
            {f"{signal}_sigma": made["sigma"].assign_attrs(dataset[f"{signal}_sigma"].attrs)},
        ).assign(emsc_scale_sigma=made["scale_sigma"].assign_attrs(units=""))
    return _flagged(result, made)


def _named(dataset: xr.Dataset, made: dict[str, xr.DataArray], signal: str) -> xr.Dataset:
    units = dataset[signal].attrs.get("units", "")
    return dataset.assign(
        {
            signal: made["corrected"].assign_attrs(dataset[signal].attrs),
            "emsc_baseline": made["baseline"].assign_attrs(units=units, long_name="what was taken off"),
            "emsc_scale": made["scale"].assign_attrs(units="", long_name="amount of the reference"),
        }
    )


def _flagged(result: xr.Dataset, made: dict[str, xr.DataArray]) -> xr.Dataset:
    result = flag(
        result, made["unmeasured"], "not_measured", "too few points of the spectrum are finite to fit it"
    )
    return flag(
        result, made["absent"], "no_reference",
        "nothing of the reference is in the spectrum: choose another one, or a window where it has bands",
    )  # fmt: skip


def _refuse_alike(
    grid: FloatArray, reference: FloatArray, curves: list[FloatArray], names: list[str], degree: int,
    inside: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Refuse spectra that the fit cannot tell apart."""
    u = 2 * (grid - 0.5 * (grid[0] + grid[-1])) / (grid[-1] - grid[0])
    model = np.column_stack([*(u**k for k in range(degree + 1)), *curves, reference])[inside]
    size = np.linalg.norm(model, axis=0)
    if (size == 0).any():
        raise InvalidInput("raman.emsc: reference or an interferent is zero in the window.")
    if np.linalg.cond(model / size) > 1e10:
        told = f" and {', '.join(names)}" if names else ""
        raise InvalidInput(
            f"raman.emsc: reference{told} cannot be told from each other or from a polynomial of degree {degree}; "
            "lower the degree or leave one out."
        )


def _spheres(radius: tuple[float, float], index: tuple[float, float], axis: str, grid: FloatArray) -> Spheres:
    if axis != "wavenumber":
        raise InvalidInput("method = 'me_emsc' is for infrared transmission; this dataset has raman_shift.")
    if not 0 < radius[0] < radius[1]:
        raise InvalidInput(f"radius must ascend from above 0 um, got {radius}.")
    if not 1 < index[0] < index[1]:
        raise InvalidInput(f"index must ascend from above 1, got {index}.")
    steps = np.diff(grid)
    if steps.max() - steps.min() > _EVEN * steps.mean():
        raise InvalidInput(
            "method = 'me_emsc' needs wavenumbers in even steps; interpolate the spectra first."
        )
    if grid[0] <= 0:
        raise InvalidInput(
            f"the axis begins at {grid[0]:g} 1/cm; crop it to what was measured (spectra.crop)."
        )
    return Spheres((radius[0], radius[1]), (index[0], index[1]))


def _without_spheres(
    dataset: xr.Dataset, grid: FloatArray, reference: FloatArray, components: int | None, max_iterations: int,
    spheres: Spheres,
) -> xr.Dataset:  # fmt: skip
    signal = signal_name(dataset)
    if not (reference > 0).any():
        raise InvalidInput("raman.emsc: the reference has no positive absorbance.")
    if components is not None and not 1 <= components <= spheres.number**2:
        raise InvalidInput(f"components must lie between 1 and {spheres.number**2}, got {components}.")
    if max_iterations < 1:
        raise InvalidInput(f"max_iterations must be at least 1, got {max_iterations}.")
    number = components or component_count(grid, reference, spheres)
    resolve(components=number)
    axis = "wavenumber"

    def kernel(values: FloatArray) -> dict[str, Any]:
        rows = values.reshape(-1, grid.size)
        curves, numbers = np.full((2, *rows.shape), np.nan), np.full((2, len(rows)), np.nan)
        states = np.zeros((3, len(rows)), bool)
        for i, row in enumerate(rows):
            if not np.isfinite(row).all():
                states[0, i] = True
                continue
            made = mie_corrected(
                grid, row, reference, components=number, max_iterations=max_iterations, spheres=spheres
            )
            states[1, i] = not made.scale > 0
            if states[1, i]:
                continue
            states[2, i] = not made.converged and max_iterations > 1
            curves[:, i] = made.corrected, made.scattering
            numbers[:, i] = made.scale, made.iterations
        lead = values.shape[:-1]
        return {
            "corrected": curves[0].reshape(values.shape), "baseline": curves[1].reshape(values.shape),
            "scale": numbers[0].reshape(lead), "iterations": numbers[1].reshape(lead),
            "unmeasured": states[0].reshape(lead), "absent": states[1].reshape(lead), "slow": states[2].reshape(lead),
        }  # fmt: skip

    outputs: dict[str, tuple[str, ...]] = {
        "corrected": (axis,), "baseline": (axis,), "scale": (), "iterations": (), "unmeasured": (), "absent": (),
        "slow": (),
    }  # fmt: skip
    made = map_spectra(
        kernel,
        [(dataset[signal], (axis,))],
        outputs,
        dtypes={"unmeasured": bool, "absent": bool, "slow": bool},
    )
    result = _named(dataset, made, signal).assign(iterations=made["iterations"].assign_attrs(units=""))
    if f"{signal}_sigma" in result:
        result = result.drop_vars(f"{signal}_sigma")
        note("no uncertainty is stated after the correction for spheres, which is not linear in the spectrum")
    result = _flagged(result, made)
    return flag(
        result, made["slow"], "not_converged",
        "the residual still changed after max_iterations: raise it, or take a reference more like the sample",
        severity="warning",
    )  # fmt: skip
