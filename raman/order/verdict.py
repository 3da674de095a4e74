r"""The verdict on the order of Ni and Mn in LiNi0.5Mn1.5O4, with the evidence that it rests on, row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raman.infrared.transmission import refuse_percent
from raman.order.infrared_beside import infrared_beside, kept
from raman.order.rows import ROWS, combined, infrared_rows, raman_rows
from raman.tables import load_table
from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["diagnose_ordering"]

Array = npt.NDArray[np.float64]

ORDER = ("ordered", "disordered", "mixed")
FLAGS: dict[str, tuple[Literal["failed", "warning"], str]] = {
    "no_spinel_band": (
        "failed",
        "No band stands out where A1g (or the infrared band near 621 1/cm) is expected; there is nothing to judge.",
    ),
    "ordering_undecided": (
        "warning",
        "No answer reaches the confidence asked for; look at the rows of evidence, measure longer or add infrared.",
    ),
    "splitting_unresolved": (
        "warning",
        "Two bands fit better than one, but closer together than half their width: shape or splitting, undecided.",
    ),
    "raman_infrared_disagree": (
        "warning",
        "Raman and infrared, each alone, are sure of different answers: see verdict_raman, verdict_infrared, the rows of "
        "evidence, and whether both saw the same part of the sample.",
    ),
}


@verb("raman.diagnose_ordering", axis=("raman_shift", "wavenumber"))
def diagnose_ordering(
    dataset: xr.Dataset,
    *,
    infrared: Any = None,
    variable: str | None = None,
    splitting: tuple[float, float] | None = None,
    shift_sigma: float | None = None,
    confidence: float = 0.95,
    prior: tuple[float, float, float] = (1.0, 1.0, 1.0),
    false_alarms: float = 0.01,
) -> xr.Dataset:
    r"""Judge whether Ni and Mn are ordered in LiNi0.5Mn1.5O4, from Raman spectra, infrared spectra, or both.

    Every row of evidence says how much likelier the data are if the sample is ordered, or mixed, than if it is
    disordered; the rows are added to the prior and give probabilities:

    .. math:: \ln\frac{P(\mathrm{ordered})}{P(\mathrm{disordered})} = \ln\frac{\pi_o}{\pi_d} +
              \sum_r \ln\frac{L_{r,o}}{L_{r,d}}, \qquad
              L_{r,h} = t_r\,\frac{p_r(\mathrm{data}|h)}{\sum_{h'} p_r(\mathrm{data}|h')} + \frac{1 - t_r}{3}

    where :math:`t_r` is how often the sign of row r means what it is said to mean. It is the local order that is judged, never a
    space group; Raman sees order in domains too small for diffraction. Where Raman and infrared, each
    alone, are sure of different answers, the verdict is undecided, whatever the sum comes to.

    Parameters
    ----------
    dataset : xarray.Dataset
        Raman spectra along ``raman_shift`` or infrared absorbance along ``wavenumber``, in 1/cm; any series
        dimensions. Raman needs 560 to 670, infrared 560 to 680.
    infrared : xarray.Dataset or path, optional
        Infrared spectrum of the same sample (or a series like that of ``dataset``) beside Raman spectra.
    variable : str, optional
        What is judged. Default: ``net`` where a baseline was subtracted, else the measured quantity.
    splitting : (float, float), optional
        Splittings of F2g(3) in 1/cm that an ordered sample may have, all equally likely. Default: 10 to 30; narrower
        ones are then not told from one band.
    shift_sigma : float, optional
        Standard uncertainty of the calibrated Raman shift in 1/cm. Default: what ``raman.calibrate`` left. Without
        either the position of A1g is refused as evidence; splittings and widths do not need it.
    confidence : float
        Probability that an answer needs to become the verdict, above 0.5.
    prior : (float, float, float)
        Weights of ordered, disordered and mixed before looking.
    false_alarms : float
        Rate at which noise alone may count as one of the lines that only the ordered phase has.

    Returns
    -------
    xarray.Dataset
        ``ordering_probability`` (``order``: ordered, disordered, mixed), ``verdict`` (one of these or "undecided");
        per row of ``evidence``: ``evidence_value`` with ``_sigma`` (units, meaning, source and status are coordinates)
        and ``evidence_weight`` (``order``), natural logarithms over disordered; ``splitting`` and ``splitting_sigma``
        of the best two bands, ``splitting_limit`` (wider ones are excluded at 20 to 1) in 1/cm. With ``infrared`` also
        ``verdict_raman`` and ``verdict_infrared``, what each says alone. Flags: ``no_spinel_band`` (failed),
        ``ordering_undecided``, ``splitting_unresolved``, ``raman_infrared_disagree``.

    Raises
    ------
    InvalidInput
        The axis does not reach the bands; an infrared spectrum that is in percent or no absorbance; options outside
        their range.

    Notes
    -----
    Without ``<variable>_sigma`` and counts the noise of each spectrum is read off its own points. Where the best fit
    leaves more than noise, all uncertainties are widened. The probabilities are calibrated on simulated spectra
    (splittings 0 to 30 1/cm, signal to noise 3 to 100, axis errors up to 3 1/cm); no measured spectrum of an ordered
    sample was at hand, and what the ordered phase shows rests on numbers that are to be verified (see the coordinate
    ``evidence_status``).

    References
    ----------
    Z.-Q. Li et al., Chem. Sci. 15, 11302 (2024), doi:10.1039/d4sc02754j

    Examples
    --------
    >>> import numpy as np, raman, spectra
    >>> lines = {
    ...     "A1g": {"shape": "lorentzian", "position": 633.0, "area": 30.0, "fwhm": 18.0},
    ...     "low": {"shape": "lorentzian", "position": 585.0, "area": 8.0, "fwhm": 16.0},
    ...     "high": {"shape": "lorentzian", "position": 607.0, "area": 8.0, "fwhm": 16.0},
    ... }
    >>> ordered = spectra.simulate(np.arange(530.0, 700.0), lines, noise=0.01, rng=1, axis="raman_shift")
    >>> raman.diagnose_ordering(ordered).verdict.item()
    'ordered'
    """
    _check(splitting, shift_sigma, confidence, prior, false_alarms)
    kinds = _kinds(dataset, infrared)
    shift = _shift_sigma(dataset, shift_sigma)
    inputs: list[Any] = []
    axes: dict[str, Array] = {}
    for kind, (data, name) in _spectra(kinds, variable).items():
        axis = spectral_axis(data)
        axes[kind] = data[axis].values
        content = kept(data, name) if kind == "infrared" and infrared is not None else None
        if content is not None:
            resolve(infrared={"content": content})
        inputs += [(_renamed(data[name], axis, kind), (f"{axis}_{kind}",)), *_uncertainty(data, name, kind)]
    resolve(
        shift_sigma=shift, splitting=splitting or tuple(load_table("ordering")["raman"]["splitting"]["value"])
    )
    wide = 5.0 if shift is None else shift
    counts = [2 if f"{k}_sigma" in {i[0].name for i in inputs} else 1 for k in axes]

    def kernel(*arrays: Array) -> Mapping[str, Any]:
        rows: dict[str, Any] = {}
        given, arrays_left = {}, list(arrays)
        for kind, count in zip(axes, counts, strict=True):
            y = arrays_left.pop(0)
            given[kind] = (y, arrays_left.pop(0) if count == 2 else None)
        if "raman" in given:
            rows |= raman_rows(
                axes["raman"], *given["raman"], splitting=splitting, shift_sigma=wide, false_alarms=false_alarms,
                calibrated=shift is not None,
            )  # fmt: skip
        if "infrared" in given:
            rows |= infrared_rows(axes["infrared"], *given["infrared"], false_alarms=false_alarms)
        return combined(rows, prior)

    names = [n for n in ROWS if ROWS[n].kind in axes]
    outputs: dict[str, tuple[str, ...]] = {
        "ordering_probability": ("order",),
        "evidence_value": ("evidence",),
        "evidence_value_sigma": ("evidence",),
        "evidence_weight": ("evidence", "order"),
        "missing": (),
    }
    if len(axes) == 2:
        outputs |= {f"{kind}_alone": ("order",) for kind in axes}
    if "raman" in axes:
        outputs |= dict.fromkeys(("splitting", "splitting_sigma", "splitting_limit", "unresolved"), ())
    made = map_spectra(kernel, inputs, outputs, sizes={"order": len(ORDER), "evidence": len(names)})
    return _labelled(dataset, made, names, confidence)


def _check(
    splitting: tuple[float, float] | None,
    shift_sigma: float | None,
    confidence: float,
    prior: tuple[float, float, float],
    false_alarms: float,
) -> None:
    if splitting is not None and not 0 < splitting[0] < splitting[1] <= 40:
        raise InvalidInput(
            f"splitting must be two ascending numbers above 0 and up to 40 1/cm, got {splitting}."
        )
    if shift_sigma is not None and not 0 <= shift_sigma < 20:
        raise InvalidInput(f"shift_sigma must be a number of 1/cm from 0 to 20, got {shift_sigma:g}.")
    if not 0.5 < confidence < 1:
        raise InvalidInput(f"confidence must lie between 0.5 and 1, got {confidence:g}.")
    if not all(p >= 0 and math.isfinite(p) for p in prior) or sum(prior) == 0:
        raise InvalidInput(f"prior must be three weights of 0 or more, not all 0, got {prior}.")
    if not 1e-3 <= false_alarms < 0.5:
        raise InvalidInput(f"false_alarms must lie between 0.001 and 0.5, got {false_alarms:g}.")


def _kinds(dataset: xr.Dataset, infrared: Any) -> dict[str, xr.Dataset]:
    if spectral_axis(dataset) == "wavenumber":
        if infrared is not None:
            raise InvalidInput(
                "the dataset is infrared itself; give the Raman spectra first, infrared= beside them."
            )
        return {"infrared": dataset}
    if infrared is None:
        return {"raman": dataset}
    return {"raman": dataset, "infrared": infrared_beside(infrared)}


def _spectra(kinds: Mapping[str, xr.Dataset], variable: str | None) -> dict[str, tuple[xr.Dataset, str]]:
    """The dataset of each kind, and the variable in it that is judged."""
    found = {}
    for kind, data in kinds.items():
        first = kind == next(iter(kinds))
        name = (variable if first else None) or ("net" if "net" in data else signal_name(data))
        if name not in data or spectral_axis(data) not in data[name].dims:
            raise InvalidInput(f"there is no variable {name!r} along {spectral_axis(data)} to judge.")
        _check_reach(data, kind)
        if kind == "infrared" and name == signal_name(data) and name not in ("absorbance", "intensity"):
            raise InvalidInput(
                f"infrared evidence needs absorbance, and this spectrum is {name}: use raman.to_absorbance first."
            )
        if kind == "infrared":
            refuse_percent(data, "raman.diagnose_ordering")
        found[kind] = (data, name)
    return found


def _check_reach(data: xr.Dataset, kind: str) -> None:
    axis = spectral_axis(data)
    low, high = load_table("ordering")[kind]["window"]["value"]
    first, last = float(data[axis][0]), float(data[axis][-1])
    inside = int(((data[axis] >= low) & (data[axis] <= high)).sum())
    if first > low + 20 or last < high - 20 or inside < 25:
        raise InvalidInput(
            f"the {kind} evidence needs {low + 20:g} to {high - 20:g} 1/cm in 25 points or more; this spectrum has "
            f"{first:g} to {last:g} with {inside} points there."
        )


def _shift_sigma(dataset: xr.Dataset, given: float | None) -> float | None:
    if given is not None:
        return given
    if "raman_shift_sigma" in dataset:
        near = dataset["raman_shift_sigma"].sel(raman_shift=slice(550, 680))
        return float(near.mean())
    if spectral_axis(dataset) == "raman_shift":
        note("the axis is not calibrated: the position of A1g is not taken as evidence")
    return None


def _renamed(values: xr.DataArray, axis: str, kind: str) -> xr.DataArray:
    return values.drop_vars(axis).rename({axis: f"{axis}_{kind}"}).rename(kind)


def _uncertainty(data: xr.Dataset, name: str, kind: str) -> list[Any]:
    """Standard uncertainty of each point as one more input, where it is stated or follows from counts."""
    from raman.bands.noise import noise_of

    noise = noise_of(data, name, "auto")
    axis = spectral_axis(data)
    if noise.weights == "poisson":
        found: xr.DataArray = data[name].clip(min=1.0) ** 0.5
    elif noise.sigma is not None:
        found = noise.sigma
    else:
        note(f"noise of the {kind} spectra: read off their own points")
        return []
    note(f"noise of the {kind} spectra: {noise.said}")
    return [(_renamed(found, axis, kind).rename(f"{kind}_sigma"), (f"{axis}_{kind}",))]


def _labelled(
    dataset: xr.Dataset, made: Mapping[str, xr.DataArray], names: list[str], confidence: float
) -> xr.Dataset:
    missing = made["missing"] > 0.5
    unresolved = made["unresolved"] > 0.5 if "unresolved" in made else missing & False
    answer, sure = _answer(made["ordering_probability"], confidence)
    ordered_but_unresolved = unresolved & (answer == 0)
    decided = sure & ~missing & ~ordered_but_unresolved
    alone, disagree = {}, missing & False
    if "raman_alone" in made:
        alone = {kind: _answer(made[f"{kind}_alone"], confidence) for kind in ("raman", "infrared")}
        first, certain = alone["raman"]
        alone["raman"] = first, certain & ~(unresolved & (first == 0))
        disagree = alone["raman"][1] & alone["infrared"][1] & (alone["raman"][0] != alone["infrared"][0])
    verdict = _verdict(answer, decided & ~disagree)
    said = {f"verdict_{kind}": _verdict(*found) for kind, found in alone.items()}
    aside = ("missing", "unresolved", "raman_alone", "infrared_alone")
    variables = {n: v for n, v in made.items() if n not in aside}
    units = {"splitting": "1/cm", "splitting_sigma": "1/cm", "splitting_limit": "1/cm"}
    about = {
        "ordering_probability": "probability of local order, disorder and both",
        "evidence_weight": "natural logarithm of the likelihood over that of disorder",
        "splitting": "splitting of F2g(3) in the best fit of two bands",
        "splitting_limit": "wider splittings of F2g(3) are excluded at 20 to 1",
    }
    answer_first = verdict.assign_attrs(units="", long_name="order of Ni and Mn, locally")
    earlier = dataset.drop_vars(["verdict_raman", "verdict_infrared"], errors="ignore")
    result = earlier.drop_dims([d for d in ("order", "evidence") if d in dataset.dims]).assign(
        {"verdict": answer_first}
        | {n: v.assign_attrs(units="", long_name=f"order, by {n[8:]} alone") for n, v in said.items()}
        | {
            n: v.assign_attrs(units=units.get(n, ""), **({"long_name": about[n]} if n in about else {}))
            for n, v in variables.items()
        }
    )
    rows = [ROWS[n] for n in names]
    result = result.assign_coords(
        order=("order", list(ORDER)),
        evidence=("evidence", names),
        evidence_units=("evidence", [r.units for r in rows]),
        evidence_meaning=("evidence", [r.meaning for r in rows]),
        evidence_status=("evidence", [r.status for r in rows]),
        evidence_source=("evidence", [r.source for r in rows]),
    )
    unverified = [r.name for r in rows if r.status == "to-verify"]
    if unverified:
        note(f"what the ordered phase shows is to be verified in: {', '.join(unverified)}")
    where = {"no_spinel_band": missing, "ordering_undecided": ~missing & ~decided & ~disagree}
    where["splitting_unresolved"] = ordered_but_unresolved & ~missing
    where["raman_infrared_disagree"] = disagree
    for name, (severity, text) in FLAGS.items():
        result = flag(result, where[name], name, text, severity=severity)
    return result


def _answer(probability: xr.DataArray, confidence: float) -> tuple[xr.DataArray, xr.DataArray]:
    """Number of the likeliest answer, and whether it reaches the confidence; NaN reaches none."""
    return probability.fillna(-1.0).argmax("order"), probability.max("order") >= confidence


def _verdict(answer: xr.DataArray, decided: xr.DataArray) -> xr.DataArray:
    """The answer in words."""
    words = np.array([*ORDER, "undecided"])
    return map_spectra(
        lambda a, d: {"verdict": words[np.where(d, a, len(ORDER))]},
        [(answer, ()), (decided, ())],
        {"verdict": ()},
        dtypes={"verdict": words.dtype},
    )["verdict"]
