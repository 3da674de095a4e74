"""What anybody writes into a results file is shown and never obeyed: pages, tables, names of files, pipes, plans."""

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest

import spectra
from spectra.errors import ReadError, RecipeError, SpectraError
from spectra.pipeline.plan import InputFile, Plan, Shard
from spectra.pipeline.recipe import load_recipe
from spectra.report.html import write_report
from spectra.report.live import LiveState
from spectra.results.export import export
from spectra.results.rerun import rerun

PLANTED = '"><img src=x onerror="alert(1)"><script>alert(1)</script></td></style>{{7*7}}$\\frac{x$&lt;b&gt;'


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text."""

    def __init__(self):
        super().__init__()
        self.found, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def planted(value):
    """The same with something planted behind each text."""
    if isinstance(value, str):
        return value + PLANTED
    if isinstance(value, dict):
        return {key: planted(one) for key, one in value.items()}
    return [planted(one) for one in value] if isinstance(value, list | tuple) else value


def analysed(end):
    """An analysed series that has something planted in every text of a person, a file or a program."""
    x = np.arange(300.0, 400.0)
    y = np.random.default_rng(1).poisson(200, (3, 100)).astype(float)
    data = spectra.from_arrays(
        x, y, axis="raman_shift", dims=("scan",), coords={"label": ("scan", ["a", "b", "c"])}
    )
    data = spectra.dataset.flag(data, np.array([True, False, False]), "odd_one", "this is odd" + end)
    data = spectra.smooth(data, window=5)
    steps = json.loads(data.attrs["history"])
    for step in steps:
        step |= {"notes": ["a note" + end], "time": "now" + end, "version": "1" + end}
        step["resolved"] = {"found" + end: "x" + end}
    names = ("title", "sample", "element", "edge", "region", "facility", "beamline", "instrument", "comment", "simulated",
             "simulated_from")  # fmt: skip
    data.attrs |= {name: name + end for name in names} | {
        "history": json.dumps(steps),
        "inputs": json.dumps([{"file": "../../etc/passwd" + end, "sha256": "0" * 64 + end, "size": 10}]),
        "left_out": json.dumps({"file" + end: "reason" + end}),
    }
    data = data.assign_coords(label=("scan", [f"{label}{end}" for label in "abc"]))
    for variable in data.variables.values():
        variable.attrs |= {"long_name": "name" + end, "units": "cm" + end}
    data.encoding = {}
    return data


@pytest.fixture
def hostile():
    return analysed(PLANTED)


def page_of(end, folder):
    """The elements of a report of such a series, and the page."""
    folder.mkdir()
    clean = spectra.from_arrays(np.arange(9.0), np.arange(9.0), axis="raman_shift")
    named = {"a" + end: analysed(end), "b": clean}
    page = write_report(folder / "r.html", named, figures=folder / "figures").read_text()
    elements = Elements()
    elements.feed(page)
    return elements, page


def test_what_is_planted_adds_no_element_to_a_report(tmp_path):
    harmless, _ = page_of(" x", tmp_path / "harmless")
    elements, page = page_of(PLANTED, tmp_path / "planted")
    assert Counter(tag for tag, _ in elements.found) == Counter(tag for tag, _ in harmless.found)
    for tag, attrs in elements.found:
        assert "onerror" not in attrs, (tag, attrs)
        assert tag != "img" or attrs["src"].startswith("data:image/png;base64,")
        assert not str(attrs.get("href", "")).startswith("javascript")
    assert "<script>alert" not in page
    assert "<script>alert(1)</script>" in "".join(elements.text)  # shown as it is written
    assert "{{7*7}}" in page
    inside = (tmp_path / "planted", tmp_path / "harmless")
    assert all(file in inside or set(inside) & set(file.parents) for file in tmp_path.rglob("*"))


def test_the_live_page_hands_texts_over_as_json_and_shows_them_as_text(hostile):
    state = LiveState("title" + PLANTED)
    state.show(hostile)
    assert json.loads(state.to_json())["title"] == "title" + PLANTED
    page = Path(spectra.report.__file__).with_name("live.html").read_text()
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "DOMParser",
        "srcdoc",
    ):
        assert way not in page


@pytest.mark.parametrize(
    "name", ["../../outside", "/etc/outside", "a/b", "..", "a\\..\\b", "con\nx", "\x00x"]
)
def test_names_stay_inside_the_folder(tmp_path, name):
    data = spectra.from_arrays(np.arange(9.0), np.ones((2, 9)), dims=("scan",), attrs={"title": name})
    inside = tmp_path / "inside"
    try:
        spectra.save(tmp_path / "results.nxs", {name: data.assign_attrs(title="x")})
    except SpectraError:  # what no file can hold
        assert "\x00" in name
    for kind in ("csv", "text"):
        for file in export({name: data}, inside, format=kind):
            assert file.parent == inside
            assert file.name.isprintable()
    assert {f.name for f in tmp_path.iterdir()} <= {"inside", "results.nxs"}


def test_a_line_of_a_table_stays_one_line(hostile, tmp_path):
    data = hostile.assign_attrs(title="title\n1,2,3", history="[]")
    data["intensity"].attrs["units"] = "cm\n9,9"
    for kind in ("csv", "text"):
        for file in export({"a": data}, tmp_path / kind, format=kind):
            lines = file.read_text().split("\n")
            assert not [line for line in lines if line.startswith(("1,2,3", "9,9"))]


def test_inputs_that_are_devices_or_pipes_are_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    for name in ("/dev/zero", str(tmp_path / "pipe"), str(tmp_path), "zero\0byte", 5):
        data = spectra.from_arrays(np.arange(9.0), np.arange(9.0))
        data.attrs["inputs"] = json.dumps([{"file": name, "sha256": "0" * 64, "size": 10}])
        saved = spectra.save(tmp_path / "r.nxs", data)
        assert spectra.load(saved).sizes["energy"] == 9


def stepped(tmp_path, **step):
    """A results file whose recipe names a step that somebody else has written into it."""
    data = spectra.from_arrays(np.arange(9.0), np.arange(9.0))
    file = spectra.save(tmp_path / "r.nxs", spectra.crop(data, window=(1.0, 5.0)))
    with h5py.File(file, "r+") as opened:
        note = next(iter(opened.values()))["provenance/recipe"]
        said = json.loads(note["data"][()])
        said["steps"][-1] |= step
        del note["data"]
        note["data"] = json.dumps(said)
    return file


@pytest.mark.parametrize(
    "step",
    [
        {"verb": "os.system", "options": {"command": "true"}},
        {"verb": "spectra.save", "options": {"path": "x"}},
        {"verb": "builtins.eval"},
        {"verb": "xas.read", "options": {"path": "/etc/passwd"}},
        {"verb": "xas.read_series", "options": {"paths": "/etc/passwd"}},
        {"verb": "xas.read", "options": {}},
        {"verb": "../../x"},
        {"verb": "spectra.crop", "options": {"window": "__import__('os')"}},
        {"verb": "spectra.crop", "options": {"window": [1.0, 5.0], "series": {"__class__": 1}}},
        {"verb": "spectra.fit", "options": {"model": [{"shape": "gaussian"}], "params": {"fwhm": {"expr": "open('x')"}}}},
    ],
)  # fmt: skip
def test_a_history_names_verbs_and_nothing_else(tmp_path, step):
    file = stepped(tmp_path, **step)
    with pytest.raises(SpectraError) as caught:
        rerun(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 5000,
        "a = " + "1" * 5000,
        "a." * 2000 + "a = 1",
        '[read]\nverb = "os.system"',
        '[read]\nverb = "spectra.read"\n[[step]]\nverb = "spectra.save"\npath = "x"',
        '[read]\nverb = "spectra.read"\n[[step]]\nverb = "../x"',
    ],
)
def test_hostile_recipes(tmp_path, text):
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert "\n" not in str(caught.value)


def test_a_recipe_of_megabytes_is_not_read(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("# " + "x" * 2**22)
    with pytest.raises(RecipeError, match="larger than any recipe"):
        load_recipe(file)


PLAN = Plan(
    {"name": "x", "text": "", "data": {}}, (InputFile("a.txt", 10, 1),), "scan", (Shard(0, 0, 1),), ({},)
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shards", [{"number": "../../x", "first": 0, "end": 1, "rows": None}]),
        ("shards", [{"number": 7, "first": 0, "end": 1, "rows": None}]),
        ("shards", [{"number": 0, "first": 0, "end": 10**9, "rows": None}]),
        ("shards", [{"number": 0, "first": -5, "end": 1, "rows": None}]),
        ("shards", [{"number": 0, "first": 0, "end": 1, "rows": ["a", 2]}]),
        ("shards", 5),
        ("files", [{"path": "a\0b", "size": 1, "modified": 1}]),
        ("files", [{"path": 5, "size": 1, "modified": 1}]),
        ("model", 2**80),
        ("model_labels", None),
        ("attrs", {"sample": [1]}),
        ("settled", [5]),
    ],
)
def test_hostile_plans(key, value):
    said = json.loads(PLAN.to_json())
    assert Plan.from_json(json.dumps(said)) == PLAN
    with pytest.raises(ReadError, match="the plan of the run is damaged"):
        Plan.from_json(json.dumps(said | {key: value}))


@pytest.mark.parametrize("text", ["[" * 100_000, "", "5", "[]", '{"files": {"a": 1}}', "1" * 5000])
def test_plans_that_are_none(text):
    with pytest.raises(ReadError, match="the plan of the run is damaged"):
        Plan.from_json(text)
