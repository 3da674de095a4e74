"""Small series of files and recipes for runs in shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import spectra
from spectra.results.fields import to_json
from spectra.verbs import history

SHIFT = np.arange(300.0, 700.0, 2.0)

RECIPE = {
    "title": "Bands of a series",
    "read": {"verb": "raman.read_series"},
    "step": [
        {"verb": "spectra.despike", "width": 3},
        {"verb": "spectra.subtract_baseline", "method": "snip"},
        {"verb": "spectra.smooth", "window": 5},
    ],
}


def write_series(folder: Path, count: int, *, seed: int = 1) -> list[Path]:
    """Files of one spectrum each: a band that moves, noise, a cosmic ray in every tenth."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    files = []
    for i in range(count):
        counts = rng.poisson(200 + 900 / (1 + ((SHIFT - 500 - i / 10) / 9) ** 2)).astype(float)
        counts[30] += 4000 * (i % 10 == 3)
        file = folder / f"spot{i}.txt"
        rows = "".join(f"{x:.1f} {y:.0f}\n" for x, y in zip(SHIFT, counts, strict=True))
        file.write_text(f"raman_shift counts\n{rows}")
        files.append(file)
    return files


def same_numbers(one, other, *, rtol=1e-12) -> None:
    """Both datasets hold the same variables with the same values, flags and attributes."""
    assert set(one.variables) == set(other.variables)
    assert one.sizes == other.sizes
    for name in one.variables:
        a, b = one[name].values, other[name].values
        if a.dtype.kind == "f":
            scale = np.nanmax(np.abs(b)) if np.isfinite(b).any() else 1.0
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale, err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)
        assert to_json(one[name].attrs) == to_json(other[name].attrs), name
    for key in set(one.attrs) | set(other.attrs):
        if key != "history":
            assert one.attrs.get(key) == other.attrs.get(key), (key, one.attrs.get(key), other.attrs.get(key))
    assert [e["verb"] for e in history(one)] == [e["verb"] for e in history(other)]


def load(path):
    """The one dataset of a results file, and the data as measured that it carries."""
    from spectra.verbs import as_measured

    dataset = spectra.load(path)
    return dataset, as_measured(dataset)
