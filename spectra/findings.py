"""What is questionable about a result: findings of rules, each with number, threshold, source and what to do.

A technique brings the rules (entry point ``spectra.audits``: technique → function of a dataset that returns an
:class:`Audit`); here is only what a finding is, how it is kept in a dataset and how it reads.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from spectra.verbs import history

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Audit", "Finding", "audit_of"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found; of a series, the spectrum where it is worst."""

    rule: str
    severity: Severity
    title: str  # what the rule asks
    subject: str  # component, region or dataset
    found: str  # what is there, in words
    value: float | None  # the number found, where there is one
    threshold: str  # beyond which a finding is made
    source: str
    advice: str
    spectra: int = 1  # how many spectra of the series show it
    of: int = 1

    def __str__(self) -> str:
        share = f" [{self.spectra} of {self.of} spectra]" if self.of > 1 else ""
        return (
            f"{self.rule} {self.severity}: {self.subject}: {self.found}{share}\n"
            f"    asked: {self.title} (threshold: {self.threshold}; source: {self.source})\n"
            f"    to do: {self.advice}"
        )


@dataclass(frozen=True)
class Audit:
    """All findings, the rules that were asked, and why others could not be asked.

    There is no score: every finding stands for itself.
    """

    findings: tuple[Finding, ...]
    judged: tuple[str, ...] = ()
    not_judged: tuple[tuple[str, str], ...] = ()  # rule, what it would have needed

    def __str__(self) -> str:
        head = (
            f"{len(self.errors)} errors, {len(self.warnings)} warnings; {len(self.judged)} rules asked, "
            f"{len(self.not_judged)} could not be"
        )
        missing = [f"{rule} not asked: it needs {what}" for rule, what in self.not_judged]
        return "\n".join([head, *map(str, self.findings), *missing])

    def _repr_html_(self) -> str:
        from spectra.notebook.pages import audit_html

        return audit_html(self)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that forbid to use the number as it is."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that ask for a look or a reason."""
        return tuple(f for f in self.findings if f.severity == "warning")

    def of_rule(self, rule: str) -> tuple[Finding, ...]:
        """Findings of one rule."""
        return tuple(f for f in self.findings if f.rule == rule)

    def table(self) -> pd.DataFrame:
        """One row per finding."""
        import pandas as pd

        columns = list(Finding.__dataclass_fields__)
        return pd.DataFrame([asdict(f) for f in self.findings], columns=columns)

    def to_json(self) -> str:
        """Text that :meth:`from_json` reads back."""
        from spectra.results.fields import to_json

        return to_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Audit:
        """The audit that :meth:`to_json` wrote."""
        from spectra.results.fields import from_json

        table: dict[str, Any] = from_json(text)
        return cls(
            tuple(Finding(**finding) for finding in table["findings"]),
            tuple(table["judged"]),
            tuple((rule, what) for rule, what in table["not_judged"]),
        )


def audit_of(dataset: xr.Dataset) -> Audit | None:
    """The audit that the dataset carries, if nothing was done to it since; else a fresh one by its technique's rules.

    None where the technique has no rules, or nothing that they could judge.
    """
    last = history(dataset)[-1:]
    stored = dataset.attrs.get("audit")
    if stored and last and str(last[0]["verb"]).endswith(".audit"):
        return Audit.from_json(str(stored))
    technique = str(dataset.attrs.get("technique", ""))
    for entry in importlib.metadata.entry_points(group="spectra.audits", name=technique):
        found: Audit | None = entry.load()(dataset)
        return found
    return None
