"""Projects of KherveFitting: the spectrum it was given, and the fits it holds."""

import json

import numpy as np
import pytest

import xps
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of


def test_raw_data_are_the_counts_by_the_transmission(data_dir):
    """Pt 4f stands in a VAMAS file too; the project holds it divided by the transmission, 0.01 eV lower."""
    folder = data_dir / "xps" / "khervefitting"
    block, project = xps.read(folder / "Pt4f.vms"), xps.read(folder / "Pt4f.json", select="Pt4f")
    np.testing.assert_allclose(project.intensity, block.counts / block.transmission, rtol=1e-3)
    np.testing.assert_allclose(project.binding_energy, block.binding_energy - 0.01, atol=1e-6)
    assert project.attrs["signal"] == "intensity"
    assert any("are no counts" in note for note in notes_of(project))


def test_fits_are_kept_as_they_stand_there(data_dir):
    file = data_dir / "xps" / "khervefitting" / "LaSrTiO3.json"
    scans = read_scans(file)
    assert [s.attrs["region"] for s in scans] == ["Sr 3d", "Sr 3d", "Ti 2p", "O 1s", "C 1s"]
    fit = json.loads(scans[0].attrs["khervefitting"])
    assert fit["model"] == "SGL (Area)"
    ratios = [
        fit["peaks"][1]["Area"] / fit["peaks"][0]["Area"],
        fit["peaks"][3]["Area"] / fit["peaks"][2]["Area"],
    ]
    assert ratios == pytest.approx([0.717, 0.717], abs=1e-3)
    assert fit["peaks"][1]["Constraints"]["Area"] == "A*0.667#0.05"
    assert fit["background"]["Bkg Type"] == "Multi-Regions Smart"
    assert "khervefitting_background" in scans[0]
    assert any("6 core levels are announced, 5 are there" in note for note in notes_of(scans[0]))
    twice = [
        json.loads(s.attrs["khervefitting"])["peaks"][0]["Area"]
        for s in read_scans(file.with_name("Pt4f.json"))
    ]
    assert twice == [2590.54, 7939.0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"Core levels": {"C1s": {"B.E.": [1, 2, 3], "Raw Data": [1, 2]}}}', "3 energies and 2 values"),
        (
            '{"Core levels": {"C1s": {"B.E.": [1, "x"], "Raw Data": [1, 2]}}}',
            "something else than numbers in 'B.E.'",
        ),
        ('{"Core levels": {"C1s": {"Raw Data": [1, 2]}}}', "has 0 numbers in 'B.E.'"),
        ('{"Core levels": {"C1s": [1, 2]}}', "is no table of values"),
        ('{"Core levels": {}}', "without core levels"),
        ('{"Core levels": {"C1s": {"B.E.": [1, 2', "truncated or damaged JSON"),
        ('{"Core levels": ' + "[" * 100_000, "truncated or damaged JSON"),
    ],
)
def test_bad_projects_are_one_sentence(tmp_path, text, sentence):
    file = tmp_path / "project.json"
    file.write_text(text)
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(file)
    assert "project.json" in str(caught.value)
    assert "\n" not in str(caught.value)
