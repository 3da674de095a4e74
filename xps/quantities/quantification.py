"""Composition: how many atoms of each element the areas of its lines stand for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.quantities.basis import Basis, sensitivities
from xps.quantities.correlated import correlation_of_areas
from xps.quantities.lines import How, Line, chosen_lines, measure, other_lines
from xps.quantities.sensitivity import parse_level

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["atomic_fractions", "check_comparable", "quantify"]

AXIS = "binding_energy"
UNSEEN = 3.0  # sigma; a line below is a question of detection
FloatArray = npt.NDArray[np.floating]


@verb("xps.quantify", axis=AXIS)
def quantify(
    dataset: xr.Dataset,
    *,
    regions: Any = None,
    lines: tuple[str, ...] | None = None,
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
    factor_sigma: float | None = None,
) -> xr.Dataset:
    r"""Atomic fractions from the areas of one line per element; add ``atomic_fraction`` and what it was made of.

    .. math:: X_i = \frac{n_i}{\sum_k n_k}, \qquad n_i = \frac{A_i}{t_i\, S_i\, T(E_i)\, \lambda(E_i)}

    with the area A of a line, the time t counted at each point, the sensitivity factor S, the transmission T of the
    analyser and the path λ of the electrons at their kinetic energy E. The sample is taken as homogeneous as deep as
    electrons come from; the angular term is taken as common to all lines.

    ``atomic_fraction_sigma`` holds the counting statistics of all lines, through the ends of their backgrounds and
    the correlations inside their fits, between lines of one fit too. The doubt about S, T and λ stands beside it, in
    ``atomic_fraction_systematic``: it is the same for all spectra of a series. Compare spectra by sigma, and
    compositions with others' by both.

    Parameters
    ----------
    dataset : xarray.Dataset
        One region, or a survey, with counts along ``binding_energy`` in eV; any series dimensions.
    regions : mapping, optional
        Further regions by their lines: ``{"O 1s": o1s, "C 1s": "sample.vms"}``, each a dataset (a series like this
        one, or one spectrum for all), a file, or a table of ``area``, ``area_sigma`` and how it was counted.
    lines : tuple of str, optional
        Lines of this dataset: ``("Mn 2p",)`` for both lines of the doublet, ``("Mn 2p3/2",)`` for one. Default: the
        level of its region; of a survey, all that have a window.
    windows : table of (float, float), optional
        Binding energies in eV by line: the window of the background if ``background`` is given, else the part of
        ``net`` that is integrated.
    background : {"shirley", "tougaard", "linear"}, optional
        Subtract this background from every line, each in its window. Default: ``net`` as it is.
    n_end : int
        Points averaged at each end, for ``background``.
    areas : {"fit", "net"}, optional
        Areas of fitted components from minus to plus infinity, or integrated net counts. Default: the fit where a
        region has one and no ``background`` is given.
    components : table of tuple of str, optional
        Components by line, where a fit holds several lines: ``{"O 1s": ("lattice", "hydroxide")}``. Satellites belong
        to their line.
    scale : str
        Name of the scale of sensitivity factors: ``scofield`` ships (cross sections for Al and Mg K alpha).
    factors : table of float, optional
        Sensitivity factors of your own by line, with the name of their ``scale``; never mixed with the one that ships.
    factors_include : tuple of {"transmission", "attenuation"}, optional
        What your own factors hold already; it is then not applied again.
    transmission : {"file", "none"} or float, optional
        ``file``: the variable ``transmission``; a number p: proportional to the kinetic energy to this power.
        Default: of the file where all regions have it; else none, and the result is flagged.
    attenuation : {"power", "tpp2m", "none"}, optional
        Path of the electrons: a power of the kinetic energy, or TPP-2M in a ``material``. Default: ``tpp2m`` with a
        material, else ``power``.
    exponent : float, optional
        Of the power. Default: 0.75; 0.6 is in use too.
    material : str or table, optional
        A name of the table of materials, or ``{formula = "LiMn2O4", density = 4.28, gap = 1.2}`` (g/cm³, eV).
    photon_energy : float, optional
        In eV, instead of the files'.
    pass_energy : {"same", "any"}
        ``any`` accepts regions of different pass energy, whose transmissions differ, and flags the result.
    factor_sigma : float, optional
        Relative standard uncertainty of what one line counts per atom, S T λ, independent between lines; 0 for none.
        Default: 0.1 (of the table, yet to be verified), with ``tpp2m`` its 0.11 in quadrature.

    Returns
    -------
    xarray.Dataset
        ``line_area`` and its ``_sigma`` (counts/s eV, or counts eV where no counting time is known), ``sensitivity`` (S T)
        and ``relative_path`` (``line``); ``atomic_fraction``,
        its ``_sigma`` and its ``_systematic`` (``element``). Flags: ``line_not_measured`` and ``background_above_line`` (NaN);
        ``line_not_seen``, ``transmission_unknown``,
        ``counting_time_unknown`` and ``different_pass_energy`` (warnings).

    Raises
    ------
    InvalidInput
        Lines twice or of no element, regions that cannot be compared, factors without a scale, a correction twice.

    References
    ----------
    J. H. Scofield, J. Electron Spectrosc. 8, 129 (1976), doi:10.1016/0368-2048(76)80015-1;
    S. Tanuma, C. J. Powell & D. R. Penn, Surf. Interface Anal. 21, 165 (1994), doi:10.1002/sia.740210302

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(500.0, 700.0, 0.2)
    >>> o1s = 1000 * np.exp(-(((energy - 530) / 1.2) ** 2))
    >>> mn2p = 2000 * np.exp(-(((energy - 642) / 2.0) ** 2))
    >>> survey = spectra.from_arrays(
    ...     energy, 500 + o1s + mn2p, axis="binding_energy", name="counts", units="counts", attrs={"photon_energy": 1486.6}
    ... )
    >>> windows = {"O 1s": (520, 540), "Mn 2p": (632, 652)}
    >>> made = xps.quantify(survey, windows=windows, background="linear")
    >>> made.atomic_fraction.sel(element="Mn").round(2).item()
    0.43
    """
    if n_end < 1:
        raise InvalidInput(f"n_end must be at least 1, got {n_end}.")
    named = {parse_level(name).name: window for name, window in (windows or {}).items()}
    how = How(
        named, background, n_end, areas, {parse_level(n).name: c for n, c in (components or {}).items()}
    )
    others = other_lines(regions, dataset, how, photon_energy)
    own = chosen_lines(dataset, lines, how, [line.name for line in others])
    all_lines = [
        *(measure(dataset, name, how, photon_energy, alone=len(own) == 1) for name in own),
        *others,
    ]
    _check_lines(all_lines, how)
    basis = Basis.of(scale, factors, factors_include, transmission, attenuation, exponent, material)
    factor = sensitivities(all_lines, basis)
    warnings = [*check_comparable(all_lines, pass_energy), *basis.warnings(all_lines)]
    if regions is not None and all(line.area.chunks is None for line in all_lines):
        resolve(regions={"content": {line.name: line.to_spec() for line in others}})
    doubt = basis.factor_sigma(factor_sigma)
    resolve(lines=own, factor_sigma=doubt)
    correlation = correlation_of_areas(dataset, own, how)
    return _with_fractions(dataset, all_lines, factor, basis, warnings, doubt, correlation)


def atomic_fractions(
    amount: npt.ArrayLike, sigma: npt.ArrayLike, correlation: npt.ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    r"""Fractions of amounts and their standard uncertainties; elements along the last dimension.

    .. math:: \sigma_{X_i}^2 = \sum_{kl} (\delta_{ik} - X_i)(\delta_{il} - X_i)\, r_{kl}\, \sigma_k \sigma_l / N^2,
              \qquad N = \sum_k n_k

    with the ``correlation`` r (..., element, element) of the amounts; without it they are independent. Where an amount
    is not finite, or the sum not positive, all fractions of that spectrum are NaN.
    """
    n, s = np.asarray(amount, float), np.asarray(sigma, float)
    total = n.sum(-1, keepdims=True)
    total = np.where(total > 0, total, np.nan)
    x = n / total
    if correlation is None:
        others = (s**2).sum(-1, keepdims=True) - s**2
        return x, np.sqrt((1 - x) ** 2 * s**2 + x**2 * others) / total
    moved = (np.eye(n.shape[-1]) - x[..., :, None]) * s[..., None, :]
    variance = np.einsum("...ik,...kl,...il->...i", moved, np.asarray(correlation, float), moved)
    return x, np.sqrt(np.maximum(variance, 0)) / total


def _check_lines(lines: Sequence[Line], how: How) -> None:
    elements: dict[str, str] = {}
    for line in lines:
        if line.level.element in elements:
            raise InvalidInput(
                f"{elements[line.level.element]} and {line.name} are of one element, which would count twice: take one of them."
            )
        elements[line.level.element] = line.name
    if len(lines) < 2:
        raise InvalidInput(
            f"only {lines[0].name} was given, and a composition needs two elements: add regions, or lines and windows of a "
            "survey."
        )
    own = sorted(
        (sorted(how.windows[line.name]), line.name)
        for line in lines
        if line.name in how.windows and line.region == 0
    )
    for (left, first), (right, second) in itertools.pairwise(own):
        if right[0] < left[1]:
            raise InvalidInput(
                f"the windows of {first} and {second} overlap between {right[0]:.1f} and {left[1]:.1f} eV, and what lies there "
                "would count twice: part them, or fit both and name their components."
            )


def check_comparable(lines: Sequence[Line], pass_energy: str) -> list[tuple[str, str]]:
    """Refuse lines whose counts cannot be compared; returned is what is to be flagged: name and sentence.

    Raises
    ------
    InvalidInput
    """
    warnings: list[tuple[str, str]] = []
    sweeps = {line.region: line for line in lines}
    sources = {round(line.photon_energy, 0) for line in lines if line.photon_energy is not None}
    if len(sources) > 1:
        raise InvalidInput(
            f"the regions were excited with different photon energies ({', '.join(f'{e:g}' for e in sorted(sources))} eV), "
            "whose intensities are not comparable: quantify each source by itself."
        )
    passed = {n: line.pass_energy for n, line in sweeps.items()}
    stated = sorted({p for p in passed.values() if p is not None})
    if len(stated) > 1:
        listed = ", ".join(
            f"{line.name} {line.pass_energy:g} eV" for line in sweeps.values() if line.pass_energy
        )
        if pass_energy == "same":
            raise InvalidInput(
                f"the regions were measured with different pass energies ({listed}), which transmit differently: measure them "
                "alike, or say pass_energy = 'any' if the transmission accounts for it."
            )
        text = f"Regions of different pass energy were compared ({listed}): fractions hold the ratio of their transmissions."
        warnings.append(("different_pass_energy", text))
    elif len(sweeps) > 1 and None in passed.values():
        note("not all regions state their pass energy: they were taken to have the same")
    times = {n: line.seconds for n, line in sweeps.items()}
    known = [t for t in times.values() if t is not None]
    if known and len(known) < len(times):
        lacking = next(line.name for n, line in sweeps.items() if times[n] is None)
        raise InvalidInput(
            f"the region of {lacking} does not say how long was counted at each point and the others do: set its "
            "attrs['dwell_time'] in s (and attrs['sweeps'])."
        )
    if not known and len(sweeps) > 1:
        text = "No region says how long was counted at each point, and all were taken alike: set attrs['dwell_time']."
        warnings.append(("counting_time_unknown", text))
    return warnings


def _with_fractions(
    dataset: xr.Dataset,
    lines: Sequence[Line],
    factor: Sequence[tuple[Any, float]],
    basis: Basis,
    warnings: Sequence[tuple[str, str]],
    factor_sigma: float,
    correlation: xr.DataArray | None,
) -> xr.Dataset:
    """Dataset with areas, sensitivities and fractions."""
    import xarray as xr

    dims = series_dims(dataset)
    like = dataset[signal_name(dataset)].isel({AXIS: 0}, drop=True)
    known = len({line.region for line in lines}) > 1 and lines[0].seconds is not None

    def stacked(values: Sequence[Any]) -> xr.DataArray:
        plain = [
            xr.DataArray(v).reset_coords(drop=True).broadcast_like(like.reset_coords(drop=True))
            for v in values
        ]
        joined = xr.concat(plain, dim="line", coords="minimal", compat="override")
        return (
            joined.transpose(*dims, "line").chunk({"line": -1})
            if joined.chunks
            else joined.transpose(*dims, "line")
        )

    per_second = [(line.seconds or 1.0) if known else 1.0 for line in lines]
    area = stacked([line.area / t for line, t in zip(lines, per_second, strict=True)])
    sigma = stacked([line.sigma / t for line, t in zip(lines, per_second, strict=True)])
    sensitivity = stacked([s for s, _ in factor])
    path = xr.DataArray([p for _, p in factor], dims="line")

    def kernel(a: FloatArray, s: FloatArray, f: FloatArray, *own: FloatArray) -> dict[str, Any]:
        f = f * path.values
        x, doubt = atomic_fractions(a / f, s / f, _among_all(own[0], a.shape) if own else None)
        _, systematic = atomic_fractions(a / f, factor_sigma * np.abs(a / f))
        negative = np.asarray((a < -UNSEEN * np.nan_to_num(s)).any(-1))
        x = np.where(negative[..., None], np.nan, x)
        return {
            "x": x,
            "doubt": np.where(np.isfinite(x), doubt, np.nan),
            "systematic": np.where(np.isfinite(x), systematic, np.nan),
            "unseen": (a < UNSEEN * s).any(-1),
            "lost": ~np.isfinite(x).all(-1) & ~negative,
            "negative": negative,
        }

    found = map_spectra(
        kernel,
        [
            *((a, ("line",)) for a in (area, sigma, sensitivity)),
            *([] if correlation is None else [(correlation, ("group", "group_2"))]),
        ],
        {
            **dict.fromkeys(("x", "doubt", "systematic"), ("element",)),
            "unseen": (),
            "lost": (),
            "negative": (),
        },
        sizes={"element": len(lines)},
        dtypes=dict.fromkeys(("unseen", "lost", "negative"), bool),
    )
    old = [n for n, v in dataset.variables.items() if {"line", "element"} & set(v.dims)]
    units = str(dataset[signal_name(dataset)].attrs.get("units", ""))
    units = f"{'counts/s' if known else units} eV".strip()
    about = basis.attrs(basis.from_file(lines))
    result = dataset.drop_vars(old).assign_coords(
        line=[line.name for line in lines], element=[line.level.element for line in lines]
    )
    result["line_area"] = area.assign_attrs(units=units, long_name="area above the background")
    result["line_area_sigma"] = sigma.assign_attrs(units=units, long_name="standard uncertainty of the area")
    result["sensitivity"] = sensitivity.assign_attrs(
        units="", long_name="sensitivity factor times transmission, relative to the first line", **about
    )
    result["relative_path"] = path.assign_attrs(
        units="", long_name="path of the electrons, relative to the first line", **about
    )
    result["atomic_fraction"] = found["x"].assign_attrs(units="", long_name="atomic fraction", **about)
    result["atomic_fraction_sigma"] = found["doubt"].assign_attrs(
        units="", long_name="standard uncertainty of the atomic fraction, counting statistics"
    )
    result["atomic_fraction_systematic"] = found["systematic"].assign_attrs(
        units="",
        long_name="standard uncertainty of the atomic fraction from sensitivity, transmission and path",
        factor_sigma=factor_sigma,
    )
    return _flagged(result, found, warnings)


def _among_all(own: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Correlation of all lines, out of that of the first ones, which are of one fit."""
    whole = np.broadcast_to(np.eye(shape[-1]), (*shape, shape[-1])).copy()
    k = own.shape[-1]
    whole[..., :k, :k] = own
    return whole


def _flagged(
    result: xr.Dataset, found: Mapping[str, xr.DataArray], warnings: Sequence[tuple[str, str]]
) -> xr.Dataset:
    lost = found["lost"]
    result = flag(
        result,
        lost,
        "line_not_measured",
        "The area of a line is not known (line_area shows which), or all areas together are not positive: see the flags of "
        "its region, or take another background.",
    )
    fine = ~(found["lost"] | found["negative"])
    for name, text in warnings:
        note(text)
        result = flag(result, fine, name, text, severity="warning")
    negative = found["negative"]
    if negative.chunks is not None or bool(negative.any()):
        text = (
            "The background of a line lies above its counts (line_area is negative by more than three sigma): an end of its "
            "window lies on another line. Move the window."
        )
        result = flag(result, negative, "background_above_line", text)
    unseen = found["unseen"] & fine
    if unseen.chunks is not None or bool(unseen.any()):
        text = "A line lies within three sigma of nothing: ask xps.detection_limit how much could be there."
        result = flag(result, unseen, "line_not_seen", text, severity="warning")
    return result
