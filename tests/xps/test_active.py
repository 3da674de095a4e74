"""Backgrounds inside the fit of a core level: truth, unit and uncertainty of their strength, and who else reads them."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

import spectra
import tests.test_verb_contract as contract
import xps
from spectra.errors import InvalidInput
from spectra.fitting.lineshapes import sgl
from xps.background.tougaard import Loss, cross_section, named_loss

X = np.arange(630.0, 668.0, 0.1)
K = 0.012
LINES = {
    "Mn3+ 2p3/2": (641.6, 0.4, 3.2),
    "Mn3+ 2p1/2": (653.25, 0.2, 3.52),
    "Mn4+ 2p3/2": (642.3, 0.6, 3.2),
    "Mn4+ 2p1/2": (653.95, 0.3, 3.52),
}
STATES = {"states": ("Mn3+", "Mn4+"), "position_range": 0.0}


def lines(scale=20_000.0):
    return [scale * sgl(X, position, area, width, 0.3) for position, area, width in LINES.values()]


def below(curve):
    return cumulative_trapezoid(curve, X, initial=0)


def losses(curve, section=None):
    """Slow and obvious: the sum over all energies that electrons may have come from, on a fine axis."""
    fine = np.linspace(X[0], X[-1], 10 * (X.size - 1) + 1)
    lost = X[:, None] - fine
    section = np.where(lost > 0, cross_section(section or named_loss("universal"), np.abs(lost)), 0)
    return np.trapezoid(section * np.interp(fine, X, curve), fine, axis=-1)


def region(y, **attrs):
    about = {"technique": "xps", "region": "Mn 2p", "element": "Mn", "photon_energy": 1486.6, **attrs}
    dims = ("scan",) if y.ndim > 1 else ()
    return spectra.from_arrays(
        X, y, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=about
    )


BEHIND = {
    "active_shirley": lambda s: K * below(sum(s)),
    "active_shirley_each": lambda s: sum(
        k * below(one) for k, one in zip((0.008, 0.02, 0.008, 0.02), s, strict=True)
    ),
    "active_slope": lambda s: 0.001 * below(below(sum(s))),
    "active_tougaard": lambda s: losses(sum(s)),
    "active_linear": lambda s: 5.0 * (X - X[0]),
    "active_polynomial": lambda s: 5.0 * (X - X[0]) + 0.3 * (X - X[0]) ** 2,
}


@pytest.mark.parametrize("background", BEHIND)
def test_a_spectrum_without_noise_gives_the_truth(background):
    s = lines()
    truth = 500.0 + BEHIND[background](s)
    found = xps.deconvolve(region(sum(s) + truth), **STATES, background=background)
    assert float(found.fraction.sel(state="Mn3+")) == pytest.approx(0.4, abs=2e-4)
    np.testing.assert_allclose(found.background, truth, rtol=2e-4)
    np.testing.assert_allclose(found.net, sum(s), atol=2e-4 * sum(s).max())
    np.testing.assert_allclose(found.component_curve.sel(component="Mn4+ 2p3/2"), s[2], atol=1.0)
    assert found.background.attrs["treatment"] == "active"
    assert found.net.attrs["units"] == "counts"
    assert list(found.component.values) == list(LINES)


def test_the_strength_has_a_unit_and_an_uncertainty_that_covers(rng):
    s = lines(4000.0)
    draws = rng.poisson(np.broadcast_to(300.0 + sum(s) + K * below(sum(s)), (300, X.size)))
    found = xps.deconvolve(region(draws), **STATES, background="active_shirley")
    assert found.shirley_k.dims == ("scan",)
    assert found.shirley_k.attrs["units"] == "1/eV"
    for value, sigma, truth in (
        (found.shirley_k, found.shirley_k_sigma, K),
        (found.fraction.sel(state="Mn3+"), found.fraction_sigma.sel(state="Mn3+"), 0.4),
        (found.mean_valence, found.mean_valence_sigma, 3.6),
    ):
        pull = ((value - truth) / sigma).values
        assert abs(pull.mean()) < 0.2, truth
        assert 0.6 < (abs(pull) < 1).mean() < 0.76, truth


def test_the_uncertainty_of_the_background_is_in_the_areas():
    s = lines()
    y = np.rint(sum(s) + 500.0 + K * below(sum(s)))
    inside = xps.deconvolve(region(y), **STATES, background="active_shirley")
    free = xps.deconvolve(region(y), **STATES, background="active_shirley", degree=1)
    known = region(y)
    known["background"] = inside.background
    known["net"] = inside.net
    alone = xps.deconvolve(known, **STATES)
    for quantity in ("area_sigma", "fraction_sigma"):
        assert (inside[quantity] > 0.999 * alone[quantity]).all()
        assert (free[quantity] > 0.999 * inside[quantity]).all()
    assert (inside.area_sigma > 1.02 * alone.area_sigma).any()


def test_one_strength_per_peak_lies_along_the_components():
    s = lines()
    y = sum(s) + 500.0 + BEHIND["active_shirley_each"](s)
    found = xps.deconvolve(region(y), **STATES, background="active_shirley_each")
    np.testing.assert_allclose(found.shirley_k, (0.008, 0.02, 0.008, 0.02), rtol=0.02)
    packets = xps.deconvolve(
        region(y), **STATES, packets="to-verify", background="active_shirley_each"
    )  # the lines of a packet are one peak
    assert packets.sizes["component"] > 8
    assert len(np.unique(packets.shirley_k.values.round(12))) <= 4


def test_the_window_bounds_everything():
    s = lines()
    y = sum(s) + 500.0 + K * below(sum(s))
    found = xps.deconvolve(region(y), **STATES, background="active_shirley", window=(634.0, 664.0))
    outside = (X < 634.0) | (X > 664.0)
    for name in ("background", "net", "best_fit", "fit_sigma", "residual"):
        np.testing.assert_array_equal(np.isnan(found[name].values), outside)
    assert float(found.fraction[0]) == pytest.approx(0.4, abs=0.01)


def test_a_static_background_before_it_leaves_no_trace():
    s = lines()
    y = np.rint(sum(s) + 500.0 + K * below(sum(s)))
    fresh = xps.deconvolve(region(y), **STATES, background="active_shirley")
    again = xps.deconvolve(xps.subtract_background(region(y)), **STATES, background="active_shirley")
    np.testing.assert_array_equal(again.background_sigma, fresh.background_sigma)
    assert "background_iterations" not in again
    np.testing.assert_array_equal(again.area, fresh.area)
    static = xps.deconvolve(fresh, **STATES, background="shirley")
    assert static.background.attrs["treatment"] == "static"
    assert "shirley_k" not in static


@pytest.mark.parametrize("units", ["counts", "counts/s", "arbitrary"])
def test_counts_and_rates_give_the_same(units):
    s = lines()
    y = np.rint(sum(s) + 500.0 + K * below(sum(s)))
    scale = 1.0 if units == "counts" else 0.5
    data = region(scale * y, dwell_time=2.0)
    data["counts"].attrs["units"] = units
    found = xps.deconvolve(data, **STATES, background="active_shirley")
    assert float(found.fraction[0]) == pytest.approx(0.4, abs=1e-3)
    assert ("fit_sigma" in found) == (units != "arbitrary")
    if units == "counts/s":
        counted = xps.deconvolve(region(y), **STATES, background="active_shirley")
        np.testing.assert_allclose(found.fraction_sigma, counted.fraction_sigma, rtol=1e-3)
        np.testing.assert_allclose(found.shirley_k_sigma, counted.shirley_k_sigma, rtol=1e-3)


def test_lmfit_finds_the_same(rng):
    s = lines(4000.0)
    y = rng.poisson(np.broadcast_to(300.0 + sum(s) + K * below(sum(s)), (2, X.size)))
    found = xps.deconvolve(region(y), **STATES, background="active_shirley", window=(633.0, 665.0))
    peer = spectra.to_lmfit(found, scan=1)
    for name in ("mn3_2p3_2_area", "mn3_2p3_2_shirley", "c0"):
        ours = found.isel(scan=1).sel(parameter=name)
        assert peer.params[name].value == pytest.approx(
            float(ours.best_value), abs=0.02 * float(ours.best_value_sigma)
        )
        assert peer.params[name].stderr == pytest.approx(float(ours.best_value_sigma), rel=0.02)


def test_other_verbs_read_such_a_fit(rng):
    s = lines(4000.0)
    y = rng.poisson(np.broadcast_to(300.0 + sum(s) + K * below(sum(s)), (2, X.size)))
    found = xps.deconvolve(region(y), **STATES, background="active_shirley")
    oxygen = {"area": 4000.0, "area_sigma": 40.0, "photon_energy": 1486.6}
    made = xps.quantify(found, lines=("Mn 2p",), regions={"O 1s": oxygen})
    summed = found.area.sum("component")
    np.testing.assert_allclose(made.line_area.sel(line="Mn 2p"), summed, rtol=1e-9)
    assert (made.line_area_sigma.sel(line="Mn 2p") > 0).all()
    audit = json.loads(xps.audit(found).attrs["audit"])
    about_background = {"A11", "A12", "A13", "A14", "A16"}
    assert about_background <= set(audit["judged"])
    assert not about_background & {finding["rule"] for finding in audit["findings"]}


def test_mn3s_with_a_background_inside(rng):
    x = np.arange(76.0, 97.0, 0.1)
    peaks = sgl(x, 83.5, 9000.0, 2.4, 0.3) + sgl(x, 88.9, 5000.0, 2.4, 0.3)
    draws = rng.poisson(
        np.broadcast_to(400.0 + peaks + 0.01 * cumulative_trapezoid(peaks, x, initial=0), (200, x.size))
    )
    data = spectra.from_arrays(x, draws, axis="binding_energy", name="counts", units="counts", dims=("scan",))
    found = xps.multiplet_splitting(data, background="active_shirley")
    pull = ((found.multiplet_splitting - 5.4) / found.multiplet_splitting_sigma).values
    assert abs(pull.mean()) < 0.25
    assert 0.58 < (abs(pull) < 1).mean() < 0.78
    assert (found.shirley_k_sigma > 0).mean() > 0.95


def test_in_a_results_file(tmp_path, rng):
    s = lines(4000.0)
    y = rng.poisson(np.broadcast_to(300.0 + sum(s) + K * below(sum(s)), (2, X.size)))
    found = xps.deconvolve(region(y), **STATES, background="active_shirley")
    found.spectra.save(tmp_path / "mn.nxs")
    with h5py.File(tmp_path / "mn.nxs") as file:
        fit = next(iter(file.values()))["fit"]
        made = fit["background_active/function"]
        assert made["function_type"][()].decode() == "Shirley"
        assert "integral" in made["formula_description"][()].decode()
        assert fit["peak_0/function/function_type"][()].decode() == "Gaussian-Lorentzian Sum"
    loaded = spectra.load(tmp_path / "mn.nxs")
    for name in ("background", "net", "shirley_k", "shirley_k_sigma", "best_fit"):
        np.testing.assert_array_equal(loaded[name], found[name])
    assert loaded.background.attrs["formula"] == found.background.attrs["formula"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"background": "active_shirley", "vary": False}, "vary = False fits nothing"),
        ({"background": "active_shirley", "degree": 9}, "degree of 'active_shirley' must be from 0 to 7"),
        ({"background": "active_linear", "degree": 0}, "from 1 to 1"),
        ({"background": "shirley", "degree": 1}, "leave it out"),
        (
            {"background": "active_shirley", "window": (641.5, 642.5), "degree": 7, "one_line": True},
            "parameters are fitted",
        ),
    ],
)
def test_bad_input(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xps.deconvolve(region(sum(lines()) + 500.0), **STATES, **options)


def test_a_broken_spectrum_touches_no_neighbour():
    s = lines()
    y = np.tile(np.rint(sum(s) + 500.0 + K * below(sum(s))), (3, 1))
    y[1] = np.nan
    found = xps.deconvolve(region(y), **STATES, background="active_shirley")
    assert np.isnan(found.shirley_k[1])
    assert np.isnan(found.background[1]).all()
    np.testing.assert_array_equal(found.fraction[0], found.fraction[2])
    assert int(found.status[1]) != 0
    assert int(found.status[0]) == 0


def test_a_wide_common_width_swallows_no_line(rng):
    """Three states in known places: one broad line in their middle is a minimum too, and not the one to end in."""
    states, places = ("Mn2+", "Mn3+", "Mn4+"), (640.4, 641.6, 642.7)
    s = sum(
        sgl(X, p, 8000.0 * share, 1.8, 0.3) + sgl(X, p + 11.65, 4000.0 * share, 1.98, 0.3)
        for p, share in zip(places, (0.3, 0.36, 0.34), strict=True)
    )
    draws = rng.poisson(np.broadcast_to(400.0 + s + K * below(s), (40, X.size)))
    found = xps.deconvolve(
        region(draws),
        states=states,
        positions=dict(zip(states, places, strict=True)),
        splittings=dict.fromkeys(states, 11.65),
        position_range=0.0,
        background="active_shirley",
    )
    assert (found.redchi < 1.5).all()


@pytest.mark.parametrize("promise", [n for n in dir(contract.TestVerbContract) if n.startswith("test_")])
def test_what_every_verb_promises_holds_with_the_background_inside(promise, monkeypatch):
    options = {"states": ("Mn3+", "Mn4+"), "background": "active_shirley"}
    monkeypatch.setitem(contract.CASES, "xps.deconvolve", (contract._xps_series, options))
    getattr(contract.TestVerbContract(), promise)("xps.deconvolve")


@pytest.mark.parametrize("background", ["active_shirley", "active_slope", "active_linear"])
def test_background_sigma_is_the_scatter_of_the_background(background, rng):
    """Everywhere in the window, over spectra drawn from the same lines."""
    s = lines(4000.0)
    truth = 300.0 + BEHIND[background](s)
    found = xps.deconvolve(
        region(rng.poisson(np.broadcast_to(sum(s) + truth, (300, X.size)))), **STATES, background=background
    )
    assert found.background_sigma.attrs["units"] == "counts"
    spread, stated = found.background.std("scan", ddof=1), found.background_sigma.median("scan")
    assert float((stated / spread).mean()) == pytest.approx(1.0, abs=0.08)
    np.testing.assert_allclose(stated / spread, 1.0, atol=0.3)
    inside = (np.abs(found.background - truth) < found.background_sigma).mean()
    assert float(inside) == pytest.approx(0.683, abs=0.06)


@pytest.mark.parametrize("loss", ["polymer", (300.0, 542.0, 275.0, 0.0), (200.0, 299.0, 542.0, 4.0, 1.0)])
def test_other_cross_sections_inside_the_fit(loss):
    """Three and four parameters, and a gap below which nothing is lost: the names and numbers of a static one."""
    section = named_loss(loss) if isinstance(loss, str) else Loss(*loss)
    s = lines()
    truth = 500.0 + losses(sum(s), section)
    found = xps.deconvolve(region(sum(s) + truth), **STATES, background="active_tougaard", loss=loss)
    assert float(found.fraction.sel(state="Mn3+")) == pytest.approx(0.4, abs=5e-4)
    assert float(found.tougaard_b) == pytest.approx(section.b, rel=2e-3)
    np.testing.assert_allclose(found.background, truth, rtol=1e-3)
    assert tuple(found.background.attrs["loss"]) == section.form()
    static = xps.deconvolve(region(sum(s) + truth), **STATES, background="tougaard", loss=loss)
    assert tuple(static.background.attrs["loss"]) == section.numbers()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"background": "active_shirley", "loss": "polymer"}, "loss belongs to the backgrounds 'tougaard'"),
        ({"background": "shirley", "loss": "polymer"}, "loss belongs to the backgrounds 'tougaard'"),
        ({"background": "active_tougaard", "loss": "plastic"}, "no cross section 'plastic'"),
        ({"background": "active_tougaard", "loss": (300.0, 1.0, 900.0, 0.0)}, "is not a cross section"),
    ],
)
def test_a_wrong_cross_section(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xps.deconvolve(region(sum(lines()) + 500.0), **STATES, **options)
