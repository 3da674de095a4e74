"""One valence from many techniques: the door that users come in by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from spectra.agreement.aligning import align_sources
from spectra.agreement.comparison import Comparison
from spectra.agreement.judging import judge
from spectra.agreement.shared import understand_shared
from spectra.agreement.sources import Source, sources_of, with_depth
from spectra.errors import InvalidInput, did_you_mean

__all__ = ["compare_valence"]


def compare_valence(
    sources: Mapping[str, Any],
    *,
    element: str | None = None,
    variables: Mapping[str, str | tuple[str, ...]] | None = None,
    depth: Mapping[str, float | tuple[float, float]] | None = None,
    systematic: Mapping[str, float] | None = None,
    shared: Mapping[str, tuple[str, ...] | Mapping[str, float]] | None = None,
    sample: str | None = None,
    tolerance: float | None = None,
    threshold: float = 0.05,
) -> Comparison:
    r"""What several techniques say of the valence of one element in one sample: whether they agree, and on what.

    Values agree where :math:`\chi^2 = (v - \hat v)^T C^{-1} (v - \hat v)` about their mean by generalised least squares is
    no larger than one in twenty such comparisons of the same truth gives (``threshold``). Only then is there a combined
    value. Otherwise it is said which source, left out, makes the others agree, and whether what looks less deep differs
    from what looks deeper.

    Parameters
    ----------
    sources : mapping
        Name of each source and what it says: a dataset with ``valence`` or ``mean_valence`` and its sigma (each valence
        in it becomes a source), ``(valence, sigma)``, or a table of ``valence``, ``sigma``, ``systematic``, ``depth``
        (nm), ``technique``, ``method``, ``element``, ``sample``, where numbers may be DataArrays along a series.
    element : str, optional
        Whose valence. Default: the one element that the sources say they are of.
    variables : mapping, optional
        Variable, or variables, of a dataset by the name of its source. Default: ``valence``, ``mean_valence``,
        ``valence_mixture`` and what a calibration gave.
    depth : mapping, optional
        Information depth in nm, or (depth, sigma), by source, instead of the dataset's ``information_depth``: 95 % of the
        signal come from above it; infinite where all of the sample counts.
    systematic : mapping, optional
        Systematic standard uncertainty by source, instead of what the dataset states.
    shared : mapping, optional
        Sources whose systematic has one cause, by the name of the cause: ``{"Mn foil": ("XANES", "LCF")}`` where all of
        the smaller one is shared, or ``{"Mn foil": {"XANES": 0.10, "LCF": 0.05}}`` for a part (with a sign: opposite signs
        move the values apart). The same calibration, standards or spectra are found without being told.
    sample : str, optional
        What the sample is called; needed where sources name theirs differently.
    tolerance : float, optional
        How far coordinates of a series may lie apart to be one state. Default: they must be equal.
    threshold : float
        p-value below which the sources disagree.

    Returns
    -------
    Comparison
        ``table``, ``verdict``, ``chi2``, ``p_value``, ``combined`` ± ``combined_sigma`` (None, with a ``reason``, where it
        does not hold), ``pairs``, ``plot()``, ``to_dataset()``.

    Raises
    ------
    InvalidInput
        Fewer than two sources, no valence or uncertainty in one, another element or sample, series that do not match.

    Notes
    -----
    A sigma that holds a systematic is split where the dataset says which part is noise (``valence_noise``). A systematic
    that nobody states counts as none, and the table says so: a disagreement may then be its. Where sources share a cause
    the covariance is the square of the smaller uncertainty: it is counted once, and no weight is negative. Dimensions that
    go over one sample (scans, places) are averaged; a line with a step of the valence becomes two sources, surface and
    core. Further dimensions that all sources have (voltage, time) are a series, with a verdict for each entry.

    References
    ----------
    R. T. Birge, Phys. Rev. 40, 207 (1932), doi:10.1103/PhysRev.40.207.

    Examples
    --------
    >>> import spectra
    >>> says = {"XPS 2p": (3.92, 0.06), "XANES": {"valence": 3.80, "sigma": 0.02, "systematic": 0.1}}
    >>> found = spectra.compare_valence(says, element="Mn")
    >>> found.verdict, round(found.combined, 2), round(found.combined_sigma, 2)
    ('agree', 3.89, 0.05)
    >>> spectra.compare_valence({**says, "EELS": (3.1, 0.1)}, element="Mn").verdict
    'disagree'
    """
    if not isinstance(sources, Mapping):
        raise InvalidInput(
            f"sources is a mapping of names to what each says, as in {{'XPS 2p': mn2p, 'XANES': scans}}; got "
            f"{type(sources).__name__}."
        )
    if not 0 < threshold < 1:
        raise InvalidInput(f"threshold is a probability between 0 and 1, got {threshold:g}.")
    unknown = [n for n in variables or {} if n not in sources]
    if unknown:
        raise InvalidInput(f"variables names no source {unknown[0]!r}; {did_you_mean(unknown[0], sources)}.")
    found = [s for n, given in sources.items() for s in sources_of(str(n), given, (variables or {}).get(n))]
    if len(found) < 2:
        raise InvalidInput(f"a comparison takes at least two sources, got {len(found)}.")
    found = _told(found, depth or {}, systematic or {})
    element = element or _their_element(found)
    named = _one_sample(found, element, sample)
    aligned = align_sources(found, tolerance)
    aligned = [_unstated(s) for s in aligned]
    facts: dict[str, Any] = {"element": element, "sample": named, "threshold": threshold}
    simulated = any(bool(d.attrs.get("simulated")) for d in sources.values() if hasattr(d, "data_vars"))
    if simulated:
        facts["simulated"] = 1
    return Comparison(judge(aligned, understand_shared(aligned, shared), facts))


def _told(
    found: list[Source],
    depth: Mapping[str, float | tuple[float, float]],
    systematic: Mapping[str, float],
) -> list[Source]:
    """Sources with the depths and systematics that the user gives."""
    names = [s.name for s in found]
    for option, given in (("depth", depth), ("systematic", systematic)):
        unknown = [n for n in given if n not in names]
        if unknown:
            raise InvalidInput(f"{option} names no source {unknown[0]!r}; {did_you_mean(unknown[0], names)}.")
    made = [with_depth(s, depth[s.name]) if s.name in depth else s for s in found]
    for name, value in systematic.items():
        if not (isinstance(value, int | float) and np.isfinite(value) and value >= 0):
            raise InvalidInput(
                f"systematic of {name!r} is a standard uncertainty of at least 0, got {value!r}."
            )
    return [
        replace(s, systematic=s.value * 0 + float(systematic[s.name])) if s.name in systematic else s
        for s in made
    ]


def _their_element(found: list[Source]) -> str:
    """The element that all sources are of which name one."""
    named = sorted({s.element for s in found if s.element})
    if len(named) != 1:
        said = f"the sources name {' and '.join(named)}" if named else "no source names one"
        raise InvalidInput(f"compare_valence needs 'element', as in element='Mn': {said}.")
    return named[0]


def _one_sample(found: list[Source], element: str, sample: str | None) -> str:
    """Name of the sample; an error where sources are of different elements or samples."""
    other = next((s for s in found if s.element and s.element.casefold() != element.casefold()), None)
    if other is not None:
        raise InvalidInput(
            f"source {other.name!r} is of {other.element}, and the valence of {element} was asked: leave it out, or compare "
            f"{other.element}."
        )
    named = {s.sample: s.name for s in found if s.sample}
    if len(named) > 1 and sample is None:
        listed = ", ".join(f"{name!r} is of {of!r}" for of, name in named.items())
        raise InvalidInput(
            f"the sources name different samples: {listed}. Where they are one and the same, say so by sample='...'."
        )
    return sample or next(iter(named), "")


def _unstated(source: Source) -> Source:
    """With remarks on what is not known of it."""
    if not np.isfinite(source.systematic.values).any():
        source = source.remark("no systematic is stated: its total is noise alone")
    if source.spectra and not source.element:
        source = source.remark("which element it is of is not said")
    if not np.isfinite(source.value.values).any():
        source = source.remark("it has no valence (NaN): look at the flags of its dataset")
    elif not np.isfinite(source.sigma.values).any():
        source = source.remark("its sigma is not known: it takes no part in the test")
    return source
