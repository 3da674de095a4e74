"""Bands fitted to spectra, series and maps: where each lies, how strong and how wide it is, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raman.bands.kernel import FLAGS, BandFitter
from raman.bands.model import (
    BandModel,
    Bands,
    BandShape,
    BaselineDegree,
    Widths,
    band_model,
    chosen_bands,
    with_content,
)
from raman.bands.noise import Noise, noise_of
from raman.bands.table import TECHNIQUES, Band
from spectra.dataset import flag, map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.fitting.labels import label_fit, outputs_of, sizes_of
from spectra.fitting.spec import Model, from_tables
from spectra.fitting.understand import understand
from spectra.verbs import note, resolve, series_length, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["check_points", "fit_bands", "fitted_variable", "labelled", "say", "sigma_of_axis"]

Floats = npt.NDArray[np.float64]

#: The window reaches this many start widths beyond the outermost bands.
REACH = 3.0
#: A series is large from here on.
MANY = 500
#: Curves of components are kept unasked up to this many numbers.
KEPT = 20_000_000


@verb(
    "raman.fit_bands",
    axis=tuple(TECHNIQUES),
    together=lambda options: options["start"] == "neighbour",
)
def fit_bands(
    dataset: xr.Dataset,
    bands: Bands,
    *,
    shape: BandShape | None = None,
    window: tuple[float, float] | None = None,
    variable: str | None = None,
    baseline: BaselineDegree | None = None,
    widths: Widths = "free",
    position_range: float | None = None,
    instrument_width: float | None = None,
    changes: dict[str, dict[str, Any]] | None = None,
    weights: Literal["auto", "sigma", "poisson", "none"] = "auto",
    significance: float = 3.0,
    start: Literal["fresh", "neighbour"] | None = None,
    restarts: int | None = None,
    component_curves: bool | None = None,
    workers: int | None = None,
) -> xr.Dataset:
    r"""Fit the bands of a phase, or bands of your own; add position, height, area and width of each.

    One line per band and a polynomial below them are fitted together to each spectrum:

    .. math:: f(\nu) = \sum_k c_k (\nu - \nu_0)^k + \sum_b A_b\,L\big((\nu - \nu_b)/F_b\big)

    with every :math:`\nu_b` and :math:`F_b` inside the limits of its table. ``position_sigma`` includes the
    uncertainty of a calibrated axis (``raman_shift_sigma``), which is common to all spectra; that of a baseline that
    was subtracted before, and the choice of the shape, are in no sigma.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``raman_shift`` or ``wavenumber`` in 1/cm; any series dimensions.
    bands : str, tuple or table
        Phase of the table (``spectra list bands``): ``"lnmo"``, ``"carbon"``; a file in its form (``"mine.toml"``);
        positions in 1/cm ``(480.0, 590.0)``, or tables ``{"name": "A1g", "position": 590.0, "fwhm": 12.0}``; or
        several of these in a tuple: ``("licoo2", 520.5)``.
    shape : {"lorentzian", "gaussian", "pseudo_voigt", "voigt"}, optional
        Of all bands. Default: that of the table where it names one, else Lorentzian. Voigt lines share one Gaussian
        part, that of the instrument.
    window : (float, float), optional
        In 1/cm, what is fitted. Default: from three start widths below the first band to three above the last.
    variable : str, optional
        What is fitted. Default: ``net`` of ``spectra.subtract_baseline`` where it is, else the measured quantity.
    baseline : {"none", "constant", "linear", "quadratic", "cubic"}, optional
        Polynomial fitted together with the bands. Default: "none" under ``net``, else "linear".
    widths : {"free", "shared"} or tuple of tuple of str
        Widths fitted one by one, one for all bands, or one for each group of bands named.
    position_range : float, optional
        Positions are fitted within this many 1/cm of the table's; 0 keeps them. Default: the ranges of the table.
    instrument_width : float, optional
        Full width of the instrument in 1/cm: no band is narrower; of Voigt lines it is the Gaussian part, kept.
    changes : table of tables, optional
        What to change, by band: ``{"A1g": {"position": {"value": 630.0, "min": 620.0, "max": 640.0}, "fwhm": 12.0}}``;
        a number is kept.
    weights : {"auto", "sigma", "poisson", "none"}
        Uncertainty of each point: its ``_sigma``; that of counts; or none, all points alike and estimated from what
        the fit leaves over. "auto": the first that applies; counts are those in whole numbers.
    significance : float
        A band is found where its height is more than this many of its sigma.
    start : {"fresh", "neighbour"}, optional
        Start values: the table's, or, where they fail or a spectrum stands out, the result of a neighbour along any
        series dimension. Default: "neighbour" for maps (``y`` and ``x``), else "fresh".
    restarts : int, optional
        Other starts that are tried where a band is weak or not determined. Default: 8, of more than 500 spectra 1: a
        large map has many pixels without a band, and none of them is worth nine fits.
    component_curves : bool, optional
        Keep ``component_curve``. Default: unless it would hold more than 20 million numbers.
    workers : int, optional
        Threads. Default: all cores.

    Returns
    -------
    xarray.Dataset
        The variables of ``spectra.fit`` per ``component`` (the band; ``baseline`` is the polynomial), and ``found``
        (1, or 0 for a band that does not stand out) and ``at_limit`` (1 where position or width ended on a limit),
        both NaN where the fit failed; coordinates ``table_position`` and ``assignment``. Beside the flags of ``spectra.fit``: ``band_not_found`` and
        ``band_cut_off`` (warnings). Curves are NaN outside the window.

    Raises
    ------
    InvalidInput
        Unknown bands, none of them inside the spectrum, a window with too few points, transmittance.

    References
    ----------
    Each band's source is in ``spectra list bands NAME``; numbers that nobody has compared with their source are named
    in the history.

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> shift = np.arange(300.0, 800.0, 1.0)
    >>> lines = {
    ...     "Eg": {"shape": "lorentzian", "position": 485.2, "area": 3e4, "fwhm": 11.0},
    ...     "A1g": {"shape": "lorentzian", "position": 595.0, "area": 9e4, "fwhm": 13.0},
    ... }
    >>> cathode = spectra.simulate(
    ...     shift, lines, background=200.0, counts=5000, rng=1, axis="raman_shift", name="counts", units="counts"
    ... )
    >>> cathode = raman.fit_bands(cathode, "licoo2")
    >>> cathode.position.sel(component=["Eg", "A1g"]).values.round(1).tolist()
    [485.2, 595.0]
    """
    axis = spectral_axis(dataset)
    name = fitted_variable(dataset, variable)
    baseline = baseline or ("none" if name == "net" else "linear")
    wanted, limits = _inside(dataset, bands, axis, window)
    model = band_model(
        wanted, shape=shape, baseline=baseline, origin=round(sum(limits) / 2, 3), widths=widths,
        position_range=position_range, instrument_width=instrument_width, changes=changes,
    )  # fmt: skip
    if restarts is not None and restarts < 0:
        raise InvalidInput(f"restarts must be 0 or more, got {restarts}.")
    noise = noise_of(dataset, name, weights)
    check_points(dataset, axis, limits, model)
    written = from_tables(model.tables, model.params)
    say(written, name, baseline, limits, noise)
    if name == "net":
        note("the baseline was taken as known: no uncertainty from it")
    spectra = series_length(int(np.prod([dataset.sizes[d] for d in series_dims(dataset)])))
    if restarts is None:
        restarts = 8 if spectra <= MANY else 1
    if start is None:
        start = "neighbour" if {"y", "x"} <= set(dataset.dims) else "fresh"
    resolve(restarts=restarts, start=start)
    fitter = BandFitter(
        understand(written),
        model,
        dataset[axis].values.astype(float),
        limits,
        poisson=noise.weights == "poisson",
        axis_sigma=sigma_of_axis(dataset, axis),
        significance=significance,
        neighbours=start == "neighbour",
        curves=len(model.names) * spectra * dataset.sizes[axis] <= KEPT
        if component_curves is None
        else component_curves,
        workers=workers,
        restarts=restarts,
    )
    if not fitter.curves:
        note("curves of the single bands were not kept: component_curves=True keeps them")
    return labelled(dataset, fitter, noise, name, axis)


def fitted_variable(dataset: xr.Dataset, variable: str | None) -> str:
    """What is fitted: bands must point upwards in it."""
    axis = spectral_axis(dataset)
    name = variable or ("net" if "net" in dataset else signal_name(dataset))
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to fit.")
    if name in ("transmittance", "reflectance", "single_channel"):
        raise InvalidInput(
            f"fit_bands fits bands that point upwards, and {name} has them downwards: call raman.to_absorbance "
            "first."
        )
    return name


def _inside(
    dataset: xr.Dataset, bands: Bands, axis: str, window: tuple[float, float] | None
) -> tuple[tuple[Band, ...], tuple[float, float]]:
    """Bands that the spectra reach, and the limits of what is fitted."""
    stored = with_content(bands)
    if stored is not None:
        resolve(bands={"content": stored})
    every, phases = chosen_bands(bands, TECHNIQUES[axis])
    first, last = (float(v) for v in dataset[axis].values[[0, -1]])
    low, high = sorted(window) if window else (-np.inf, np.inf)
    low, high = max(low, first), min(high, last)
    kept = tuple(b for b in every if low <= b.position <= high)
    if not kept:
        raise InvalidInput(
            f"none of the bands asked for ({', '.join(f'{b.position:g}' for b in every)} 1/cm) lies inside what is fitted, "
            f"{low:g} to {high:g} 1/cm."
        )
    left_out = [b.name for b in every if b not in kept]
    if left_out:
        note(f"bands outside {low:g} to {high:g} 1/cm were left out: {', '.join(left_out)}")
    if window is None:
        low = max(low, min(b.range[0] - REACH * b.fwhm for b in kept))
        high = min(high, max(b.range[1] + REACH * b.fwhm for b in kept))
    for phase in phases:
        unsure = [n for n in phase.to_verify if any(b.name.endswith(n) for b in kept)]
        if unsure:
            note(f"positions of {phase.name} that are to be verified or conflicting: {', '.join(unsure)}")
    return kept, (round(low, 6), round(high, 6))


def check_points(dataset: xr.Dataset, axis: str, limits: tuple[float, float], model: BandModel) -> None:
    """Refuse a window with fewer points than parameters."""
    x = dataset[axis].values
    points = int(np.count_nonzero((x >= limits[0]) & (x <= limits[1])))
    free = sum("expr" not in s and s.get("vary", True) for s in model.params.values())
    if points <= free:
        raise InvalidInput(
            f"window ({limits[0]:g}, {limits[1]:g}) holds {points} points, and {free} parameters are fitted: widen the "
            "window, share widths or fit fewer bands."
        )


def say(written: Model, name: str, baseline: str, limits: tuple[float, float], noise: Noise) -> None:
    """What was fitted, and how it was weighted, into the history."""
    note(noise.said)
    tables, settings = written.to_tables()
    weights: dict[str, Any] = {"weights": noise.weights} | ({"sigma": noise.called} if noise.called else {})
    resolve(variable=name, baseline=baseline, window=limits, model=tables, params=settings, **weights)


def sigma_of_axis(dataset: xr.Dataset, axis: str) -> Floats | None:
    """Uncertainty of a calibrated axis, where the dataset states one."""
    name = f"{axis}_sigma"
    if name not in dataset.variables or dataset[name].dims != (axis,):
        return None
    note(f"position_sigma and maximum_sigma include {name}")
    return np.asarray(dataset[name].values, float)


def labelled(dataset: xr.Dataset, fitter: BandFitter, noise: Noise, name: str, axis: str) -> xr.Dataset:
    """Dataset with the variables of the fit."""
    model = fitter.model
    outputs = outputs_of(fitter.understood, axis) | fitter.outputs
    if not fitter.curves:
        del outputs["component_curve"]
    inputs: list[Any] = [(dataset[name], (axis,))]
    if noise.sigma is not None:
        inputs.append((noise.sigma, (axis,)))
    kinds = {
        n: (bool if n.startswith("flag_") else int) for n in outputs if n.startswith("flag_") or n == "nfev"
    }
    made = map_spectra(fitter, inputs, outputs, sizes=sizes_of(fitter.understood), dtypes=kinds)
    own = {n: made.pop(n) for n in fitter.outputs}
    result = label_fit(dataset.drop_vars("fit_sigma", errors="ignore"), made, fitter.understood, name)
    result["found"] = own["found"].assign_attrs(
        units="", long_name="1 where the band stands out of the noise"
    )
    result["at_limit"] = own["at_limit"].assign_attrs(
        units="", long_name="1 where position or width ended on a limit"
    )
    if noise.called == "fit_sigma":
        result["fit_sigma"] = noise.sigma
    beside = len(model.names) - len(model.bands)
    about = {
        "table_position": (
            [*(b.position for b in model.bands), *[np.nan] * beside],
            "1/cm",
            "position in the table",
        ),
        "assignment": ([*(b.assignment for b in model.bands), *[""] * beside], "", "assignment in the table"),
    }
    result = result.assign_coords(component=list(model.names)).assign_coords(
        {n: ("component", values, {"units": u, "long_name": text}) for n, (values, u, text) in about.items()}
    )
    for flag_name, text in FLAGS.items():
        where = own[f"flag_{flag_name}"]
        if where.chunks is not None or bool(where.any()):
            result = flag(result, where, flag_name, text, severity="warning")
    return result
