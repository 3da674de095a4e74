"""What a text table measured: counts, counts per second, or an intensity that nobody calls a count."""

import numpy as np
import pytest

import xps
from spectra.reading.scan import notes_of


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        file = tmp_path / "O1s.txt"
        file.write_text(text)
        return file

    return write_file


@pytest.mark.parametrize(
    ("label", "values", "signal", "units"),
    [
        ("counts", "5 7.5", "counts", "counts"),
        ("Counts / s", "5 7.5", "count_rate", "counts/s"),
        ("CPS", "5 7", "count_rate", "counts/s"),
        ("sample_1", "5 7", "counts", "counts"),
        ("sample_1", "5 7.5", "intensity", ""),
    ],
)
def test_what_was_measured(write, label, values, signal, units):
    first, second = values.split()
    scan = xps.read(write(f"BE/eV\t{label}\n530\t{first}\n531\t{second}\n"))
    assert (scan.attrs["signal"], scan[signal].attrs["units"]) == (signal, units)
    assert (scan.attrs["technique"], scan.attrs["region"]) == ("xps", "O 1s")


def test_pass_energy_in_a_label(data_dir):
    scan = xps.read(data_dir / "xps" / "lg4x" / "0-150W_NiWO1s_O1s.txt")
    assert (scan.attrs["pass_energy"], scan.attrs["signal"], scan.attrs["region"]) == (20.0, "counts", "O 1s")


def test_an_intensity_has_no_counting_statistics(data_dir):
    """The text of Mn 2p holds counts per second and does not say so."""
    scan = xps.read(data_dir / "xps" / "xpsdeeplearning" / "Mn2p_MnO.txt")
    assert scan.attrs["signal"] == "intensity"
    assert any("without counting statistics" in note for note in notes_of(scan))


def test_units_of_what_differs_along_a_series(data_dir):
    file = data_dir / "xps" / "phi_bn" / "BN-BS-1_multiplex.spe"
    series = xps.read_series(file, select=(2, 1), grid="union")
    np.testing.assert_array_equal(series.region, ["O 1s", "Na 1s"])
    np.testing.assert_array_equal(series.dwell_time, [0.4, 0.8])
    assert series.dwell_time.attrs["units"] == "s"
