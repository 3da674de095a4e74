"""JCAMP-DX in every form of table, its checks, its quantities; tables of points of OPUS."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raman
import spectra
from raman.reading.jcamp_numbers import decode_pairs, decode_rows
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from tests.raman.jcamp_samples import jcamp, table

NUMBERS = np.round(
    1000 * np.exp(-(((np.arange(300) - 150) / 20) ** 2)) - 40 * np.sin(np.arange(300) / 9)
).astype(int)
FORMS = ("AFFN", "PAC", "SQZ", "DIF", "DIFDUP")


def read(tmp_path, content, **options):
    file = tmp_path / "made.dx"
    file.write_text(content)
    return raman.read(file, **options)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_table(tmp_path, form):
    scan = read(tmp_path, jcamp(NUMBERS, form=form))
    assert scan.attrs["signal"] == "absorbance"
    np.testing.assert_array_equal(scan.absorbance.values[::-1], NUMBERS * 0.001)
    np.testing.assert_array_equal(scan.wavenumber.values[::-1], 4000 - 2.0 * np.arange(300))
    assert (scan.attrs["title"], scan.attrs["start_time"]) == ("polystyrene", "1999-12-31T12:30:00")
    assert scan.spectra.history[0]["notes"] == ["the axis descended and was reversed"]


@given(
    numbers=st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=60),
    form=st.sampled_from(FORMS),
    per_line=st.integers(2, 15),
)
def test_what_is_packed_comes_out_again(numbers, form, per_line):
    lines = list(enumerate(table(numbers, form=form, per_line=per_line)))
    assert [v for row in decode_rows(lines, "made.dx") for v in row.values] == numbers


def test_constant_values_are_repetitions():
    (row,) = decode_rows([(1, "100A00T%S")], "a.dx")
    assert row.values == [100.0, 100.0, 100.0]
    (row,) = decode_rows([(1, "100@VJ3")], "a.dx")
    assert row.values == [0.0, 0.0, 0.0, 0.0, 13.0]


def test_exponents_and_missing_values():
    (row,) = decode_rows([(1, "4000 1.5E-03 ? -2E+1 7")], "a.dx")
    np.testing.assert_array_equal(row.values, [0.0015, np.nan, -20, 7])
    assert decode_pairs([(1, "1,2; 3,4"), (2, "5 6")], "a.dx") == [(1, 2), (3, 4), (5, 6)]


@pytest.mark.parametrize(
    ("yunits", "factor", "signal", "units"),
    [
        ("ABSORBANCE", 0.001, "absorbance", ""),
        ("TRANSMITTANCE", 0.001, "transmittance", ""),
        ("% TRANSMITTANCE", 0.1, "transmittance", "%"),
        ("%T", 0.1, "transmittance", "%"),
        ("REFLECTANCE", 0.001, "reflectance", ""),
        ("KUBELKA-MUNK", 0.001, "kubelka_munk", ""),
        ("LOG(1/R)", 0.001, "log_reflectance", ""),
        ("SINGLE BEAM", 0.001, "single_channel", ""),
        ("ARBITRARY UNITS", 0.001, "intensity", ""),
    ],
)
def test_units_are_honoured(tmp_path, yunits, factor, signal, units):
    scan = read(tmp_path, jcamp(NUMBERS, yunits=yunits, factor=factor))
    assert scan.attrs["signal"] == signal
    assert scan[signal].attrs["units"] == units


def test_a_fraction_that_reaches_100_is_percent(tmp_path):
    scan = read(tmp_path, jcamp(NUMBERS, yunits="TRANSMITTANCE", factor=0.1))
    assert scan.transmittance.attrs["units"] == "%"
    assert any("taken as percent" in note for note in scan.spectra.history[0]["notes"])
    scan = read(tmp_path, jcamp(NUMBERS, yunits="%T", factor=0.001))
    assert any("if these are fractions" in note for note in scan.spectra.history[0]["notes"])


def test_absorbance_that_cannot_be_one_is_doubted(tmp_path):
    scan = read(tmp_path, jcamp(np.full(100, 900), factor=0.1))
    notes = scan.spectra.history[0]["notes"]
    assert any("they may be percent transmittance" in note for note in notes)
    assert any("100 points stand at the highest absorbance, 90" in note for note in notes)


def test_what_the_header_says_of_the_values_is_checked(tmp_path):
    wrong = jcamp(NUMBERS).replace("##YFACTOR=0.001", "##YFACTOR=0.0001")
    notes = read(tmp_path, wrong).spectra.history[0]["notes"]
    assert sum("a factor may be wrong" in note for note in notes) == 2  # lowest and highest


def test_axes(tmp_path):
    assert read(tmp_path, jcamp(NUMBERS, kind="RAMAN SPECTRUM", yunits="COUNTS")).intensity.dims == (
        "raman_shift",
    )
    scan = read(tmp_path, jcamp(NUMBERS, xunits="MICROMETERS", first=2.5, step=0.01))
    assert scan.wavenumber.values[-1] == pytest.approx(4000)
    scan = read(
        tmp_path,
        jcamp(NUMBERS, xunits="CM", first=-0.1, step=0.001, kind="INFRARED INTERFEROGRAM", yunits="VOLTS"),
    )
    assert scan.interferogram.dims == ("path_difference",)
    assert scan.interferogram.attrs["units"] == "V"


def test_pairs(tmp_path):
    lines = [f"{4000 - 2 * i}, {n}" for i, n in enumerate(NUMBERS)]
    content = jcamp(NUMBERS, lines=lines).replace("##XYDATA=(X++(Y..Y))", "##XYPOINTS=(XY..XY)")
    np.testing.assert_array_equal(read(tmp_path, content).absorbance.values[::-1], NUMBERS * 0.001)


def test_pages_of_several_variables(tmp_path):
    rows = [table(NUMBERS + k, form="DIFDUP") for k in (0, 5)]
    pages = [[f"##PAGE=T={k}", "##DATA TABLE=(X++(Y..Y)), XYDATA", *r] for k, r in enumerate(rows)]
    content = "\n".join([
        "##TITLE=heating", "##JCAMP-DX=5.00", "##DATA TYPE=INFRARED SPECTRUM", "##NTUPLES=INFRARED SPECTRUM",
        "##VAR_NAME=WAVENUMBER, ABSORBANCE, TEMPERATURE", "##SYMBOL=X,Y,T", "##VAR_TYPE=INDEPENDENT,DEPENDENT,PAGE",
        "##VAR_DIM=300,300,2", "##UNITS=1/CM,ABSORBANCE,K", "##FIRST=4000,,0", "##LAST=3402,,1", "##FACTOR=1,0.001,1",
        *itertools.chain(*pages), "##END NTUPLES=INFRARED SPECTRUM", "##END=", "",
    ])  # fmt: skip
    file = tmp_path / "made.jdx"
    file.write_text(content)
    scans = read_scans(file)
    assert [s.attrs["title"] for s in scans] == ["heating T=0", "heating T=1"]
    series = raman.read_series(file)
    np.testing.assert_allclose(series.absorbance[1] - series.absorbance[0], 0.005, atol=1e-12)


def test_blocks_linked_in_one_file(tmp_path):
    inner = [jcamp(NUMBERS + k, title=f"sample {k}") for k in (0, 1)]
    peaks = "##TITLE=peaks\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED PEAK TABLE\n##XYDATA=(XY..XY)\n1 2\n3 4\n##END=\n"
    file = tmp_path / "made.dx"
    file.write_text(
        "##TITLE=all\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=3\n" + "".join(inner) + peaks + "##END=\n"
    )
    scans = read_scans(file)
    assert [s.attrs["title"] for s in scans] == ["sample 0", "sample 1"]
    with_note = raman.read(file, select="sample 1").spectra.history[0]["notes"]
    assert any("left out: a table of peaks" in note for note in with_note)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (jcamp(NUMBERS, points=301), "301 points are announced, 300 are there"),
        (
            jcamp(NUMBERS, lines=[*table(NUMBERS)[:5], *table(NUMBERS)[6:]], points=288),
            "points are missing or doubled",
        ),
        (jcamp(NUMBERS).replace("##FIRSTX=4000", "##FIRSTX=5000"), "its first line begins at 4000"),
        (jcamp(NUMBERS, xunits="SECONDS"), "lies along no wavenumber"),
        (
            jcamp(NUMBERS, kind="MASS SPECTRUM", xunits="M/Z"),
            "mass spectrum along m/z lies along no wavenumber",
        ),
        (jcamp(NUMBERS, lines=["4000 1 2 # 3"]), "line 19 holds '#'"),
        (jcamp(NUMBERS, lines=["4000AJ1$2"]), r"line 19 holds '\$'"),
        (jcamp(NUMBERS, lines=["4000T"]), "nothing stands before it"),
        (
            jcamp(NUMBERS, lines=["4000A1J2", "3998A9J1"]),
            "line 20 begins with 19, and the line before ended with 23",
        ),
        (jcamp(NUMBERS, lines=[]), "0 points"),
        ("##TITLE=a\n##JCAMP-DX=4.24\n##END=\n", "no table of values"),
    ],
)
def test_damaged_files_are_refused_with_a_sentence(tmp_path, content, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        read(tmp_path, content)
    assert "made.dx" in str(caught.value)


def test_a_file_cut_after_its_table_is_read(tmp_path):
    assert read(tmp_path, jcamp(NUMBERS, end=False)).sizes["wavenumber"] == 300


# ---- tables of points ------------------------------------------------------------------------------------------


def test_points_of_opus_descend_along_wavenumbers(data_dir):
    scan = raman.read(data_dir / "ftir" / "text" / "peach_juice.dpt")
    assert scan.attrs["technique"] == "ftir"
    assert scan.wavenumber.values[[0, -1]] == pytest.approx([499.53234, 4000.1161])
    assert any("does not say what was measured" in note for note in scan.spectra.history[0]["notes"])


def test_an_index_of_points_is_no_wavenumber(data_dir):
    """With comments of two kinds above it."""
    with pytest.raises(ReadError, match="counts points or pixels and is no wavenumber"):
        raman.read(data_dir / "ftir" / "text" / "IFG_single.dpt")


def test_comments_and_decimal_commas(tmp_path):
    file = tmp_path / "made.dpt"
    file.write_text("# a comment\n; another; with more\n4000,5;0,25\n3999,5;0,5\n")
    scan = raman.read(file)
    np.testing.assert_array_equal(scan.wavenumber, [3999.5, 4000.5])
    np.testing.assert_array_equal(scan.intensity, [0.5, 0.25])
    assert spectra.read(file, axis="raman_shift").intensity.dims == ("raman_shift",)


# ---- spectra in rows -------------------------------------------------------------------------------------------


def test_spectra_in_rows(data_dir, tmp_path):
    folder = data_dir / "ftir" / "emsc"
    raw, reference = (raman.read(folder / name) for name in ("MieStd1_rawSpec.csv", "MieStd2_refSpec.csv"))
    assert (raw.attrs["title"], reference.attrs["title"]) == ("RawSpec", "RefSpec")
    assert (dict(raw.sizes), dict(reference.sizes)) == ({"wavenumber": 778}, {"wavenumber": 751})
    assert raw.intensity.values[0] == -0.011656760238111
    file = tmp_path / "rows.txt"
    x = "\t".join(str(v) for v in range(100, 110))
    file.write_text(f"Raman shift (cm-1)\t{x}\na\t{x}\nb\t{x}\n")
    series = raman.read_series(file)
    assert dict(series.sizes) == {"scan": 2, "raman_shift": 10}
    file.write_text(f"wn\t{x}\na\t{x}\nb\t1\t2\n")
    with pytest.raises(ReadError, match="row 3 has 3 cells, and the axis 11"):
        raman.read(file)
    file.write_text(f"wn\t{x}\na\t{x[:-1]}z\n")
    with pytest.raises(ReadError, match="which is no number"):
        raman.read(file)
