"""Files of energy losses and of soft X-rays after a bad copy: read, or refused in one sentence that names them."""

import numpy as np
import pytest

from spectra.dataset import signal_name, validate
from spectra.errors import SpectraError
from spectra.reading.registry import read_scans
from tests.test_reading_everything import damaged

FILES = (
    "eels/eelsdb/LSMO_bulk_MnL.msa",
    "eels/exspy/LSMO_lowloss_raw.msa",
    "eels/rsciio/example1.msa",
    "eels/rsciio/EELS_SI.dm4",
    "eels/pytemlib/EELS_STO.dm3",
    "eels/rsciio/X - Au NP EELS_2.ser",
    "eels/exspy/Cr_L_cl.hspy",
    "softxas/HERMES_small_OK.hdf5",
    "softxas/CuO_OK_CuL_flexpes_library.h5",
)
#: The library of HDF5 may never come back from changed bytes: these are only cut.
HDF5 = (".hspy", ".hdf5", ".h5")


def read(content, file, folder):
    copy = folder / f"copy{file.suffix}"
    copy.write_bytes(content)
    try:
        scans = read_scans(copy, hints={"default_axis": "energy_loss"})
    except SpectraError as error:
        text = str(error)
        assert "\n" not in text
        assert text.endswith("."), text
        assert "copy" in text
        return
    for scan in scans:
        validate(scan)
        assert np.isfinite(scan[signal_name(scan)].values).any()


@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", FILES)
def test_cut_and_damaged(data_dir, tmp_path, rng, name, count):
    file = data_dir / name
    whole = file.read_bytes()
    for part in rng.random(count):
        read(whole[: max(1, int(part * len(whole)))], file, tmp_path)
    for _ in range(0 if file.suffix in HDF5 else count):
        read(damaged(whole, rng), file, tmp_path)


@pytest.mark.parametrize("name", [n for n in FILES if n.endswith((".dm3", ".dm4"))])
def test_changed_tags(data_dir, tmp_path, rng, name):
    """Damage where it hurts: in the tags, not among the counts."""
    file = data_dir / name
    whole = bytearray(file.read_bytes())
    for _ in range(15):
        changed = bytearray(whole)
        for _ in range(3):
            at = int(rng.integers(0, 3600)) if rng.random() < 0.5 else len(whole) - int(rng.integers(1, 9000))
            changed[at] = int(rng.integers(256))
        read(bytes(changed), file, tmp_path)
