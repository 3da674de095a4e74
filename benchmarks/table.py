"""Rows of the table of headline numbers: what was measured beside what, how often, and whether the results agree."""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

EACH = "µs per spectrum"
#: What versions are told of, where it is installed.
PACKAGES = (
    "numpy", "scipy", "numba", "xarray", "h5py", "lmfit", "xraylarch", "rexafs", "pybaselines", "hyperspy", "exspy",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Medians of both sides and their ratio; a range is that of the repetitions."""

    claim: str  # the name by which README and tests find it
    what: str
    unit: str
    ours: float
    ours_range: tuple[float, float]
    peer: str = ""  # "" where nothing is beside
    theirs: float | None = None  # None where the peer is not installed
    theirs_range: tuple[float, float] | None = None
    ratio: float | None = None
    ratio_range: tuple[float, float] | None = None
    agreement: str = ""
    spectra: int = 1
    peer_spectra: int = 0
    threads: int = 1
    clock: str = "wall"


def alone(claim: str, what: str, times: Sequence[float], *, unit: str = EACH, **more) -> Row:
    """A figure of this library beside which nothing stands; ``times`` are its repetitions."""
    low, high = float(min(times)), float(max(times))
    return Row(claim, what, unit, float(statistics.median(times)), (low, high), **more)


def beside(
    claim: str,
    what: str,
    times: Sequence[float],
    peer: str,
    theirs: Sequence[float] | None,
    *,
    missing: str = "not installed",
    **more,
) -> Row:
    """This library's repetitions over many spectra, and the peer's time of each spectrum that it worked on.

    The ratio is that of the medians. Its range goes from the peer's fastest third over the slowest of ours to its
    slowest third over the fastest of ours; each third is spread evenly over the peer's sample.
    """
    if theirs is None or len(theirs) == 0:
        return alone(claim, what, times, peer=peer, **{**more, "agreement": missing, "peer_spectra": 0})
    mine, other = statistics.median(times), statistics.median(theirs)
    parts = [statistics.median(theirs[i :: min(3, len(theirs))]) for i in range(min(3, len(theirs)))]
    own, part = (float(min(times)), float(max(times))), (float(min(parts)), float(max(parts)))
    return Row(
        claim, what, more.pop("unit", EACH), float(mine), own, peer, float(other), part, float(other / mine),
        (part[0] / own[1], part[1] / own[0]), **{"peer_spectra": len(theirs), **more},
    )  # fmt: skip


def add_rows_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=Path, help="also write the rows of the table of headline numbers here, as JSON"
    )


def hand_over(rows: Sequence[Row], path: Path | None) -> None:
    """Write the rows, with the versions of this interpreter's packages, where the table's script asked for them."""
    if path is None:
        return
    told = [asdict(row) | {"agreement": re.sub(r"e-0(?=\d)", "e-", row.agreement)} for row in rows]
    path.write_text(json.dumps({"rows": told, "versions": versions()}))


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
