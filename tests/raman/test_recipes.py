"""The recipes that ship, on measured spectra where there are any, else on simulated ones; files run themselves again."""

import re

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import raman
import spectra
from spectra.cli import app
from spectra.dataset import failed
from spectra.results.rerun import rerun
from tests.raman.ordering_samples import lnmo

MAP = "map_plastics_29x287x672.h5"


def written(data, path):
    """A spectrum as a text file of two columns, as instruments export it."""
    rows = zip(data.raman_shift.values, data.intensity.values, strict=True)
    path.write_text(
        "# simulated\n# Raman shift (1/cm)\tintensity\n" + "\n".join(f"{x:.3f}\t{y:.6f}" for x, y in rows)
    )
    return path


def piece_of_map(data_dir, path):
    """Part of the measured map around one grain of carbonate; one pixel taken out."""
    with h5py.File(data_dir / "raman" / MAP) as whole, h5py.File(path, "w") as part:
        part["raman_shift"] = whole["raman_shift"][:]
        part["intensity"] = whole["intensity"][4:13, 244:257]
        part["intensity"][0, 0] = np.nan
        part["raman_shift"].attrs["units"] = "1/cm"
        part["intensity"].attrs.update(axes=["y", "x", "raman_shift"], units="counts")
    return path


def test_carbon_disorder_on_two_measured_spectra(data_dir):
    files = [data_dir / "raman" / "carbon" / f"testDW38C_pos{i}.txt" for i in (1, 2)]
    got = spectra.run("carbon_disorder", files)
    np.testing.assert_allclose(got.id_ig_ratio, [1.00, 1.34], atol=0.01)
    np.testing.assert_allclose(got.position.sel(component="D").squeeze(), [1345.3, 1336.3], atol=0.1)
    assert got.id_ig_ratio.attrs["laser_wavelength_nm"] == "not known"


@pytest.mark.parametrize("kind", ["ordered", "disordered"])
def test_lnmo_ordering_on_a_simulated_spectrum(tmp_path, kind):
    out = tmp_path / "order.nxs"
    got = spectra.run("lnmo_ordering", written(lnmo(kind), tmp_path / f"{kind}.txt"), out=out)
    assert got.verdict.item() == kind
    assert any("not calibrated" in text for step in got.spectra.history for text in step["notes"])
    assert rerun(out).identical


def test_the_command_prints_the_verdict_and_its_probabilities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(lnmo("ordered"), tmp_path / "sample.txt")
    said = CliRunner().invoke(app, ["run", "lnmo_ordering", "sample.txt", "-o", "order.nxs"])
    assert said.exit_code == 0, said.output
    table = said.output.partition("not shown")[0]
    for expected in ("verdict", "ordering_probability[ordered]", "ordering_probability[mixed]"):
        assert expected in table
    assert table.index("verdict") < table.index("ordering_probability[ordered]")
    assert re.search(r"\bordered\b +0\.9", table)  # the verdict, and beside it its probability
    assert "evidence_source" not in said.output


@pytest.mark.parametrize("name", ["perkinelmer/single_PE_spectrum.sp", "opus/brukeropus_file.0"])
def test_ftir_absorbance_of_transmittance_and_of_absorbance(data_dir, name):
    got = spectra.run("ftir_absorbance", data_dir / "ftir" / name)
    assert got.attrs["signal"] == "absorbance"
    assert float((got.norm**2).sum()) == pytest.approx(1)
    assert not failed(got).any()


def test_raman_map_on_a_piece_of_a_measured_map(data_dir, tmp_path):
    """One grain of carbonate stands out of the fluorescence of plastics; the lost pixel is a hole in every map."""
    out = tmp_path / "map.nxs"
    got = spectra.run("raman_map", piece_of_map(data_dir, tmp_path / "piece.h5"), out=out)
    assert failed(got).values.nonzero() == ([0], [0])
    found = got.found.squeeze("component").values
    assert np.isnan(found[0, 0])
    assert found[4, 6] == 1
    assert np.nansum(found) <= 2  # of 116 pixels
    assert float(got.position[4, 6, 0]) == pytest.approx(1085, abs=2)
    assert rerun(out).identical
    page = got.spectra.report(tmp_path / "map.html")
    assert "grey where it was not found" in page.read_text(encoding="utf-8")


def test_from_standards_to_a_file_that_runs_itself_again(data_dir, tmp_path):
    """Measured: neon, silicon and polystyrene of one spectrometer, a recipe with all steps between."""
    calib = data_dir / "raman" / "calib"
    made = raman.calibrate_axis(
        {"neon": calib / "Ho785_Neon.txt", "silicon": calib / "Ho785_Si_S0B.txt"}, laser=785.0
    )
    made.save(tmp_path / "monday.toml")
    recipe = {
        "title": "polystyrene",
        "read": {"verb": "raman.read"},
        "step": [
            {"verb": "raman.calibrate", "calibration": str(tmp_path / "monday.toml")},
            {"verb": "spectra.despike"},
            {"verb": "spectra.subtract_baseline", "method": "arpls", "options": {"lam": 1e6}},
            {"verb": "raman.fit_bands", "bands": [620.9, 1001.4, 1031.8, 1602.3]},
            {"verb": "raman.rank_phases"},
        ],
    }
    out = tmp_path / "film.nxs"
    got = spectra.run(recipe, calib / "Ho785_polystyrene.txt", out=out)
    lines = got.isel(component=slice(4))
    off = (lines.position - lines.table_position).values.ravel()
    assert (np.abs(off) < 2.5).all()  # silicon and polystyrene of this set disagree by about 2 1/cm
    axis = got.raman_shift_sigma.interp(raman_shift=lines.position.values.ravel()).values
    assert (lines.position_sigma.values.ravel() >= axis * 0.999).all()
    (tmp_path / "monday.toml").unlink()  # the file alone is enough
    assert rerun(out).identical
    by_hand = raman.calibrate(raman.read(calib / "Ho785_polystyrene.txt"), calibration=made)
    np.testing.assert_array_equal(by_hand.raman_shift, got.raman_shift)
