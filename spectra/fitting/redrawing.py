"""Uncertainties by Monte Carlo: the fitted spectrum drawn anew with its noise, and evaluated by the same verbs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["monte_carlo"]

Floats = npt.NDArray[np.float64]


def monte_carlo(
    dataset: xr.Dataset, *, draws: int = 1000, rng: int | np.random.Generator = 0, **index: int
) -> xr.Dataset:
    """The fit of one spectrum repeated on spectra drawn from it (parametric bootstrap).

    What the fit says of the spectrum is taken as the truth, noise is drawn on it, and the verb that made the fit is
    applied with the same options, after the one that subtracted a background if there was one. So every number
    that the verb gives has its distribution along ``draw``, skewed and on limits as it may be: compare its standard
    deviation with the ``_sigma`` that the fit states.

    Noise is that of counting where the measured quantity is in counts and has no ``_sigma``; normal with
    ``fit_sigma`` or the measured quantity's ``_sigma`` where there is one; else normal with the scatter of the residual.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of :func:`spectra.fit`, or of a verb that fits with its engine and whose history is there.
        Spectra that were fitted together are drawn together: the dimension along which they share parameters stays.
    draws : int
        How many spectra.
    rng : int or numpy.random.Generator
        Seed, or generator.
    **index : int
        Which spectrum, by position along each series dimension, as in ``Dataset.isel``; of joint fits along each
        other dimension.

    Returns
    -------
    xarray.Dataset
        All variables of the verb along ``draw``.

    Raises
    ------
    InvalidInput
        The dataset holds no fit, several spectra are left by ``index``, this one failed, or what was fitted is neither
        the measured quantity nor that freed of a background.

    References
    ----------
    B. Efron, Ann. Stat. 7, 1 (1979), doi:10.1214/aos/1176344552

    Examples
    --------
    >>> import numpy as np, spectra
    >>> x = np.linspace(0, 10, 101)
    >>> y = np.rint(50 + 400 * np.exp(-(((x - 5) / 1.5) ** 2)))
    >>> data = spectra.from_arrays(x, y, axis="binding_energy", name="counts", units="counts")
    >>> model = ({"shape": "gaussian"}, {"shape": "polynomial", "degree": 0})
    >>> fitted = spectra.fit(data, model=model, params={"position": 4.5, "c0": 1.0}, weights="poisson")
    >>> drawn = spectra.monte_carlo(fitted, draws=200)
    >>> bool(abs(drawn.position[:, 0].std() / fitted.position_sigma[0] - 1) < 0.2)
    True
    """
    if draws < 2:
        raise InvalidInput(f"draws must be at least 2, got {draws}.")
    from spectra.results.rerun import replay

    steps = history(dataset)
    fit = next((n for n in reversed(range(len(steps))) if "best_fit" in steps[n].get("added", ())), None)
    if fit is None or "residual" not in dataset:
        raise InvalidInput("the dataset holds no fit with its history: call the verb that fits first.")
    one = dataset.isel(index)
    together = _fitted_together(steps[fit])
    for name in (d for d in index if d in together):
        raise InvalidInput(
            f"the spectra along {name} were fitted together and are drawn together: leave it out."
        )
    steps[fit] = _for_draws(steps[fit], together)
    left = [str(d) for d in series_dims(one) if d not in together]
    if left:
        raise InvalidInput(
            f"monte_carlo draws one spectrum; say which along {', '.join(left)}: {left[0]} = 0."
        )
    signal = signal_name(dataset)
    expected = _expected(one, steps[fit], signal)
    drawn = _with_noise(one, signal, expected, draws, np.random.default_rng(rng))
    again = [n for n in range(fit + 1) if n == fit or _makes_background(steps[n], steps[fit], signal)]
    made = {name for n in again for name in steps[n].get("added", ())}
    base = one.drop_vars([n for n in made if n in one.variables]).drop_dims(
        [d for d in one.dims if d != spectral_axis(one) and d not in together], errors="ignore"
    )
    base = base.drop_vars("status", errors="ignore")
    base[signal] = (("draw", *one[signal].dims), drawn, one[signal].attrs)
    kept = [step for n, step in enumerate(steps[:fit]) if n not in again]
    base.attrs["history"] = json.dumps(kept)
    base.encoding = {}
    return replay(base, [steps[n] for n in again])


def _fitted_together(step: Mapping[str, Any]) -> tuple[str, ...]:
    """Dimensions over which the fit shares parameters."""
    said = {**step.get("options", {}), **step.get("resolved", {})}
    return tuple(said.get("along") or ()) if said.get("shared") else ()


def _for_draws(step: dict[str, Any], together: tuple[str, ...]) -> dict[str, Any]:
    """The fit as it is done again: nothing is shared between draws, nor handed from one to the next."""
    own: dict[str, Any] = {"along": together or None}
    if step["options"].get("start") in ("previous", "neighbour"):
        own["start"] = "fresh"
    return step | {"options": {n: own.get(n, v) for n, v in step["options"].items()}}


def _expected(one: xr.Dataset, step: Mapping[str, Any], signal: str) -> Floats:
    """What the fit expects of the measured quantity; measured values where it says nothing."""
    dims = one[signal].dims
    measured, residual = (
        one[signal].values.astype(float),
        one["residual"].transpose(*dims).values.astype(float),
    )
    fitted = str({**step.get("options", {}), **step.get("resolved", {})}.get("variable") or signal)
    beneath = (one[signal] - one[fitted]).values if fitted in one else np.full(measured.shape, np.nan)
    if fitted != signal:
        known = np.isfinite(beneath)
        background = np.full(measured.shape, np.nan)
        if "background" in one:
            background = one["background"].broadcast_like(one[signal]).transpose(*dims).values
        if not np.allclose(beneath[known], background[known]) or not known.any():
            raise InvalidInput(
                f"the fit is of {fitted!r}, which is not {signal!r} less a background: its noise cannot be drawn."
            )
    if not np.isfinite(residual).any():
        raise InvalidInput("the fit of this spectrum failed; see dataset.spectra.flags.")
    return np.where(np.isfinite(residual), measured - residual, measured)


def _makes_background(step: Mapping[str, Any], fit: Mapping[str, Any], signal: str) -> bool:
    """Whether ``step`` made what was fitted out of the measured quantity."""
    fitted = str({**fit.get("options", {}), **fit.get("resolved", {})}.get("variable") or signal)
    return fitted != signal and fitted in step.get("added", ()) and fitted not in fit.get("added", ())


def _with_noise(
    one: xr.Dataset, signal: str, expected: Floats, draws: int, rng: np.random.Generator
) -> Floats:
    shape = (draws, *expected.shape)
    counted = one[signal].attrs.get("units") == "counts" and f"{signal}_sigma" not in one
    if counted:
        # a background may lie below zero; there, nothing is counted
        numbers = rng.poisson(np.broadcast_to(np.maximum(np.nan_to_num(expected), 0.0), shape))
        return np.where(np.isfinite(expected), numbers, np.nan)
    spreads = [one[n] for n in (f"{signal}_sigma", "fit_sigma") if n in one]
    known = spreads[0].broadcast_like(one[signal]).transpose(*one[signal].dims).values if spreads else None
    if known is None:
        known = np.full(expected.shape, float(np.nanstd(one["residual"].values)))
    return np.asarray(expected + np.nan_to_num(known) * rng.normal(size=shape))
