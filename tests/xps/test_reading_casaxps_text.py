"""Text that CasaXPS exports: the same spectrum as the VAMAS file, the curves of its fit beside it."""

import csv
import json

import numpy as np
import pytest

import xps
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of
from xps.reading.casaxps import casaxps_comments


def test_export_equals_the_vamas_file(data_dir):
    folder = data_dir / "xps" / "pynxtools"
    text = xps.read(folder / "FeO_analyzed_lineshapes_cols.txt")
    block = xps.read(folder / "FeO_analyzed.vms")
    np.testing.assert_allclose(text.counts, block.counts, rtol=1e-6)
    np.testing.assert_allclose(text.binding_energy, block.binding_energy, atol=1e-4)
    assert text.attrs["dwell_time"] == pytest.approx(block.attrs["dwell_time"] * block.attrs["sweeps"])
    assert (text.attrs["region"], text.attrs["sample"], text.attrs["photon_energy"]) == (
        "Fe 2p",
        "FeO",
        1486.61,
    )


def test_curves_and_components_of_the_fit(data_dir):
    text = xps.read(data_dir / "xps" / "pynxtools" / "FeO_analyzed_lineshapes_cols.txt")
    curves = [name for name in text.data_vars if name.startswith("casaxps_fe_2p")]
    assert len(curves) == 4
    assert text[curves[1]].attrs["long_name"] == "Fe 2p, SGL(30), on the background"
    above = sum(text[c] - text.casaxps_background for c in curves)
    np.testing.assert_allclose(above, text.casaxps_envelope - text.casaxps_background, atol=0.05)
    stored = json.loads(text.attrs["casaxps"])["components"]
    assert [c["shape"] for c in stored] == ["LF(0.54,10,80,100,6)", "SGL(30)"] * 2
    assert [c["position_binding"]["value"] for c in stored] == [709.05, 716.0, 722.13, 729.89]
    assert [c["area"]["value"] for c in stored] == [63507.37, 35837.06, 49042.13, 17705.16]


def test_components_of_the_export_draw_its_curves(data_dir):
    """The exported values are enough to draw the components as the VAMAS file's do."""
    folder = data_dir / "xps" / "pynxtools"
    drawn = []
    for name in ("FeO_analyzed_lineshapes_cols.txt", "FeO_analyzed.vms"):
        data = xps.subtract_background(xps.read(folder / name), method="linear")
        drawn.append(xps.deconvolve(data, components="casaxps", vary=False))
    np.testing.assert_allclose(drawn[0].best_fit, drawn[1].best_fit, rtol=5e-3, atol=60)


def test_blocks_of_several_samples(data_dir):
    file = data_dir / "xps" / "pynxtools" / "vms_txt_export.txt"
    scans = read_scans(file)
    assert [(s.attrs["sample"], s.attrs["region"]) for s in scans] == [
        ("Ni", "survey"), ("Ni", "Ni 2p"), ("NiO", "survey"), ("NiO", "Ni 2p")
    ]  # fmt: skip
    oxide = xps.read(file, select="Ni 2p NiO")
    rows = [line.split("\t") for line in file.read_text().splitlines()[2928 + 7 :] if line]
    oracle = np.array([[float(r[0]), float(r[1]), float(r[3]), float(r[4])] for r in rows])[::-1]
    np.testing.assert_allclose(oxide.counts, oracle[:, 1])
    np.testing.assert_allclose(oxide.binding_energy, oracle[:, 2], atol=1e-4)
    np.testing.assert_allclose(oxide.counts / oxide.attrs["dwell_time"], oracle[:, 3], rtol=1e-5)
    kinetic = xps.read(file, select="Ni 2p NiO", axis="kinetic_energy")
    np.testing.assert_allclose(kinetic.kinetic_energy, oracle[::-1, 0])


# ---- comments of VAMAS files -----------------------------------------------------------------------------------


def test_comments_equal_their_reference(data_dir):
    folder = data_dir / "xps" / "pynxtools" / "comment_fragments"
    found = casaxps_comments((folder / "casa_process.vms").read_text().splitlines(), 1486.6)
    reference = json.loads((folder / "casa_process_ref.json").read_text())
    assert "unread" not in found
    (region,) = found["regions"]
    assert [region["name"], region["background"], region["tag"]] == [
        reference[f"region0/{key}"] for key in ("name", "bg_type", "tag")
    ]
    assert region["kinetic_energy"] == [reference["region0/start"], reference["region0/end"]]
    cross_section = [float(word) for word in reference["region0/cross_section"]]
    assert region["background_parameters"][:7] == [reference["region0/av_width"], 0, 0, *cross_section]
    assert len(found["components"]) == 3
    for n, component in enumerate(found["components"]):
        theirs = {k.partition("/")[2]: v for k, v in reference.items() if k.startswith(f"component{n}/")}
        assert component["name"] == theirs["name"]
        assert component["shape"].replace("(", "").replace(")", "") == theirs["lineshape"]
        assert (component["mass"], component["tag"], component["constraint"]) == tuple(
            theirs[k] for k in ("mass", "tag", "const")
        )
        assert component["uncorrected_rsf"] == theirs["uncorrected_rsf"]
        for ours, key in (("area", "area"), ("fwhm", "width"), ("position_kinetic", "position")):
            entry = component[ours]
            assert [entry["value"], entry["low"], entry["high"]] == [
                theirs[key], theirs[f"{key}_min"], theirs[f"{key}_max"]
            ]  # fmt: skip
            link = theirs[f"{key}_ref_comp_id"]
            assert entry["link"] == (None if link < 0 else link)


def test_approximate_shapes_are_marked(data_dir):
    """Only SGL and the one LF that an exported curve confirms are drawn as CasaXPS draws them."""
    files = {"FeO_analyzed.vms": "pynxtools", "assigned.vms": "cheminfo"}
    with (data_dir / "xps" / "casa_components.csv").open() as table:
        shapes = {row["shape_or_background"] for row in csv.DictReader(table) if row["kind"] == "component"}
    marked = {}
    for name, folder in files.items():
        for scan in read_scans(data_dir / "xps" / folder / name):
            for c in json.loads(scan.attrs.get("casaxps", "{}")).get("components", []):
                marked[c["shape"]] = c["approximate"]
    assert set(marked) == shapes
    assert {shape for shape, approximate in marked.items() if not approximate} == {
        "SGL(30)",
        "LF(0.54,10,80,100,6)",
    }


def test_lines_that_cannot_be_understood_are_kept():
    found = casaxps_comments(
        ["CASA comp (*a*) (*GL(30)*) Area -1.#IND", "Calib M = x", "something else"], None
    )
    assert found == {"unread": ["CASA comp (*a*) (*GL(30)*) Area -1.#IND", "Calib M = x"]}


# ---- text written here -----------------------------------------------------------------------------------------


def block(*, hv="1.4866e+003", seconds="5.0e-001", rows=None, shift=0.0, title="Cycle 0:LMO:Mn2p"):
    rows = rows or [
        f"{800 + n:e}\t{5 + 2 * n:e}\t\t{1486.6 - 800 - n + shift:e}\t{10 + 4 * n:e}" for n in range(3)
    ]
    return (
        f"{title}\n\tCharacteristic Energy eV\t{hv}\tAcquisition Time s\t{seconds}\n"
        "Name\t\t\nPosition\t\t\nFWHM\t\t\nArea\t\t\nLineshape\t\t\nK.E.\tCounts\t\tB.E.\tCPS\n"
        + "\n".join(rows)
        + "\n"
    )


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        file = tmp_path / "casa.txt"
        file.write_text(content)
        return file

    return write_file


def test_a_shift_made_in_casaxps_is_said_and_not_applied(write):
    scan = xps.read(write(block(shift=-3.63)))
    np.testing.assert_allclose(scan.binding_energy, [684.6, 685.6, 686.6])
    assert any("had shifted the exported binding energies by -3.63 eV" in note for note in notes_of(scan))


def test_without_a_characteristic_energy_they_stay_kinetic(write):
    assert "kinetic_energy" in xps.read(write(block(hv="0.0"))).dims


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            block(rows=["8.0e2\t5\t\t6.8e2\t10", "8.1e2\t5\t\t6.7e2"]),
            "truncated: line 10 holds fewer numbers",
        ),
        (block(rows=["8.0e2\t5\t\t6.8e2\t10"]), "truncated: 1 rows follow its heading"),
        (block(rows=["8.0e2\t5\t\t6.8e2\t10", "8.1e2\tx\t\t6.7e2\t1"]), "something else than numbers"),
        (block().partition("K.E.")[0], "truncated: block 'Cycle 0:LMO:Mn2p' has no columns"),
        (block().replace("Counts", "Kounts"), "has no column Counts"),
    ],
)
def test_bad_text_is_one_sentence(write, text, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(text))
    assert "casa.txt" in str(caught.value)
