"""The tree of a results file: a pure function, looked at without a file; and what viewers find in it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.results import load, save
from spectra.results.provenance import Provenance, gather
from spectra.results.tree import to_nexus
from spectra.verbs import verb
from tests.spectra.results_samples import (
    SAMPLES,
    xas_analysed,
    xas_measured,
    xps_analysed,
    xps_deconvolved,
    xps_measured,
)

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def samples():
    return {name: make() for name, make in SAMPLES.items()}


def tree_of(dataset, provenance=None):
    return to_nexus({"entry": dataset}, provenance)["entry"]


def walk(tree, path=""):
    """Every group, field and attribute of a tree, by path."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield f"{path}/{key}", value
            yield from walk(value, f"{path}/{key}")
        else:
            yield f"{path}{'' if key.startswith('@') else '/'}{key}", value


def listing(tree, depth=0) -> str:
    """The tree as text: names, classes, kinds and shapes; no numbers, no prose, nothing that differs by machine."""
    lines = []
    for key, value in tree.items():
        field, _, attribute = key.partition("@")
        if isinstance(value, dict):
            options = key == "parameters" and value["@NX_class"] == "NXparameters"  # others' words
            lines += [f"{key}/", listing({"@NX_class": "NXparameters"} if options else value, depth + 1)]
        elif attribute:
            # a fitted figure differs in its last digits from machine to machine
            prose = re.search("version|Version|time|long_name|description|^error$", attribute)
            lines.append(f"{field}@{attribute} = {'...' if prose else ' '.join(np.ravel(value).astype(str))}")
        elif isinstance(value, str):
            lines.append(f"{key} -> {value}" if key.startswith(">") else f"{key}: text")
        else:
            array = np.asarray(value)
            kind = "text" if array.dtype.kind in "OU" else array.dtype.str.lstrip("<|")
            lines.append(f"{key}: {kind}{list(array.shape)}")
    return "\n".join("  " * bool(depth) + line for text in lines for line in text.splitlines()) + "\n"


@pytest.mark.parametrize("name", ["xas_series", "xps_series", "xps_single"])
def test_the_layout_is_the_one_agreed_on(samples, name):
    """A verb that adds a variable changes the listing: accept it with REDOX_GOLDEN=write and look at the difference."""
    path = GOLDEN / f"{name}.txt"
    found = listing(to_nexus({"entry": samples[name]}, Provenance(command="spectra run")))
    if os.environ.get("REDOX_GOLDEN") == "write":
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), "a new layout? REDOX_GOLDEN=write accepts it"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_name_is_one_that_nexus_allows(samples, name):
    for path, _ in walk(to_nexus({"µ /  K": samples[name]})):
        field = path.rpartition("/")[2].partition("@")[0].lstrip(">")
        assert re.fullmatch(r"[a-z0-9_]*", field), path


@pytest.mark.parametrize("name", SAMPLES)
def test_every_number_has_units(samples, name):
    """All but the copies of parameters of which the model does not know the units."""
    found = dict(walk(tree_of(samples[name])))
    for path, value in found.items():
        kind = getattr(value, "dtype", np.dtype("O")).kind
        in_data = re.search(r"/(data\w*|values|trend|status|fit_parameters|fit/parameters)/\w+$", path)
        if kind in "iufcb" and in_data and not re.search(r"/(provenance/.*|fraction(_errors)?)$", path):
            parent, _, field = path.rpartition("/")
            assert f"{field}@units" in found[parent], path


@pytest.mark.parametrize("name", SAMPLES)
def test_a_viewer_finds_a_plot_from_the_root(samples, name, tmp_path):
    """silx follows ``@default`` and refuses what it cannot draw."""
    from silx.io import nxdata

    expected = {
        "xas_series": ("process_04_edge_position/values", "edge_position", ["time"]),
        "xas_single": ("process_03_fourier/data_r", "chir_mag", ["r"]),
        "xps_series": ("fit/trend", "peak_0_area", ["depth"]),
        "xps_single": ("fit/data", "input_dependent", ["input_independent"]),
        "xps_deconvolved": ("fit/trend", "peak_0_area", ["depth"]),
        "xps_together": ("fit/trend", "peak_0_area", ["depth"]),
        "xas_raw_series": ("data", "data", ["time", "energy"]),
        "xps_raw_single": ("data", "data", ["energy"]),
        "raman_map": ("fit/trend", "peak_0_area", ["y", "x"]),
        "raman_single": ("fit/data", "input_dependent", ["input_independent"]),
        "raman_ordering": ("process_01_diagnose_ordering/data_evidence", "evidence_value", [None]),
    }
    with h5py.File(save(tmp_path / "a.nxs", {"entry": samples[name]})) as file:
        found = nxdata.get_default(file)
        group, signal, axes = expected[name]
        assert found is not None
        assert found.is_valid
        assert found.group.name == f"/entry/{group}"
        assert found.signal_dataset_name == signal
        assert found.axes_dataset_names == axes


@pytest.mark.parametrize("name", SAMPLES)
def test_every_default_leads_to_data(samples, name):
    groups = {"": to_nexus({"entry": samples[name]}), **dict(walk(to_nexus({"entry": samples[name]})))}
    defaults = {
        path: group for path, group in groups.items() if isinstance(group, dict) and "@default" in group
    }
    assert {"", "/entry"} <= set(defaults)
    for path, group in defaults.items():
        target = groups[f"{path}/{group['@default']}"]
        assert target["@NX_class"] == "NXdata" or "@default" in target


def test_what_a_joint_fit_shares_lies_in_its_fit(samples):
    fit = tree_of(samples["xps_together"])["fit"]
    assert {"shared_value", "shared_value_errors", "shared_covariance", "shared"} <= set(fit["parameters"])
    assert "figure_of_merit_joint_redchi" in fit
    assert {"joint_spectra", "joint_status"} <= set(fit["status"])


def test_uncertainties_are_called_errors_and_found_by_viewers(tmp_path):
    from silx.io import nxdata

    data = xas_analysed()
    with h5py.File(save(tmp_path / "a.nxs", {"entry": data})) as file:
        found = nxdata.get_default(file)
        np.testing.assert_array_equal(found.errors[()], data.edge_position_sigma)
    fit = tree_of(xps_analysed())["fit"]["peak_0"]["function"]["fit_parameters"]
    assert {"area", "area_errors", "position"} <= set(fit)


def test_counts_are_stored_as_integers_on_a_binding_energy():
    data = tree_of(xps_measured())["data"]
    assert data["data"].dtype.kind == "i"
    assert data["energy@type"] == "binding"
    assert (data["@signal"], data["@axes"]) == ("data", ["depth", "energy"])
    assert data["data@units"] == "counts"


def test_a_fit_has_a_peak_for_each_component_and_says_where_it_began():
    data = xps_analysed()
    fit = tree_of(data)["fit"]
    assert [fit[f"peak_{i}"]["label"] for i in (0, 1)] == ["main", "partner"]
    function = fit["peak_0"]["function"]
    assert function["function_type"] == "Gaussian-Lorentzian Sum"
    parameters = function["fit_parameters"]
    assert [parameters[f"position@{k}"] for k in ("initial", "min", "max", "vary")] == [
        642.0,
        640.0,
        644.0,
        True,
    ]
    np.testing.assert_array_equal(parameters["position"], data.position[:, 0])
    np.testing.assert_array_equal(parameters["area_errors"], data.area_sigma[:, 0])
    np.testing.assert_array_equal(parameters["fraction"], data.best_value.sel(parameter="main_fraction"))
    tied = fit["peak_1"]["function"]["fit_parameters"]
    assert tied["position@expression"] == "main_position + 11.7"
    assert not tied["position@vary"]
    assert fit["data"]["@auxiliary_signals"] == ["fit_sum", "residual"]
    assert fit["figure_of_merit_redchi@metric"] == "reduced_chi_squared"
    assert fit["background_static"]["function"]["function_type"] == "Linear"


def test_the_parameters_of_a_single_fit_carry_their_error():
    data = xps_analysed(None)
    parameters = tree_of(data)["fit"]["peak_0"]["function"]["fit_parameters"]
    assert parameters["position@error"] == data.position_sigma[0]
    assert parameters["fraction@error"] == data.best_value_sigma.sel(parameter="main_fraction")


def test_linked_lines_keep_their_shape_and_their_ties():
    fit = tree_of(xps_deconvolved())["fit"]
    functions = [fit[f"peak_{i}"]["function"] for i in range(4)]
    assert {f["function_type"] for f in functions} == {"Gaussian-Lorentzian Sum"}
    assert "mn3_2p3_2_position" in functions[1]["fit_parameters"]["position@expression"]
    assert fit["background_static"]["function"]["function_type"] == "Linear"


def test_a_component_without_a_maximum_is_a_background():
    model = ({"shape": "sgl", "prefix": "a_"}, {"shape": "polynomial", "degree": 1})
    start = {"a_position": 642.0, "a_area": 9000.0, "a_fwhm": 3.0, "c0": 2000.0, "c1": 0.0}
    fit = tree_of(spectra.fit(xps_measured(), model=model, params=start))["fit"]
    assert "peak_0" in fit
    assert fit["background_1"]["function"]["function_type"] == "polynomial"
    assert {"c0", "c1"} <= set(fit["background_1"]["function"]["fit_parameters"])
    assert "peak_1_area" not in fit["trend"]


def test_dates_say_their_start_in_utc():
    data = tree_of(xas_measured())["data"]
    assert data["time@units"] == "s"
    assert data["time@long_name"] == "time (s since 2024-06-11T08:00:00.000000000+00:00)"
    np.testing.assert_array_equal(data["time"], [0, 90, 180, 270])


def test_options_become_parameters_with_their_meaning_and_unit():
    step = tree_of(xas_analysed())["process_01_normalize"]
    assert step["parameters"]["e0"] == 6548.0
    assert step["parameters"]["pre@units"] == "eV"
    assert step["parameters"]["pre"].shape == (2,)  # what the default came to
    assert "pre-edge" in step["parameters"]["pre@description"]
    assert step["remarks"]["description"].startswith("xas.normalize: ")
    assert step["sequence_index"] == 1


@verb("test.odd_options")
def odd_options(
    dataset: xr.Dataset,
    *,
    n_end: int = 5,
    shapes: dict[str, float] | None = None,
    pair: tuple[float, str] | None = None,
    on: bool = True,
    path: str | None = None,
) -> xr.Dataset:
    """Options that NeXus has no kind for."""
    return dataset.assign(a=dataset[dataset.attrs["signal"]] * 1.0)


def test_options_of_any_kind_can_be_written(tmp_path):
    data = odd_options(xas_measured(None), shapes={"a": 1.0}, pair=(1.0, "x"))
    parameters = tree_of(data)["process_01_odd_options"]["parameters"]
    assert parameters["n_end_value"] == 5  # ``_end`` is reserved
    assert json.loads(parameters["shapes"]) == {"a": 1.0}
    assert json.loads(parameters["pair"]) == [1.0, "x"]
    assert parameters["on"] == np.True_
    assert "path" not in parameters
    save(tmp_path / "a.nxs", data)


def test_a_verb_that_moves_the_axis_shows_the_measured_spectrum_on_it():
    data = spectra.crop(xps_measured(None), window=(640, 650))
    step = tree_of(data)["process_01_crop"]
    assert (step["data"]["@signal"], step["data"]["@axes"]) == ("counts", ["binding_energy"])


@verb("test.shift_axis")
def shift_axis(dataset: xr.Dataset) -> xr.Dataset:
    """Move the axis and nothing else."""
    moved = dataset.binding_energy.copy(data=dataset.binding_energy.values - 0.5)
    return dataset.assign_coords(binding_energy=moved)


def test_a_verb_that_moves_the_axis_alone_shows_the_measured_spectrum_there_too(tmp_path):
    data = shift_axis(xps_measured())
    step = tree_of(data)["process_01_shift_axis"]
    assert (step["data"]["@signal"], step["data"]["@axes"]) == ("counts", ["depth", "binding_energy"])
    np.testing.assert_array_equal(step["data"]["counts"], data.counts)
    xr.testing.assert_identical(load(save(tmp_path / "a.nxs", data)), data)


def test_what_no_verb_made_is_kept_and_said():
    data = xas_analysed(None).assign(ratio=1.5)
    entry = tree_of(data)
    assert entry["outside_of_verbs"]["values"]["ratio"] == 1.5
    assert "not made by a verb, so a re-run does not make it: ratio" in entry["provenance"]["log"]["data"]


def test_a_series_cut_after_its_verbs_says_that_they_are_not_repeated():
    cut = xas_analysed().isel(time=[0, 1])
    assert "not repeat" in tree_of(cut)["provenance"]["log"]["data"]


class TestDefinitions:
    def test_claimed_where_everything_is_there(self):
        assert tree_of(xas_analysed())["definition"] == "NXxas_trans"
        assert tree_of(xps_analysed())["definition"] == "NXxps"

    @pytest.mark.parametrize(
        ("make", "attribute"),
        [
            *((xas_measured, a) for a in ("sample", "element", "edge")),
            *(
                (xps_measured, a)
                for a in ("sample", "start_time", "photon_energy", "work_function", "analyser_mode")
            ),
            *((xps_measured, a) for a in ("collection_scheme", "dispersion_scheme")),
        ],
    )
    def test_left_out_where_something_is_missing_and_that_is_logged(self, make, attribute, caplog):
        data = make()
        del data.attrs[attribute]
        with caplog.at_level("INFO", logger="spectra"):
            entry = tree_of(data)
        assert "definition" not in entry
        assert attribute in entry["provenance"]["log"]["data"]
        assert len(caplog.records) == 1
        assert attribute in caplog.text

    def test_a_local_time_is_not_taken_for_one_with_a_zone(self):
        assert "definition" not in tree_of(xps_measured().assign_attrs(start_time="2024-06-11T10:00:00"))

    def test_fluorescence_is_not_called_transmission(self):
        data = xas_measured().drop_vars("itrans").assign_attrs(channel="fluorescence")
        assert "definition" not in tree_of(data)

    def test_simulated_spectra_are_not_called_experimental(self):
        assert tree_of(xas_measured())["is_experimental"] == np.True_
        assert tree_of(xas_measured().assign_attrs(simulated="yes"))["is_experimental"] == np.False_


class TestProvenance:
    @pytest.fixture
    def from_files(self, tmp_path):
        """A dataset that says it was read from three files."""
        files = [tmp_path / f"scan{i}.dat" for i in range(3)]
        for size, file in zip((10, 2000, 30), files, strict=True):
            file.write_bytes(bytes(range(10)) * (size // 10))
        inputs = [
            {"file": str(f), "sha256": hashlib.sha256(f.read_bytes()).hexdigest(), "size": f.stat().st_size}
            for f in files
        ]
        return xas_measured(None).assign_attrs(inputs=json.dumps(inputs)), files

    def test_the_bytes_of_the_inputs_are_kept_up_to_the_limit(self, from_files):
        data, files = from_files
        group = tree_of(data, gather([data], embed_limit=100))["provenance"]
        assert bytes(group["input_1"]["data"]) == files[0].read_bytes()
        assert "data" not in group["input_2"]
        assert bytes(group["input_3"]["data"]) == files[2].read_bytes()
        assert group["input_2"]["checksum"] == hashlib.sha256(files[1].read_bytes()).hexdigest()
        assert (
            "bytes of 1 of 3 input files not kept, over the limit for embedded files: scan1.dat"
            in group["log"]["data"]
        )

    def test_a_file_that_changed_since_is_not_taken_for_the_input(self, from_files):
        data, files = from_files
        files[0].write_bytes(b"9876543210")
        files[2].unlink()
        group = tree_of(data, gather([data]))["provenance"]
        assert "data" not in group["input_1"]
        assert "not kept, changed since it was read: scan0.dat" in group["log"]["data"]
        assert "not kept, no longer where it was read: scan2.dat" in group["log"]["data"]

    def test_thousands_of_inputs_are_listed_in_one_note(self):
        inputs = [{"file": f"{i}.dat", "sha256": "0" * 64, "size": 10} for i in range(500)]
        group = tree_of(xas_measured(None).assign_attrs(inputs=json.dumps(inputs)))["provenance"]
        assert len(json.loads(group["inputs"]["data"])) == 500
        assert "input_1" not in group
        assert "bytes of the 500 input files not kept" in group["log"]["data"]

    @pytest.mark.parametrize("inputs", ["not json", "[1, 2]", "{}", 5])
    def test_inputs_that_cannot_be_read_do_not_stop_saving(self, inputs):
        data = xas_measured(None).assign_attrs(inputs=inputs)
        assert "input_1" not in tree_of(data, gather([data]))["provenance"]

    def test_recipe_command_and_environment(self):
        data = xas_analysed(None)
        said = gather([data], recipe="[[step]]\nverb = 'xas.normalize'", command="spectra run r.toml a.xdi")
        group = tree_of(data, said)["provenance"]
        steps = json.loads(group["recipe"]["data"])["steps"]
        assert [s["verb"] for s in steps] == [
            "xas.normalize",
            "xas.autobk",
            "xas.fourier",
            "xas.edge_position",
        ]
        assert steps[0]["resolved"]["pre"]  # defaults that the data decided
        assert group["command"]["data"] == "spectra run r.toml a.xdi"
        assert group["recipe_as_written"]["type"] == "application/toml"
        environment = json.loads(group["environment"]["data"])
        assert {"python", "platform", "cpu", "blas", "packages"} <= set(environment)
        assert {"numpy", "redox-spectra", "lmfit"} <= set(environment["packages"])

    def test_no_machine_and_no_user_is_named(self, tmp_path):
        import getpass
        import socket

        text = json.dumps(listing_of_texts(to_nexus({"a": xas_analysed(None)}, gather([xas_analysed(None)]))))
        for secret in (
            socket.gethostname(),
            str(Path.home()),
            getpass.getuser() if getpass.getuser() != "root" else "",
        ):
            assert not secret or secret not in text


def listing_of_texts(tree):
    return [value for _, value in walk(tree) if isinstance(value, str)]


def test_json_in_the_file_is_strict(tmp_path):
    data = odd_options(xas_measured(None).assign_attrs(gain=float("inf"))).assign_attrs(offset=float("nan"))
    with h5py.File(save(tmp_path / "a.nxs", data)) as file:
        (entry,) = file.values()
        for note in entry["provenance"].values():
            if note["type"][()] == b"application/json":
                json.loads(note["data"][()], parse_constant=lambda c: pytest.fail(f"{c} is not JSON"))
