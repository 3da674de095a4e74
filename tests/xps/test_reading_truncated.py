"""A copy that stopped half-way: every format cut anywhere is refused, or gives all it held, or says what may lack."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spectra.dataset import signal_name, spectral_axis
from spectra.errors import SpectraError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of

#: One file of each format that says how much it holds, and of which a cut can therefore be seen.
COMPLETE = {
    "vamas, Kratos": "lg4x/0-150W.vms",
    "vamas, Thermo": "khervefitting/Pt4f.vms",
    "vamas, irregular": "pynxtools/FeO_analyzed.vms",
    "phi, old": "phi_bn/BN-BS-1_multiplex.spe",
    "phi, new": "pynxtools/SnO2_10nm.spe",
    "phi, profile": "pynxtools/SnO2_10nm_1.pro",
    "scienta, text": "pynxtools/Ag_0001.txt",
    "scienta, wave": "pynxtools/Ag_0002Ag__002.ibw",
    "specs, xml": "pynxtools/In-situ_PBTTT_XPS_SPECS.xml",
    "avantage": "khervefitting/Hard_carbon_Thermo.xlsx",
    "khervefitting": "khervefitting/Pt4f.json",
}
#: Formats whose last block does not say where it ends: a cut between two of its lines, or blocks, leaves no trace.
OPEN = {
    "phi, text": "phi_bn/BN-BS-1_multiplex.txt",
    "specs, xy": "pynxtools/MgFe2O4_small.xy",
    "casaxps, text": "pynxtools/vms_txt_export.txt",
}


@functools.cache
def whole(file):
    return file.read_bytes(), [
        (s[spectral_axis(s)].values, s[signal_name(s)].values) for s in read_scans(file)
    ]


def cut(file, share, folder):
    """Datasets of the file cut at a share of its bytes; None where it is refused."""
    content, _ = whole(file)
    copy = folder / f"cut{file.suffix}"
    copy.write_bytes(content[: int(share * len(content))])
    try:
        return read_scans(copy)
    except SpectraError as error:
        sentence = str(error)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return None


def same(scan, original):
    x, y = scan[spectral_axis(scan)].values, scan[signal_name(scan)].values
    return x.shape == original[0].shape and np.array_equal(x, original[0]) and np.array_equal(y, original[1])


@pytest.mark.parametrize("name", COMPLETE)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_cut_file_is_refused_or_whole(data_dir, tmp_path, name, share):
    file = data_dir / "xps" / COMPLETE[name]
    found = cut(file, share, tmp_path)
    if found is None:
        return
    assert len(found) == len(whole(file)[1])
    for scan, original in zip(found, whole(file)[1], strict=True):
        said = any("cut short" in note or "lacks its last line" in note for note in notes_of(scan))
        assert said or same(scan, original)
        assert scan.sizes[spectral_axis(scan)] == len(original[0])


@pytest.mark.parametrize("name", OPEN)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_of_an_open_format_only_the_end_may_lack(data_dir, tmp_path, name, share):
    """Whole regions before the cut are as they were; a cut inside a line is said."""
    file = data_dir / "xps" / OPEN[name]
    content, originals = whole(file)
    found = cut(file, share, tmp_path)
    if found is None:
        return
    inside_a_line = not content[: int(share * len(content))].endswith((b"\n", b"\r"))
    for scan, original in zip(found[:-1], originals, strict=False):
        assert same(scan, original)
    assert not inside_a_line or any("cut short" in note for note in notes_of(found[-1]))
    assert found[-1].sizes[spectral_axis(found[-1])] >= 2


@pytest.mark.parametrize("name", {**COMPLETE, **OPEN})
def test_nothing_but_a_beginning_is_refused(data_dir, tmp_path, name):
    """The first bytes of a file, whatever reader they go to, make no spectrum."""
    file = data_dir / "xps" / {**COMPLETE, **OPEN}[name]
    for length in (1, 5, 20, 60, 130):
        assert cut(file, length / len(whole(file)[0]), tmp_path) is None
