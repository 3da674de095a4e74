"""Dead time of fluorescence detectors: what a scan says of the counts that each of their elements missed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["CORRECTED", "DeadTime", "dead_time"]

#: Columns that hold counts already corrected, one per element of the detector.
CORRECTED = re.compile(r"dtc_?\d+|.*_dtc|.*dt_?corr(?!.*i0).*")
_FACTOR = re.compile(r"dt_?factor_?(?:mca)?(\d+)")
_INPUT, _OUTPUT = (re.compile(rf"{kind}_?(?:mca)?(\d+)") for kind in ("icr", "ocr"))
_CORRECTED_I0 = re.compile(r".*dt_?corr_?i0")
_ELEMENT = re.compile(r".*?(\d+)")


@dataclass(frozen=True)
class DeadTime:
    """Factors that counts are multiplied by, one array per column, and where they come from."""

    factors: dict[str, npt.NDArray[np.float64]]
    source: str  # what was done, as half a sentence; empty if nothing is known


def dead_time(scan: xr.Dataset, columns: Sequence[str], i0: str) -> DeadTime:
    """How many counts of each fluorescence column stand for one.

    A column ``DTFactor_mcaN`` is that factor; without it, the input over the output count rate, ``ICR_N`` and
    ``OCR_N``; without them, for all columns, the intensity over the one that was corrected for dead time instead
    (``DT Corr I0``). Columns named as corrected are left as they are.

    Parameters
    ----------
    scan : xarray.Dataset
        All columns of the scan.
    columns : sequence of str
        Those with fluorescence counts.
    i0 : str
        Column of the incident intensity that the counts are divided by.
    """
    names = [str(n) for n in scan.data_vars]
    if columns and all(CORRECTED.fullmatch(name) for name in columns):
        return DeadTime({}, "which the file holds corrected for dead time")
    by_number = {
        kind: {m.group(1): n for n in names if (m := pattern.fullmatch(n))}
        for kind, pattern in (("factor", _FACTOR), ("input", _INPUT), ("output", _OUTPUT))
    }
    numbers = [m.group(1) if (m := _ELEMENT.fullmatch(name)) else "" for name in columns]
    if columns and all(number in by_number["factor"] for number in numbers):
        used = [by_number["factor"][number] for number in numbers]
        factors = {c: scan[f].values.astype(float) for c, f in zip(columns, used, strict=True)}
        return DeadTime(factors, f"each multiplied by its dead-time factor ({_listed(used)})")
    if columns and all(number in by_number["input"] and number in by_number["output"] for number in numbers):
        factors = {}
        for column, number in zip(columns, numbers, strict=True):
            into, out = (scan[by_number[kind][number]].values.astype(float) for kind in ("input", "output"))
            factors[column] = np.where(out > 0, into / np.where(out > 0, out, 1.0), 1.0)
        used = [by_number["input"][number] for number in numbers]
        return DeadTime(
            factors, f"each multiplied by its input over its output count rate ({_listed(used)}, ...)"
        )
    corrected = next((n for n in names if _CORRECTED_I0.fullmatch(n) and n != i0), None)
    if columns and corrected is not None:
        instead, plain = scan[corrected].values.astype(float), scan[i0].values.astype(float)
        factor = np.where(instead > 0, plain / np.where(instead > 0, instead, 1.0), np.nan)
        return DeadTime(dict.fromkeys(columns, factor), f"corrected for dead time by {corrected}")
    return DeadTime({}, "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]}"
