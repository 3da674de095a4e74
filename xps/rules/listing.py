"""Rows for ``spectra list rules`` and ``spectra list backgrounds``: what the audit asks, and what can lie under a line."""

from __future__ import annotations

from collections.abc import Iterator

from spectra.errors import InvalidInput, did_you_mean
from xps.tables import load_table, number

__all__ = ["backgrounds", "listing"]


def listing(name: str) -> Iterator[tuple[str, ...]]:
    """All rules of the audit, or one, the first row holding the headers."""
    rows = load_table("audit")["rule"]
    known = [row["id"] for row in rows]
    if name and name.upper() not in known:
        raise InvalidInput(f"no rule {name!r}; {did_you_mean(name.upper(), known)}.")
    yield "rule", "asks for", "severity", "thresholds", "what to do", "status", "source"
    for row in rows:
        if name.upper() not in ("", row["id"]):
            continue
        limits = ", ".join(
            f"{key} {number(limit):g} {limit.get('unit', '')}".strip()
            for key, limit in row.get("thresholds", {}).items()
        )
        yield row["id"], row["title"], row["severity"], limits, row["advice"], row["status"], row["source"]


def backgrounds(name: str) -> Iterator[tuple[str, ...]]:
    """All backgrounds of a core level, or one, the first row holding the headers."""
    from xps.background.active import ACTIVE
    from xps.background.subtraction import BACKGROUNDS

    static = {key: (function.__doc__ or "").partition("\n")[0] for key, function in BACKGROUNDS.items()}
    known = (*static, *ACTIVE)
    if name not in ("", *known):
        raise InvalidInput(f"no background {name!r}; {did_you_mean(name, known)}.")
    yield "background", "treatment", "what it is"
    for key in (k for k in known if name in ("", k)):
        if key in static:
            yield key, "static: subtracted before a fit", static[key]
            continue
        twin, degree = ACTIVE[key]
        own = f"polynomial of degree {degree}" if degree else "constant"
        each = ", a strength for each line" if key.endswith("_each") else ""
        under = f"{twin} with its strength as a parameter{each}, and a {own}" if twin else own
        yield (
            key,
            "active: fitted with the lines (xps.deconvolve)",
            f"{under}; its uncertainty is in that of the areas",
        )
