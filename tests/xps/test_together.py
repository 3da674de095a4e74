"""Series deconvolved together: truth at few counts, coverage, and the measured series through reduction and oxidation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import spectra
import xps
from spectra.dataset import failed, flag_names
from spectra.verbs import history
from tests.xps.test_state_coverage import LEVEL, state_curve

X = np.arange(630.0, 668.0, 0.2)
SHARES = np.linspace(0.15, 0.85, 8)  # of Mn4+ along an etching series
STATES = ("Mn3+", "Mn4+")
SHARED = ("position", "fwhm", "width_factor")


def etching(peak=500.0, repeats=None, seed=1, shares=SHARES):
    """Simulated counts on a level that is known; ``repeats`` of the whole series along another dimension."""
    net = np.array([state_curve(X, "Mn3+", 1 - f, False) + state_curve(X, "Mn4+", f, False) for f in shares])
    truth = net / net.max() * peak + LEVEL
    dims = ("depth",) if repeats is None else ("repeat", "depth")
    counts = np.random.default_rng(seed).poisson(
        np.broadcast_to(truth, (*((repeats,) if repeats else ()), *truth.shape))
    )
    depth = {"depth": ("depth", np.arange(float(len(shares))), {"units": "nm"})}
    data = spectra.from_arrays(
        X, counts, axis="binding_energy", name="counts", units="counts", dims=dims, coords=depth,
        attrs={"technique": "xps", "element": "Mn", "region": "Mn 2p"},
    )  # fmt: skip
    data["background"] = (("binding_energy",), np.full(X.size, LEVEL), {"units": "counts"})
    data["net"] = (data.counts - data.background).assign_attrs(units="counts")
    return data


def together(data, **options):
    given = {"states": STATES, "position_range": 0.3, "shared": SHARED, "along": "depth"}
    return xps.deconvolve(data, **(given | options))


def off(result):
    return result.fraction.sel(state="Mn4+").values - SHARES


def test_few_counts_together_give_what_no_spectrum_gives_alone():
    """Mn3+ and Mn4+, 0.7 eV apart, 3.2 eV wide, 2000 counts, positions free: alone hardly known, together found."""
    data = etching(2000.0, repeats=4)
    alone = xps.deconvolve(data, states=STATES, position_range=0.3)
    joint = together(data)
    rms = np.sqrt((off(joint) ** 2).mean())
    assert rms < 0.7 * np.sqrt((off(alone) ** 2).mean())
    assert abs(off(joint).mean()) < 0.05
    assert float(joint.fraction_sigma.median()) < 0.6 * float(alone.fraction_sigma.median())
    assert rms == pytest.approx(float(joint.fraction_sigma.median()), rel=0.4)


def test_shared_values_are_one_for_all_and_in_the_fields_words():
    joint = together(etching())
    assert list(joint.shared.values) == [
        "mn3_2p3_2_position",
        "mn4_2p3_2_position",
        "mn3_2p3_2_fwhm",
        "mn3_2p1_2_width_factor",
    ]
    for line in joint.component.values:
        for quantity in ("position", "fwhm"):
            assert np.ptp(joint[quantity].sel(component=line).values) < 1e-9
    truth = {"mn3_2p3_2_position": 641.6, "mn3_2p3_2_fwhm": 3.2}
    for name, value in truth.items():
        one = joint.sel(shared=name)
        assert abs(float(one.shared_value) - value) < 4 * float(one.shared_value_sigma) + 0.3
    assert joint.mean_valence.dims == ("depth",)
    np.testing.assert_allclose(joint.mean_valence, 3 + joint.fraction.sel(state="Mn4+"), atol=1e-9)
    assert any(
        "one value for all spectra along depth: mn3_2p3_2_position" in n for n in history(joint)[-1]["notes"]
    )


def anywhere(peak, repeats, rng, count=8):
    """Series with positions anywhere in their room of 0.3 eV and any fractions; the series, and the fractions of Mn4+."""
    truth = rng.uniform(0, 1, (repeats, count))
    expected = []
    for shares in truth:
        one, other = rng.uniform(-0.3, 0.3, 2)
        net = np.array(
            [
                state_curve(X - one, "Mn3+", 1 - f, False) + state_curve(X - other, "Mn4+", f, False)
                for f in shares
            ]
        )
        expected.append(net / net.max() * peak + LEVEL)
    data = spectra.from_arrays(
        X,
        rng.poisson(expected),
        axis="binding_energy",
        name="counts",
        units="counts",
        dims=("repeat", "depth"),
    )
    data["background"] = (("binding_energy",), np.full(X.size, LEVEL), {"units": "counts"})
    data["net"] = (data.counts - data.background).assign_attrs(units="counts")
    return data, truth


@pytest.mark.long
@pytest.mark.parametrize(
    ("peak", "background"), [(500.0, None), (1000.0, None), (5000.0, None), (500.0, "active_linear")]
)
def test_one_sigma_of_fractions_of_joint_fits_covers(peak, background, rng):
    """The spectra of a series have the errors of what they share in common, so series are what is counted."""
    data, truth = anywhere(peak, 50, rng)
    joint = together(data, background=background)
    pull = (joint.fraction.sel(state="Mn4+").values - truth) / joint.fraction_sigma.sel(state="Mn4+").values
    good = np.isfinite(pull)
    assert good.mean() > 0.95
    share = np.ma.masked_array(np.abs(pull) < 1, ~good).mean(1)
    chance = 2 * share.std() / np.sqrt(len(share))
    assert abs(pull[good].mean()) < 0.25
    assert 0.63 - chance < share.mean() < 0.73 + chance


def test_a_shared_position_on_its_limit_has_its_room(rng):
    """At 300 counts eight spectra do not fix two positions."""
    data, _ = anywhere(300.0, 16, rng)
    joint = together(data)
    place = joint.best_value.sel(parameter="mn3_2p3_2_position").isel(depth=0) - 641.6
    held = np.abs(np.abs(place) - 0.3) < 1e-9
    assert held.any()
    assert (joint.shared_value_sigma.sel(shared="mn3_2p3_2_position")[held] > 0.05).all()
    assert np.isfinite(joint.fraction_sigma[held]).all()


def test_ends_of_a_static_background_scatter_from_spectrum_to_spectrum():
    """The sigma of shared positions and of fractions holds their scatter over many series with a fitted line below."""
    data = etching(3000.0, repeats=25, seed=5).drop_vars(["background", "net"])
    joint = together(data, background="linear", window=(631, 667))
    scatter = joint.fraction.sel(state="Mn4+").std("repeat", ddof=1)
    stated = joint.fraction_sigma.sel(state="Mn4+").mean("repeat")
    assert float((scatter / stated).mean()) == pytest.approx(1.0, abs=0.2)
    place = joint.shared_value.sel(shared="mn3_2p3_2_position")
    stated = joint.shared_value_sigma.sel(shared="mn3_2p3_2_position").mean()
    assert float(place.std(ddof=1) / stated) == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("background", ["linear", "active_shirley"])
def test_a_dead_spectrum_is_left_out(background):
    data = etching(3000.0).drop_vars(["background", "net"])
    dead = data.copy(deep=True)
    dead["counts"] = dead.counts.astype(float)
    dead.counts[2] = np.nan
    joint = together(dead, background=background)
    assert list(np.flatnonzero(failed(joint))) == [2]
    assert int(joint.joint_spectra) == 7
    rest = together(data.isel(depth=[0, 1, 3, 4, 5, 6, 7]), background=background)
    np.testing.assert_allclose(joint.shared_value, rest.shared_value, rtol=1e-7)
    assert np.isnan(joint.fraction[2]).all()


def test_no_counts_at_all_are_left_out_too():
    data = etching(3000.0)
    dead = data.copy(deep=True)
    dead["background"] = dead.background * xr.ones_like(dead.depth)
    for name in ("counts", "background", "net"):
        dead[name][4] = 0
    joint = together(dead.transpose("depth", ...))
    assert flag_names(joint, depth=4) == ["no_signal", "few_counts"]
    assert int(joint.joint_spectra) == 7


def test_strength_of_an_active_background_can_be_shared():
    data = etching(5000.0).drop_vars(["background", "net"])
    joint = together(data, background="active_shirley", shared=(*SHARED, "background"))
    assert np.ptp(joint.shirley_k.values) < 1e-12
    assert "mn3_2p3_2_shirley" in joint.shared


def test_lazy_series_and_other_orders_of_dimensions_give_the_same():
    data = etching(3000.0, repeats=2)
    joint = together(data)
    lazy = together(data.chunk(depth=3, repeat=1))
    assert lazy.best_fit.chunks is not None
    turned = together(data.transpose("depth", "repeat", "binding_energy"))
    assert turned.fraction.dims == ("depth", "repeat", "state")
    for name in ("fraction", "fraction_sigma", "shared_value", "mean_valence"):
        np.testing.assert_allclose(lazy[name].compute(), joint[name], rtol=1e-6)
        np.testing.assert_allclose(turned[name].transpose(*joint[name].dims), joint[name], rtol=1e-6)


def test_start_values_follow_a_line_that_charges_away():
    """A sample that charges by 9 eV along the series: from the table's position only the first is found."""
    rng = np.random.default_rng(2)
    shifts = np.linspace(0.0, 9.0, 19)
    net = [state_curve(X - s, "Mn3+", 1.0, False) for s in shifts]
    net = np.array([np.interp(X - s, X, state_curve(X, "Mn3+", 1.0, False)) for s in shifts])
    counts = rng.poisson(net / net.max() * 4000 + LEVEL)
    data = spectra.from_arrays(
        X, counts, axis="binding_energy", name="counts", units="counts", dims=("voltage",)
    )
    lines = (
        {
            "name": "Mn",
            "position": {"value": 641.6, "min": 630, "max": 665},
            "area": 1e4,
            "fwhm": {"value": 1.2, "min": 0.5, "max": 5.0},
        },
    )
    lines = ({**lines[0], "area": {"value": 1e4, "min": 0.0}},)
    options = {"components": lines, "background": "active_polynomial"}
    window = {"window": (632.0, 660.0)}
    previous = xps.deconvolve(data.isel(voltage=slice(0, 14)), start="previous", **options, **window)
    moved = previous.position.isel(component=0).values
    assert (np.diff(moved) > 0.2).all()
    np.testing.assert_allclose(moved - moved[0], shifts[:14], atol=0.3)


def test_from_a_recipe_to_a_file_and_again(tmp_path):
    data = etching(3000.0)
    recipe = tmp_path / "together.toml"
    recipe.write_text(
        '[read]\nverb = "spectra.read"\n\n[[step]]\nverb = "xps.deconvolve"\nstates = ["Mn3+", "Mn4+"]\n'
        'background = "active_linear"\nshared = ["position", "fwhm"]\nalong = "depth"\nstart = "neighbour"\n'
    )
    spectra.save(tmp_path / "raw.nxs", data.drop_vars(["background", "net"]))
    made = spectra.run(recipe, tmp_path / "raw.nxs", out=tmp_path / "out.nxs")
    again = spectra.load(tmp_path / "out.nxs")
    xr.testing.assert_allclose(again.shared_value, made.shared_value)
    assert list(again.shared.values) == list(made.shared.values)
    from spectra.results.rerun import rerun

    assert rerun(tmp_path / "out.nxs").identical


def test_measured_reduction_and_oxidation_as_a_trend(data_dir):
    """One sample: reduced in hydrogen, in oxygen at 550 and 750 °C, and MnO2; packets, positions and widths in common."""
    series = xps.read_series(
        data_dir / "xps/xpsdeeplearning/Mn_insitu_reduction_oxidation.vms", grid="intersection"
    )
    joint = xps.deconvolve(
        series, states=("Mn2+", "Mn3+", "Mn4+"), packets="to-verify", background="active_shirley",
        window=(633, 667), shared=SHARED, along="scan",
    )  # fmt: skip
    assert int(joint.joint_status) == 0
    reduced = joint.fraction.sel(state="Mn2+")
    assert float(reduced[0]) > 0.95
    assert (reduced[1:] < reduced[0]).all()
    assert (joint.mean_valence[1:] > joint.mean_valence[0]).all()
    assert np.ptp(joint.fwhm.isel(component=0).values) < 1e-9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shared": ("positions",)}, "no parameter that is fitted; did you mean 'position'"),
        ({"shared": ("splitting",)}, "none of the splittings of doublets is fitted"),
        ({"position_range": 0.0}, "none of the positions is fitted"),
        ({"shared": ("background",)}, "none of the strengths of a background"),
        ({"along": "scan"}, "along names 'scan', which is no dimension of the series"),
        ({"vary": False}, "vary = False fits nothing"),
        ({"along": None}, "say along which of them"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        together(etching(repeats=2), **options)


def test_the_audit_asks_for_a_component_with_what_is_shared_kept():
    """Alone, no spectrum needs two lines 0.7 eV apart; where their places are known from all, it does."""
    data = etching(5000.0, shares=np.linspace(0.3, 0.7, 6))
    alone = xps.audit(xps.deconvolve(data, states=STATES, position_range=0.3)).spectra.audit().of_rule("A09")
    joint = xps.audit(together(data)).spectra.audit().of_rule("A09")
    assert alone
    assert not joint
