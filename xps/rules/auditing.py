"""The audit: every rule asked of a fit, its findings with number, threshold, source and what to do.

A rule is a small function of the evidence and its thresholds that yields breaches; the rules lie in files by what they
look at, their texts and thresholds in ``tables/audit.toml``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import InvalidInput, did_you_mean
from spectra.findings import Audit, Finding, Severity
from spectra.knowledge import read_toml
from spectra.verbs import history, note, verb
from xps.rules import background, doublets, scale, states, statistics
from xps.rules.breach import Breach, Limits
from xps.rules.evidence import Evidence, NotJudged
from xps.rules.sources import evidence, printed
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RULES", "audit", "audit_assignments", "findings", "judge"]

Rule = Callable[[Evidence, Limits], Iterable[Breach]]
Thresholds = Mapping[str, Mapping[str, float]]

RULES: Mapping[str, Rule] = {
    "A01": doublets.area_ratios,
    "A02": doublets.lone_lines,
    "A03": doublets.splittings,
    "A04": doublets.width_ratios,
    "A05": doublets.widths,
    "A06": doublets.state_widths,
    "A07": statistics.at_limits,
    "A08": statistics.negative_areas,
    "A09": statistics.components_needed,
    "A10": statistics.residuals,
    "A11": background.background_above_data,
    "A12": background.window_ends,
    "A13": background.background_method,
    "A14": background.tails,
    "A15": background.asymmetry,
    "A16": background.areas_finite,
    "A17": doublets.single_lines,
    "A18": doublets.packets_tied,
    "A19": states.vanadium_with_oxygen,
    "A20": states.vacancies,
    "A21": states.organic_oxygen,
    "A22": states.hydroxides,
    "A23": states.valences,
    "A24": states.manganese_3s,
    "A25": states.positions,
    "A26": scale.calibration,
    "A27": scale.calibration_uncertainty,
    "A28": states.carbon_offsets,
    "A29": scale.sensitivity,
    "A30": states.satellites,
    "A31": states.overlaps,
    "A32": statistics.noise,
    "A33": statistics.steps,
    "A34": scale.source,
    "A35": scale.metadata,
    "A36": statistics.series_drift,
    "A37": states.sputtered,
}


def judge(given: Evidence, thresholds: Thresholds | str | None = None) -> Audit:
    """Every rule asked of the evidence; one that lacks something is listed with what it needs."""
    found: list[Finding] = []
    judged: list[str] = []
    lacking: list[tuple[str, str]] = []
    changed = _changed(thresholds)
    for row in load_table("audit")["rule"]:
        name = row["id"]
        limits = {k: number(v) for k, v in row.get("thresholds", {}).items()} | dict(changed.get(name, {}))
        mine: list[Breach] = []
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # a ratio to nothing is beyond any limit
                mine.extend(RULES[name](given, limits))
            judged.append(name)
        except NotJudged as missing:
            if mine:
                judged.append(name)
            lacking.append((name, str(missing)))
        found.extend(_finding(row, breach, given.spectra) for breach in mine)
    return Audit(tuple(found), tuple(judged), tuple(lacking))


def _finding(row: Mapping[str, Any], breach: Breach, spectra: int) -> Finding:
    severity: Severity = breach.severity or ("error" if row["severity"] == "error" else "warning")
    source = row["source"] + (" (to be verified)" if row["status"] == "to-verify" else "")
    return Finding(
        row["id"],
        severity,
        row["title"],
        breach.subject,
        breach.found,
        breach.value if math.isfinite(breach.value) else None,
        breach.threshold,
        source,
        row["advice"],
        spectra if breach.spectra is None else breach.spectra,
        max(breach.spectra or 1, spectra),
    )


def _changed(thresholds: Thresholds | str | None) -> Thresholds:
    """Thresholds of the user, by rule, from a table or a TOML file; names are checked."""
    if thresholds is None:
        return {}
    if isinstance(thresholds, str):
        path = Path(thresholds)
        if not path.is_file():
            raise InvalidInput(f"thresholds: no file {thresholds!r}; give a TOML file or a table by rule.")
        thresholds = read_toml(path, "the table of thresholds")
    known = {row["id"]: row.get("thresholds", {}) for row in load_table("audit")["rule"]}
    for rule, values in thresholds.items():
        if rule not in known:
            raise InvalidInput(f"thresholds names the rule {rule!r}; {did_you_mean(rule, known)}.")
        for name, value in values.items():
            if name not in known[rule]:
                raise InvalidInput(
                    f"rule {rule} has no threshold {name!r}; {did_you_mean(name, known[rule])}."
                )
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidInput(f"threshold {name!r} of {rule} must be a number, got {value!r}.")
    return thresholds


def findings(dataset: xr.Dataset) -> Audit | None:
    """The audit of a dataset as a report shows it: with the options of an earlier call; None where nothing was fitted."""
    earlier = [step["options"] for step in history(dataset) if step["verb"] == "xps.audit"]
    options = earlier[-1] if earlier else {}
    declared = {k: options.get(k) for k in ("compound", "conducting", "elements", "one_line")}
    given = evidence(dataset, declared)
    return judge(given, options.get("thresholds")) if given.components else None


@verb("xps.audit", axis="binding_energy")
def audit(
    dataset: xr.Dataset,
    *,
    compound: str | None = None,
    conducting: bool | None = None,
    elements: tuple[str, ...] | None = None,
    one_line: bool = False,
    regions: dict[str, Any] | None = None,
    thresholds: dict[str, dict[str, float]] | str | None = None,
) -> xr.Dataset:
    """Ask 37 rules whether a fit can mean what it says; the findings are in ``attrs["audit"]``.

    The fit is the one in the dataset, or the one that CasaXPS or KherveFitting left in the file. Nothing is changed
    and no score is given: ``dataset.spectra.audit()`` lists each finding with the number found, the threshold, the
    source and what to do, and which rules could not be asked, and for want of what. A lazy dataset is computed.

    Parameters
    ----------
    dataset : xarray.Dataset
        With a fit; any series dimensions. Of a series each finding counts the spectra and shows the worst.
    compound : str, optional
        What the sample is, ``"LiNi0.5Mn1.5O4"``: whether it insulates, and which lines may overlap, follows.
    conducting : bool, optional
        Whether the sample conducts. Default: oxides do not.
    elements : tuple of str, optional
        Elements seen in the survey, for overlaps.
    one_line : bool
        Only one line of the doublet was fitted on purpose, and the window ends before the other.
    regions : table of datasets, optional
        Other regions of the same sample with their fits, by name: O 1s and C 1s for hydroxides and organic oxygen,
        Mn 3s for the valence; their charge shifts are compared too.
    thresholds : table or str, optional
        Thresholds of your own by rule, ``{"A01": {"warning": 0.1}}``, or the name of a TOML file with such tables.

    Returns
    -------
    xarray.Dataset
        With ``attrs["audit"]`` (JSON). Flag: ``counts_not_finite``.

    Raises
    ------
    InvalidInput
        A threshold that no rule has.

    References
    ----------
    G. H. Major et al., J. Vac. Sci. Technol. A 38, 061204 (2020): 40 % of published fits have major errors

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(520.0, 540.0, 0.1)
    >>> lines = {"a": {"shape": "sgl", "position": 529.8, "area": 9000.0, "fwhm": 1.2}}
    >>> lines["b"] = {"shape": "sgl", "position": 531.6, "area": 3000.0, "fwhm": 1.4}
    >>> o = spectra.simulate(energy, lines, background=50.0, axis="binding_energy", name="counts", units="counts")
    >>> own = {"position": {"value": 529.8}}, {"name": "vacancy", "position": {"value": 531.6}}
    >>> o = o.assign_attrs(region="O 1s", element="O")
    >>> o = xps.deconvolve(o, components=({"name": "lattice", **own[0]}, own[1]), background="linear")
    >>> [finding.found[:27] for finding in xps.audit(o).spectra.audit().of_rule("A20")]
    ['at 531.60 eV, where OH, C=O']
    """
    from spectra.dataset import flag, signal_name

    declared = {
        "compound": compound,
        "conducting": conducting,
        "elements": elements,
        "one_line": one_line or None,
    }
    result = judge(evidence(dataset, declared, regions), thresholds)
    fired = ", ".join(dict.fromkeys(f.rule for f in result.findings)) or "none"
    note(f"{len(result.errors)} errors and {len(result.warnings)} warnings by the rules {fired}")
    nothing = dataset[signal_name(dataset)].isnull().all("binding_energy")
    dataset = flag(
        dataset, nothing, "counts_not_finite", "The spectrum holds no finite counts: it was not measured."
    )
    return dataset.assign_attrs(audit=result.to_json())


def audit_assignments(
    lines: Sequence[Mapping[str, Any]],
    *,
    compound: str | None = None,
    elements: tuple[str, ...] | None = None,
    one_line: bool = False,
    etched: float | None = None,
    thresholds: Thresholds | str | None = None,
) -> Audit:
    """Audit of assignments as a publication prints them, where there is no spectrum.

    Parameters
    ----------
    lines : sequence of tables
        Each with ``level`` (``"Mn 2p"``), ``position`` in eV, and what else is printed: ``line`` (``"3/2"``),
        ``label`` (``"Mn3+"``), ``fwhm``, ``area``, ``shape``.
    compound, elements, one_line, thresholds
        As in :func:`audit`.
    etched : float, optional
        Etching time in s before these lines were measured.

    Returns
    -------
    Audit

    Examples
    --------
    >>> print(audit_assignments([{"level": "V 2p", "line": "3/2", "label": "V2+", "position": 516.4}]).of_rule("A25")[0].found)
    at 516.40 eV; V2+: 513.1 to 514.1 eV (Thermo Fisher XPS reference, V(II) 513.6; range of half an eV to either side)
    """
    declared = {"compound": compound, "elements": elements, "one_line": one_line or None}
    given = printed(lines, {k: v for k, v in declared.items() if v is not None}, etched=etched)
    return judge(given, thresholds)
