"""Measured files of energy-loss spectrometers: what each holds, and what is doubtful about it."""

import json

import numpy as np
import pytest

import spectra
import xas
import xas.eels
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans


def notes(scan):
    return " | ".join(scan.spectra.history[0].get("notes", []))


@pytest.fixture
def folder(data_dir):
    return data_dir / "eels"


#: Reader, shape, first and last energy, and words that the notes must hold.
FILES = {
    "eelsdb/BN_nanotube_lowloss.msa": ("emsa", (546,), 4.007, 30.0035, "zero-loss peak is not in the data"),
    "eelsdb/CaTiO3_lowloss_headerless_space.msa": ("emsa", (2048,), 0.100001, 61.51, "zero-loss peak is cut"),
    "eelsdb/Co_He_lowloss_headerless_comma.msa": ("emsa", (2048,), -10, 92.35, "no header"),
    "eelsdb/Co_metal_CoL_237.txt": ("emsa", (232,), 769.69519, 816.419678, "7 of 232 counts are negative"),
    "eelsdb/Cr2O3_OK_CrL_158.txt": ("emsa", (1024,), 510.0999, 612.3999, ""),
    "eelsdb/Fe3O4_FeL_199.txt": ("emsa", (911,), 683.75, 729.25, "419 first points are exact zeros"),
    "eelsdb/LSMO_Ovac_MnL.msa": ("emsa", (271,), 628.4, 682.4, "XUNITS is not defined"),
    "eelsdb/LSMO_bulk_MnL.msa": ("emsa", (271,), 628.4, 682.4, "background was removed"),
    "eelsdb/La2NiO4_OK_LaM_NiL_headerless_tab.msa": ("emsa", (2043,), 424, 934.5, "no header"),
    "eelsdb/YAG_OK_spikes.msa": ("emsa", (1340,), 510, 643.9, "out like spikes (at 513.5, 581.9"),
    "exspy/Cr_L_cl.hspy": ("hyperspy", (400,), 560, 599.9, "background was removed"),
    "exspy/LSMO_coreloss_raw.msa": ("emsa", (2048,), 360, 769.4, ""),
    "exspy/LSMO_lowloss_raw.msa": ("emsa", (2048,), -40, 369.4, "42 of 2048 counts are negative"),
    "pytemlib/EELS_STO.dm3": ("digital-micrograph", (2048,), 350, 861.75, ""),
    "rsciio/EELS_SI.dm4": ("digital-micrograph", (2, 2, 2048), 300, 2347, "counts of the detector"),
    "rsciio/ISO_22029_2022_compliance_XY_NCOLUMNS2.msa": ("emsa", (21,), 520.13, 580.5, "x column differs"),
    "rsciio/X - Au NP EELS_2.ser": ("tia", (2048,), 2160, 2569.4, "no units, which lie in the .emi"),
    "rsciio/example1.msa": ("emsa", (21,), 520.13, 580.5, "NPOINTS says 20 and the file holds 21"),
    "rsciio/example1_wrong_date_empty_field.msa": ("emsa", (21,), 520.13, 580.5, "'01-09-1991 12:100' cannot be read"),
    "rsciio/test-EELS_spectrum.dm3": ("digital-micrograph", (2048,), -100, 923.5, "no zero-loss peak at 0 eV"),
}  # fmt: skip


def test_every_file_of_the_collection_is_read(folder):
    there = {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}
    left = {n for n in there if n.endswith((".json", ".md"))} | {"rsciio/minimum_metadata.msa"}
    assert there == {*FILES, *left}
    for name, (reader, shape, first, last, words) in FILES.items():
        scan = xas.eels.read(folder / name)
        assert (scan.attrs["reader"], scan.counts.shape) == (reader, shape), name
        assert scan.counts.dims[-1] == "energy_loss"
        assert scan.attrs["technique"] == "eels"
        np.testing.assert_allclose(scan.energy_loss.values[[0, -1]], (first, last), rtol=1e-9, err_msg=name)
        assert words in notes(scan), (name, notes(scan))
        assert "eels.read" in scan.spectra.history[0]["verb"]


def test_a_minimum_header_holds_one_point_and_is_refused(folder):
    with pytest.raises(ReadError, match="1 point; a spectrum needs at least 2"):
        xas.eels.read(folder / "rsciio" / "minimum_metadata.msa")


def test_values_are_those_of_the_files(folder):
    raw = xas.eels.read(folder / "exspy/LSMO_coreloss_raw.msa")
    assert (raw.counts[0], raw.counts[-1]) == (47179, 12924)
    assert raw.counts.attrs["units"] == "counts"
    assert "background_removed" not in raw.attrs
    cobalt = xas.eels.read(folder / "eelsdb/Co_metal_CoL_237.txt")
    assert cobalt.energy_loss.values[3] == 770.302002  # the column, not 769.69519 + 3 × 0.202271
    # where the reference finds the Mn L3 of these films
    for name, at in (("LSMO_bulk_MnL", 648.7), ("LSMO_Ovac_MnL", 646.9)):
        scan = xas.eels.read(folder / f"eelsdb/{name}.msa")
        assert abs(float(scan.energy_loss[scan.counts.argmax("energy_loss")]) - at) < 0.5
        assert scan.attrs["background_removed"] == "yes"


def test_settings_of_the_microscope(folder):
    said = {
        "pytemlib/EELS_STO.dm3": {"beam_energy": 200.0, "convergence_angle": 30.0, "collection_angle": 33.0, "dwell_time": 2.0, "frames": 10},
        "exspy/Cr_L_cl.hspy": {"beam_energy": 200.0, "convergence_angle": 21.0, "collection_angle": 50.0, "element": "Cr"},
        "rsciio/EELS_SI.dm4": {"beam_energy": 200.0, "convergence_angle": 21.0, "collection_angle": 62.0, "start_time": "2019-05-14T20:50:13"},
        "rsciio/example1.msa": {"beam_energy": 120.0, "convergence_angle": 1.5, "collection_angle": 3.4, "dwell_time": 0.1, "start_time": "1991-10-01T12:00:00"},
    }  # fmt: skip
    for name, attrs in said.items():
        scan = xas.eels.read(folder / name)
        assert {key: scan.attrs.get(key) for key in attrs} == attrs
    dark = xas.eels.read(folder / "rsciio/test-EELS_spectrum.dm3")
    assert "collection_angle" not in dark.attrs
    assert "collection angle 0.0 mrad was not set" in notes(dark)
    assert dark.attrs["electrons_per_count"] == pytest.approx(0.1285347)


def test_absurd_metadata_beside_a_file_are_not_taken(folder):
    beside = json.loads((folder / "eelsdb/Co_He_lowloss.json").read_text(encoding="utf-8"))
    assert "92637" in json.dumps(beside)
    scan = xas.eels.read(folder / "eelsdb/Co_He_lowloss_headerless_comma.msa")
    assert scan.energy_loss.values[-1] == 92.35
    assert abs(float(scan.energy_loss[scan.counts.argmax("energy_loss")])) < 0.5


def test_a_spectrum_image_has_its_energies_last(folder):
    image = xas.eels.read(folder / "rsciio/EELS_SI.dm4")
    assert image.counts.dims == ("y", "x", "energy_loss")
    np.testing.assert_allclose(image.x.values, [0, 0.00199207], atol=1e-8)
    assert image.x.attrs["units"] == "um"
    # neighbouring pixels hold nearly the same spectrum, and every one falls along the loss
    smooth = image.counts.rolling(energy_loss=50).mean()
    assert bool((smooth.sel(energy_loss=400) > 3 * smooth.sel(energy_loss=2000)).all())


def test_what_is_told_goes_before_the_file(folder):
    file = folder / "exspy/Cr_L_cl.hspy"
    scan = xas.eels.read(file, beam_energy=300.0, collection_angle=50.0)
    assert scan.attrs["beam_energy"] == 300.0
    assert "the file states beam energy 200, and 300 was told" in notes(scan)
    assert "collection angle" not in notes(scan)
    with pytest.raises(InvalidInput, match="collection_angle must be a positive number in mrad, got 0"):
        xas.eels.read(file, collection_angle=0.0)


def test_absorption_that_calls_itself_energy_loss(data_dir):
    file = data_dir / "softxas" / "Al2O3_AlK_XAS_eelsdb.msa"
    scan = xas.read(file)
    assert (scan.mu.dims, scan.sizes["energy"]) == (("energy",), 226)
    assert "SIGNALTYPE says ELS and the title" in notes(scan)
    assert "beam_energy" not in scan.attrs
    assert spectra.read(file).attrs["technique"] == "xas"
    assert "this seems to be X-ray absorption" in notes(xas.eels.read(file))
    with pytest.raises(ReadError, match="lies along energy_loss, not energy"):
        xas.read(data_dir / "eels" / "eelsdb" / "LSMO_bulk_MnL.msa")
    with pytest.raises(ReadError, match="no energy loss; xas.read reads X-ray absorption"):
        xas.eels.read(data_dir / "softxas" / "Fe_L23_stxm_71214098.h5")


def test_series(folder):
    files = [folder / f"eelsdb/LSMO_{name}_MnL.msa" for name in ("bulk", "Ovac")]
    series = xas.eels.read_series(files, dim="position", coordinate=(0.0, 5.0))
    assert series.counts.dims == ("position", "energy_loss")
    assert series.position.values.tolist() == [0.0, 5.0]
    image = xas.eels.read_series(folder / "rsciio/EELS_SI.dm4")
    assert dict(image.sizes) == {"y": 2, "x": 2, "energy_loss": 2048}
    with pytest.raises(ReadError, match="different energy_loss values"):
        xas.eels.read_series([folder / "eelsdb/LSMO_bulk_MnL.msa", folder / "exspy/LSMO_coreloss_raw.msa"])


def test_without_the_verb_the_same_numbers_come(folder):
    for name in (
        "pytemlib/EELS_STO.dm3",
        "exspy/Cr_L_cl.hspy",
        "rsciio/example1.msa",
        "rsciio/X - Au NP EELS_2.ser",
    ):
        (scan,) = read_scans(folder / name)
        assert scan.counts.identical(xas.eels.read(folder / name).counts)
