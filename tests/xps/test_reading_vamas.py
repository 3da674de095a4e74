"""VAMAS in every dialect, against the same spectra exported by other programs; CasaXPS comments against their table."""

import csv
import json
import math

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of

MAGIC = "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4"


def columns(path, skip=1):
    return np.loadtxt(path, skiprows=skip, usecols=(0, 1), encoding="utf-8")


# ---- against exports by others --------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["wide", "Ni 2p", "O 1s", "C 1s", "W 4f"])
def test_kratos_blocks_equal_their_text_export(data_dir, region):
    lg4x = data_dir / "xps" / "lg4x"
    scan = xps.read(lg4x / "0-150W.vms", select=region)
    name = region.replace(" ", "")
    oracle = columns(lg4x / f"0-150W_NiW{name}_{name}.txt")[::-1]
    np.testing.assert_allclose(scan.binding_energy, oracle[:, 0], atol=1e-8)
    np.testing.assert_array_equal(scan.counts, oracle[:, 1])
    assert scan.attrs["photon_energy"] == 1486.69
    assert scan.attrs["work_function"] == -4.5
    assert scan.attrs["region"] == ("survey" if region == "wide" else region)
    assert scan.transmission.min() > 0


def test_irregular_block_equals_the_casaxps_export(data_dir):
    """K.E. and Counts of the export, and B.E. by the photon energy of the file."""
    files = data_dir / "xps" / "pynxtools"
    scan = xps.read(files / "FeO_analyzed.vms")
    oracle = np.loadtxt(
        files / "FeO_analyzed_lineshapes_cols.txt", skiprows=8, usecols=(0, 1, 9, 10), delimiter="\t"
    )[::-1]
    np.testing.assert_allclose(scan.binding_energy, oracle[:, 2], atol=1e-4)
    np.testing.assert_allclose(1486.61 - scan.binding_energy, oracle[:, 0], atol=1e-4)
    np.testing.assert_allclose(scan.counts, oracle[:, 1], rtol=1e-6)
    np.testing.assert_allclose(
        scan.counts / (scan.attrs["dwell_time"] * scan.attrs["sweeps"]), oracle[:, 3], rtol=1e-6
    )
    assert "start_time" not in scan.attrs  # 0/0/0 is no date
    assert "pass_energy" not in scan.attrs  # 1e+037 is no number
    assert scan.transmission.values[-1] == 2.77354


@pytest.mark.parametrize(
    ("sample", "file"), [("MnO", "Mn2p_MnO"), ("Mn2O3", "Mn2p_Mn2O3"), ("MnO2", "Mn2p_MnO2")]
)
def test_manganese_oxides_equal_their_text(data_dir, sample, file):
    """The text holds counts per second, and Mn2O3 on the scale that CasaXPS had shifted it to."""
    folder = data_dir / "xps" / "xpsdeeplearning"
    scan = xps.read(folder / "Mn_references.vms", select=f"Mn 2p {sample}")
    oracle = columns(folder / f"{file}.txt")[::-1]
    seconds = scan.attrs["dwell_time"] * scan.attrs["sweeps"]
    np.testing.assert_allclose(scan.binding_energy, oracle[:, 0], atol=1e-6)
    np.testing.assert_allclose(scan.counts / seconds, oracle[:, 1], rtol=2e-5)


def test_binding_energy_is_by_the_photon_energy_of_the_file(data_dir):
    """1486.61, 1486.68 and 1486.69 eV all occur, 0.08 eV apart."""
    found = {
        xps.read(data_dir / "xps" / name, select=0).attrs["photon_energy"]
        for name in ("pynxtools/regular.vms", "khervefitting/Pt4f.vms", "cheminfo/multiplex.vms")
    }
    assert found == {1486.61, 1486.68, 1486.69}
    scan = xps.read(data_dir / "xps" / "khervefitting" / "Pt4f.vms")
    assert scan.binding_energy.values[-1] == pytest.approx(1486.68 - 1396.68)
    assert scan.attrs["source"] == "KA1486"


def test_many_blocks_of_several_samples(data_dir):
    file = data_dir / "xps" / "cheminfo" / "assigned.vms"
    scans = read_scans(file)
    assert len(scans) == 54
    assert len({s.attrs["sample"] for s in scans}) == 6
    scan = xps.read(file, select="Mo 3d RW_Nb_MoS2")
    assert (scan.attrs["region"], scan.attrs["sample"]) == ("Mo 3d", "RW_Nb_MoS2")
    with pytest.raises(InvalidInput, match=r"6 scans called 'Mo 3d': choose one"):
        xps.read(file, select="Mo 3d")
    with pytest.raises(InvalidInput, match=r"holds no 'Mo 4d'; it holds 0: 'wide RW_WS2_MoS2_thicker', 1:"):
        xps.read(file, select="Mo 4d")


def test_a_prefix_before_the_name_is_left_out(data_dir):
    file = data_dir / "xps" / "cheminfo" / "multiplex.vms"
    scan = xps.read(file, select="ta 4F")
    assert scan.attrs["title"] == "2: Ta 4f"
    assert scan.attrs["region"] == "Ta 4f"
    assert xps.read(file, select="2: Ta 4f").counts.identical(scan.counts)


def test_a_series_of_blocks(data_dir):
    file = data_dir / "xps" / "xpsdeeplearning" / "Mn_references.vms"
    series = xps.read_series(file, dim="sample")
    assert series.sample.values.tolist() == ["MnO", "Mn2O3", "MnO2"]
    assert dict(series.sizes) == {"sample": 3, "binding_energy": 400}
    np.testing.assert_array_equal(series.sweeps, [1, 1, 2])
    assert series.attrs["technique"] == "xps"
    file = data_dir / "xps" / "cheminfo" / "assigned.vms"
    series = xps.read_series(file, select="S 2p")
    assert series.sizes["scan"] == 6
    assert set(series.region.values if "region" in series.coords else [series.attrs["region"]]) == {"S 2p"}
    with pytest.raises(ReadError, match="have different binding_energy values; say grid="):
        xps.read_series(file)


# ---- CasaXPS ---------------------------------------------------------------------------------------------------


def test_casaxps_components_equal_the_table(data_dir):
    with (data_dir / "xps" / "casa_components.csv").open() as table:
        rows = list(csv.DictReader(table))
    files = {"FeO_analyzed.vms": "pynxtools", "assigned.vms": "cheminfo", "Pt4f.vms": "khervefitting"}
    found = []
    for name in dict.fromkeys(row["file"] for row in rows):
        for scan in read_scans(data_dir / "xps" / files[name] / name):
            casa = json.loads(scan.attrs.get("casaxps", "{}"))
            found += [(name, "region", r) for r in casa.get("regions", [])]
            found += [(name, "component", c) for c in casa.get("components", [])]
    assert len(found) == len(rows)
    assert sorted(r["kind"] for r in rows) == sorted(kind for _, kind, _ in found)
    for row, (name, kind, entry) in zip(
        sorted(rows, key=_row_key), sorted(found, key=_entry_key), strict=True
    ):
        assert (row["file"], row["kind"], row["name"]) == (name, kind, entry["name"])
        if kind == "region":
            assert entry["background"] == row["shape_or_background"]
            assert entry["kinetic_energy"] == [float(row["pos_lo"]), float(row["pos_hi"])]
            continue
        assert entry["shape"] == row["shape_or_background"]
        for ours, theirs, extra in (
            ("area", "area", "factor"),
            ("fwhm", "fwhm", "factor"),
            ("position_kinetic", "pos", "offset"),
        ):
            value = entry[ours]
            assert value["value"] == float(row["pos_KE" if theirs == "pos" else theirs])
            assert (value["low"], value["high"]) == (float(row[f"{theirs}_lo"]), float(row[f"{theirs}_hi"]))
            link = int(float(row[f"{theirs}_link"]))
            assert value["link"] == (None if link < 0 else link)
            assert value[extra] == float(row[f"{theirs}_{extra}"])
        assert entry["position_binding"]["value"] == pytest.approx(float(row["pos_BE"]), abs=1e-4)
        assert entry["rsf"] == float(row["rsf"])


def _row_key(row):
    return (
        row["file"],
        row["kind"],
        row["name"],
        row["area"] and float(row["area"]),
        float(row["pos_KE"] or row["pos_lo"]),
        float(row["rsf"]),
    )


def _entry_key(item):
    name, kind, entry = item
    if kind == "region":
        return name, kind, entry["name"], "", entry["kinetic_energy"][0], entry["rsf"]
    return name, kind, entry["name"], entry["area"]["value"], entry["position_kinetic"]["value"], entry["rsf"]


def test_casaxps_limits_turn_round_in_binding_energy(data_dir):
    casa = json.loads(xps.read(data_dir / "xps" / "pynxtools" / "FeO_analyzed.vms").attrs["casaxps"])
    sgl = casa["components"][1]
    assert sgl["shape"] == "SGL(30)"
    assert sgl["position_binding"] == {
        "value": 716.0,
        "low": 714.0,
        "high": 716.0,
        "link": None,
        "offset": None,
    }
    assert casa["regions"][0]["binding_energy"] == pytest.approx([699.8468, 749.08919])


def test_casaxps_shift_is_recorded_and_not_applied(data_dir):
    file = data_dir / "xps" / "cheminfo" / "assigned.vms"
    scan = xps.read(file, select=0)
    casa = json.loads(scan.attrs["casaxps"])
    assert casa["calibrations"][0] == {"measured": 281.17, "assigned": 284.8, "shift": 3.63, "scale": "BE"}
    assert scan.binding_energy.values[0] == pytest.approx(-5.0)
    assert any("energies are as measured" in n for n in scan.spectra.history[0]["notes"])


# ---- files written here ----------------------------------------------------------------------------------------


def vamas(
    *,
    experiment="NORM",
    scan="REGULAR",
    hv="1486.6",
    label="kinetic energy",
    signal="pulse counting",
    included=0,
    y=(5, 7, 9),
):
    """A VAMAS file of one block as the standard lays it out."""
    header = [MAGIC, "lab", "instrument", "operator", "experiment", "1", "a comment", experiment, scan]
    header += ["1"] if experiment in ("NORM", "SDP") else []
    header += ["1", "Etch time", "s", str(included), "0", "0", "0", "1"]
    block = ["Mn 2p", "LiMn2O4", "2024", "2", "29", "12", "30", "5", "2", "1", "hello", "XPS", "60", "Al"]
    block += ["18", "1", "1"] if experiment in ("SDP", "SDPSV") else []
    block += [
        hv,
        "1E+37",
        "0",
        "0",
        "0",
        "0",
        "FAT",
        "20",
        "1",
        "4.5",
        "0",
        "0",
        "0",
        "0",
        "0",
        "Mn",
        "2p",
        "-1",
    ]
    irregular = [] if scan == "REGULAR" else [label, "eV"]
    block += [label, "eV", "800", "10"] if scan == "REGULAR" else []
    block += [str(1 + bool(irregular)), *irregular, "counts", "d", signal, "0.1", "3", "0"]
    block += ["1", "1", "1", "1", "0", "0", "raster"] if experiment in ("SDP", "SDPSV") else []
    block += ["0", "0", "0", "1", "bias", "V", "2.5"]
    values = (
        [str(v) for v in y]
        if scan == "REGULAR"
        else [str(v) for n, c in enumerate(y) for v in (800 + 10 * n, c)]
    )
    block += [str(len(values)), *["0"] * (2 * (1 + bool(irregular))), *values]
    return "\n".join([*header, *block, "end of experiment"]) + "\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        file = tmp_path / "sample.vms"
        file.write_text(text)
        return file

    return write_file


@pytest.mark.parametrize("scan", ["REGULAR", "IRREGULAR"])
@pytest.mark.parametrize("experiment", ["NORM", "SDP", "SDPSV", "NOEXP"])
def test_every_layout_of_the_standard_that_is_read(write, experiment, scan):
    data = xps.read(write(vamas(experiment=experiment, scan=scan)))
    np.testing.assert_allclose(data.binding_energy, [666.6, 676.6, 686.6])
    assert data.counts.values.tolist() == [9, 7, 5]
    assert data.counts.attrs["units"] == "counts"
    assert (data.attrs["region"], data.attrs["element"], data.attrs["sample"]) == ("Mn 2p", "Mn", "LiMn2O4")
    assert data.attrs["start_time"] == "2024-02-29T12:30:05+02:00"
    assert (data.attrs["dwell_time"], data.attrs["sweeps"], data.attrs["pass_energy"]) == (0.1, 3, 20)
    assert json.loads(data.attrs["experiment"]) == {"Etch time": 60.0}


@pytest.mark.parametrize("hv", ["0", "1e+037", "1E37"])
def test_without_a_photon_energy_there_is_no_binding_energy(write, hv):
    data = xps.read(write(vamas(hv=hv)))
    assert data.kinetic_energy.values.tolist() == [800, 810, 820]
    assert "photon_energy" not in data.attrs
    assert any("energies stay kinetic" in n for n in data.spectra.history[0]["notes"])


def test_an_abscissa_of_binding_energies_is_taken_as_it_is(write):
    data = xps.read(write(vamas(label="Binding Energy")))
    assert data.binding_energy.values.tolist() == [800, 810, 820]


def test_what_was_not_counted_is_no_counts(write):
    assert (
        xps.read(write(vamas(signal="analogue direct").replace("counts", "signal"))).attrs["signal"]
        == "intensity"
    )


def test_values_that_were_not_given_are_nan(write):
    data = xps.read(write(vamas(y=(5, "1E+37", 9))))
    assert math.isnan(data.counts.values[1])


@pytest.mark.parametrize("mode", ["MAP", "MAPDP", "MAPSV", "MAPSVDP", "SEM", "NONSENSE"])
def test_modes_that_are_not_read_are_refused_by_name(write, mode):
    with pytest.raises(
        ReadError, match=rf"its experiment mode {mode} is .*; read are NORM, SDP, SDPSV, NOEXP\.$"
    ):
        xps.read(write(vamas(experiment=mode)))


def test_other_layouts_are_refused_by_name(write):
    with pytest.raises(ReadError, match="its scan mode MAPPING is not read"):
        xps.read(write(vamas(scan="MAPPING")))
    with pytest.raises(ReadError, match=r"its blocks leave out parameters \(inclusion list of 3\)"):
        xps.read(write(vamas(included=3)))


@pytest.mark.parametrize("lines", range(2, 74, 5))
def test_a_file_cut_anywhere_is_one_sentence(write, lines):
    whole = vamas().splitlines()
    with pytest.raises(
        ReadError, match=r"is truncated: (it ends in|block 1 of 1 \(Mn 2p\) announces)"
    ) as caught:
        xps.read(write("\n".join(whole[:lines]) + "\n"))
    assert "\n" not in str(caught.value)


def test_a_measured_file_cut_in_its_numbers(data_dir, write):
    text = (data_dir / "xps" / "lg4x" / "0-150W.vms").read_text()
    with pytest.raises(
        ReadError, match=r"truncated: block 2 of 5 \(Ni 2p\) announces 1202 ordinate values, \d+ are there"
    ):
        xps.read(write("\n".join(text.split("\n")[:3000])))


def test_words_where_numbers_are_due(write):
    with pytest.raises(
        ReadError, match=r"line \d+ in block 1 of 1 \(Mn 2p\) holds 'a lot' where the photon energy is due"
    ):
        xps.read(write(vamas(hv="a lot")))
    with pytest.raises(ReadError, match="holds something else than numbers among its ordinate values"):
        xps.read(write(vamas(y=(5, "x", 9))))


def test_bad_content_is_one_sentence(write):
    with pytest.raises(ReadError, match="1 point; a spectrum needs at least 2"):
        xps.read(write(vamas(y=(5,))))
    with pytest.raises(ReadError, match="counts holds no finite value"):
        xps.read(write(vamas(y=("1E+37", "1E+37"))))


def test_text_files_of_spectrometers(data_dir):
    files = data_dir / "xps"
    scan = xps.read(files / "phi_bn" / "BN-BS-1_multiplex.txt", select="Ti 2p")
    assert scan.attrs["region"] == "Ti 2p"
    assert scan.attrs["signal"] == "counts"
    scan = xps.read(files / "pynxtools" / "MgFe2O4_small.xy", select=0)
    assert scan.attrs["signal"] == "counts"
    assert scan.sizes["binding_energy"] == 1351
    scan = xps.read(files / "pynxtools" / "vms_txt_export.txt", select=1)
    assert scan.attrs["region"] == "Ni 2p"
    assert scan.attrs["signal"] == "counts"
    scan = xps.read(files / "pynxtools" / "vms_txt_export.txt", select=1, axis="kinetic_energy")
    assert scan.kinetic_energy.values[0] == pytest.approx(596.61, abs=60)


def test_an_axis_called_kinetic_in_the_header_is_not_read_as_binding(tmp_path):
    file = tmp_path / "scan.xy"
    file.write_text("# Energy Axis: Kinetic Energy\n# ColumnLabels: energy counts\n800 1\n801 2\n802 3\n")
    assert "kinetic_energy" in xps.read(file).dims
    assert "kinetic_energy" in spectra.read(file).dims


# ---- dialects --------------------------------------------------------------------------------------------------


def two_blocks(second):
    """A file of two blocks, the second one as the first but for ``second``."""
    text = vamas()
    header, block = text.split("\nMn 2p\n", 1)
    block = "Mn 2p\n" + block.removesuffix("end of experiment\n")
    return f"{header[:-1]}2\n{block}{block.replace(*second)}end of experiment\n"


def test_blocks_that_are_no_spectra_are_left_out_and_named(write):
    file = write(two_blocks(("kinetic energy\neV", "time\ns")).replace("Mn 2p\nLiMn2O4", "first\nLiMn2O4", 1))
    scan = xps.read(file)
    assert scan.attrs["title"] == "first"
    assert any("no photoelectron spectrum were left out: Mn 2p" in n for n in notes_of(scan))


def test_an_electron_beam_is_no_photon_energy(write):
    """In Auger spectra the source energy is that of the beam: kinetic energies stay what they are."""
    data = xps.read(write(vamas(hv="10000").replace("\nXPS\n", "\nAES dir\n")))
    assert data.kinetic_energy.values.tolist() == [800, 810, 820]
    assert "photon_energy" not in data.attrs
    assert data.attrs["technique"] == "aes dir"


def test_counts_per_second_become_counts(write):
    data = xps.read(write(vamas().replace("\ncounts\nd\n", "\ncounts/s\nd\n")))
    np.testing.assert_allclose(data.counts, [2.7, 2.1, 1.5])
    assert any("multiplied by the 0.3 s counted at each point" in n for n in notes_of(data))


def test_etching_time_is_an_attribute(write):
    assert xps.read(write(vamas())).attrs["sputter_time"] == 60
    minutes = vamas().replace("Etch time\ns", "Sputter Time\nmin")
    assert xps.read(write(minutes)).attrs["sputter_time"] == 3600
    assert "sputter_time" not in xps.read(write(vamas().replace("Etch time\ns", "Etch time\nd"))).attrs


def test_lines_of_casaxps_that_cannot_be_understood_are_said(write):
    broken = vamas().replace("hello", "CASA comp (*Mn 2p*) (*GL(30)*) Area -1.#IND")
    assert any("could not be understood: CASA comp (*Mn 2p*)" in n for n in notes_of(xps.read(write(broken))))


def test_a_missing_last_line_is_said(write):
    text = vamas().removesuffix("end of experiment\n")
    assert any("lacks its last line" in n for n in notes_of(xps.read(write(text))))
    assert any("may be cut short" in n for n in notes_of(xps.read(write(text.rstrip()))))
    assert not notes_of(xps.read(write(vamas())))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("\n0.1\n3\n", "\n0.1\n3\n", None),
        ("\n2.5\n3\n0\n0\n", "\n2.5\n-3\n0\n0\n", "number of ordinate values"),
        ("\n2.5\n3\n0\n0\n", "\n2.5\nnan\n0\n0\n", "number of ordinate values"),
        (
            "\n2.5\n3\n0\n0\n",
            "\n2.5\n1e30\n0\n0\n",
            "announces 1000000000000000019884624838656 ordinate values",
        ),
    ],
)
def test_hostile_numbers_are_one_sentence(write, old, new, what):
    text = vamas()
    assert old in text
    file = write(text.replace(old, new))
    if what is None:
        assert xps.read(file).sizes["binding_energy"] == 3
        return
    with pytest.raises(ReadError, match=what):
        xps.read(file)
