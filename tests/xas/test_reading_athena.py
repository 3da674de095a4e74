"""Athena projects: every group of every project against what was read from them independently."""

import gzip
import json

import numpy as np
import pytest

import spectra
import xas
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from xas.reading.athena import parameters
from xas.reading.perl import PerlError, statements

CLAMPS = {"None": 0, "Slight": 3, "Weak": 6, "Medium": 12, "Strong": 24, "Rigid": 96}
OURS = {
    "e0": "e0",
    "step": "step",
    "rbkg": "rbkg",
    "pre1": "pre1",
    "pre2": "pre2",
    "nor1": "norm1",
    "nor2": "norm2",
    "nnorm": "nnorm",
    "spl1": "spline_kmin",
    "spl2": "spline_kmax",
    "kw": "kweight",
    "eshift": "eshift",
    "clamp1": "clamp_low",
    "clamp2": "clamp_high",
    "fft_kmin": "fft_kmin",
    "fft_kmax": "fft_kmax",
    "fft_dk": "fft_dk",
}
PROJECTS = (
    "FeFoil_QXAFS_Compare LaCoO3 Mn NiO Vglasses align_merge cu cyanobacteria danger dispersive fbo json_unzipped tipb"
).split()


def same(reference, ours):
    expected = CLAMPS.get(reference, reference)
    return abs((expected or 0) - (ours or 0)) < 1e-9


@pytest.mark.parametrize("project", PROJECTS)
def test_groups_and_parameters_of_every_project(data_dir, project):
    reference = json.loads((data_dir / "xas" / "reference_athena_prj.json").read_text())["projects"][
        f"{project}.prj"
    ]
    scans = read_scans(data_dir / "xas" / "prj" / f"{project}.prj")
    for name, group in reference.items():
        if "pixel" in name:
            continue
        fitting = [
            scan
            for scan in scans
            if scan.attrs["title"] == group["label"].strip()
            and scan.sizes["energy"] == group["npts"]
            and all(
                same(group[a], json.loads(scan.attrs["athena"]).get(b)) for a, b in OURS.items() if a in group
            )
        ]
        assert fitting, f"{name}: no scan with its label, length and parameters"
        shift = group["eshift"] or 0
        assert min(abs(s.energy.values[0] - shift - group["emin"]) for s in fitting) < 1e-6
        assert fitting[0].attrs["element"] == group["z"]
        assert np.isfinite(fitting[0].mu).all()


def test_groups_without_energies_are_left_out_and_named(data_dir):
    scan = xas.read(data_dir / "xas" / "prj" / "dispersive.prj", select="cufoil_rt_txt")
    (note,) = [n for n in scan.spectra.history[0]["notes"] if "left out" in n]
    assert "cu_08_pixel (pixels)" in note


def test_the_energy_shift_of_the_project_is_applied(data_dir):
    scan = xas.read(data_dir / "xas" / "prj" / "danger.prj")
    assert scan.energy.values[0] == pytest.approx(6911.98862 + 1.99527)
    assert any("+1.995 eV as the project does" in n for n in scan.spectra.history[0]["notes"])
    assert json.loads(scan.attrs["athena"])["clamp_high"] == 24


def test_a_series_out_of_one_project(data_dir):
    scans = xas.read_series(data_dir / "xas" / "prj" / "json_unzipped.prj", grid="first")
    assert dict(scans.sizes) == {"scan": 4, "energy": 442}
    assert len(set(scans.label.values)) == 4


def test_perl_literals():
    text = (
        "$old_group = 'a';\n@args = ('label','it\\'s (a [test] {of}) \\\\ quotes','list',['x','y'],"
        "'hash',{'name' => {},'v' => '1e-3'},'none',undef,\"n\",-1.5e3);\n@x = ('1.5','-2');\n[record]\n"
        "$xdi = bless( {'npts' => 3}, 'Xray::XDI' );\n@journal = ('line 1\nline 2');\n"
    )
    found = dict(statements(text))
    assert found["args"] == [
        "label", "it's (a [test] {of}) \\ quotes", "list", ["x", "y"],
        "hash", {"name": {}, "v": "1e-3"}, "none", None, "n", -1500.0,
    ]  # fmt: skip
    assert found["x"] == ["1.5", "-2"]
    assert found["xdi"] == {"npts": 3}
    assert found["journal"] == ["line 1\nline 2"]


def test_nothing_in_a_project_is_run():
    """A dump is data: a call in it is refused, not made."""
    with pytest.raises(PerlError, match="args holds 'system', which is no value"):
        list(statements("@args = (system('touch here'));\n"))
    assert list(statements("@journal = (system('touch here'));\n@x = ('1');\n", ("x",))) == [("x", ["1"])]


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_truncated_projects(data_dir, tmp_path, cut):
    whole = gzip.decompress((data_dir / "xas" / "prj" / "cu.prj").read_bytes())
    file = tmp_path / "cut.prj"
    file.write_bytes(whole[: int(cut * len(whole.partition(b"@journal")[0]))])
    with pytest.raises(ReadError, match="the project is (damaged or )?truncated"):
        spectra.read(file)
    file.write_bytes((data_dir / "xas" / "prj" / "cu.prj").read_bytes()[:2000])
    with pytest.raises(ReadError, match="is gzip-compressed and damaged"):
        spectra.read(file)
    file.write_text((data_dir / "xas" / "prj" / "json_unzipped.prj").read_text()[:9000])
    with pytest.raises(ReadError, match="the project is damaged or truncated at line"):
        spectra.read(file)


def test_a_project_of_nothing(tmp_path):
    file = tmp_path / "empty.prj"
    file.write_text("# Athena project file -- Demeter version 0.9.26\n@journal = ();\n1;\n")
    with pytest.raises(ReadError, match=r"holds no group of mu\(E\)"):
        spectra.read(file)


def test_parameters_have_one_name_and_are_numbers():
    found = parameters(
        {"bkg_clamp2": "Strong", "fft_win": "Hanning", "bkg_flatten": "1", "bkg_e0": "7112", "bkg_rbkg": ""}
    )
    assert found == {"e0": 7112.0, "flatten": True, "clamp_high": 24.0, "fft_window": "hanning"}
