"""Logs of battery cyclers read and joined to series by the wall clock."""

import gzip

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import spectra
from spectra.dataset import flag_names
from spectra.electrochemistry import mean_over
from spectra.errors import InvalidInput, ReadError
from spectra.results.rerun import rerun

HEAD = ["EC-Lab ASCII FILE", "Nb header lines : 5", "", "Acquisition started on : 07/26/2022 22:38:30.250"]
LABELS = "mode\ttime/s\tEwe/V\t<I>/mA\t(Q-Qo)/mA.h\thalf cycle"


def log_text(rows=40, decimal=","):
    lines = [
        f"1\t{60.0 * i:.6E}\t{3.5 + 0.01 * i:.7E}\t{0.154:.6E}\t{0.0026 * i:.6E}\t{i // 20}".replace(
            ".", decimal
        )
        for i in range(rows)
    ]
    return "\r\n".join([*HEAD, LABELS, *lines]) + "\r\n"


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "cell_C01.mpt"
    file.write_bytes(log_text().encode("latin-1"))
    return file


def series(starts, **options):
    x = np.arange(5.0)
    times = {"start_time": ("scan", list(starts))}
    return spectra.from_arrays(x, np.ones((len(starts), 5)), dims=("scan",), coords=times, **options)


@pytest.mark.parametrize("decimal", [",", "."])
def test_both_decimal_marks_and_compression(tmp_path, decimal):
    file = tmp_path / "cell.mpt.gz"
    file.write_bytes(gzip.compress(log_text(decimal=decimal).encode("latin-1")))
    read = spectra.read_cycler(file)
    np.testing.assert_allclose(read.voltage, 3.5 + 0.01 * np.arange(40), rtol=1e-7)
    assert read.time.attrs["start"] == "2022-07-26T22:38:30.250000"
    assert {n: v.attrs["units"] for n, v in read.data_vars.items()} == {
        "voltage": "V", "current": "mA", "charge": "mA*h", "half_cycle": ""
    }  # fmt: skip


def test_each_spectrum_gets_what_the_cell_did_then(log):
    scans = series(["2022-07-26T22:38:30.250", "2022-07-26T22:40:00.250", "2022-07-26T23:10:30.250"])
    joined = spectra.join_cycler(scans, cycler=str(log))
    np.testing.assert_allclose(joined.voltage, [3.5, 3.515, 3.82], atol=1e-9)
    np.testing.assert_array_equal(joined.half_cycle, [0, 0, 1])
    longer = spectra.join_cycler(scans, cycler=str(log), duration=120.0)
    np.testing.assert_allclose(longer.voltage, joined.voltage + 0.01, atol=1e-9)
    moved = spectra.join_cycler(scans, cycler=str(log), clock_offset=60.0)
    np.testing.assert_allclose(moved.voltage, joined.voltage + 0.01, atol=1e-9)


def test_spectra_outside_of_the_log_are_not_extrapolated(log):
    joined = spectra.join_cycler(series(["2022-07-26T22:40:00", "2022-07-27T12:00:00"]), cycler=str(log))
    assert flag_names(joined, scan=1) == ["no_cycler"]
    assert np.isnan(joined.voltage[1])
    assert flag_names(joined, scan=0) == []


def test_nothing_is_known_inside_of_a_gap(log):
    read = spectra.read_cycler(log)
    holed = read.isel(time=[*range(10), *range(30, 40)])
    scans = series(["2022-07-26T22:40:00", "2022-07-26T22:55:00"])
    assert np.isnan(spectra.join_cycler(scans, cycler=holed).voltage.values).tolist() == [False, True]
    assert np.isfinite(spectra.join_cycler(scans, cycler=holed, max_gap=2000.0).voltage.values).all()


def test_a_results_file_needs_no_log_to_be_computed_again(log, tmp_path):
    joined = spectra.join_cycler(series(["2022-07-26T22:40:00", "2022-07-26T22:50:00"]), cycler=str(log))
    spectra.save(tmp_path / "joined.nxs", joined)
    log.unlink()
    report = rerun(tmp_path / "joined.nxs")
    assert report.identical, str(report)


def test_files_of_one_experiment_are_put_together(log, tmp_path):
    later = tmp_path / "cell_C02.mpt"
    later.write_text(log_text().replace("22:38:30.250", "23:38:30.250"))
    both = spectra.read_cycler(later, log)
    assert both.sizes["time"] == 80
    assert both.time.attrs["start"] == "2022-07-26T22:38:30.250000"
    assert float(both.time[-1]) == pytest.approx(3600 + 39 * 60)


def test_a_zone_of_one_clock_only_is_said(log):
    joined = spectra.join_cycler(series(["2022-07-26T22:40:00+02:00"]), cycler=str(log))
    assert "only one of the two clocks names its time zone" in joined.spectra.history[-1]["notes"][0]
    assert np.isfinite(joined.voltage).all()


def test_a_date_that_could_be_two_is_said(log):
    log.write_text(log_text().replace("07/26/2022", "07/06/2022"))
    joined = spectra.join_cycler(series(["2022-07-06T22:40:00"]), cycler=str(log))
    assert "was read as 06 July 2022: EC-Lab writes the month first" in joined.spectra.history[-1]["notes"][0]


@given(
    st.lists(st.floats(0.01, 50), min_size=2, max_size=20),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 1000),
)
def test_the_mean_is_that_of_the_broken_line(steps, a, b, seed):
    time = np.cumsum(steps)
    values = np.random.default_rng(seed).normal(size=time.size)
    start, stop = np.sort(time[0] + np.array([a, b]) * np.ptp(time))
    fine = np.unique(np.concatenate([np.linspace(start, stop, 7), time[(time > start) & (time < stop)]]))
    slow = np.trapezoid(np.interp(fine, time, values), fine) / (stop - start) if stop - start > 1e-6 else None
    if slow is not None:
        assert mean_over(time, values, np.array(start), np.array(stop)) == pytest.approx(slow, abs=1e-6)


def test_the_operando_cell(data_dir):
    """58 spectra of 687 s along a charge from 3.63 V to above 4.2 V, and the first of the discharge."""
    folder = data_dir / "xas" / "operando_LNO_NiK"
    import xas

    scans = xas.read_series(folder / "*.txt", dim="time")
    joined = spectra.join_cycler(
        scans, cycler=str(folder / "220726cell4operandoxas_C06.mpt.gz"), duration=680.0
    )
    assert np.isfinite(joined.voltage).all()
    assert 3.6 < float(joined.voltage[0]) < 3.7
    assert 4.25 < float(joined.voltage.max()) < 4.31
    assert (np.diff(joined.voltage[:54]) > 0).all()
    assert (joined.current[:54] > 0.15).all()
    assert (joined.current[-2:] < -0.15).all()
    # 0.154 mA over ten hours
    assert float(joined.charge.max()) == pytest.approx(1.6, abs=0.05)
    table = joined.spectra.table()
    assert {"time", "voltage", "current", "charge"} <= set(table.columns)


class TestRefusals:
    def broken(self, log, old, new, text):
        log.write_bytes(log.read_bytes().replace(old, new))
        with pytest.raises(ReadError, match=text):
            spectra.read_cycler(log)

    def test_a_log_without_voltage(self, log):
        self.broken(log, b"Ewe/V", b"Temperature", "has no column of a voltage")

    def test_a_log_without_time(self, log):
        self.broken(log, b"time/s", b"time/h", "has no column 'time/s'")

    def test_a_log_that_does_not_say_when(self, log):
        self.broken(log, b"Acquisition started", b"Acquisition ended", "does not say when it began")

    def test_a_log_of_another_day_than_there_is(self, log):
        self.broken(log, b"07/26/2022", b"07/32/2022", "which is no date")

    def test_a_word_among_the_numbers(self, log):
        self.broken(log, b"\t3,6000000E+00", b"\toverload", r"row 11 of its table is not 6 numbers")

    def test_a_header_that_is_cut(self, log):
        self.broken(
            log,
            b"Nb header lines : 5",
            b"Nb header lines : 500",
            "does not say how many lines its header has",
        )

    def test_a_line_that_was_being_written(self, log):
        log.write_bytes(log.read_bytes() + b"1\t2,4E+03\t3,")
        assert "is incomplete" in spectra.read_cycler(log).attrs["notes"]

    def test_another_file(self, tmp_path):
        (tmp_path / "a.csv").write_text("time,V\n0,1\n1,2\n")
        with pytest.raises(ReadError, match=r"is no log of a battery cycler known here \(eclab\)"):
            spectra.read_cycler(tmp_path / "a.csv")

    def test_a_log_is_no_spectrum(self, log):
        with pytest.raises(ReadError, match="holds no spectrum: join it to a series by spectra.join_cycler"):
            spectra.read(log)

    def test_spectra_without_a_clock(self, log):
        with pytest.raises(InvalidInput, match="do not say when they were measured"):
            spectra.join_cycler(spectra.from_arrays([1.0, 2], [[1.0, 2]], dims=("scan",)), cycler=str(log))

    def test_spectra_of_another_day(self, log):
        with pytest.raises(
            InvalidInput, match="no spectrum lies inside of the log: it runs for 2340 s from 2022-07-26"
        ):
            spectra.join_cycler(series(["2023-07-26T22:40:00"]), cycler=str(log))

    def test_something_else_than_a_log(self, log):
        with pytest.raises(
            InvalidInput, match="cycler is a path, a tuple of paths or what read_cycler gives, got int"
        ):
            spectra.join_cycler(series(["2022-07-26T22:40:00"]), cycler=3)

    def test_a_log_without_its_clock(self):
        bare = xr.Dataset({"voltage": ("time", [1.0, 2.0])}, {"time": [0.0, 1.0]})
        with pytest.raises(InvalidInput, match="cycler has no time with the attribute 'start'"):
            spectra.join_cycler(series(["2022-07-26T22:40:00"]), cycler=bare)

    def test_a_negative_duration(self, log):
        with pytest.raises(InvalidInput, match="duration is in s and not below 0"):
            spectra.join_cycler(series(["2022-07-26T22:40:00"]), cycler=str(log), duration=-1.0)
