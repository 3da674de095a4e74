"""The systematic of the choice of ranges: equal to doing it all again with each other choice."""

import numpy as np
import pytest

import spectra
import xas
from xas.range_choice import RangeFamily, other_ranges
from xas.ranges import Ranges

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


def test_other_normalisations_state_none(simulated):
    got = xas.edge_position(xas.normalize(simulated(2, noise=1e-4), **OPTIONS, method="area"), level=0.5)
    assert np.isnan(got.edge_position_systematic).all()
    assert np.isfinite(got.edge_position).all()


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
