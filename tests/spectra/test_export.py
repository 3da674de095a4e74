"""Tables and curves leave the results as any program reads them, with nothing left behind."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import spectra
from spectra.results import save
from spectra.results.export import export
from spectra.results.table import parameter_table, tidy_table
from tests.spectra.results_samples import DATES, xas_analysed, xas_measured, xps_analysed


@pytest.fixture(scope="module")
def xas_series():
    return xas_analysed()


@pytest.fixture(scope="module")
def xps_series():
    return xps_analysed()


def map_of(frozen):
    """2 × 3 spectra with a text per spectrum, two labelled dimensions, and a matrix."""
    data = spectra.from_arrays(
        frozen([1.0, 2, 3]), frozen(np.ones((2, 3, 3))), dims=("y", "x"), coords={"y": [0.0, 0.5]}
    )
    data = data.assign_coords(
        sample=("x", ["a", "b #2", "c, d"]), state=["Ni2+", "Ni3+"], pair=["O/Ni"], shell=[1, 2]
    )
    data["fraction"] = (("x", "y", "state"), np.arange(12.0).reshape(3, 2, 2), {"units": "1"})
    data["fraction_sigma"] = (("x", "y", "state"), np.full((3, 2, 2), 0.1), {"units": "1"})
    data["ratio"] = (("state", "pair"), [[1.0], [2.0]])
    data["e0"] = ("x", [1.0, np.nan, 3.0], {"units": "eV"})
    data["shells"] = ("shell", [1.0, 2.0])
    return data.assign(wavelet=(("energy", "shell"), np.arange(6.0).reshape(3, 2)))


class TestTable:
    def test_one_row_per_spectrum_and_component(self, xps_series):
        table = tidy_table(xps_series)
        quantities = ["position", "height", "area", "fwhm", "maximum"]
        assert [c for c in table.columns if c != "flags"] == [
            "depth", "component", *(name for q in quantities for name in (q, f"{q}_sigma")),
            "redchi", "aicc", "bic", "runs_p_value", "nfev",
        ]  # fmt: skip
        assert len(table) == 6
        np.testing.assert_array_equal(table["depth"], [0, 0, 1, 1, 2, 2])
        np.testing.assert_array_equal(table["area"], xps_series["area"].values.ravel())
        np.testing.assert_array_equal(table["redchi"][::2], xps_series["redchi"])
        assert table.attrs["units"]["area"] == "counts eV"

    def test_one_row_per_spectrum_without_components(self, xas_series):
        table = tidy_table(xas_series)
        assert list(table.columns[:3]) == ["time", "voltage", "label"]
        assert {"e0", "edge_step", "edge_step_sigma", "edge_position", "edge_position_sigma", "flags"} <= set(
            table
        )
        assert not {"mu", "norm", "chi", "energy", "k", "r", "status"} & set(table)
        assert len(table) == 4
        np.testing.assert_array_equal(table["edge_position"], xas_series["edge_position"])
        assert list(table["flags"] != "") == [False, False, False, True]  # the last has no edge
        assert np.isnan(table["edge_position"].iloc[-1])

    def test_a_single_spectrum_is_one_row(self):
        table = tidy_table(xas_analysed(None))
        assert len(table) == 1
        assert table["flags"].tolist() == [""]

    def test_rows_follow_the_series_whatever_the_order_of_dimensions(self, frozen):
        data = map_of(frozen)
        table = tidy_table(data)
        assert list(table.columns[:3]) == ["y", "x", "sample"]
        np.testing.assert_array_equal(table["y"], [0, 0, 0, 0.5, 0.5, 0.5])
        np.testing.assert_array_equal(table["x"], [0, 1, 2, 0, 1, 2])  # no coordinate: counted
        for row in table.to_dict("records"):
            here = data.isel(x=row["x"]).sel(y=row["y"])
            for state in ("Ni2+", "Ni3+"):
                assert row[f"fraction[{state}]"] == here.fraction.sel(state=state)
                assert row[f"fraction[{state}]_sigma"] == 0.1
            assert row["ratio[Ni3+, O/Ni]"] == 2.0

    def test_curves_and_quantities_along_numbers_are_not_in_it(self, frozen):
        assert not {"shells", "wavelet", "shell", "intensity"} & set(tidy_table(map_of(frozen)))

    def test_values_and_uncertainties_stand_side_by_side(self, xas_series, frozen):
        for dataset in (xas_series, map_of(frozen)):
            columns = list(tidy_table(dataset))
            sigmas = [name for name in columns if name.endswith("_sigma")]
            assert sigmas
            for name in sigmas:
                assert columns.index(name) == columns.index(name.removesuffix("_sigma")) + 1

    def test_lazy_datasets_give_the_same_table(self, frozen):
        data = map_of(frozen)
        pd.testing.assert_frame_equal(tidy_table(data.chunk(x=1)), tidy_table(data))

    def test_the_accessor_gives_it(self, xps_series):
        pd.testing.assert_frame_equal(xps_series.spectra.table(), tidy_table(xps_series))

    def test_something_else_is_refused(self):
        with pytest.raises(ValueError, match=r"the table takes an xarray.Dataset of spectra .* got str"):
            tidy_table("a.nxs")


class TestParameters:
    def test_every_parameter_of_every_spectrum(self, xps_series):
        table = parameter_table(xps_series)
        assert list(table.columns)[:4] == ["depth", "parameter", "best_value", "best_value_sigma"]
        assert table["parameter"].tolist() == xps_series["parameter"].values.tolist() * 3
        assert {"main_fraction", "partner_position"} <= set(table["parameter"])  # free and tied
        np.testing.assert_array_equal(table["best_value"], xps_series["best_value"].values.ravel())

    def test_none_without_a_fit(self, xas_series):
        assert parameter_table(xas_series) is None


class TestCsv:
    def test_pandas_reads_back_every_number_to_the_last_digit(self, xps_series, tmp_path):
        files = export({"Mn 2p #1": xps_series}, tmp_path / "new" / "folder")
        assert [f.name for f in files] == ["mn_2p_1.csv", "mn_2p_1_parameters.csv"]
        table = pd.read_csv(files[0], comment="#", keep_default_na=False, na_values=[""])
        expected = tidy_table(xps_series)
        assert list(table) == list(expected)
        # the last digit of pandas' reader, not of the file
        np.testing.assert_allclose(table["area"], expected["area"], rtol=1e-15)
        assert table["component"].tolist() == expected["component"].tolist()
        parameters = pd.read_csv(files[1], comment="#")
        np.testing.assert_allclose(
            parameters["best_value"], xps_series["best_value"].values.ravel(), rtol=1e-15
        )

    def test_text_with_any_character_survives(self, frozen, tmp_path):
        (file,) = export({"map": map_of(frozen)}, tmp_path)
        table = pd.read_csv(file, comment="#")
        assert table["sample"].tolist() == ["a", "b #2", "c, d"] * 2
        assert np.isnan(table["e0"][1])

    def test_units_origin_and_dates_are_in_it(self, xas_series, tmp_path):
        (file,) = export({"charge": xas_series}, tmp_path)
        head = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        assert head[0] == "# title: charge"
        assert "xas.normalize, xas.autobk, xas.fourier, xas.edge_position" in head[1]
        assert "edge_position eV" in head[-1]
        dates = pd.to_datetime(pd.read_csv(file, comment="#")["time"])
        np.testing.assert_array_equal(dates.dt.tz_convert(None), DATES[:4])
        assert str(dates.dt.tz) == "UTC"

    def test_inputs_are_named_the_first_few_of_many(self, xas_series, tmp_path):
        inputs = [{"file": f"scan {i}.xdi", "sha256": "ab" * 32, "size": 1} for i in range(8)]
        (file,) = export({"a": xas_series.assign_attrs(inputs=json.dumps(inputs))}, tmp_path)
        head = file.read_text(encoding="utf-8")
        assert f"# input: scan 4.xdi sha256 {'ab' * 32}\n# and 3 more inputs\n" in head

    def test_data_without_verbs_say_so(self, tmp_path):
        (file,) = export({"a": xas_measured(None)}, tmp_path)
        assert "# data as they were handed in\n" in file.read_text(encoding="utf-8")


class TestText:
    def test_every_curve_of_every_spectrum_on_its_own_grid(self, xas_series, tmp_path):
        files = export({"charge": xas_series}, tmp_path, format="text")
        assert [f.name for f in files[:4]] == [
            "charge_time0_energy.txt", "charge_time0_k.txt", "charge_time0_r.txt", "charge_time1_energy.txt",
        ]  # fmt: skip
        assert len(files) == 12
        for i in range(4):
            for grid in ("energy", "k", "r"):
                file = tmp_path / f"charge_time{i}_{grid}.txt"
                *head, labels = [
                    x for x in file.read_text(encoding="utf-8").splitlines() if x.startswith("#")
                ]
                names = labels.removeprefix("# ").split()
                curves = {n for n, v in xas_series.data_vars.items() if grid in v.dims}
                assert set(names) == {grid, *curves}
                columns = dict(zip(names, np.loadtxt(file, unpack=True), strict=True))
                for name, column in columns.items():
                    values = xas_series[name].values if name == grid else xas_series[name].isel(time=i).values
                    np.testing.assert_allclose(column, values, rtol=1e-11)
                assert any(line.startswith(f"# units: {grid}=") for line in head)

    def test_the_numbers_of_the_spectrum_stand_above_its_curves(self, xas_series, tmp_path):
        export({"charge": xas_series}, tmp_path, format="text")
        head = (tmp_path / "charge_time1_energy.txt").read_text(encoding="utf-8")
        position, sigma = (float(xas_series[n][1]) for n in ("edge_position", "edge_position_sigma"))
        assert f"# edge_position = {position:.12g} ± {sigma:.6g} eV\n" in head
        assert "# voltage = 3.83333333333 V\n" in head
        assert "# label = scan #1\n" in head
        assert "# flags: " in (tmp_path / "charge_time3_k.txt").read_text(encoding="utf-8")

    def test_components_are_columns_and_parameters_lines(self, xps_series, tmp_path):
        export({"mn": xps_series}, tmp_path, format="text")
        text = (tmp_path / "mn_depth2_binding_energy.txt").read_text(encoding="utf-8")
        labels = next(x for x in text.splitlines() if x.startswith("# binding_energy")).split()
        assert {"component_curve[main]", "component_curve[partner]", "best_fit", "residual"} <= set(labels)
        assert f"# area[partner] = {float(xps_series.area[2, 1]):.12g} ± " in text
        assert "# best_value[main_fraction] = " in text

    def test_a_surface_is_written_point_by_point(self, frozen, tmp_path):
        export({"map": map_of(frozen)}, tmp_path, format="text")
        columns = np.loadtxt(tmp_path / "map_y1_x2_energy_shell.txt", unpack=True)
        np.testing.assert_array_equal(columns, [[1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 2], [0, 1, 2, 3, 4, 5]])

    def test_one_spectrum_has_no_number(self, tmp_path):
        files = export(xas_measured(None), tmp_path, format="text")
        assert [f.name for f in files] == ["charge_energy.txt"]

    def test_numbers_are_padded_so_that_files_sort(self, tmp_path):
        data = spectra.from_arrays([1.0, 2], np.ones((11, 2)), dims=("scan",))
        names = [f.name for f in export({"a": data}, tmp_path, format="text")]
        assert names == sorted(names)
        assert names[0] == "a_scan00_energy.txt"


def test_a_results_file_exports_what_its_datasets_do(xas_series, xps_series, tmp_path):
    path = save(tmp_path / "results.nxs", {"a": xas_series, "b": xps_series})
    for kind in ("csv", "text"):
        from_file = export(path, tmp_path / "file", format=kind)
        from_memory = export({"a": xas_series, "b": xps_series}, tmp_path / "memory", format=kind)
        assert [f.name for f in from_file] == [f.name for f in from_memory]
        assert [f.read_bytes() for f in from_file] == [f.read_bytes() for f in from_memory]


def test_names_that_become_equal_stay_apart(tmp_path, frozen):
    files = export({"Mn K": map_of(frozen), "mn-k": map_of(frozen)}, tmp_path)
    assert [f.name for f in files] == ["mn_k.csv", "mn_k_2.csv"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("none.nxs", "out"), "none.nxs does not exist"),
        ((xr.Dataset(), "out"), "a dataset of spectra has one spectral axis"),
        (({"a": 3}, "out"), "export takes an xarray.Dataset of spectra"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(spectra.SpectraError, match=sentence):
        export(*arguments)


def test_an_unknown_format_and_a_folder_that_cannot_be_made(tmp_path, frozen):
    with pytest.raises(
        ValueError,
        match=r"format 'cvs' is not one that export writes; did you mean 'csv'\? Allowed: csv, text",
    ):
        export({"a": map_of(frozen)}, tmp_path, format="cvs")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="the folder .*file cannot be made: File exists"):
        export({"a": map_of(frozen)}, tmp_path / "file")
