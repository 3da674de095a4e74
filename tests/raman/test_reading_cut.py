"""A copy that stopped half-way: every format cut anywhere is refused in a sentence, or gives what it held and says so."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spectra.dataset import signal_name, spectral_axis
from spectra.errors import SpectraError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of

FILES = {
    "wdf, map": "renishaw/renishaw_test_map.wdf",
    "wdf, short": "renishaw/orange_single-spectrum_undefined-type.wdf",
    "wdf, interrupted": "renishaw/interrupted_acquisition.wdf",
    "wire-text": "renishaw/nCal_Qontor785_z005H12_100_1x3s.txt",
    "spc, even": "renishaw/nCal_Qontor785_z005H12_100_1x3s.spc",
    "spc, several": "spc/CAthickyellow_try4_17_ZSCAN.spc",
    "spc, integers": "spc/KRY3.SPC",
    "labspec-text": "horiba/SMC1-Initial_RT.txt",
    "labspec-text, series": "horiba/serie190214-1.txt",
    "labspec-xml": "horiba/jobinyvon_test_map_x3-y2.xml",
    "witec-text": "witec/Si-wafer-Raman-Spectrum-1.txt",
    "bwtek": "bwtek/PST10_iR532_Probe_100_3000msx7.txt",
    "neegala": "other/neegala_PST_532_SEX139.txt",
    "lightnovo": "other/lightnovo_polystyrene_worsened.tsv",
    "spe": "other/S0N_50x.spe",
    "trivista": "other/trivista_spec_multiple_spectrometers.tvf",
    "rod": "rod/rod_file_1000679.rod",
    "rruff": "rruff/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346.txt",
    "nxraman": "other/spectra_demo.nxs",
}
#: Those that say how much they hold: whatever is read of a cut copy is whole, or a note says what may lack.
COUNTED = {
    name for name in FILES if name.partition(",")[0] in ("wdf", "spc", "labspec-xml", "spe", "trivista")
}
LASER = {"laser": 600.0}


@functools.cache
def whole(file):
    return file.read_bytes(), [
        (s[spectral_axis(s)].values, s[signal_name(s)].values) for s in read_scans(file, hints=LASER)
    ]


def read(content, file, folder):
    """Datasets of some content; None where it is refused, and that in one sentence."""
    copy = folder / f"cut{file.suffix}"
    copy.write_bytes(content)
    try:
        return read_scans(copy, hints=LASER | {"default_axis": "raman_shift"})
    except SpectraError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert sentence.endswith("."), sentence
    assert "cut" in sentence
    return None


def said(scan):
    return any("cut short" in note or "does not end" in note or "left out" in note for note in notes_of(scan))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_cut_anywhere(data_dir, tmp_path, name, share):
    file = data_dir / "raman" / FILES[name]
    content, originals = whole(file)
    kept = content[: max(1, int(share * len(content)))]
    found = read(kept, file, tmp_path)
    if found is None:
        return
    assert len(found) <= len(originals)
    for scan, (x, y) in zip(found, originals, strict=False):
        values = scan[signal_name(scan)].values
        same = values.shape == y.shape and np.array_equal(values, y, equal_nan=True)
        if name in COUNTED:
            assert same or said(scan)
        else:  # every point that is there is one of the file's, but the last, which may have lost digits
            assert len(values) <= len(y)
            inside = np.isin(scan[spectral_axis(scan)].values, x)
            assert inside.sum() >= inside.size - 1
            assert kept.endswith((b"\n", b"\r")) or same or said(scan)


# of a changed HDF5 file the library of HDF5 may never come back, which no reader can mend
@pytest.mark.parametrize("name", sorted(set(FILES) - {"nxraman"}))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_changed_bytes(data_dir, tmp_path, name, seed):
    """Any bytes exchanged for others: a dataset or a sentence, never another error, and no memory beyond the file."""
    file = data_dir / "raman" / FILES[name]
    rng = np.random.default_rng(seed)
    content = bytearray(whole(file)[0])
    for at in rng.integers(0, min(len(content), 2000) if seed % 2 else len(content), 8):
        content[at] = rng.integers(256)
    read(bytes(content), file, tmp_path)
