"""SPECS: text whose header says what its numbers are, and documents with the counts of every detector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xps
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of
from xps.reading.specs_xml import summed_detectors


@pytest.fixture
def write(tmp_path):
    def write_file(content, name):
        file = tmp_path / name
        file.write_text(content)
        return file

    return write_file


# ---- .xy -------------------------------------------------------------------------------------------------------


def test_prodigy_text(data_dir):
    file = data_dir / "xps" / "pynxtools" / "MgFe2O4_small.xy"
    survey, iron = read_scans(file)
    rows = [line.split() for line in file.read_text().splitlines() if line and not line.startswith("#")]
    oracle = np.array(rows, float)
    np.testing.assert_allclose(survey.counts, 0.1 * oracle[:1351, 1][::-1])
    np.testing.assert_allclose(iron.counts, 0.3 * oracle[1351:, 1][::-1])
    np.testing.assert_allclose(iron.binding_energy, oracle[1351:, 0][::-1])
    assert (iron.attrs["region"], iron.attrs["pass_energy"], iron.attrs["dwell_time"]) == ("Fe 2p", 20, 0.3)
    assert iron.attrs["start_time"] == "2023-08-24T14:11:36+00:00"
    assert (survey.attrs["region"], survey.attrs["sample"]) == ("survey", "as-loaded")
    notes = notes_of(survey)
    assert any("multiplied by the 0.1 s counted" in note for note in notes)
    assert any("not whole numbers" in note for note in notes)
    assert any("last number may be cut short" in note for note in notes)  # the file has no last line end


def xy(
    *,
    axis="Kinetic Energy",
    rate="Counts per Second",
    separate="yes",
    hv="1486.6",
    scans=2,
    values=3,
    blocks=None,
):
    settings = (
        "# Created by:        SpecsLab Prodigy, Version 4.1\n#\n# XY-Serializer Export Settings:\n"
        f"#   Energy Axis:              {axis}\n#   Count Rate:               {rate}\n"
        f"#   Separate Scan Data:       {separate}\n#\n# Group:                        1 LMO\n#\n"
        f"# Region:                       Mn2p\n# Values/Curve:                 {values}\n# Dwell Time:      0.5\n"
        f"# Excitation Energy:            {hv}\n# Analysis Method:              XPS\n\n# Cycle: 0\n#\n"
        f"# Number of Scans: {scans}\n\n"
    )
    return settings + "".join(
        blocks if blocks is not None else [block(scan=n, first=2 * n) for n in range(2)]
    )


def block(*, cycle=0, scan=0, first=2, label="counts/s", column="", external=False):
    extra = [f" {n}" if column else "" for n in (0.5, 0.6, 0.7)]
    rows = "".join(f"{800 + n}  {first + 2 * n}{extra[n]}\n" for n in range(3))
    opening = f"# {'External Channel Data ' if external else ''}Cycle: {cycle}, Curve: 0, Scan: {scan}\n"
    return f"{opening}#\n# ColumnLabels: energy {label}{column}\n#\n{rows}\n"


def test_separate_scans_of_kinetic_energies(write):
    first, second = read_scans(write(xy(), "a.xy"))
    np.testing.assert_allclose(first.binding_energy, [684.6, 685.6, 686.6])
    assert first.counts.values.tolist() == [2, 1, 0]
    assert second.counts.values.tolist() == [3, 2, 1]
    assert (first.attrs["sweeps"], first.attrs["sample"], second.attrs["scan_number"]) == (1, "LMO", 1)
    series = xps.read_series(write(xy(), "a.xy"), dim="scan_number")
    assert series.scan_number.values.tolist() == [0, 1]


def test_scans_in_one_table_were_counted_as_often(write):
    (scan,) = read_scans(write(xy(separate="no", scans=4, blocks=[block()]), "a.xy"))
    assert (scan.attrs["sweeps"], scan.attrs["dwell_time"]) == (4, 0.5)
    assert scan.counts.values.tolist() == [12, 8, 4]


def test_counts_stay_counts(write):
    (scan,) = read_scans(write(xy(rate="Counts", separate="no", blocks=[block(label="counts")]), "a.xy"))
    assert scan.counts.values.tolist() == [6, 4, 2]


@pytest.mark.parametrize("hv", ["0", "none"])
def test_without_a_photon_energy_they_stay_kinetic(write, hv):
    scan = read_scans(write(xy(hv=hv), "a.xy"))[0]
    assert "kinetic_energy" in scan.dims
    assert any("energies stay kinetic" in note for note in notes_of(scan))


def test_transmission_and_external_channels(write):
    blocks = [block(column=" transmission"), block(label="current", external=True)]
    (scan,) = read_scans(write(xy(scans=1, blocks=blocks), "a.xy"))
    assert scan.transmission.values.tolist() == [0.7, 0.6, 0.5]
    assert any("no spectra were left out (current)" in note for note in notes_of(scan))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (xy(values=4), "truncated: region Mn2p announces 4 values, 3 are there"),
        (xy(scans=3), "truncated: region Mn2p announces 3 scans, 2 are there"),
        (xy(blocks=[]), "truncated: the values of its last region Mn2p are not there"),
        (
            xy() + "# Region:   O1s\n# Dwell Time: 1\n",
            "truncated: the values of its last region O1s are not there",
        ),
        (xy(scans=1, blocks=[block().replace("801  4", "801")]), "a row holds 1 numbers where 2 are due"),
        (xy(scans=1, blocks=[block().replace("801  4", "801  x")]), "something else than numbers"),
        ("# Created by: SpecsLab Prodigy\n", "its header is not followed by a spectrum"),
    ],
)
def test_bad_text_is_one_sentence(write, text, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(text, "bad.xy"))
    assert "bad.xy" in str(caught.value)


# ---- .xml ------------------------------------------------------------------------------------------------------


def test_document_of_specslab(data_dir):
    survey, carbon = read_scans(data_dir / "xps" / "pynxtools" / "In-situ_PBTTT_XPS_SPECS.xml")
    assert (carbon.attrs["region"], carbon.attrs["sample"], carbon.attrs["photon_energy"]) == (
        "C 1s",
        "PBTTT 1.2 V",
        1253.6,
    )
    assert (carbon.attrs["dwell_time"], carbon.attrs["sweeps"], carbon.attrs["pass_energy"]) == (0.2, 2, 20)
    np.testing.assert_allclose([carbon.binding_energy[0], carbon.binding_energy[-1]], [280, 290])
    assert dict(survey.sizes) == {"binding_energy": 1403}
    assert survey.transmission.size == 1403
    assert (np.mod(carbon.counts, 1) == 0).all()
    assert any("15 scans are announced, 2 are there" in note for note in notes_of(carbon))
    assert carbon.attrs["start_time"].startswith("2022-01-28T17:42:54")


def test_detectors_see_the_same_line_where_they_were_put(data_dir):
    """Both regions give the same C 1s line at different pass energies, and summed it is one line."""
    survey, carbon = read_scans(data_dir / "xps" / "pynxtools" / "In-situ_PBTTT_XPS_SPECS.xml")
    assert abs(_middle(survey.sel(binding_energy=slice(280, 289))) - _middle(carbon)) < 0.25
    height = carbon.counts.values.max() - np.median(carbon.counts.values[:20])
    above = carbon.binding_energy.values[
        carbon.counts.values > np.median(carbon.counts.values[:20]) + height / 2
    ]
    assert above[-1] - above[0] < 2  # five detectors 3.1 eV apart by their shifts would make it wider


def _middle(scan):
    x, y = scan.binding_energy.values, scan.counts.values
    top = y > (y.max() + y.min()) / 2
    return (x[top] * y[top]).sum() / y[top].sum()


@given(
    shifts=st.lists(st.integers(-3, 3), min_size=1, max_size=5),
    truth=st.lists(st.integers(0, 1000), min_size=8, max_size=30),
)
def test_detectors_add_up_to_what_each_saw(shifts, truth):
    """Each detector is given the truth at its own energies; together they must give it back as often as they are."""
    head = tail = 3
    points = len(truth) - head - tail
    padded = np.pad(np.array(truth, float), 3)
    counts = np.array([[padded[3 + k + s] for s in shifts] for k in range(len(truth))]).ravel()
    total = summed_detectors(counts, np.array(shifts, float), np.ones(len(shifts)), head, points)
    np.testing.assert_array_equal(total, len(shifts) * np.array(truth[head : head + points], float))


XML = """<?xml version="1.0"?>
<!-- CORBA XML document created by XMLSerializer2 -->
<any><sequence type_name="RegionGroupSeq" type_id="IDL:specs.de/Serializer/RegionGroupSeq:1.0">
<struct type_name="RegionGroup"><string name="name">LMO</string><sequence name="regions">
<struct type_name="RegionData"><string name="name">Mn2p</string>
<struct name="region" type_name="RegionDef"><string name="analysis_method">XPS</string>
<ulong name="values_per_curve">3</ulong><double name="dwell_time">0.1</double><double name="scan_delta">1</double>
<double name="excitation_energy">HV</double><double name="kinetic_energy">800</double>
<double name="pass_energy">20</double><double name="effective_workfunction">4</double></struct>
<ulong name="mcd_head">0</ulong><ulong name="mcd_tail">0</ulong>
<sequence name="cycles">CYCLE</sequence></struct></sequence></struct></sequence></any>
"""
CYCLE = """<struct type_name="Cycle"><ulong name="time">0</ulong><sequence name="scans" length="1">
<struct type_name="ScanData"><sequence name="counts" length="3"><ulong>5 7 9</ulong></sequence></struct></sequence></struct>
"""


DETECTOR = """<struct type_name="Detector"><double name="shift">9e9</double><double name="gain">1</double></struct>"""


def xml(cycle=CYCLE, hv="1486.6"):
    return XML.replace("CYCLE", cycle).replace("HV", hv)


def test_cycles_of_a_document_stand_apart(write):
    first, second = read_scans(write(xml(CYCLE + CYCLE.replace("5 7 9", "1 2 3")), "a.xml"))
    np.testing.assert_allclose(first.binding_energy, [684.6, 685.6, 686.6])
    assert first.counts.values.tolist() == [9, 7, 5]
    assert (first.attrs["cycle"], second.attrs["cycle"]) == (0, 1)
    assert "start_time" not in first.attrs
    assert "kinetic_energy" in read_scans(write(xml(hv="0"), "b.xml"))[0].dims


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (xml()[:-20], "is truncated or damaged XML"),
        (xml().replace('length="3"', 'length="4"'), "4 counts are announced, 3 are there"),
        (xml().replace(">3</ulong>", ">4</ulong>"), "make 4 counts, and 3 are there"),
        (xml().replace(">3</ulong>", ">1e15</ulong>"), "make 1000000000000000 counts"),
        (xml().replace(">3</ulong>", ">inf</ulong>"), "does not say its values per curve"),
        (xml().replace("<ulong name=\"mcd_head\">", DETECTOR + "<ulong name=\"mcd_head\">"), "its detectors lie outside"),
        (xml().replace('name="scan_delta">1', 'name="scan_delta">0'), "its detectors lie outside"),
        (xml().replace("5 7 9", "5 x 9"), "its counts hold something else than numbers"),
        (xml(cycle=""), "without a region that holds a scan"),
        (xml().replace("<any>", '<!DOCTYPE any [<!ENTITY a "b">]><any>'), "defines XML entities"),
    ],
)  # fmt: skip
def test_bad_documents_are_one_sentence(write, text, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(text, "bad.xml"))
    assert "bad.xml" in str(caught.value)
    assert "\n" not in str(caught.value)
