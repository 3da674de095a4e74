"""The systematic of the choice of ranges: equal to doing it all again with each other choice."""

import functools

import numpy as np
import pytest

import spectra
import xas
from xas.normalization.range_choice import RangeFamily, other_ranges
from xas.normalization.ranges import Ranges
from xas.normalization.tabulated_f2 import tabulated_f2

RANGES = Ranges((-150.0, -30.0), (50.0, 700.0), 1, 2)
OPTIONS = {"e0": 6548.0, "pre": RANGES.pre, "post": RANGES.post, "order": 2}


def again(scans, **measure):
    """Edge steps and positions under the other choices, by calling the verbs with each."""
    steps, positions = [], []
    for other in other_ranges(RANGES):
        made = xas.normalize(scans, e0=6548.0, pre=other.pre, post=other.post, order=other.order)
        steps.append(made.edge_step.values)
        positions.append(xas.edge_position(made, **measure).edge_position.values)
    return np.array(steps), np.array(positions)


def spread(others, nominal):
    return np.sqrt(np.mean((others - nominal) ** 2, axis=0))


@pytest.mark.parametrize("method", ["half_step", "integral", "second_derivative_zero"])
def test_systematics_are_those_of_doing_it_again(simulated, method):
    scans = simulated(edge=np.array([6546.0, 6548.0, 6550.0]), noise=1e-4)
    nominal = xas.edge_position(xas.normalize(scans, **OPTIONS), method=method)
    steps, positions = again(scans, method=method)
    np.testing.assert_allclose(
        nominal.edge_step_systematic, spread(steps, nominal.edge_step.values), rtol=1e-6
    )
    expected = spread(positions, nominal.edge_position.values)
    np.testing.assert_allclose(nominal.edge_position_systematic, expected, rtol=0.1, atol=1e-4)


def test_the_family_is_the_one_stated():
    others = other_ranges(RANGES)
    assert [o.pre for o in others[:2]] == [(-114.0, -30.0), (-150.0, -66.0)]
    assert [o.post for o in others[2:4]] == [(180.0, 700.0), (50.0, 570.0)]
    assert [o.order for o in others[4:]] == [1, 3]
    assert len(other_ranges(Ranges((-30.0, -10.0), (40.0, 80.0), 0, 0))) == 5  # no degree below zero


def test_victoreen_is_kept(simulated):
    scans = simulated(noise=0.0)
    got = xas.normalize(scans, **OPTIONS, victoreen=3.0)
    others = [
        float(xas.normalize(scans, e0=6548.0, pre=o.pre, post=o.post, order=o.order, victoreen=3.0).edge_step)
        for o in other_ranges(RANGES)
    ]
    assert float(got.edge_step_systematic) == pytest.approx(
        spread(np.array(others), float(got.edge_step)), rel=1e-6
    )


def test_choices_without_points_are_left_out():
    energy = np.concatenate([np.arange(6500.0, 6540, 4), np.arange(6540.0, 6600, 1)])
    family = RangeFamily(energy, 6548.0, Ranges((-48.0, -40.0), (20.0, 50.0), 1, 0))
    mu = (energy > 6548).astype(float)[None]
    assert family.steps(mu).shape[1] == 5  # the pre-edge range that ends earlier holds one point
    nothing = RangeFamily(energy, 6548.0, Ranges((-48.0, -47.0), (20.0, 50.0), 1, 0))
    assert np.isnan(nothing.step_systematic(mu)).all()


def test_scale_does_not_matter_and_a_line_drops_out(simulated):
    scans = simulated(2, noise=1e-3)
    base = xas.edge_position(xas.normalize(scans, **OPTIONS))
    other = scans.assign(mu=1000 * scans.mu + 3 + 0.01 * (scans.energy - 6548))
    moved = xas.edge_position(xas.normalize(other, **OPTIONS))
    for name in ("edge_position", "edge_position_systematic"):
        np.testing.assert_allclose(moved[name], base[name], rtol=1e-7)
    np.testing.assert_allclose(moved.edge_step_systematic, 1000 * base.edge_step_systematic, rtol=1e-6)


def test_measured_oxides_show_how_much_the_recipe_matters(measured):
    """On a scan that ends 80 eV behind the edge the choice moves edge and step far more than noise does."""
    short = {"e0": 6548.0, "pre": (-28.0, -12.0), "post": (42.0, 82.0), "pre_order": 0, "order": 0}
    scan = xas.edge_position(xas.normalize(measured("MnO2_rt_01_xaslib"), **short), method="integral")
    assert 0.2 < float(scan.edge_position_systematic) < 2.0
    assert float(scan.edge_position_systematic) > 20 * float(scan.edge_position_sigma)
    assert 0.03 < float(scan.edge_step_systematic / scan.edge_step) < 0.4


def test_the_scatter_of_the_operando_series_is_not_hidden(charge):
    """Noise alone says 0.0006 eV; the positions of 58 spectra scatter by 0.010 eV about a smooth course."""
    got = xas.edge_position(charge)
    assert float(got.edge_position_sigma.median()) < 0.001
    assert float(got.edge_position_scatter) == pytest.approx(0.010, abs=0.002)
    assert got.edge_position_scatter.attrs["units"] == "eV"
    assert (got.edge_position_systematic > 0.05).all()


def test_scatter_is_the_noise_where_there_is_nothing_else(simulated):
    got = xas.edge_position(xas.normalize(simulated(400, noise=4e-3, known=True), **OPTIONS))
    assert float(got.edge_position_scatter / got.edge_position_sigma.mean()) == pytest.approx(1, abs=0.15)
    few = xas.edge_position(xas.normalize(simulated(7, noise=4e-3), **OPTIONS))
    assert "edge_position_scatter" not in few


def test_a_course_is_no_scatter(simulated):
    edges = 6546 + 3 * np.linspace(0, 1, 40) ** 2
    got = xas.edge_position(xas.normalize(simulated(edge=edges), **OPTIONS))
    assert float(got.edge_position_scatter) < 0.01


def test_missing_points_hardly_change_a_systematic(simulated):
    scans = simulated(3, noise=1e-4).copy(deep=True)
    scans["mu"][1, [5, 60, 300]] = np.nan
    got = xas.edge_position(xas.normalize(scans, **OPTIONS)).edge_position_systematic.values
    assert got[1] == pytest.approx(got[0], rel=0.1)


OTHER = {"e0": 6548.0, "pre": RANGES.pre, "post": RANGES.post}


def by_kinds(nominal, redone):
    """Squares of kinds of alternatives add; within a kind their mean counts."""
    return np.sqrt(sum(np.mean([(other - nominal) ** 2 for other in kind], axis=0) for kind in redone))


def redo(scans, method, measure):
    """Edge steps and a measure with each alternative that the attribute names, by calling the verbs again."""
    ranges = [{**OTHER, "pre": o.pre, "post": o.post} for o in other_ranges(RANGES)[:4]]
    kinds = [[(scans, o) for o in ranges[:2]], [(scans, o) for o in ranges[2:]]]
    if method == "mback":
        kinds.append([(scans, {**OTHER, "order": order}) for order in (1, 2, 4)])
        normalize = xas.mback
    else:
        normalize = functools.partial(xas.normalize, method=method)
        if method == "area":
            kinds.append([(scans, {**OTHER, "pre_order": 0})])
        else:
            line = xas.normalize(scans, **OPTIONS).pre_edge
            kinds.append([(scans.assign(mu=scans.mu - line), OTHER)])
    nominal = normalize(scans, **OTHER)
    made = [[normalize(data, **options) for data, options in kind] for kind in kinds]
    steps = by_kinds(nominal.edge_step.values, [[m.edge_step.values for m in kind] for kind in made])
    values = by_kinds(measure(nominal).values, [[measure(m).values for m in kind] for kind in made])
    return nominal, steps, values


@pytest.mark.parametrize("method", ["area", "minmax", "mback"])
def test_other_normalisations_state_what_doing_it_again_gives(simulated, method):
    scans = simulated(edge=np.array([6546.0, 6550.0]), noise=1e-5)
    scans = scans.assign(mu=scans.mu + 0.02 * ((scans.energy - 6548) / 400) ** 2)
    nominal, steps, positions = redo(scans, method, lambda d: xas.edge_position(d).edge_position)
    np.testing.assert_allclose(nominal.edge_step_systematic, steps, rtol=1e-6)
    edge = xas.edge_position(nominal)
    np.testing.assert_allclose(edge.edge_position_systematic, positions, rtol=0.15, atol=2e-4)
    assert "squares added" in edge.edge_position_systematic.attrs["family"]
    _, _, heights = redo(scans, method, lambda d: xas.white_line(d).white_line_height)
    white = xas.white_line(nominal)
    np.testing.assert_allclose(white.white_line_height_systematic, heights, rtol=0.15, atol=1e-5)
    assert (white.white_line_position_systematic < 0.5).all()


@pytest.mark.parametrize("method", ["edge_step", "area", "minmax", "mback"])
@pytest.mark.parametrize("size", [0.02, 0.05])
def test_curved_backgrounds_are_covered(method, size, rng):
    """Backgrounds of a second and a third power and a tail, none of which one knows: the choices tell how far off it is."""
    energy = np.concatenate(
        [np.arange(6350.0, 6530, 3), np.arange(6530.0, 6600, 0.5), np.arange(6600, 7300, 3)]
    )
    x, behind = (energy - 6545) / 500, energy >= 6545
    f2, below = tabulated_f2("Mn", energy), energy < 6500
    line = np.polynomial.Polynomial.fit(energy[below], f2[below] * energy[below] ** 3, 1)
    bare = np.where(behind, f2 - line(energy) / energy**3, 0.0)
    far = energy > 6560
    bare /= np.polynomial.Polynomial.fit(energy[far], bare[far], 2)(6545.0)
    k = np.sqrt(0.2625 * np.clip(energy - 6545, 0, None))
    truth = bare * (1 + 0.08 * (k > 1) * np.sin(4 * k) * np.exp(-0.03 * k**2))
    truth = truth + 0.6 * np.exp(-(((energy - 6553) / 4) ** 2))
    a = size * rng.normal(size=(200, 4, 1))
    curved = a[:, 0] * x + a[:, 1] * x**2 + a[:, 2] * x**3 + a[:, 3] * np.exp(-3 * (x + 0.4))
    about = {"element": "Mn", "edge": "K"}
    scans = spectra.from_arrays(
        energy, truth + 0.3 * (6545 / energy) ** 3 + curved, name="mu", dims=("scan",), attrs=about
    )
    options = {"e0": 6545.0, "pre": (-150.0, -40.0), "post": (100.0, 700.0)}
    if method == "mback":
        got, true = xas.mback(scans, **options), 1.0
    else:
        got = xas.normalize(scans, method=method, **options)
        alone = spectra.from_arrays(energy, truth, name="mu", attrs=about)
        true = (
            1.0 if method == "edge_step" else float(xas.normalize(alone, method=method, **options).edge_step)
        )
    off = np.abs(got.edge_step - true) / got.edge_step_systematic
    assert (off < 1).mean() > 0.55
    assert (off < 2).mean() > 0.85
    assert (off > 0.15).mean() > 0.4  # and it is no empty phrase


def test_a_given_step_has_no_uncertainty_of_its_own(simulated):
    """The curves are those of a fit; positions have the systematic of doing it again with the same step."""
    scans = simulated(3, noise=1e-4)
    free, fixed = xas.normalize(scans, **OPTIONS), xas.normalize(scans, **OPTIONS, edge_step=0.9)
    assert (fixed.edge_step == 0.9).all()
    assert (fixed.edge_step_sigma == 0).all()
    assert (fixed.edge_step_systematic == 0).all()
    np.testing.assert_allclose(fixed.pre_edge, free.pre_edge, rtol=1e-12)
    np.testing.assert_allclose(fixed.norm * 0.9, free.norm * free.edge_step, atol=1e-12)
    np.testing.assert_allclose(fixed.flat * 0.9, free.flat * free.edge_step, atol=1e-12)
    nominal = xas.edge_position(fixed, level=0.4)
    positions = [
        xas.edge_position(
            xas.normalize(scans, e0=6548.0, pre=o.pre, post=o.post, order=o.order, edge_step=0.9), level=0.4
        ).edge_position.values
        for o in other_ranges(RANGES)
    ]
    expected = spread(np.array(positions), nominal.edge_position.values)
    np.testing.assert_allclose(nominal.edge_position_systematic, expected, rtol=0.1, atol=1e-4)
    assert '"edge_step": 0.9' in fixed.norm.attrs["normalization"]


def test_the_uncertainty_of_norm_covers_with_a_given_step(simulated):
    truth = xas.normalize(simulated(), **OPTIONS, edge_step=0.8)
    got = xas.normalize(simulated(800, noise=2e-3, known=True), **OPTIONS, edge_step=0.8)
    pulls = ((got.norm - truth.norm) / got.norm_sigma).std("scan").values
    assert 0.95 < np.median(pulls) < 1.05
    assert (np.abs(pulls - 1) < 0.15).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"edge_step": -1.0}, "edge_step is a height above zero in the units of the absorption, got -1"),
        ({"edge_step": 1.0, "method": "area"}, "method = 'area' has no step to fix: leave one of them out"),
    ],
)
def test_steps_that_cannot_be_are_refused(simulated, options, sentence):
    with pytest.raises(spectra.errors.InvalidInput, match=sentence):
        xas.normalize(simulated(), **OPTIONS, **options)


def test_data_that_came_normalised_have_one(simulated):
    made = xas.normalize(simulated(noise=1e-4), **OPTIONS)
    given = spectra.from_arrays(
        made.energy.values,
        made.flat.values,
        name="mu",
        attrs={"normalized": "yes", "element": "Mn", "edge": "K"},
    )
    assert float(xas.edge_position(given).edge_position_systematic) > 0


def test_tables_for_people_show_both(simulated):
    """No reader sees the noise alone."""
    from spectra.report.summary import summary_table

    scans = xas.edge_position(xas.normalize(simulated(2, noise=1e-4), **OPTIONS))
    table = summary_table(scans)
    (text, *_) = table["edge_position (eV) ± noise ± systematic"]
    assert text.count("±") == 2
    assert not [c for c in table.columns if c.startswith("edge_position_s") and "scatter" not in c]


def test_resampling_and_reversal_hardly_matter(simulated):
    fine = simulated(energy=np.arange(6340.0, 7340, 0.1))
    coarse = fine.isel(energy=slice(None, None, 4))
    backwards = spectra.from_arrays(
        fine.energy.values[::-1], fine.mu.values[::-1], name="mu", attrs={"element": "Mn", "edge": "K"}
    )
    base, thinned, turned = (xas.normalize(s, **OPTIONS) for s in (fine, coarse, backwards))
    for method, apart in (("half_step", 0.01), ("integral", 0.02), ("second_derivative_zero", 0.02)):
        here = float(xas.edge_position(base, method=method).edge_position)
        assert float(xas.edge_position(thinned, method=method).edge_position) == pytest.approx(
            here, abs=apart
        )
        assert float(xas.edge_position(turned, method=method).edge_position) == here
    white = [float(xas.white_line(s).white_line_position) for s in (base, thinned)]
    assert white[0] == pytest.approx(white[1], abs=0.02)
