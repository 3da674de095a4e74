"""Infrared files after a bad copy read or are refused in one sentence, never with another error."""

import shutil

import numpy as np
import pytest

import raman
from spectra.dataset import validate
from spectra.errors import SpectraError
from spectra.reading.registry import read_scans
from tests.raman.jcamp_samples import jcamp


def damaged(content, rng):
    """Cut, bytes changed, a piece missing or twice; most often where the headers are."""
    data = bytearray(content)
    at = int(rng.integers(len(data) if rng.random() < 0.5 else min(len(data), 3000)))
    length = int(rng.integers(1, 1000))
    kind = rng.integers(4)
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for _ in range(length % 20):
            data[int(rng.integers(min(len(data), 6000)))] = rng.integers(256)
    elif kind == 2:
        del data[at : at + length]
    else:
        data[at:at] = data[at : at + length]
    return bytes(data)


@pytest.mark.parametrize("count", [150, pytest.param(300, marks=pytest.mark.long)])
def test_damaged_files_read_or_are_refused(data_dir, tmp_path, rng, count):
    measured = [
        f for f in sorted((data_dir / "ftir").rglob("*")) if f.suffix not in (".md", ".csv") and f.is_file()
    ]
    measured = [f for f in measured if f.stat().st_size < 300_000]
    for form in ("SQZ", "DIFDUP"):
        measured.append(tmp_path / f"{form}.dx")
        measured[-1].write_text(jcamp(np.arange(100) // 7, form=form))
    for number in range(count):
        file = measured[rng.integers(len(measured))]
        folder = tmp_path / str(number % 3)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if file.parent.name == "agilent":
            for part in (".dat", ".bsp", ".hdr"):
                shutil.copyfile(file.with_suffix(part), folder / f"damaged{part}")
        copy = folder / f"damaged{file.suffix}"
        copy.write_bytes(damaged(file.read_bytes(), rng))
        for read in (lambda f: read_scans(f)[0], lambda f: raman.read(f, select=0)):
            try:
                validate(read(copy))
            except SpectraError as error:
                text = str(error)
                assert "\n" not in text, file
                assert text.endswith("."), text
                assert "damaged" in text, (file, text)
