"""What may come of a damaged file: datasets that are sane, or one error of the library's own."""

from __future__ import annotations

import gc
import os
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["WAYS", "faults"]


def _scans(path: Path, reader: str | None = None) -> None:
    from spectra.reading.registry import read_scans

    scans = read_scans(path, reader=reader)
    assert scans, "no scan and no error"
    for scan in scans:
        _sane(scan)


def _sane(scan: Any) -> None:
    import numpy as np

    from spectra.dataset import signal_name, spectral_axis, validate

    validate(scan)
    axis = spectral_axis(scan)
    x, y = scan[axis].values, np.asarray(scan[signal_name(scan)].values)
    assert x.size >= 2, f"{x.size} points"
    assert np.isfinite(x).all(), "the axis holds numbers that are none"
    assert (np.diff(x) > 0).all(), "the axis does not ascend"
    assert y.size > 0, "no values"
    flagged = "status" in scan.variables and bool((scan["status"].values != 0).any())
    assert np.isfinite(y).any() or flagged, "not one value is finite, and no flag says so"


def _verb(package: str) -> Callable[[Path, str | None], None]:
    def way(path: Path, reader: str | None) -> None:
        import importlib

        _sane(importlib.import_module(package).read(path, select=0))

    return way


def _inspect(path: Path, reader: str | None) -> None:
    import spectra

    table = spectra.inspect(path)
    assert len(table) > 0, "no row"
    wrong = [f for f in table.fault.dropna() if "reader failed on it" in f]
    assert not wrong, wrong[0]


def _results(path: Path, reader: str | None) -> None:
    import spectra

    loaded = spectra.load(path)
    for one in loaded.values() if isinstance(loaded, dict) else [loaded]:
        _sane(one)


def _cycler(path: Path, reader: str | None) -> None:
    import spectra

    log = spectra.read_cycler(path)
    assert log.sizes["time"] > 0, "an empty log"


def _recipe(path: Path, reader: str | None) -> None:
    from spectra.pipeline.recipe import load_recipe

    assert load_recipe(path).read.verb, "a recipe of nothing"


def _plan(path: Path, reader: str | None) -> None:
    from spectra.pipeline.plan import Plan

    Plan.from_json(path.read_text(encoding="utf-8", errors="replace"))


def _feff(path: Path, reader: str | None) -> None:
    import xas

    assert xas.feff_paths(path), "no path of scattering"


def _calibration(path: Path, reader: str | None) -> None:
    import raman
    import xas

    for load in (xas.load_calibration, raman.load_calibration):
        load(path)


def _tables(path: Path, reader: str | None) -> None:
    from raman.bands.table import read_phases

    assert read_phases(path), "no phase"


def _die(path: Path, reader: str | None) -> None:
    os.abort()


def _hang(path: Path, reader: str | None) -> None:
    while True:
        pass


def _memory(path: Path, reader: str | None) -> None:
    bytearray(1 << 34)


#: Ways by which a file comes in: name -> function of the path and the reader that is told.
WAYS: dict[str, Callable[[Path, str | None], None]] = {
    "spectra.read": lambda path, reader: _scans(path),
    "reader": _scans,
    "xas.read": _verb("xas"),
    "xps.read": _verb("xps"),
    "raman.read": _verb("raman"),
    "xas.eels.read": _verb("xas.eels"),
    "xas.rixs.read": _verb("xas.rixs"),
    "inspect": _inspect,
    "load": _results,
    "read_cycler": _cycler,
    "recipe": _recipe,
    "plan": _plan,
    "feff": _feff,
    "calibration": _calibration,
    "tables": _tables,
    # for the test of the judge itself
    "die": _die,
    "hang": _hang,
    "memory": _memory,
}


def faults(
    path: Path, ways: Sequence[tuple[str, str | None]], limit: Callable[[], None] = lambda: None
) -> list[str]:
    """What went wrong on ``path``, in a line each; nothing if every way ended as it may. ``limit`` is called before each."""
    from spectra.errors import SpectraError

    found = []
    for way, reader in ways:
        limit()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                WAYS[way](path, reader)
        except SpectraError as error:
            text = str(error)
            if "reader failed on it" in text and error.__cause__ is not None:
                found.append(_described(way, reader, error.__cause__))
            elif "\n" in text or not text.rstrip().endswith((".", ")", "!")) or len(text) > 3000:
                found.append(f"{way} {reader or ''}: no sentence: {text[:200]!r}")
        except BaseException as error:
            found.append(_described(way, reader, error))
            if not isinstance(error, Exception):
                raise
    gc.collect(0)
    return found


def _described(way: str, reader: str | None, error: BaseException) -> str:
    """The exception with the line of the library that raised it."""
    where = [f for f in traceback.extract_tb(error.__traceback__) if "/tests/" not in f.filename]
    own = [f for f in where if "site-packages" not in f.filename]
    place = f"{'/'.join(own[-1].filename.split('/')[-3:])}:{own[-1].lineno}" if own else "the judge"
    return f"{way} {reader or ''}: {type(error).__name__} at {place}: {str(error)[:160]!r}"
