"""μ(E) out of the channels that detectors wrote, by the names and metadata that beamlines use."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput, ReadError
from spectra.verbs import find_verb
from xas.reading.absorption import edge_jump


def notes(dataset):
    return dataset.spectra.history[0].get("notes", [])


@pytest.fixture
def files(data_dir):
    return data_dir / "xas"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="scan.dat"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return write_file


CHANNELS = "# energy i0 it ir if\n6530 100 50 25 10\n6540 120 40 20 30\n6550 110 30 10 33\n"


def test_every_channel_is_its_formula(write):
    file = write(CHANNELS)
    i0, it, ir, fluo = np.array([[100, 120, 110], [50, 40, 30], [25, 20, 10], [10, 30, 33]])
    for channel, formula in (
        ("transmission", np.log(i0 / it)),
        ("reference", np.log(it / ir)),
        ("fluorescence", fluo / i0),
    ):
        scan = xas.read(file, channel=channel)
        np.testing.assert_allclose(scan.mu, formula, rtol=1e-12)
        assert (scan.attrs["technique"], scan.attrs["signal"], scan.attrs["channel"]) == (
            "xas",
            "mu",
            channel,
        )
    scan = xas.read(file)
    assert scan.attrs["channel"] == "transmission"
    assert scan.attrs["mu_from"] == "ln(i0 / it)"
    np.testing.assert_allclose(scan.mu_ref, np.log(it / ir))
    assert list(scan.data_vars) == ["mu", "i0", "itrans", "irefer", "ifluor", "mu_ref"]
    assert any("holds transmission and fluorescence" in n for n in notes(scan))


def test_columns_named_by_the_user(write, files):
    file = write("1 6530 100 50\n1 6540 120 40\n1 6550 110 30\n")
    scan = xas.read(file, columns={"energy": 2, "i0": 3, "itrans": 4})
    np.testing.assert_allclose(scan.mu, np.log([2, 3, 110 / 30]))
    scan = xas.read(files / "formats" / "generic_columns_no_header.dat", columns={"energy": 1, "mu": 4})
    labelled = xas.read(files / "formats" / "ESRF_BM08_LISA_2021.dat")
    np.testing.assert_array_equal(scan.mu, labelled.mu)
    scan = xas.read(files / "Mn3O4_demeter.201", columns={"energy": "energy", "i0": "mcs3", "itrans": "mcs4"})
    raw = np.loadtxt(files / "Mn3O4_demeter.201", skiprows=18)
    np.testing.assert_array_equal(scan.energy, np.unique(raw[:, 0]))
    assert edge_jump(scan.energy.values, scan.mu.values) > 0.3
    assert any("repeated axis values" in n for n in notes(scan))


def test_columns_that_are_not_recognised_are_asked_for(files):
    for name in ("lnls.dat", "CLSHXMA.dat", "generic_columns_no_header.dat"):
        with pytest.raises(
            ReadError, match=r"which columns make μ is not said .*columns=\{'i0': 2, 'itrans': 3\}"
        ):
            xas.read(files / "formats" / name)
    scan = xas.read(files / "formats" / "lnls.dat", columns={"mu": "Fluorescencia"})
    assert scan.energy.values[0] == pytest.approx(6919.999938)
    with pytest.raises(
        InvalidInput, match=r"channel 'fluorescence' needs i0 and ifluor; no column is known as ifluor"
    ):
        xas.read(files / "MnO_rt_01_xaslib.xdi", channel="fluorescence")
    with pytest.raises(InvalidInput, match="channel must be 'auto'"):
        xas.read(files / "MnO_rt_01_xaslib.xdi", channel="trans")


def test_the_sample_in_the_reference_position_is_flagged(files):
    """Mn foil: xmu is ln(I0/It) of an empty holder; the foil is between It and Ir."""
    scan = xas.read(files / "Mn-Mnfoil_bmm.xdi")
    assert flag_names(scan) == ["flat_mu"]
    assert any("channel='reference'" in n for n in notes(scan))
    scan = xas.read(files / "Mn-Mnfoil_bmm.xdi", channel="reference")
    assert "status" not in scan
    assert edge_jump(scan.energy.values, scan.mu.values) > 4
    for name in ("Mn-Pyrolucite_bmm.xdi", "Co-K-CobaltFoil_bmm.xdi", "V_foil_xaslib.xdi"):
        assert "status" not in xas.read(files / name)


def test_a_column_that_is_the_reference_says_so(files):
    scan = xas.read(files / "Co-K-CobaltFoil_bmm.xdi")
    assert "the column xmu is ln(itrans/irefer): the sample sat in the reference position" in notes(scan)


def test_a_hint_at_columns_that_are_not_there(files):
    scan = xas.read(files / "Cr-K-K2CrO4_bmm.xdi")
    assert any(n.startswith("Scan.plot_hint names columns that the file does not have") for n in notes(scan))
    assert any("is not ln(i0/itrans); channel='transmission' computes that" in n for n in notes(scan))
    computed = xas.read(files / "Cr-K-K2CrO4_bmm.xdi", channel="transmission")
    np.testing.assert_allclose(computed.mu, np.log(computed.i0 / computed.itrans))


def test_elements_of_a_detector_are_summed_with_their_counting_error(files):
    file = files / "formats" / "fe_xanes_8ch.xdi"
    raw = spectra.read(file)
    parts = [(raw[f"fe_ka_mca{n}"].values, raw[f"dtfactor_mca{n}"].values) for n in range(1, 9)]
    total = sum(counts * factor for counts, factor in parts)
    scan = xas.read(file)
    assert scan.attrs["channel"] == "fluorescence"
    assert scan.attrs["element"] == "Fe"
    np.testing.assert_allclose(scan.mu, total / raw.i0.values)
    spread = np.sqrt(sum(counts * factor**2 for counts, factor in parts))
    np.testing.assert_allclose(scan.mu_sigma, spread / raw.i0.values)
    said = "8 detector elements were summed, each multiplied by its dead-time factor (dtfactor_mca1 to dtfactor_mca8)"
    assert any(n.startswith(said) for n in notes(scan))


def test_dead_time_from_count_rates(write):
    rows = "6530 1000 10 20 100 90 50 40\n6540 1000 30 40 200 100 80 80\n6550 1000 30 40 200 0 80 80\n"
    scan = xas.read(write("# energy i0 Mn_Ka_mca1 Mn_Ka_mca2 ICR_1 OCR_1 ICR_2 OCR_2\n" + rows))
    np.testing.assert_allclose(scan.mu * 1000, [10 * 100 / 90 + 20 * 50 / 40, 60 + 40, 30 + 40])
    assert any("its input over its output count rate (icr_1, icr_2, ...)" in n for n in notes(scan))


def test_dead_time_corrected_columns_and_intensities(write, files):
    scan = xas.read(write("# energy i0 dtc1 dtc2\n6530 100 10 20\n6540 100 30 40\n"), channel="fluorescence")
    np.testing.assert_allclose(scan.mu, [0.3, 0.7])
    assert any("which the file holds corrected for dead time" in n for n in notes(scan))
    raw, scan = (read(files / "formats" / "APS20ID_2018.dat") for read in (spectra.read, xas.read))
    np.testing.assert_allclose(scan.mu, raw.xmap4_aska_sum / raw.xmap4_dt_corr_i0)
    assert any("corrected for dead time by xmap4_dt_corr_i0" in n for n in notes(scan))


def test_without_anything_on_dead_time_that_is_said(write):
    scan = xas.read(write("# energy i0 Mn_Ka_mca1 Mn_Ka_mca2\n6530 100 10 20\n6540 100 30 40\n"))
    assert any(
        n.startswith("2 detector elements were summed, without dead-time correction") for n in notes(scan)
    )


def test_the_line_whose_edge_is_in_the_scan(files):
    """Ca and Fe lines were recorded; the scan runs over the Fe K edge."""
    scan = xas.read(files / "formats" / "fexanes_a.001")
    assert scan.attrs["mu_from"] == "Sum_Fe_Ka / I0"
    assert scan.attrs["element"] == "Fe"


def test_counting_error_covers_what_counting_scatters(rng, tmp_path):
    """68 % of repeats lie within one stated sigma of the truth."""
    energy = np.linspace(7000, 7200, 41)
    rate = 200 + 800 / (1 + np.exp(-(energy - 7112) / 2))
    inside = []
    for n in range(40):
        rows = "\n".join(f"{e:.2f} 1000000 {c}" for e, c in zip(energy, rng.poisson(rate), strict=True))
        file = tmp_path / f"{n}.dat"
        file.write_text(f"# energy i0 Fe_Ka_mca1\n{rows}\n")
        scan = xas.read(file)
        inside.append(np.abs(scan.mu - rate / 1e6) < scan.mu_sigma)
    assert np.mean(inside) == pytest.approx(0.683, abs=0.04)


def test_no_counting_error_where_nothing_was_counted(files):
    for name in ("MnO_rt_01_xaslib.xdi", "S_Na2SO3_xaslib.xdi", "V2O3_xaslib.xdi", "formats/PF9A_2022.dat"):
        assert "mu_sigma" not in xas.read(files / name)


def test_a_broken_point_is_masked_and_the_length_kept(files):
    scan = xas.read(files / "formats" / "zbroken.dat")
    whole = xas.read(files / "Fe_foil_60K_demeter.060")
    assert scan.sizes == whole.sizes
    assert np.count_nonzero(np.isnan(scan.mu)) == 1
    good = np.isfinite(scan.mu)
    np.testing.assert_array_equal(scan.mu[good], whole.mu[good])
    assert notes(scan) == ["1 points where i0/itrans is not positive were set to NaN"]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("formats/prenorm_xanes.dat", "norm"),
        ("lcf_larch/s1.dat", "munorm"),
        ("operando_LNO_NiK/norm_op2_cell4_pos1_dq1_0001_av240_00001.txt", "normalized"),
    ],
)
def test_normalised_data_are_said_to_be(files, name, column):
    scan = xas.read(files / name)
    assert scan.attrs["normalized"] == "yes"
    assert f"the column {column} is already normalised and was read as mu" in notes(scan)


def test_a_column_of_a_normalised_library(files):
    file = files / "fe_references_als" / "FeLibNov2021_normalized_HXN.nor"
    scan = xas.read(file, columns={"mu": "LiFe(II)PO4"})
    assert scan.attrs["normalized"] == "yes"
    assert scan.mu.values[-50:].mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("name", "first", "last", "points"),
    [
        ("formats/APS12BM_2019.dat", 6339.0, 6984.74, 492),  # keV
        ("formats/kev.dat", 6911.98862, 8962.94414, 511),
        (
            "formats/SSRL1_2006.dat",
            25284.998,
            26534.926,
            455,
        ),  # the clock comes first, then the energy asked for
        ("formats/deglitch_ORP5.000", 9459.49, 10634.2, 586),  # an event number comes first
        ("formats/dispersive_ID24_cufoil.txt", 8679.01, 10180.6, 725),  # keV, no header
        ("formats/APS10BM_2019.dat", 6389.9975, 7601.3587, 3462),  # two energies twice
        ("formats/incomplete_label.dat", 11767.0, 11847.0, 17),
        ("formats/prenorm_xanes.dat", 274.87, 324.68, 501),
    ],
)
def test_energies_of_traps(files, name, first, last, points):
    scan = xas.read(files / name)
    assert scan.energy.values[[0, -1]] == pytest.approx([first, last], abs=2e-3)
    assert scan.sizes["energy"] == points


def test_scans_of_one_file(files):
    file = files / "formats" / "ESRF_SNBL_2013.dat"
    with pytest.raises(InvalidInput, match=r"holds 2 scans: choose one with select="):
        xas.read(file)
    scan = xas.read(
        file, select=1, columns={"energy": "ZapEnergy", "i0": "Mon", "itrans": "Ion1"}, axis_units="keV"
    )
    assert scan.energy.values[0] == pytest.approx(11050.014, abs=0.02)


# ---- monochromator angles -------------------------------------------------------------------------------------


def test_photon_factory_angles(files):
    """Against the energies that the header of the file gives for its blocks (made there with hc = 12398.52 eV Å)."""
    scan = xas.read(files / "formats" / "PF9A_2022.dat")
    assert scan.energy.values[[0, -1]] == pytest.approx([6606.20, 8211.20], abs=0.12)
    assert scan.attrs["channel"] == "fluorescence"
    assert edge_jump(scan.energy.values, scan.mu.values) > 0.09
    assert any("dark offsets in the header were not subtracted" in n for n in notes(scan))
    wider = xas.read(files / "formats" / "PF9A_2022.dat", d_spacing=3.0)
    np.testing.assert_allclose(wider.energy, scan.energy * 3.13551 / 3.0)


def test_angles_without_a_spacing_are_asked_for(files):
    for name in ("srs9.dat", "dubble.dat"):
        file = files / "formats" / name
        with pytest.raises(ReadError, match="the file does not say its d-spacing; give d_spacing= in Å"):
            xas.read(file)
    scan = xas.read(
        files / "formats" / "srs9.dat",
        d_spacing=3.1356,
        columns={"i0": 4, "ifluor": 6},
        channel="fluorescence",
    )
    assert scan.energy.values[0] == pytest.approx(7530, abs=2)
    assert scan.sizes["energy"] == 397
    assert any("each record stood on 4 lines" in n for n in notes(scan))
    with pytest.raises(ReadError, match="d_spacing must be above 0 Å, got -1"):
        xas.read(files / "formats" / "srs9.dat", d_spacing=-1.0)
    with pytest.raises(Exception, match="the xdi reader has no option 'd_spacing'"):
        xas.read(files / "MnO_rt_01_xaslib.xdi", d_spacing=3.1)


# ---- series ----------------------------------------------------------------------------------------------------


def test_operando_series_against_wall_clock(files):
    series = xas.read_series(files / "operando_LNO_NiK" / "norm_*.txt", dim="time")
    assert dict(series.mu.sizes) == {"time": 58, "energy": 1649}
    assert series.time.attrs["start"] == "2022-07-26T23:01:58.055000"
    assert series.time.attrs["units"] == "s"
    np.testing.assert_allclose(np.diff(series.time), 687, atol=2)
    assert series.start_time.values[-1].startswith("2022-07-27T09:54")
    assert series.attrs["normalized"] == "yes"
    raw = np.loadtxt(sorted((files / "operando_LNO_NiK").glob("norm_*.txt"))[7])
    np.testing.assert_array_equal(series.energy, raw[:, 0])
    np.testing.assert_array_equal(series.mu[7], raw[:, 1])
    np.testing.assert_array_equal(series.mu_ref[7], raw[:, 2])


def test_recipes_find_the_verbs_and_check_their_options(files):
    from spectra.options import check_options

    for name in (
        "xas.read",
        "xas.read_series",
        "spectra.read",
        "spectra.read_series",
        "xps.read",
        "xps.read_series",
    ):
        found = find_verb(name)
        assert found.reads_files
        assert found.function.verb_name == name
    options = check_options("xas.read", find_verb("xas.read").function, {"channel": "transmission"})
    scan = find_verb("xas.read").function(files / "MnO_rt_01_xaslib.xdi", **options)
    assert scan.spectra.history[0]["options"]["channel"] == "transmission"
