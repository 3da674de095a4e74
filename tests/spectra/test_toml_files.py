"""TOML files that a user names, and that are none or are not there: one sentence, with the file in it."""

import numpy as np
import pytest

import raman
import spectra
import xas
import xps
from spectra.errors import InvalidInput


def thresholds(path):
    x = np.linspace(636.0, 660.0, 61)
    data = spectra.from_arrays(x, np.ones(61), axis="binding_energy", name="counts", units="counts")
    return xps.audit(data.assign_attrs(technique="xps"), thresholds=str(path))


READERS = [xas.load_calibration, raman.load_calibration, thresholds]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"a = = 1", b"\xff\xfe\x00", b"["])
def test_what_is_no_toml_is_named(read, content, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match="mine.toml is no TOML file"):
        read(file)


@pytest.mark.parametrize("read", READERS)
def test_what_is_not_there_is_named(read, tmp_path):
    with pytest.raises(InvalidInput, match=r"absent\.toml"):
        read(tmp_path / "absent.toml")
