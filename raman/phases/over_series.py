"""Phases of fitted spectra: the ranking of band sets as a verb over series and maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raman.bands.table import TECHNIQUES
from raman.phases.ranking import PhaseRanking, candidates, identify_phases
from spectra.dataset import failed, flag, map_spectra, series_dims, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import history, note, resolve, series_value, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["phase_evidence", "rank_phases"]

Technique = Literal["raman", "ftir"]
Floats = npt.NDArray[np.float64]

_OF_BANDS = ("position", "position_sigma", "height", "fwhm", "found")
_WORDS = np.dtype("U96")
#: Phases that are kept whatever their score.
SHOWN = 3
SUPPORT = ("not supported", "possible", "supported")


@verb(
    "raman.rank_phases",
    axis=tuple(TECHNIQUES),
    needs={"position": "raman.fit_bands", "found": "raman.fit_bands"},
)
def rank_phases(
    dataset: xr.Dataset,
    *,
    phases: tuple[str, ...] | None = None,
    reach: float | None = None,
) -> xr.Dataset:
    """Say which phases of the table explain the bands that were found; add ``phase_score`` and what it rests on.

    The bands are those that ``raman.fit_bands`` found. Fit them where the spectrum has them (``raman.seek_bands``), not
    where one phase would have them: a fit of that phase's bands finds little else. :func:`raman.phase_evidence` shows
    one spectrum's ranking as a table.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of ``raman.fit_bands``; any series dimensions.
    phases : tuple of str, optional
        Candidates (``spectra list bands``). Default: all of the table, of which the result keeps those that are
        supported somewhere and the three with the highest scores (of lazy data all).
    reach : float, optional
        Largest distance in 1/cm between a band and its tabulated position. Default: that of the table.

    Returns
    -------
    xarray.Dataset
        ``explained_by``, the phases that explain the bands with one another (``v2o5 + carbon``), best first. Per
        ``phase``: ``phase_score`` (0 to 1), ``phase_recall`` (share of its bands that are there),
        ``phase_precision`` (share of what is there that it explains), ``phase_support`` (0 not supported, 1 possible,
        2 supported); per phase and component ``phase_offset``, found minus tabulated position in 1/cm, NaN where they
        do not belong together. Flags: ``no_bands`` where none was found, ``laser_heating`` (warning) where a product
        of heating is needed to explain the bands.

    Raises
    ------
    InvalidInput
        An unknown phase, a negative reach.

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> lines = {
    ...     str(p): {"shape": "lorentzian", "position": p, "area": 900.0, "fwhm": 12.0} for p in (408, 522, 690, 994)
    ... }
    >>> oxide = spectra.simulate(np.arange(350.0, 1050.0), lines, noise=1.0, rng=1, axis="raman_shift")
    >>> oxide = raman.rank_phases(raman.fit_bands(oxide, raman.seek_bands(oxide)))
    >>> oxide.explained_by.item(), round(oxide.phase_score.sel(phase="v2o5").item(), 1)
    ('v2o5', 0.7)
    """
    if reach is not None and not reach > 0:
        raise InvalidInput(f"reach must be more than 0 1/cm, got {reach:g}.")
    technique = _technique(dataset)
    listed = candidates(phases, technique)
    window = _window(dataset)
    names = [phase.name for phase in listed]
    resolve(phases=names, window=window)
    unsure = [p.name for p in listed if p.to_verify]
    if unsure:
        note(
            f"scores of {', '.join(unsure)} rest on positions that are to be verified or conflicting, in whole or part"
        )

    def kernel(*of_bands: Floats) -> dict[str, Any]:
        shape = of_bands[0].shape[:-1]
        flat = [np.reshape(v, (-1, v.shape[-1])) for v in of_bands]
        made = [_one(row, names, window, reach, technique) for row in zip(*flat, strict=True)]
        return {
            name: np.array([row[name] for row in made], _WORDS if name == "explained_by" else None).reshape(
                (*shape, *np.shape(made[0][name]))
            )
            for name in made[0]
        }

    outputs: dict[str, tuple[str, ...]] = dict.fromkeys(
        ("phase_score", "phase_recall", "phase_precision", "phase_support"), ("phase",)
    )
    outputs |= {"phase_offset": ("phase", "component")}
    outputs |= dict.fromkeys(("explained_by", "no_bands", "laser_heating"), ())
    inputs: list[Any] = [(dataset[n], ("component",)) for n in _OF_BANDS]
    made = map_spectra(
        kernel,
        inputs,
        outputs,
        sizes={"phase": len(names)},
        dtypes={"no_bands": bool, "laser_heating": bool, "explained_by": _WORDS},
    )
    about = {
        "phase_score": "how well the phase explains the bands",
        "phase_recall": "share of the phase's bands that were found",
        "phase_precision": "share of the bands that the phase explains",
        "phase_support": ", ".join(f"{i} {text}" for i, text in enumerate(SUPPORT)),
        "phase_offset": "found minus tabulated position",
    }
    result = dataset.drop_dims("phase", errors="ignore")
    result["explained_by"] = made["explained_by"].assign_attrs(
        units="", long_name="phases that explain the bands with one another"
    )
    for name, text in about.items():
        units = "1/cm" if name == "phase_offset" else ""
        result[name] = made[name].assign_attrs(units=units, long_name=text)
    result = result.assign_coords(phase=("phase", names, {"long_name": "phase"}))
    if phases is None and made["phase_score"].chunks is None:
        result = result.isel(phase=series_value("phases", lambda: _worth_showing(result)))
    lost = made["no_bands"] & ~failed(dataset)
    if lost.chunks is not None or bool(lost.any()):
        result = flag(
            result, lost, "no_bands", "No band stands out of the noise: nothing can be said of phases."
        )
    hot = made["laser_heating"]
    if hot.chunks is not None or bool(hot.any()):
        text = "A product of heating by the laser explains bands: measure again with less power, on a fresh spot."
        result = flag(result, hot, "laser_heating", text, severity="warning")
    return result


def _worth_showing(result: xr.Dataset) -> list[int]:
    """Phases that are supported anywhere, and in any case those with the highest scores."""
    series = [d for d in result["phase_score"].dims if d != "phase"]
    score = np.nan_to_num(result["phase_score"].max(series).values, nan=0.0)
    supported = np.nan_to_num(result["phase_support"].max(series).values, nan=0.0) == 2
    return sorted({*np.flatnonzero(supported).tolist(), *np.argsort(-score, kind="stable")[:SHOWN].tolist()})


def _one(
    of_bands: tuple[Floats, ...],
    names: list[str],
    window: tuple[float, float],
    reach: float | None,
    technique: Technique,
) -> dict[str, Any]:
    """Scores of one spectrum, phases in the order given."""
    position, sigma, height, fwhm, found = of_bands
    there = np.flatnonzero((found == 1.0) & np.isfinite(position))
    count, components = len(names), position.size
    made: dict[str, Any] = {
        n: np.full(count, np.nan) for n in ("phase_score", "phase_recall", "phase_precision", "phase_support")
    }
    made |= {
        "explained_by": "",
        "phase_offset": np.full((count, components), np.nan),
        "no_bands": not there.size,
        "laser_heating": False,
    }
    if not there.size:
        return made
    doubt = np.nan_to_num(sigma[there], nan=0.0)
    ranking = identify_phases(
        position[there], sigma=doubt, strengths=height[there], fwhm=fwhm[there], window=window, phases=names,
        technique=technique, reach=reach,
    )  # fmt: skip
    made["explained_by"] = " + ".join(ranking.together)
    for match in ranking.matches:
        i = names.index(match.phase.name)
        made["phase_score"][i], made["phase_recall"][i] = match.score, match.recall
        made["phase_precision"][i] = match.precision
        made["phase_support"][i] = SUPPORT.index(match.support)
        for _, j, offset in match.pairs:
            made["phase_offset"][i, there[j]] = offset
        made["laser_heating"] |= bool(match.phase.heating_product_of) and match.phase.name in ranking.together
    return made


def _window(dataset: xr.Dataset) -> tuple[float, float]:
    """What the fit reached over: bands outside cannot be missing."""
    x = dataset[spectral_axis(dataset)].values
    fits = [e for e in history(dataset) if e["verb"] == "raman.fit_bands"]
    low, high = fits[-1]["resolved"]["window"] if fits else (x[0], x[-1])
    return float(low), float(high)


def phase_evidence(
    dataset: xr.Dataset,
    *,
    phases: tuple[str, ...] | None = None,
    reach: float | None = None,
    **index: int,
) -> PhaseRanking:
    """Ranking of one spectrum with its evidence: what agrees, what is missing, what nothing explains.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of ``raman.fit_bands``.
    phases, reach
        As in ``raman.rank_phases``.
    **index : int
        Which spectrum, as in ``Dataset.isel``: ``y=3, x=7``.

    Returns
    -------
    PhaseRanking
        ``.table()`` is a row per phase, ``.together`` the phases that explain the bands with one another,
        ``.unexplained`` and ``.warnings`` what is left to say.

    Raises
    ------
    InvalidInput
        Nothing fitted, several spectra left by ``index``, no band found.
    """
    missing = [n for n in ("position", "found") if n not in dataset]
    if missing:
        raise InvalidInput(
            f"phase_evidence needs the variable {missing[0]!r}, which raman.fit_bands adds: call it first."
        )
    one = dataset.isel(index)
    left = series_dims(one)
    if left:
        raise InvalidInput(
            f"phase_evidence takes one spectrum; choose it along {', '.join(left)}, such as {left[0]}=0."
        )
    there = np.flatnonzero((one["found"].values == 1.0) & np.isfinite(one["position"].values))
    if not there.size:
        raise InvalidInput("no band stands out of the noise in this spectrum: nothing can be said of phases.")
    return identify_phases(
        one["position"].values[there],
        sigma=np.nan_to_num(one["position_sigma"].values[there], nan=0.0),
        strengths=one["height"].values[there],
        fwhm=one["fwhm"].values[there],
        window=_window(one),
        phases=phases,
        technique=_technique(one),
        reach=reach,
    )


def _technique(dataset: xr.Dataset) -> Technique:
    return "raman" if spectral_axis(dataset) == "raman_shift" else "ftir"
