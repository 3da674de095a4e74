"""What "not seen" means: how large a line would have to be to be found in a spectrum that does not show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.counting import counting
from xps.quantities.basis import Basis, sensitivities
from xps.quantities.lines import How, Line, other_lines
from xps.quantities.quantification import check_comparable
from xps.quantities.seeking import Limits, Sought, chance_at_one, line_limits
from xps.quantities.sensitivity import parse_level

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["detection_limit"]

AXIS = "binding_energy"
FloatArray = npt.NDArray[np.floating]


@verb("xps.detection_limit", axis=AXIS)
def detection_limit(
    dataset: xr.Dataset,
    *,
    line: str,
    position: float,
    fwhm: float | None = None,
    position_range: float = 0.0,
    window: tuple[float, float] | None = None,
    degree: Literal[0, 1, 2, 3] = 1,
    splitting: float | None = None,
    false_alarm: float = 0.05,
    missed: float = 0.05,
    regions: Any = None,
    windows: dict[str, tuple[float, float]] | None = None,
    background: Literal["shirley", "tougaard", "linear"] | None = None,
    n_end: int = 5,
    areas: Literal["fit", "net"] | None = None,
    components: dict[str, tuple[str, ...]] | None = None,
    scale: str = "scofield",
    factors: dict[str, float] | None = None,
    factors_include: tuple[Literal["transmission", "attenuation"], ...] = (),
    transmission: Literal["file", "none"] | float | None = None,
    attenuation: Literal["power", "tpp2m", "none"] | None = None,
    exponent: float | None = None,
    material: str | dict[str, Any] | None = None,
    photon_energy: float | None = None,
    pass_energy: Literal["same", "any"] = "same",
) -> xr.Dataset:
    r"""Look for a line that is not seen; add its area, and the areas from which on it is, and would be, found.

    A line of known place and shape is fitted together with a smooth background, and its area A has the standard
    uncertainty σ₀ where there is no line and σ(A) where there is one:

    .. math:: A_C = z_{1-\alpha}\,\sigma_0, \qquad A_D = A_C + z_{1-\beta}\,\sigma(A_D), \qquad
              \sigma^2(A) = \sigma_0^2 + g A

    An area above the decision limit :math:`A_C` occurs by chance with the probability α; a line as large as the
    detection limit :math:`A_D` is overlooked with the probability β (Currie). "Not detected" means below :math:`A_D`,
    not absent. With ``regions`` the areas become atomic fractions of everything seen.

    Parameters
    ----------
    dataset : xarray.Dataset
        The region of the line with counts along ``binding_energy`` in eV; any series dimensions.
    line : str
        ``"Mn 2p"`` for a doublet (splitting, ratio and width of the table), ``"Na 1s"``, ``"Mn 2p3/2"`` for one line.
    position : float
        Binding energy in eV where the line, of a doublet that of high j, would be.
    fwhm : float, optional
        Its width in eV. Default: that of the table of levels, where there is one.
    position_range : float
        How far in eV the line may lie from there. It is looked for everywhere inside: the decision limit rises, as
        there are more places for chance, and the detection limit is that of the worst place.
    window : (float, float), optional
        Binding energies in eV that are fitted. Default: the whole axis.
    degree : {0, 1, 2, 3}
        Of the polynomial that the background is.
    splitting : float, optional
        Of the doublet in eV, instead of the table's.
    false_alarm : float
        α, probability of a line where there is none.
    missed : float
        β, probability of overlooking a line at the detection limit.
    regions : mapping, optional
        The lines that are seen, as in ``xps.quantify``: ``{"Li 1s": li1s, "C 1s": c1s}``.
    windows : table of (float, float), optional
        Of those, as in ``xps.quantify``.
    background : {"shirley", "tougaard", "linear"}, optional
        Of those, as in ``xps.quantify``.
    n_end : int
        As in ``xps.quantify``.
    areas : {"fit", "net"}, optional
        As in ``xps.quantify``.
    components : table of tuple of str, optional
        As in ``xps.quantify``.
    scale : str
        As in ``xps.quantify``.
    factors : table of float, optional
        As in ``xps.quantify``.
    factors_include : tuple of {"transmission", "attenuation"}, optional
        As in ``xps.quantify``.
    transmission : {"file", "none"} or float, optional
        As in ``xps.quantify``.
    attenuation : {"power", "tpp2m", "none"}, optional
        As in ``xps.quantify``.
    exponent : float, optional
        As in ``xps.quantify``.
    material : str or table, optional
        As in ``xps.quantify``.
    photon_energy : float, optional
        In eV, instead of the files'.
    pass_energy : {"same", "any"}
        As in ``xps.quantify``.

    Returns
    -------
    xarray.Dataset
        ``sought_area`` and its ``_sigma``, ``decision_limit``, ``detection_limit``, ``upper_limit`` (what the line is
        below, at the confidence 1 − α), all in the units of the counts times eV; ``detected`` (0 or 1),
        ``sought_position`` (eV); with ``regions`` also
        ``sought_fraction`` and its ``_sigma``, ``detection_limit_fraction``, ``upper_limit_fraction``. Flags:
        ``no_limit`` (NaN); ``background_not_smooth``, ``few_counts`` and those of ``xps.quantify`` (warnings).

    Raises
    ------
    InvalidInput
        A line outside the window, no width, counts without known statistics.

    References
    ----------
    L. A. Currie, Anal. Chem. 40, 586 (1968), doi:10.1021/ac60259a007

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(1060.0, 1085.0, 0.1)
    >>> counts = np.random.default_rng(4).poisson(np.full(250, 900.0))
    >>> na = spectra.from_arrays(energy, counts, axis="binding_energy", name="counts", units="counts")
    >>> na = xps.detection_limit(na, line="Na 1s", position=1071.5, fwhm=1.6)
    >>> na.detected.item(), round(na.detection_limit.item(), -1)
    (0, 60.0)
    """
    level = parse_level(line)
    for name, value in (("false_alarm", false_alarm), ("missed", missed)):
        if not 0 < value < 0.5:
            raise InvalidInput(f"{name} is a probability between 0 and 0.5, got {value:g}.")
    if position_range < 0:
        raise InvalidInput(f"position_range must not be negative, got {position_range:g} eV.")
    drawn = Sought.of(level.name, position, fwhm, splitting)
    x = dataset[AXIS].values.astype(float)
    low, high = sorted(window or (float(x[0]), float(x[-1])))
    inside = _inside(x, low, high, drawn, position_range, degree)
    known = counting(dataset)
    note(known.said)
    if known.variance is None:
        raise InvalidInput(
            f"a detection limit needs counting statistics, and {known.said}: give counts, or a _sigma variable."
        )
    places = drawn.places(position_range)
    lines = [drawn.curve(x[inside], place) for place in places]

    def kernel(y: FloatArray, variance: FloatArray) -> Mapping[str, Any]:
        found = line_limits(
            x[inside],
            np.asarray(y, float)[..., inside],
            variance[..., inside],
            lines,
            places,
            width=drawn.fwhm,
            degree=degree,
            seconds=known.seconds,
            false_alarm=chance_at_one(false_alarm, position_range, drawn.fwhm),
            missed=missed,
        )
        return vars(found)

    names = tuple(Limits.__dataclass_fields__)
    found = map_spectra(
        kernel,
        [(dataset[signal_name(dataset)], (AXIS,)), (known.variance, (AXIS,))],
        dict.fromkeys(names, ()),
        dtypes={"structured": bool, "few": bool},
    )
    resolve(fwhm=drawn.fwhm, splitting=drawn.splitting, window=(low, high))
    result = _labelled(dataset, found)
    if regions is None:
        return _flagged(result, found, [])
    named = {parse_level(n).name: w for n, w in (windows or {}).items()}
    how = How(
        named, background, n_end, areas, {parse_level(n).name: c for n, c in (components or {}).items()}
    )
    basis = Basis.of(scale, factors, factors_include, transmission, attenuation, exponent, material)
    seen = other_lines(regions, dataset, how, photon_energy)
    if all(each.area.chunks is None for each in seen):
        resolve(regions={"content": {each.name: each.to_spec() for each in seen}})
    sought = Line.without_area(dataset, level.name, photon_energy, (low, high))
    result, warnings = _as_fractions(result, sought, seen, basis, pass_energy)
    return _flagged(result, found, warnings)


def _inside(
    x: FloatArray, low: float, high: float, sought: Sought, reach: float, degree: int
) -> npt.NDArray[np.bool_]:
    inside = (x >= low) & (x <= high)
    low, high = max(low, float(x[0])), min(high, float(x[-1]))
    if not low + sought.fwhm <= sought.position - reach <= sought.position + reach <= high - sought.fwhm:
        raise InvalidInput(
            f"the line at {sought.position:g} ± {reach:g} eV, {sought.fwhm:g} eV wide, does not lie inside {low:.1f} to "
            f"{high:.1f} eV with its flanks: is this the right region? Move or widen the window."
        )
    if np.count_nonzero(inside) < degree + 12:
        raise InvalidInput(
            f"the window holds {np.count_nonzero(inside)} points, and {degree + 12} are needed: widen it."
        )
    return inside


def _labelled(dataset: xr.Dataset, found: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Dataset with the limits under their names."""
    units = f"{dataset[signal_name(dataset)].attrs.get('units', '')} eV".strip()
    about = {
        "area": ("sought_area", "area of the line that was looked for"),
        "sigma": ("sought_area_sigma", "standard uncertainty of the area"),
        "decision": ("decision_limit", "area that chance does not exceed"),
        "detection": ("detection_limit", "area of a line that would be found"),
        "upper": ("upper_limit", "area that the line is below"),
    }
    result = dataset
    for name, (variable, long_name) in about.items():
        result[variable] = found[name].assign_attrs(units=units, long_name=long_name)
    result["sought_position"] = found["found_at"].assign_attrs(
        units="eV", long_name="energy of the line sought"
    )
    seen = (found["area"] > found["decision"]).astype(int)
    result["detected"] = seen.assign_attrs(units="", long_name="1 where the line was found")
    return result


def _as_fractions(
    result: xr.Dataset, sought: Line, seen: list[Line], basis: Basis, pass_energy: str
) -> tuple[xr.Dataset, list[tuple[str, str]]]:
    """Areas as atomic fractions of the line sought and the lines seen together, and what is to be flagged."""
    lines = [sought, *seen]
    if any(line.level.element == sought.level.element for line in seen):
        raise InvalidInput(
            f"regions holds another line of {sought.level.element}: with it the element is seen, and xps.quantify says how "
            "much of it there is."
        )
    warnings = [*check_comparable(lines, pass_energy), *basis.warnings(lines)]
    factor = [s * p for s, p in sensitivities(lines, basis)]
    known = sought.seconds is not None
    per_second = [(line.seconds or 1.0) if known else 1.0 for line in lines]
    others = sum(line.area / t / f for line, t, f in zip(seen, per_second[1:], factor[1:], strict=True))
    doubt = sum(
        (line.sigma / t / f) ** 2 for line, t, f in zip(seen, per_second[1:], factor[1:], strict=True)
    )
    by = per_second[0] * factor[0]
    dims = series_dims(result)
    about = {
        "sought_area": ("sought_fraction", "atomic fraction of the element sought"),
        "detection_limit": ("detection_limit_fraction", "atomic fraction that would be found"),
        "upper_limit": ("upper_limit_fraction", "atomic fraction that the element is below"),
    }
    for area, (variable, long_name) in about.items():
        amount = result[area] / by
        fraction = (amount / (amount + others)).reset_coords(drop=True).transpose(*dims)
        result[variable] = fraction.assign_attrs(
            units="", long_name=long_name, **basis.attrs(basis.from_file(lines))
        )
    x, total = result["sought_fraction"], result["sought_area"] / by + others
    sigma = ((1 - x) ** 2 * (result["sought_area_sigma"] / by) ** 2 + x**2 * doubt) ** 0.5 / total
    result["sought_fraction_sigma"] = (
        sigma.reset_coords(drop=True)
        .transpose(*dims)
        .assign_attrs(units="", long_name="standard uncertainty of the fraction, counting statistics")
    )
    return result, warnings


def _flagged(
    result: xr.Dataset, found: Mapping[str, xr.DataArray], general: list[tuple[str, str]]
) -> xr.Dataset:
    """Dataset with what is wrong with each spectrum; ``general`` holds for all of them."""
    lost = ~np.isfinite(found["area"])
    result = flag(result, lost, "no_limit", "Counts are missing: nothing can be said of this line.")
    fine = ~failed(result)
    for name, text in general:
        note(text)
        result = flag(result, fine, name, text, severity="warning")
    warnings = {
        "background_not_smooth": (
            found["structured"],
            "The spectrum is no polynomial with this line: other lines, or a step. Narrow the window, or raise degree; "
            "the limit does not hold.",
        ),
        "few_counts": (
            found["few"],
            "Fewer than 20 counts of background under the line: the probabilities of the limits hold roughly only.",
        ),
    }
    for name, (where, text) in warnings.items():
        mask = where & ~lost
        if mask.chunks is not None or bool(mask.any()):
            result = flag(result, mask, name, text, severity="warning")
    return result
