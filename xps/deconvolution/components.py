"""Deconvolution of a core level into linked lines: positions, areas, fractions of oxidation states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.along import with_dims
from spectra.fitting.arrays import Start
from spectra.fitting.engine import as_outputs
from spectra.fitting.labels import QUANTITIES, label_fit, outputs_of, sizes_of, types_of
from spectra.fitting.spec import from_tables
from spectra.fitting.understand import understand
from spectra.verbs import note, resolve, verb
from xps.background.active import Background, Section, active_background
from xps.background.subtraction import Method, subtract_background
from xps.counting import counting
from xps.deconvolution.casaxps import casaxps_components
from xps.deconvolution.fraction_doubt import with_doubt, within_reach
from xps.deconvolution.insidefit import fitted_inside
from xps.deconvolution.khervefitting import khervefitting_components
from xps.deconvolution.linefit import (
    MEAN_VALENCE,
    draw_lines,
    end_moves,
    fit_lines,
    fraction_name,
    start_positions,
    written,
)
from xps.deconvolution.misfit import flag_misfit
from xps.deconvolution.position_doubt import flag_positions
from xps.deconvolution.sampling import flag_sampling
from xps.deconvolution.together import Series
from xps.links import LinkedModel, linked_model
from xps.states.doublets import check_names, doublet_components, known_states, states_of
from xps.states.own_tables import OwnTables

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["deconvolve"]

AXIS = "binding_energy"
FloatArray = npt.NDArray[np.float64]


@verb(
    "xps.deconvolve",
    axis=AXIS,
    together=lambda options: bool(options["shared"]) or options["start"] != "fresh",
)
def deconvolve(
    dataset: xr.Dataset,
    *,
    states: tuple[str, ...] | None = None,
    components: Literal["casaxps", "khervefitting"] | tuple[dict[str, Any], ...] | None = None,
    own_tables: OwnTables | None = None,
    window: tuple[float, float] | None = None,
    background: Background | None = None,
    degree: int | None = None,
    loss: Section | None = None,
    positions: dict[str, float] | None = None,
    splittings: dict[str, float] | None = None,
    position_range: float = 0.5,
    shape: str = "sgl",
    packets: bool | Literal["to-verify"] = False,
    packet_areas: dict[str, tuple[float, ...]] | None = None,
    one_line: bool = False,
    changes: dict[str, dict[str, Any]] | None = None,
    shared: tuple[str, ...] = (),
    along: str | tuple[str, ...] | None = None,
    start: Start = "fresh",
    vary: bool = True,
) -> xr.Dataset:
    r"""Fit a core level with linked lines; add positions, areas, ``fraction`` and ``mean_valence``.

    Either ``states``, each one doublet, one line of an s level or a packet of multiplets (lines tied by splitting,
    area ratio and width factor of the level, widths and shape common to its states), or ``components`` of your own.
    The net counts are fitted, weighted by all that was counted; with a background inside the fit, the counts
    themselves:

    .. math:: \text{fraction}_s = \frac{\sum_{c \in s} A_c}{\sum_{c \in \text{level}} A_c}, \qquad
              \bar v = \sum_s \text{fraction}_s\, v_s

    Their uncertainties include the correlations of the areas, and what the scatter of the background's end points
    changes in them (the fit is repeated with each end one sigma off), or the correlations with all parameters of a
    background inside the fit. A background that is wrong in itself, lines
    that are no single doublets, and the choice of the shape are not in them. Where
    the counts do not determine a position between its limits, it may be anywhere there: ``fraction`` and
    ``mean_valence`` are then means over all that fits, and not those of the best fit, and every sigma holds it. ``position_sigma`` includes
    ``charge_shift_sigma`` after a calibration; ``best_value_sigma`` is that of the fit alone.

    Parameters
    ----------
    dataset : xarray.Dataset
        With counts along ``binding_energy`` in eV, and ``net`` from ``xps.subtract_background`` unless ``background``
        is given; any series dimensions.
    states : tuple of str, optional
        States of the table: ``("Mn3+", "Mn4+")``, or of several levels in one window,
        ``("V4+", "V5+", "O 1s lattice")``. Fractions are those of one level.
    components : {"casaxps", "khervefitting"} or tuple of tables, optional
        Lines of your own, each with ``name``, ``position`` and what else is known: ``shape``, ``fwhm``, ``area``,
        ``state``, ``valence``. A number is kept, ``{value, min, max}`` is fitted, a text is an expression. A line with
        ``partner``, ``splitting``, ``area_ratio`` and ``width_factor`` is the second of a doublet. ``"casaxps"`` takes
        the components stored in the file, ``"khervefitting"`` those of a project, on its own background unless there
        is another.
    own_tables : tables of states and levels, optional
        Your own states, by name in ``states`` beside those of the table: ``{"state": (...), "level": (...)}``, as a
        TOML file with ``[[state]]`` and ``[[level]]`` reads. Each number has value, unit, source and status.
    window : (float, float), optional
        Binding energies in eV that are fitted. Default: where there is a background.
    background : {"shirley", "tougaard", "linear", "slope", "polynomial", "active_shirley", \
        "active_shirley_each", "active_slope", "active_tougaard", "active_linear", "active_polynomial"}, optional
        Subtract this background first, over ``window``; or fit it together with the lines (``active_``): a polynomial
        with what each line S leaves behind it inside the window,

        .. math:: B(x) = \sum_{n=0}^{degree} c_n (x - x_L)^n + k \int_{x_L}^{x} S(t)\,dt

        for ``active_shirley`` (one k for all lines; ``_each``: one per peak, the lines of a packet together), twice
        integrated for ``active_slope``, convolved with the cross section ``loss`` for ``active_tougaard`` (B fitted;
        the window should reach 30 eV beyond the lines), and nothing for the others. Default: ``net`` as it is.
    degree : int, optional
        Of the polynomial of ``polynomial`` and of a background inside the fit. Default: 0 below what lines leave
        behind them, 1 for ``active_linear``, else 2.
    loss : str or (float, float, float, float), optional
        Cross section of ``tougaard`` and ``active_tougaard``, as ``xps.subtract_background`` takes it: a name
        (``universal``, ``polymer``), (B, C, D, T0), or (B, C, D, T0, C'). Inside the fit B is where its fit starts.
        Default: ``universal``.
    positions : table of float, optional
        Position in eV of the first line by state, instead of the table's.
    splittings : table of float, optional
        Splitting in eV by state, instead of the table's.
    position_range : float
        Positions of states are fitted within this many eV; 0 keeps them.
    shape : str
        Line shape of states: ``sgl``, ``gl``, ``voigt``, ``pseudo_voigt``, ``gaussian``, ``lorentzian``. Ni, Co and Fe
        metal have the asymmetric line and the losses that were measured; ``changes`` frees them.
    packets : bool or "to-verify"
        Draw states as packets of multiplets where one is tabulated, its lines fixed in distance and share: True with
        areas that were read in their source or are given, ``"to-verify"`` also with areas yet to be checked.
    packet_areas : table of (float, ...), optional
        Relative areas of the lines of a packet by state, instead of the table's.
    one_line : bool
        Fit the line of high j only (2p3/2), for a window and background that end before the other.
    changes : table of tables, optional
        What to change in the components of the states, by component, in the language of ``components``:
        ``{"Mn3+ 2p1/2": {"area_ratio": {"value": 0.5, "min": 0.4, "max": 0.6}}}``.
    shared : tuple of str
        Fit the spectra of a series together, with one value for all of them of: ``position``, ``fwhm``, ``shape``,
        ``splitting``, ``area_ratio``, ``width_factor``, ``background`` (the strength of one inside the fit), or of
        single parameters by their names in ``best_value``. Areas, and so fractions, are fitted per spectrum.
    along : str or tuple of str, optional
        Dimension of the series, over which parameters are shared or along which start values are handed: depth,
        voltage. Default: the only one, or for start values the last.
    start : {"fresh", "previous", "neighbour"}
        Start values: the table's or the components'; the last spectrum before that was fitted clearly; or the nearest
        neighbours' on all sides where they lead lower.
    vary : bool
        False draws the components at their values and fits nothing.

    Returns
    -------
    xarray.Dataset
        The variables of ``spectra.fit`` per ``component``, and per ``state`` ``fraction``, and ``mean_valence``
        where all states of one level have a valence; ``_sigma`` of each unless nothing was fitted. A background inside
        the fit adds ``background`` with its ``_sigma`` and ``net`` inside the window, and its strength: ``shirley_k`` (1/eV; along
        ``component`` where each peak has its own), ``slope_k`` (1/eV²) or ``tougaard_b`` (eV²). A joint fit
        adds ``shared_value`` per ``shared`` and ``joint_redchi``, and others. Flags as ``spectra.fit``, and
        ``few_counts``, ``coarse_step``, ``position_not_determined`` and, where more is left than noise,
        ``lines_insufficient`` (warnings).

    Raises
    ------
    InvalidInput
        Unknown states, lines outside the window, a region of another element, no background, nothing of what is to be
        shared that is fitted.

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(632.0, 662.0, 0.1)
    >>> lines = {
    ...     "a": {"shape": "sgl", "position": 641.4, "area": 900.0, "fwhm": 2.0},
    ...     "b": {"shape": "sgl", "position": 653.05, "area": 450.0, "fwhm": 2.4},
    ... }
    >>> mn = spectra.simulate(energy, lines, background=50.0, axis="binding_energy", name="counts", units="counts")
    >>> mn = xps.deconvolve(mn, states=("Mn3+",), background="linear")
    >>> float(mn.position.sel(component="Mn3+ 2p3/2").round(1))
    641.4
    """
    drawn = {"position_range": position_range, "shape": shape, "packets": packets, "one_line": one_line}
    given = {
        "own_tables": own_tables,
        "positions": positions,
        "splittings": splittings,
        "packet_areas": packet_areas,
    }
    tables = _tables(dataset, states, components, given, drawn, changes or {})
    linked = linked_model(tables)
    active = active_background(background, degree, vary, loss)
    if not vary and (shared or along or start != "fresh"):
        raise InvalidInput(
            "shared, along and start say how to fit, and vary = False fits nothing: leave them out."
        )
    series = Series(shared, along, start)
    if active is not None:
        limits = _fitted_range(dataset, window, linked, active.degree + 2)
        result = _with_states(fitted_inside(dataset, linked, active, limits, series), linked, vary)
        return flag_misfit(flag_sampling(result, limits))
    if background is not None:
        subtract: Any = getattr(subtract_background, "__wrapped__", subtract_background)
        dataset = subtract(dataset, method=background, window=window, degree=degree, loss=loss)
    elif "net" not in dataset and components == "khervefitting" and "khervefitting_background" in dataset:
        dataset = dataset.assign(net=dataset[signal_name(dataset)] - dataset["khervefitting_background"])
        note("net is the measured less khervefitting_background")
    elif "net" not in dataset:
        raise InvalidInput(
            "deconvolve fits the variable 'net', which is not there: call xps.subtract_background first, or name a "
            "background."
        )
    limits = _fitted_range(dataset, window, linked)
    result = _with_states(_fitted(dataset, linked, limits, vary, series), linked, vary)
    return flag_misfit(flag_sampling(result, limits)) if vary else result


def _tables(
    dataset: xr.Dataset,
    states: tuple[str, ...] | None,
    components: Literal["casaxps", "khervefitting"] | tuple[dict[str, Any], ...] | None,
    given: Mapping[str, Any],
    drawn: Mapping[str, Any],
    changes: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Any], ...]:
    """Component tables from whichever way they were given; what has to be said of them goes into the history."""
    here = states_of(dataset.attrs.get("element"), given["own_tables"])
    if (states is None) == (components is None):
        known = f" States here: {', '.join(here)}." if here else ""
        raise InvalidInput(f"deconvolve takes either states or components; give one of them.{known}")
    if states is not None:
        check_names(states, here, given["own_tables"])
        tables, said = doublet_components(states, **given, **drawn)
        tables = _changed(tables, changes)
        _check_element(dataset, states, given["own_tables"])
    elif any(given.values()) or changes:
        raise InvalidInput(
            "positions and splittings belong to states, and so do packet_areas, own_tables and changes; components carry "
            "their own."
        )
    elif components == "casaxps":
        tables, said = casaxps_components(dataset)
    elif components == "khervefitting":
        tables, said = khervefitting_components(dataset), []
    else:
        tables = tuple(dict(c) for c in components or () if isinstance(c, Mapping))
        said = _kept(tables)
    for sentence in said:
        note(sentence)
    return tables


def _kept(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """A plain number looks like a start value, and is none."""
    names = [str(t.get("name")) for t in tables if isinstance(t.get("position"), int | float)]
    if not names:
        return []
    return [
        f"kept where they were put, because their position is a plain number: {', '.join(names)}; a table with value, min "
        "and max is fitted"
    ]


def _changed(
    tables: tuple[dict[str, Any], ...], changes: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], ...]:
    names = [table["name"] for table in tables]
    for name in changes:
        if name not in names:
            raise InvalidInput(f"changes names {name!r}, which is no component; {did_you_mean(name, names)}.")
    return tuple({**table, **changes.get(table["name"], {})} for table in tables)


def _check_element(dataset: xr.Dataset, states: Sequence[str], own_tables: OwnTables | None) -> None:
    """A region is of one element; the states of several levels must have one of them there."""
    known = known_states(own_tables)
    levels = list(dict.fromkeys(known[state] for state in states))
    elements = {level.split()[0] for level in levels}
    element = dataset.attrs.get("element")
    if element is not None and element not in elements:
        raise InvalidInput(
            f"states {', '.join(states)} are of {' and '.join(levels)}, and this dataset is the region "
            f"{dataset.attrs.get('region', element)!r}: read the region of {levels[0]}, or take states of {element}."
        )


def _fitted_range(
    dataset: xr.Dataset, window: tuple[float, float] | None, linked: LinkedModel, more: int = 0
) -> tuple[float, float]:
    """Limits of what is fitted, which all lines must start within."""
    x = dataset[AXIS].values
    low, high = sorted(window) if window else (float(x[0]), float(x[-1]))
    low, high = max(low, float(x[0])), min(high, float(x[-1]))
    inside = np.count_nonzero((x >= low) & (x <= high))
    free = sum(bool(s.get("vary")) for s in linked.params.values()) + more
    if inside <= free:
        raise InvalidInput(
            f"window ({low:.1f}, {high:.1f}) holds {inside} points, and {free} parameters are fitted: widen the window "
            "or fix some of them."
        )
    for name, position in start_positions(written(linked), linked).items():
        if not low <= position <= high:
            raise InvalidInput(
                f"the line {name!r} at {position:.1f} eV lies outside what is fitted, {low:.1f} to {high:.1f} eV: is "
                "this the right region? Widen the window, or leave the line out."
            )
    return low, high


def _fitted(
    dataset: xr.Dataset, linked: LinkedModel, limits: tuple[float, float], vary: bool, series: Series
) -> xr.Dataset:
    """Dataset with the variables of the fit, or of the drawing, of the net counts inside ``limits``."""
    x = dataset[AXIS].values
    model = written(linked)
    layout = understand(model) if vary else draw_lines(model, x, np.zeros(x.size))
    known = counting(dataset)
    note(known.said)
    method = Method.from_attrs(dataset["background"].attrs) if "background" in dataset else None
    if vary and method is None:
        note("the background came from elsewhere and was taken as known: no uncertainty from it")
    inside = (x >= limits[0]) & (x <= limits[1])
    shared, dims = series.on(dataset["net"], AXIS, linked, layout.free)

    def kernel(counts: FloatArray, net: FloatArray, *given: FloatArray) -> Mapping[str, Any]:
        variance = given[0] if given else None
        y = np.where(inside, net, np.nan)
        if not vary:
            return as_outputs(draw_lines(model, x, y, variance=variance), True)
        moves = () if variance is None else end_moves(method, x, counts, variance, net)
        result, sigma = fit_lines(
            model, x, y, background=counts - net, variance=variance, seconds=known.seconds, moves=moves,
            shared=shared, start=series.start,
        )  # fmt: skip
        return as_outputs(result, True) | {"fit_sigma": sigma}

    weighted = vary and known.variance is not None
    outputs = outputs_of(layout, AXIS, along=dims, joint=bool(shared))
    outputs |= {"fit_sigma": (*dims, AXIS)} if weighted else {}
    arrays = [
        dataset[signal_name(dataset)],
        dataset["net"],
        *([] if known.variance is None else [known.variance]),
    ]
    found = map_spectra(
        series.kernel(kernel, dims), [(with_dims(a, dataset["net"], dims), (*dims, AXIS)) for a in arrays],
        outputs, sizes=sizes_of(layout, shared), dtypes=types_of(outputs),
    )  # fmt: skip
    sigma = found.pop("fit_sigma", None)
    result = label_fit(dataset, found, layout, "net", shared)
    if sigma is not None:
        units = dataset["net"].attrs.get("units", "")
        result["fit_sigma"] = sigma.transpose(*dataset["net"].dims).assign_attrs(
            units=units, long_name="uncertainty that the fit was weighted by"
        )
    tables, settings = from_tables(linked.model, linked.params).to_tables()
    weights = {"weights": "sigma", "sigma": "fit_sigma"} if weighted else {"weights": "none"}
    resolve(
        variable="net", window=limits, **({"model": tables, "params": settings, **weights} if vary else {})
    )
    return result.assign_coords(component=[line.name for line in linked.lines])


def _with_states(result: xr.Dataset, linked: LinkedModel, vary: bool) -> xr.Dataset:
    """Fractions and mean valence under their own names, and positions as sure as the calibration lets them be."""
    states = list(dict.fromkeys(line.state for line in linked.lines if line.state is not None))
    names = [fraction_name(state) for state in states]
    derived = [n for n in (*names, MEAN_VALENCE) if n in result["parameter"]]
    values = {"": result["best_value"], "_sigma": with_doubt(result["best_value_sigma"], derived)}
    result = result.drop_sel(parameter=derived)
    for suffix, value in values.items():
        about = "standard uncertainty of the {}" if suffix else "{}"
        if states:
            fraction = value.sel(parameter=names).rename(parameter="state").assign_coords(state=states)
            long_name = about.format("fraction of the area of all states of its level")
            result[f"fraction{suffix}"] = fraction.assign_attrs(units="", long_name=long_name)
        if MEAN_VALENCE in derived:
            mean = value.sel(parameter=MEAN_VALENCE, drop=True)
            long_name = about.format("mean valence")
            result[f"mean_valence{suffix}"] = mean.assign_attrs(units="", long_name=long_name)
    if vary:
        result = within_reach(result, linked)
    if not vary:
        unknown = [f"{n}_sigma" for n in (*QUANTITIES, "best_value", "fraction", "mean_valence")]
        unknown += ["aicc", "bic", "nfev", "runs_p_value"]
        return result.drop_vars(unknown, errors="ignore").drop_dims(["varied", "varied_2"])
    if "charge_shift_sigma" in result:
        for name in ("position_sigma", "maximum_sigma"):
            both = (result[name] ** 2 + result["charge_shift_sigma"] ** 2) ** 0.5
            result[name] = both.transpose(*result[name].dims).assign_attrs(result[name].attrs)
        note("position_sigma and maximum_sigma include charge_shift_sigma")
    return flag_positions(result, linked)
