"""Every measured file of the collections reads to sane data or is refused in one sentence that names it."""

from pathlib import Path

import numpy as np
import pytest

import raman
import spectra
import xas
import xas.eels
import xas.rixs
import xps
from spectra.dataset import signal_name, spectral_axis, validate
from spectra.errors import SpectraError
from spectra.reading.registry import read_scans


def files(data_dir, folder):
    return sorted(f for f in (data_dir / folder).rglob("*") if f.is_file())


def sane(scan, file):
    validate(scan)
    axis = spectral_axis(scan)
    x, y = scan[axis].values, np.asarray(scan[signal_name(scan)].values)
    assert np.isfinite(y).any(), file
    if axis == "energy":
        assert 40 < x[0] < x[-1] < 2e5, file
    elif axis == "binding_energy":
        assert -30 < x[0] < x[-1] < 1500, file
    assert scan.attrs["title"], file


@pytest.mark.parametrize("folder", ["xas", "xps", "softxas", "raman", "ftir", "rixs", "eels"])
def test_every_file_reads_or_is_refused_by_any_reader(data_dir, folder):
    for file in files(data_dir, folder):
        try:
            scans = read_scans(file)
        except SpectraError as error:
            _one_sentence(error, file)
            continue
        assert scans, file
        for scan in scans:
            assert scan.sizes[spectral_axis(scan)] >= 2
            assert np.isfinite(scan[signal_name(scan)]).any()


def test_every_absorption_file(data_dir):
    read, refused = 0, {}
    for file in files(data_dir, "xas"):
        try:
            scan = xas.read(file, select=0)
        except SpectraError as error:
            _one_sentence(error, file)
            refused[file.name] = str(error)
            continue
        read += 1
        sane(scan, file)
        assert scan.attrs["signal"] == "mu"
        (entry,) = scan.spectra.history
        assert entry["verb"] == "xas.read"
    assert read > 190
    for name in refused:  # measured spectra that are refused are those whose columns nobody can know
        assert Path(name).suffix in {
            ".md", ".json", ".npz", ".gz", ".inp", ".chi", ".xdi", ".201", ".nor", ".dat", ".mpt"
        }  # fmt: skip


def test_every_vamas_file(data_dir):
    for file in (data_dir / "xps").rglob("*.vms"):
        if "comment_fragments" in file.parts:
            with pytest.raises(SpectraError, match="no table of numbers was found"):
                xps.read(file)
            continue
        scans = read_scans(file)
        for scan in scans:
            sane(scan, file)
        for number, scan in enumerate(scans[:2]):
            again = xps.read(file, select=number)
            assert again.counts.identical(scan.counts)


#: Reader of every file in data/xps that holds spectra, and how many it holds.
PHOTOELECTRONS = {
    "battery_states/Multiplex Data - C1s.xlsx": ("excel", 2),
    "battery_states/Multiplex Data - F1s.xlsx": ("excel", 2),
    "battery_states/Multiplex Data - O1s.xlsx": ("excel", 2),
    "cheminfo/assigned.vms": ("vamas", 54),
    "cheminfo/multiplex.vms": ("vamas", 3),
    "khervefitting/Hard_carbon_Thermo.xlsx": ("excel", 5),
    "khervefitting/LaSrTiO3.json": ("khervefitting", 5),
    "khervefitting/Pt4f.json": ("khervefitting", 2),
    "khervefitting/Pt4f.vms": ("vamas", 1),
    "khervefitting/Tougaard_Fit.xlsx": ("excel", 6),
    "lg4x/0-150W.vms": ("vamas", 5),
    "lg4x/0-150W_NiWC1s_C1s.txt": ("text", 1),
    "lg4x/0-150W_NiWNi2p_Ni2p.txt": ("text", 1),
    "lg4x/0-150W_NiWO1s_O1s.txt": ("text", 1),
    "lg4x/0-150W_NiWW4f_W4f.txt": ("text", 1),
    "lg4x/0-150W_NiWwide_wide.txt": ("text", 1),
    "lg4x/170109_1712_Ef.csv": ("text", 1),
    "lg4x/C1s_sample.csv": ("text", 1),
    "lg4x/PET_C1s.csv": ("text", 1),
    "phi_bn/BN-BS-1_SURVEY.spe": ("phi", 1),
    "phi_bn/BN-BS-1_SURVEY.txt": ("phi-text", 1),
    "phi_bn/BN-BS-1_multiplex.spe": ("phi", 6),
    "phi_bn/BN-BS-1_multiplex.txt": ("phi-text", 6),
    "phi_bn/BN-BS-2_MULTIPLEX.spe": ("phi", 6),
    "phi_bn/BN-BS-2_MULTIPLEX.txt": ("phi-text", 6),
    "phi_bn/BN-BS-2_SURVEY.spe": ("phi", 1),
    "phi_bn/BN-BS-2_SURVEY.txt": ("phi-text", 1),
    "phi_bn/BN-BS-3_MULTIPLEX.spe": ("phi", 6),
    "phi_bn/BN-BS-3_MULTIPLEX.txt": ("phi-text", 6),
    "phi_bn/BN-BS-3_SURVEY.spe": ("phi", 1),
    "phi_bn/BN-BS-3_SURVEY.txt": ("phi-text", 1),
    "pynxtools/Ag_0001.txt": ("scienta", 1),
    "pynxtools/Ag_0001Ag__001.ibw": ("igor", 1),
    "pynxtools/Ag_0002.txt": ("scienta", 1),
    "pynxtools/Ag_0002Ag__002.ibw": ("igor", 1),
    "pynxtools/FeO_analyzed.vms": ("vamas", 1),
    "pynxtools/FeO_analyzed_lineshapes_cols.txt": ("casaxps-text", 1),
    "pynxtools/In-situ_PBTTT_XPS_SPECS.xml": ("specs-xml", 2),
    "pynxtools/MgFe2O4_small.xy": ("specs-xy", 2),
    "pynxtools/SnO2_10nm.spe": ("phi", 1),
    "pynxtools/SnO2_10nm_1.pro": ("phi", 84),
    "pynxtools/regular.vms": ("vamas", 1),
    "pynxtools/vms_txt_export.txt": ("casaxps-text", 4),
    "xpsdeeplearning/Co_references.vms": ("vamas", 3),
    "xpsdeeplearning/Fe_references.vms": ("vamas", 4),
    "xpsdeeplearning/Mn2p_Mn2O3.txt": ("text", 1),
    "xpsdeeplearning/Mn2p_MnO.txt": ("text", 1),
    "xpsdeeplearning/Mn2p_MnO2.txt": ("text", 1),
    "xpsdeeplearning/Mn_insitu_reduction_oxidation.vms": ("vamas", 4),
    "xpsdeeplearning/Mn_references.vms": ("vamas", 3),
    "xpsdeeplearning/Ni_references.vms": ("vamas", 4),
}
#: Files there that hold no spectra: descriptions, tables of results, comments taken out of files.
NO_SPECTRA = {
    "README.md",
    "casa_components.csv",
    "pynxtools/FeO_analyzed_results.csv",
    "pynxtools/comment_fragments/casa_process.vms",
    "pynxtools/comment_fragments/casa_process_ref.json",
    "pynxtools/comment_fragments/kratos.vms",
    "pynxtools/comment_fragments/kratos_ref.json",
    "pynxtools/comment_fragments/phi.vms",
    "pynxtools/comment_fragments/phi_ref.json",
}


def test_every_photoelectron_file(data_dir):
    """Each file goes to the reader that knows it; what it holds has a name, a quantity with units, and an energy."""
    folder = data_dir / "xps"
    assert {str(f.relative_to(folder)) for f in files(data_dir, "xps")} == {*PHOTOELECTRONS, *NO_SPECTRA}
    for name, (reader, count) in PHOTOELECTRONS.items():
        scans = read_scans(folder / name, hints={"default_axis": "binding_energy"})
        assert len(scans) == count, name
        for number in {0, count - 1}:
            scan = xps.read(folder / name, select=number)
            sane(scan, name)
            assert scan.attrs["reader"] == reader, name
            assert "binding_energy" in scan.dims, name
            signal = scan.attrs["signal"]
            assert (
                scan[signal].attrs["units"]
                == {"counts": "counts", "count_rate": "counts/s", "intensity": ""}[signal]
            )
            assert signal != "count_rate" or "dwell_time" not in scan.attrs, name
    for name in NO_SPECTRA:
        with pytest.raises(SpectraError) as caught:
            xps.read(folder / name)
        _one_sentence(caught.value, folder / name)


#: Reader of every file in data/raman that holds spectra with a Raman shift, and how many it holds.
RAMAN = {
    "bwtek/PST10_iR532_Probe_100_3000msx7.spc": ("spc", 1),
    "bwtek/PST10_iR532_Probe_100_3000msx7.txt": ("keyed-tables", 1),
    "bwtek/lamp Ne 10ms 0%.txt": ("keyed-tables", 1),
    "calib/Ho785_LED.txt": ("text", 1),
    "calib/Ho785_NIST_SRM2241.txt": ("text", 1),
    "calib/Ho785_Neon.txt": ("text", 1),
    "calib/Ho785_Si_S0B.txt": ("text", 1),
    "calib/Ho785_nCAL.txt": ("text", 1),
    "calib/Ho785_polystyrene.txt": ("text", 1),
    "calib/Ho785_sCAL.txt": ("text", 1),
    "carbon/Si_spectrum01.txt": ("text", 1),
    "carbon/testDW38C_pos1.txt": ("text", 1),
    "carbon/testDW38C_pos2.txt": ("text", 1),
    "carbon/wrong-values-in-lines_pos1.txt": ("text", 1),
    "horiba/532nm-191216-Si_200mu.txt": ("labspec-text", 1),
    "horiba/LiNbWO6-0-H.txt": ("labspec-text", 1),
    "horiba/LiNbWO6-90-H.txt": ("labspec-text", 1),
    "horiba/PST10_iR785_OP01_8000msx8.txt": ("text", 1),
    "horiba/SMC1-Initial_RT.txt": ("labspec-text", 1),
    "horiba/jobinyvon_test_map_x2-y2_rotated.xml": ("labspec-xml", 1),
    "horiba/jobinyvon_test_map_x3-y2.xml": ("labspec-xml", 1),
    "horiba/jobinyvon_test_spec_3s_abs-cm-1.xml": ("labspec-xml", 1),
    "horiba/jobinyvon_test_spec_3s_cm-1.xml": ("labspec-xml", 1),
    "horiba/jobinyvon_test_spec_3s_eV.xml": ("labspec-xml", 1),
    "horiba/serie190214-1.txt": ("labspec-text", 1),
    "map_plastics_29x287x672.h5": ("hdf5", 1),
    "other/S0N_50x.spe": ("spe", 1),
    "other/lightnovo_polystyrene_worsened.tsv": ("keyed-tables", 1),
    "other/neegala_PST_532_SEX139.txt": ("keyed-tables", 1),
    "other/spectra_demo.nxs": ("nxraman", 2),
    "other/zolix_PST02_Zolix785_Probe_070_190ms.txt": ("text", 1),
    "renishaw/PST_Reflex532_Z050_010_10000msx2.spc": ("spc", 1),
    "renishaw/PST_Reflex532_Z050_010_10000msx2.txt": ("text", 1),
    "renishaw/interrupted_acquisition.wdf": ("wdf", 1),
    "renishaw/line.wdf": ("wdf", 1),
    "renishaw/nCal_Qontor785_z005H12_100_1x3s.spc": ("spc", 1),
    "renishaw/nCal_Qontor785_z005H12_100_1x3s.txt": ("wire-text", 1),
    "renishaw/nCal_Qontor785_z005H12_100_1x3s.wdf": ("wdf", 1),
    "renishaw/orange_single-spectrum_undefined-type.wdf": ("wdf", 1),
    "renishaw/renishaw_test_focustrack_invariant.wdf": ("wdf", 1),
    "renishaw/renishaw_test_map.wdf": ("wdf", 1),
    "renishaw/renishaw_test_timeseries.wdf": ("wdf", 1),
    "renishaw/sp.wdf": ("wdf", 1),
    "renishaw/undefined.wdf": ("wdf", 1),
    "rod/rod_file_1000679.rod": ("rod", 1),
    "rruff/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346.txt": ("rruff", 1),
    "spc/CAthickyellow_try4_17_ZSCAN.spc": ("spc", 1),
    "spc/DERt3_1.spc": ("spc", 1),
    "witec/PST_WITEcAlpha532_100x Spec.Data 1.spc": ("spc", 1),
    "witec/PST_WiICV532_Z050OP02_075_800msx10.txt": ("text", 1),
}
#: Spectra in nm or absolute wavenumbers whose files state no laser.
NEED_A_LASER = {
    "other/trivista_map.tvf": "trivista",
    "other/trivista_spec_multiple_spectrometers.tvf": "trivista",
    "spc/KRY3.SPC": "spc",
    "witec/Si-wafer-Raman-Spectrum-1.txt": "witec-text",
}
#: Files there of formats that are not open, and descriptions.
NO_RAMAN = {
    "README.md",
    "horiba/PST10_iR785_OP01_8000msx8.l6s",
    "renishaw/PST_Reflex532_Z050_010_10000msx2.wxd",
}


def test_every_raman_file(data_dir):
    """Each file goes to the reader that knows it; what it holds lies along a shift, and nothing is lost."""
    folder = data_dir / "raman"
    assert {str(f.relative_to(folder)) for f in files(data_dir, "raman")} == {
        *RAMAN,
        *NEED_A_LASER,
        *NO_RAMAN,
    }
    for name, (reader, count) in RAMAN.items():
        scans = read_scans(folder / name, hints={"default_axis": "raman_shift", "bad_lines": "skip"})
        assert len(scans) == count, name
        for number in {0, count - 1}:
            scan = raman.read(folder / name, select=number)
            sane(scan, name)
            assert scan.attrs["reader"] == reader, name
            assert scan.attrs["technique"] == "raman", name
            assert scan.attrs["signal"] == "intensity", name
            assert scan.intensity.dims[-1] == "raman_shift", name
            assert -2000 < scan.raman_shift[0] < scan.raman_shift[-1] < 6000, name
    for name, reader in NEED_A_LASER.items():
        with pytest.raises(SpectraError, match="with no laser wavelength") as caught:
            raman.read(folder / name)
        _one_sentence(caught.value, folder / name)
        assert raman.read(folder / name, laser=600.0).attrs["reader"] == reader
    for name in NO_RAMAN:
        with pytest.raises(SpectraError) as caught:
            raman.read(folder / name)
        _one_sentence(caught.value, folder / name)


#: Files of energy losses, soft X-rays and RIXS that hold no spectrum of two points.
NO_LOSSES = {"eels/rsciio/minimum_metadata.msa"}


def test_every_file_of_energy_losses_soft_x_rays_and_rixs(data_dir):
    """Each is read by its verb, whatever reader that takes; descriptions beside them are refused."""
    verbs = {"eels": xas.eels.read, "softxas": xas.read, "rixs": xas.rixs.read}
    axes = {"eels": "energy_loss", "softxas": "energy", "rixs": "detector_channel"}
    for folder, read in verbs.items():
        for file in files(data_dir, folder):
            name = str(file.relative_to(data_dir))
            if file.suffix in (".md", ".json") or name in NO_LOSSES or file.name == "HERMES_small_OK.hdf5":
                with pytest.raises(SpectraError) as caught:
                    read(file)
                _one_sentence(caught.value, file)
                continue
            for number in range(len(read_scans(file, hints={"default_axis": axes[folder]}))):
                scan = read(file, select=number)
                sane(scan, file)
                assert spectral_axis(scan) == axes[folder], name
                assert scan.attrs["reader"] in ("emsa", "digital-micrograph", "hyperspy", "tia", "stxm", "flexpes", "adress", "text"), name  # fmt: skip


def test_inspect_never_raises(data_dir):
    table = spectra.inspect(*files(data_dir, "xps"))
    assert len(table) > 100
    assert table.fault.notna().any()


def damaged(content, rng):
    """A file after a bad copy: cut, bytes changed, a piece missing or twice, two lines exchanged."""
    data = bytearray(content)
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 1000))
    kind = rng.integers(5)
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for _ in range(length % 20):
            data[rng.integers(len(data))] = rng.integers(256)
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at:at] = data[at : at + length]
    else:
        lines = bytes(data).split(b"\n")
        i, j = rng.integers(len(lines), size=2)
        lines[i], lines[j] = lines[j], lines[i]
        data = bytearray(b"\n".join(lines))
    return bytes(data)


@pytest.mark.parametrize("count", [120, pytest.param(500, marks=pytest.mark.long)])
def test_damaged_files_read_or_are_refused(data_dir, tmp_path, rng, count):
    measured = [
        f
        for f in (*files(data_dir, "xas"), *files(data_dir, "xps"), *files(data_dir, "raman"))
        if f.stat().st_size < 60_000
    ]
    for _ in range(count):
        file = measured[rng.integers(len(measured))]
        copy = tmp_path / f"damaged{file.suffix}"
        copy.write_bytes(damaged(file.read_bytes(), rng))
        for read in (spectra.read, xas.read, xps.read, raman.read):
            try:
                validate(read(copy, select=0))
            except SpectraError as error:
                _one_sentence(error, copy)


def _one_sentence(error, file):
    text = str(error)
    assert "\n" not in text, file
    assert text.endswith("."), text
    assert file.stem[:8] in text, (file, text)
