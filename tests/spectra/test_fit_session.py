"""A fit made by hand: what can be changed, taken back, fitted, judged, and run again as a recipe."""

import json

import numpy as np
import pytest

import spectra
from spectra.errors import InvalidInput, RecipeError
from spectra.fitting import shape_model
from spectra.notebook import FitSession
from spectra.pipeline.from_history import recipe_text
from spectra.pipeline.recipe import parse_recipe

X = np.linspace(400.0, 800.0, 201)
TRUTH = {
    "a": {"shape": "lorentzian", "position": 560.0, "area": 4000.0, "fwhm": 24.0},
    "b": {"shape": "lorentzian", "position": 640.0, "area": 2500.0, "fwhm": 24.0},
}


def scan(*, counts=None, rng=0):
    """Two lines on a floor, with the noise of 0.5 at each point."""
    made = spectra.simulate(X, TRUTH, background=20.0, axis="raman_shift")
    drawn = np.asarray(made["intensity"].values) + np.random.default_rng(rng).normal(scale=0.5, size=X.size)
    return spectra.from_arrays(X, drawn, axis="raman_shift", sigma=np.full(X.size, 0.5))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Three spectra of a series, as text."""
    folder = tmp_path_factory.mktemp("series")
    for number in range(3):
        y = np.asarray(scan(rng=number)["intensity"].values)
        rows = "".join(f"{x} {value:.6f}\n" for x, value in zip(X, y, strict=True))
        (folder / f"scan_{number}.txt").write_text("raman_shift intensity\n" + rows)
    return folder


@pytest.fixture
def session():
    made = FitSession(scan())
    made.add("lorentzian", name="a", position=550.0)
    made.add("lorentzian", name="b", position=650.0, fwhm=10.0)
    made.add("polynomial", name="floor", degree=0)
    return made


def test_components_put_in_by_hand_find_the_truth(session):
    fitted = session.fit()
    assert session.components == ("a", "b", "floor")
    for name, line in TRUTH.items():
        one = fitted.sel(component=name)
        for quantity in ("position", "area", "fwhm"):
            sigma = float(one[f"{quantity}_sigma"])
            assert abs(float(one[quantity]) - line[quantity]) < 4 * sigma, (name, quantity)


def test_a_peak_is_put_where_most_is_left_over():
    session = FitSession(scan())
    first, second = session.add("voigt"), session.add("gaussian")
    assert (first, second) == ("peak1", "peak2")
    assert session.values["peak1_position"] == pytest.approx(560, abs=5)


def test_the_quality_is_that_of_the_fit(session):
    before = session.quality
    fitted = session.fit()
    after = session.quality
    assert after.redchi == pytest.approx(float(fitted["redchi"]), rel=1e-9)
    assert after.aicc == pytest.approx(float(fitted["aicc"]), rel=1e-9)
    assert after.chi2 == pytest.approx(after.redchi * (after.points - after.free))
    assert before.chi2 > after.chi2
    assert (after.points, after.free) == (201, 7)


@pytest.mark.parametrize("weights", ["poisson", "none"])
def test_the_quality_has_the_weights_of_the_fit(weights):
    counts = np.random.default_rng(3).poisson(np.asarray(scan()["intensity"].values)).astype(float)
    data = spectra.from_arrays(X, counts, axis="raman_shift", name="counts", units="counts")
    session = FitSession(data, shape_model("lorentzian", prefix="a_"), weights=weights)
    session.move("a", position=560.0, area=4000.0, fwhm=24.0)
    fitted = session.fit()
    assert session.quality.redchi == pytest.approx(float(fitted["redchi"]), rel=1e-6)
    assert session.quality.aicc == pytest.approx(float(fitted["aicc"]), rel=1e-6)


def test_the_drawing_is_the_model_that_the_fit_starts_from(session):
    session.tie("b", "fwhm", "a_fwhm")
    session.tie("b", "position", "a_position + 80")
    drawn = session.curves()
    values = session.values
    lines = {
        n: {"shape": "lorentzian", **{q: values[f"{n}_{q}"] for q in ("position", "area", "fwhm")}}
        for n in "ab"
    }
    expected = spectra.simulate(X, lines, background=values["floor_c0"], axis="raman_shift")
    np.testing.assert_allclose(drawn["best_fit"], expected["intensity"], rtol=1e-9)
    np.testing.assert_allclose(drawn["component_curve"].sum("component"), drawn["best_fit"], rtol=1e-12)
    assert values["b_position"] == values["a_position"] + 80


def test_what_is_kept_and_tied_stays_so(session):
    session.move("a", fwhm=30.0)
    session.fix("a", "fwhm")
    session.tie("b", "fwhm", "a_fwhm")
    session.limit("b", "position", 600.0, 700.0)
    session.fit()
    assert (session.values["a_fwhm"], session.values["b_fwhm"]) == (30.0, 30.0)
    table = session.table().set_index(["component", "parameter"])
    assert bool(table.loc[("a", "fwhm"), "fixed"])
    assert table.loc[("b", "fwhm"), "tie"] == "a_fwhm"
    assert (table.loc[("b", "position"), "min"], table.loc[("b", "position"), "max"]) == (600.0, 700.0)
    session.free("b", "fwhm")
    session.free("a")
    session.fit()
    assert session.values["b_fwhm"] == pytest.approx(24.0, abs=1)


def test_every_change_can_be_undone(session):
    states = [session.model]
    changes = (
        lambda: session.move("a", position=570.0),
        lambda: session.fix("a"),
        lambda: session.tie("b", "fwhm", "a_fwhm"),
        lambda: session.free("b", "fwhm"),
        lambda: session.limit("a", "area", 0.0, 1e5),
        lambda: session.free("a"),
        lambda: session.fit(),
        lambda: session.remove("b"),
        lambda: session.add("gaussian"),
    )
    for change in changes:
        change()
        states.append(session.model)
    for expected in reversed(states[:-1]):
        assert session.undo()
        assert session.model == expected
    assert session.components == ("a", "b", "floor")
    while session.undo():
        pass
    assert session.components == ()
    assert not session.undo()


def test_a_change_that_cannot_be_made_changes_nothing(session):
    session.tie("b", "fwhm", "a_fwhm")
    before = session.model
    refused = {
        "b_fwhm is tied to 'a': free b_fwhm first": lambda: session.remove("a"),
        "depends on itself": lambda: session.tie("a", "fwhm", "b_fwhm"),
        "uses 'c_fwhm'": lambda: session.tie("a", "fwhm", "c_fwhm"),
        "is no function": lambda: session.tie("a", "fwhm", "__import__('os')"),
        "is tied to nothing": lambda: session.tie("a", "fwhm", "  "),
        "a_position = 3 lies outside its limits 400 to 800": lambda: session.move("a", position=3.0),
        "b_fwhm is tied to 'a_fwhm'": lambda: session.move("b", fwhm=3.0),
        "did you mean 'fwhm'": lambda: session.move("a", fwmh=3.0),
        "no component 'c'": lambda: session.fix("c"),
        "must lie below the upper": lambda: session.limit("a", "fwhm", 3.0, 2.0),
        "no line shape 'voight'; did you mean 'voigt'": lambda: session.add("voight"),
        "has a parameter 'a_position' already": lambda: session.add("gaussian", name="a"),
        "a word of letters": lambda: session.add("gaussian", name="a b"),
        "gaussian has no parameter 'width'": lambda: session.add("gaussian", width=3.0),
        "needs a degree": lambda: session.add("polynomial"),
        "no series dimension 'scan'": lambda: session.choose(scan=1),
    }
    for sentence, change in refused.items():
        with pytest.raises(InvalidInput) as caught:
            change()
        assert sentence in str(caught.value)
        assert session.model == before


def test_what_cannot_be_a_session_is_refused():
    with pytest.raises(InvalidInput, match="no variable 'muu'"):
        FitSession(scan(), variable="muu")
    with pytest.raises(InvalidInput, match="no component yet"):
        FitSession(scan()).fit()
    with pytest.raises(InvalidInput, match="no series dimension 'time'"):
        FitSession(scan(), time=2)


def test_the_input_stays_as_it_is(session):
    data = scan()
    before = data.copy(deep=True)
    again = FitSession(data, session.model)
    again.fit()
    assert data.identical(before)


def test_it_goes_on_from_a_fit_and_its_recipe_gives_the_same_numbers(file, tmp_path):
    files = sorted(file.glob("*.txt"))
    model = ({"shape": "lorentzian", "prefix": "a_"}, {"shape": "polynomial", "degree": 1})
    data = spectra.read_series(files, dim="scan")
    data = spectra.crop(data, window=(420.0, 780.0))
    first = spectra.fit(data, model=model, params={"a_position": 555.0, "a_fwhm": 20.0, "a_area": 3000.0})
    session = FitSession(first, scan=2)
    assert session.values["a_position"] == float(first["best_value"].sel(parameter="a_position")[2])
    session.add("lorentzian", name="b")
    session.tie("b", "fwhm", "a_fwhm")
    fitted = session.fit()
    assert float(fitted.sel(component="b")["position"]) == pytest.approx(640, abs=1)
    text = session.to_recipe(title="Two lines")
    recipe = parse_recipe(text)
    assert [step.verb for step in recipe.steps] == ["spectra.crop", "spectra.fit"]
    path = tmp_path / "by_hand.toml"
    path.write_text(text, encoding="utf-8")
    again = spectra.run(path, files)
    assert again.sizes["scan"] == 3
    for name in ("best_value", "best_value_sigma", "best_fit", "redchi"):
        np.testing.assert_array_equal(again[name].isel(scan=2), fitted[name])


def test_another_spectrum_of_the_series(file):
    data = spectra.read_series(sorted(file.glob("*.txt")), dim="scan")
    session = FitSession(data, ({"shape": "lorentzian", "prefix": "a_"},), {"a_position": 560.0, "a_area": 4000.0, "a_fwhm": 20.0})  # fmt: skip
    one = session.fit()
    session.choose(scan=1)
    assert session.fitted is None
    assert session.index == {"scan": 1}
    assert float(session.fit()["best_value"][0]) != float(one["best_value"][0])
    session.undo(), session.undo()
    assert session.index == {"scan": 0}
    assert session.fitted is one
    with pytest.raises(InvalidInput, match="scan = 3 is outside the series: it holds 3 spectra"):
        session.choose(scan=3)


def test_what_an_earlier_fit_added_is_not_left_behind():
    data = spectra.fit(scan(), model=({"shape": "lorentzian"},), params={"position": 560.0, "area": 1.0})
    session = FitSession(data)
    assert "best_fit" not in session.dataset
    assert json.loads(session.dataset.attrs["history"]) == []
    assert "spectra.fit" not in FitSession(scan(), session.model).to_recipe().partition("[[step]]")[0]


def test_an_audit_by_the_rules_of_the_technique(session):
    assert session.audit() is None
    session.fit()
    assert session.audit() is None  # no rules for Raman spectra
    x = np.arange(634.0, 664.0, 0.1)
    line = {"a": {"shape": "sgl", "position": 642.0, "area": 30000.0, "fwhm": 2.2}}
    mn = spectra.simulate(x, line, background=500.0, axis="binding_energy", name="counts", units="counts")
    mn = mn.assign_attrs(technique="xps", region="Mn 2p", element="Mn")
    hand = FitSession(mn)
    hand.add("sgl", name="mn4")
    hand.add("polynomial", name="floor", degree=0)
    hand.fit()
    assert [f.subject for f in hand.audit().of_rule("A02")] == ["mn4"]
    hand.move("mn4", fwhm=3.0)
    assert hand.audit() is None


def test_a_recipe_holds_no_objects():
    step = {"verb": "spectra.fit", "options": {"model": {"not_storable": "x.Y", "text": "Y()"}}}
    with pytest.raises(RecipeError, match="called with an object of Python's as model"):
        recipe_text([step])


def test_a_recipe_leaves_defaults_out():
    steps = [
        {"verb": "spectra.read", "options": {"select": None}},
        {"verb": "spectra.crop", "options": {"window": [1, 2]}},
    ]
    recipe = parse_recipe(recipe_text(steps, title="t", description="d"))
    assert (recipe.title, recipe.description, dict(recipe.read.options)) == ("t", "d", {})
    assert dict(recipe.steps[0].options) == {"window": (1.0, 2.0)}


def test_it_draws_what_stands(session):
    ax = session.plot()
    assert "fit" in ax.get_legend_handles_labels()[1]
    empty = FitSession(scan()).plot()
    assert empty.get_xlabel() == "Raman shift (cm$^{-1}$)"
