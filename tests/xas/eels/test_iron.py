"""Fe3+ over all iron: windows and their curve against slow references, sigmas against Monte Carlo, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
import xas
import xas.eels
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.verbs import history
from xas.eels.iron.curve import ratio_of_share, share_of_ratio
from xas.eels.iron.scale import maxima
from xas.eels.tables import load_table

TABLE = load_table("iron")["van_aken_liebscher"]
CONSTANTS = (TABLE["a"], TABLE["b"], TABLE["c"])
ENERGY = np.arange(696.0, 731.0, 0.15)


def gauss(energy, *lines):
    return sum(h * np.exp(-(((energy - at) / w) ** 2)) for at, w, h in lines)


def iron(energy, share, offset=0.0):
    """Net curves of two states, mixed (rows, n); the second has more in the window of L3 and less in that of L2."""
    e = energy - offset
    step = 0.3 * (np.arctan(2 * (e - 708.6)) / np.pi + 0.5) + 0.15 * (
        np.arctan(2 * (e - 721.6)) / np.pi + 0.5
    )
    second = gauss(e, (707.8, 0.6, 4.0), (709.3, 1.1, 1.8), (720.6, 1.4, 1.0)) + step
    third = gauss(e, (708.0, 0.5, 1.4), (709.5, 0.8, 5.0), (720.9, 0.7, 0.3), (723.2, 1.4, 1.3)) + step
    share = np.asarray(share, float)[..., None]
    return (1 - share) * second + share * third


def counted(share, level, rng, rows=1, energy=ENERGY):
    """Energy losses on a power law, in counts."""
    mean = level * (6 * (energy / 700) ** -3.0 + iron(energy, share))
    counts = rng.poisson(np.broadcast_to(mean, (rows, energy.size)))
    attrs = {"technique": "eels", "element": "Fe", "title": "simulated"}
    return spectra.from_arrays(
        energy, counts, axis="energy_loss", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


class TestCurve:
    def test_ratios_at_shares_are_those_of_the_reference(self):
        ratios = ratio_of_share([0, 0.25, 0.5, 0.75, 1], CONSTANTS)
        np.testing.assert_allclose(ratios, [1.73, 2.82, 4.50, 6.95, 9.64], atol=0.005)

    @given(st.floats(0, 1))
    def test_the_smaller_root_goes_back(self, x):
        share, slope = share_of_ratio(ratio_of_share(x, CONSTANTS), CONSTANTS)
        assert share == pytest.approx(x, abs=1e-6)
        ends = ratio_of_share(np.clip([x - 1e-6, x + 1e-6], 0, 1), CONSTANTS)
        numeric = (min(x + 1e-6, 1) - max(x - 1e-6, 0)) / np.diff(ends)[0]
        assert slope == pytest.approx(numeric, rel=1e-3)

    @given(st.floats(-1e3, 1e3, allow_nan=False))
    def test_outside_of_the_curve_there_is_no_number(self, ratio):
        share, slope = share_of_ratio(ratio, CONSTANTS)
        low, high = ratio_of_share([0.0, 1.0], CONSTANTS)
        assert np.isfinite(share) == (low <= ratio <= high)
        assert np.isfinite(slope) == np.isfinite(share)

    def test_the_table_says_what_its_numbers_are_worth(self):
        assert TABLE["source"] == "10.1007/s00269-001-0222-6"
        assert TABLE["status"] == "to-verify"


def slow_windows(values, shift, steps=(2 / 3, 1 / 3), post=(727.0, 731.0), until=731.0):
    """Windows above two arctangents by summing a fine grid."""
    post = (post[0] + shift, min(post[1] + shift, until))
    fine = np.linspace(*post, 20001)
    level = np.trapezoid(values(fine), fine) / (post[1] - post[0])
    sums = []
    for low, high in ((708.5, 710.5), (719.7, 721.7)):
        fine = np.linspace(low + shift, high + shift, 20001)
        under = sum(
            s * (np.arctan(np.pi * (fine - at - shift)) / np.pi + 0.5) for s, at in zip(steps, (708.65, 721.65), strict=True)
        )  # fmt: skip
        sums.append(np.trapezoid(values(fine) - level * under, fine))
    return sums


class TestWindows:
    @pytest.mark.parametrize("offset", [0.0, 0.31, -2.0])
    def test_the_windows_follow_the_scale_and_are_integrals(self, offset, frozen):
        energy = np.arange(695.0, 733.0, 0.02)
        values = iron(energy, 0.4, offset)
        data = spectra.from_arrays(energy, frozen(values), name="mu", attrs={"element": "Fe"})
        made = xas.eels.iron_window_ratio(data, fe2_maximum=707.8 + offset)
        l3, l2 = slow_windows(lambda e: iron(e, 0.4, offset), offset, until=energy[-1])
        assert float(made.l3_window) == pytest.approx(l3, rel=2e-3)
        assert float(made.l2_window) == pytest.approx(l2, rel=2e-3)
        assert float(made.window_ratio) == pytest.approx(l3 / l2, rel=3e-3)
        np.testing.assert_array_equal(made.energy.values, energy)  # the axis stays

    def test_the_maximum_of_fe2_is_found_where_two_are_seen(self):
        data = spectra.from_arrays(ENERGY + 0.4, iron(ENERGY, [0.45, 0.5]), name="mu", dims=("scan",))
        made = xas.eels.iron_window_ratio(data)
        at = history(made)[-1]["resolved"]["fe2_maximum"]
        fine = np.arange(707.0, 708.7, 0.001)
        top = fine[iron(fine, [0.45, 0.5]).sum(0).argmax()]  # the weaker line of the other state pulls it up
        assert at == pytest.approx(top + 0.4, abs=0.03)
        assert "L3 of Fe2+ was found" in history(made)[-1]["notes"][0]
        assert maxima(ENERGY, np.zeros_like(ENERGY), (705, 711)) == []

    def test_one_maximum_tells_no_scale(self):
        data = spectra.from_arrays(ENERGY, gauss(ENERGY, (709.5, 0.8, 1.0)), name="mu")
        with pytest.raises(InvalidInput, match=r"cannot be told \(maxima at 709.5 eV.*give fe2_maximum"):
            xas.eels.iron_window_ratio(data)

    def test_broadening_acts_like_a_broader_instrument(self):
        energy = np.arange(680.0, 750.0, 0.05)
        sharp = gauss(energy, (709.5, 0.4, 4.0), (720.7, 0.5, 1.5)) + 0.2 * (energy > 708.6)
        width = np.sqrt(0.8**2 - 0.3**2) / (2 * np.sqrt(2 * np.log(2)))
        kernel = np.exp(-((energy[:, None] - energy) ** 2) / (2 * width**2))
        broad = (kernel / kernel.sum(1, keepdims=True)) @ sharp
        ratios = [
            float(xas.eels.iron_window_ratio(spectra.from_arrays(energy, y, name="mu"), fe2_maximum=707.8, **kw).window_ratio)
            for y, kw in ((sharp, {"resolution": 0.3}), (broad, {}), (sharp, {}))
        ]  # fmt: skip
        assert ratios[0] == pytest.approx(ratios[1], rel=1e-6)
        assert ratios[0] != pytest.approx(ratios[2], rel=0.003)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"fe2_maximum": 690.0}, "do not lie in the data.*is this the L edge of iron"),
            (
                {"fe2_maximum": 707.8, "post": (740.0, 750.0)},
                "the level behind L2 is read from 740.0 to 750.0",
            ),
            ({"fe2_maximum": 707.8, "post": (715.0, 718.0)}, "inside the window of L2"),
            ({"fe2_maximum": 707.8, "l3": (710.5, 708.5)}, "l3 is two ascending energies"),
            ({"fe2_maximum": 707.8, "steps": (0.5, 0.2)}, "steps are two shares that add up to 1"),
            ({"fe2_maximum": 707.8, "resolution": -1.0}, "resolution is a full width in eV"),
            ({"fe2_maximum": 707.8, "scale_sigma": -0.1}, "scale_sigma is in eV"),
        ],
    )
    def test_refused(self, options, words):
        data = spectra.from_arrays(ENERGY, iron(ENERGY, 0.4), name="mu")
        with pytest.raises(InvalidInput, match=words):
            xas.eels.iron_window_ratio(data, **options)

    def test_the_systematic_holds_scale_and_steps(self):
        data = spectra.from_arrays(ENERGY, iron(ENERGY, [0.2, 0.6]), name="mu", dims=("scan",))
        none = xas.eels.iron_window_ratio(data, fe2_maximum=707.8, scale_sigma=0.0)
        other = xas.eels.iron_window_ratio(data, fe2_maximum=707.8, steps=(0.6, 0.4), scale_sigma=0.0)
        np.testing.assert_allclose(
            none.window_ratio_systematic, np.abs(none.window_ratio - other.window_ratio)
        )
        some = xas.eels.iron_window_ratio(data, fe2_maximum=707.8, scale_sigma=0.1)
        assert bool((some.window_ratio_systematic > 1.5 * none.window_ratio_systematic).all())


class TestFraction:
    def measured(self, data, **options):
        data = xas.eels.subtract_background(data, window=(697, 705))
        return xas.eels.ferric_fraction(xas.eels.iron_window_ratio(data, fe2_maximum=707.8, **options))

    def test_a_mixture_rises_with_its_share(self, rng):
        shares = np.linspace(0.1, 0.9, 9)
        values = 1e6 * (6 * (ENERGY / 700) ** -3.0 + iron(ENERGY, shares))
        data = spectra.from_arrays(
            ENERGY, values, axis="energy_loss", name="counts", units="counts", dims=("scan",)
        )
        made = self.measured(data)
        assert (np.diff(made.ferric_fraction.values) > 0).all()
        np.testing.assert_allclose(made.valence, 2 + made.ferric_fraction)
        assert bool((made.ferric_fraction_systematic >= 0.04).all())

    @pytest.mark.parametrize("key", ["l3", "l2"])
    def test_foreign_windows_are_refused(self, rng, key):
        data = xas.eels.subtract_background(counted(0.4, 1e4, rng), window=(697, 705))
        other = {"l3": (708.0, 710.5), "l2": (719.7, 722.0)}
        made = xas.eels.iron_window_ratio(data, fe2_maximum=707.8, **{key: other[key]})
        with pytest.raises(
            InvalidInput, match=f"this curve holds for {key} = .* and the data were summed with"
        ):
            xas.eels.ferric_fraction(made)

    def test_own_standards_make_a_calibration_that_knows_the_windows(self, rng):
        """Near the middle the ratio is all but linear in the share; the verb for valences refuses other continua."""
        shares = (0.2, 0.3, 0.4)
        values = iron(ENERGY, shares) + 1e-3 * rng.standard_normal((3, ENERGY.size))
        data = spectra.from_arrays(
            ENERGY,
            values,
            name="mu",
            sigma=np.full(values.shape, 1e-3),
            dims=("sample",),
            attrs={"element": "Fe"},
        )
        made = xas.eels.iron_window_ratio(data, fe2_maximum=707.8)
        line = xas.calibrate_valence(
            made, valences=(2.2, 2.3, 2.4), names=("a", "b", "c"), variable="window_ratio"
        )
        found = xas.valence(made, calibration=line)
        np.testing.assert_allclose(found.valence, [2.2, 2.3, 2.4], atol=0.03)
        other = xas.eels.iron_window_ratio(data, fe2_maximum=707.8, steps=(0.6, 0.4))
        with pytest.raises(InvalidInput, match="not measured like the standards"):
            xas.valence(other, calibration=line)

    def test_without_the_ratio_it_says_which_verb_makes_it(self, rng):
        with pytest.raises(InvalidInput, match="iron_window_ratio"):
            xas.eels.ferric_fraction(counted(0.4, 1e3, rng))

    def test_outside_is_a_flag_and_no_number(self):
        l3, l2 = gauss(ENERGY, (709.5, 0.7, 1.0)), gauss(ENERGY, (720.7, 0.7, 1.0))
        values = np.stack([l3 + 2 * l2, l3 + 0.4 * l2, l3 + 0.02 * l2, l3 - l2])
        data = spectra.from_arrays(ENERGY, values, name="mu", dims=("scan",))
        made = xas.eels.ferric_fraction(xas.eels.iron_window_ratio(data, fe2_maximum=707.8))
        assert np.isfinite(made.ferric_fraction.values).tolist() == [False, True, False, False]
        assert [flag_names(made, scan=i)[-1:] for i in range(4)] == [
            ["ratio_below_curve"], [], ["ratio_above_curve"], ["no_valence"],
        ]  # fmt: skip

    def test_a_bad_spectrum_leaves_the_others(self, rng):
        data = counted(0.4, 1e4, rng, rows=3)
        broken = data.copy(deep=True)
        broken["counts"] = broken.counts.astype(float)
        broken.counts[1] = np.nan
        good, some = self.measured(data), self.measured(broken)
        assert np.isnan(some.ferric_fraction[1])
        np.testing.assert_allclose(some.ferric_fraction[[0, 2]], good.ferric_fraction[[0, 2]])

    def check_sigma(self, share, level, rows, rng):
        made = self.measured(counted(share, level, rng, rows))
        truth = self.measured(
            spectra.from_arrays(
                ENERGY, 1e9 * (6 * (ENERGY / 700) ** -3.0 + iron(ENERGY, share)), axis="energy_loss", name="counts", units="counts"
            )
        )  # fmt: skip
        x, sigma = made.ferric_fraction.values, made.ferric_fraction_sigma.values
        assert np.isfinite(x).all()
        pull = (x - float(truth.ferric_fraction)) / sigma
        assert abs(np.mean(pull)) < 4 / np.sqrt(rows) + 0.1
        inside = np.mean(np.abs(pull) < 1)
        assert abs(inside - 0.683) < 4 * np.sqrt(0.683 * 0.317 / rows) + 0.02
        assert np.std(pull) == pytest.approx(1, abs=4 / np.sqrt(2 * rows) + 0.04)

    def test_sigma_is_the_scatter(self, rng):
        self.check_sigma(0.4, 3e3, 300, rng)

    @pytest.mark.long
    @pytest.mark.parametrize("share", [0.15, 0.5, 0.8])
    @pytest.mark.parametrize("level", [1e3, 1e5])
    def test_sigma_covers(self, share, level, rng):
        self.check_sigma(share, level, 3000, rng)


class TestSpecies:
    def resolved(self, share, noise, rng):
        values = iron(ENERGY, share) + noise * rng.standard_normal((len(share), ENERGY.size))
        sigma = np.full_like(values, noise) if noise else None
        data = spectra.from_arrays(ENERGY, values, name="mu", dims=("pixel",), sigma=sigma)
        return spectra.mcr_als(data, n=2)

    def test_shares_of_a_series_that_holds_both_pure(self, rng):
        share = np.linspace(0, 1, 21)
        made = xas.eels.species_fraction(
            self.resolved(share, 0.0, rng), level=(727, 731), names=("Fe2+", "Fe3+")
        )
        np.testing.assert_allclose(made.species_fraction.sel(species="Fe3+"), share, atol=0.02)
        np.testing.assert_allclose(made.species_fraction.sum("species"), 1)

    @pytest.mark.long
    def test_sigma_covers_with_the_species_held(self, rng):
        share = np.concatenate([[0.0, 1.0], np.full(1500, 0.4)])
        clean = self.resolved(np.array([0.0, 1.0, 0.3, 0.7]), 0.0, rng).species_spectrum
        noisy = self.resolved(share, 0.1, rng).assign(species_spectrum=clean)
        s = clean.values
        amounts = noisy.mu.values @ np.linalg.pinv(s)
        noisy["species_amount"] = (("pixel", "species"), amounts, {"units": ""})
        made = xas.eels.species_fraction(noisy, level=(727, 731), names=("Fe2+", "Fe3+"))
        x = made.species_fraction.sel(species="Fe3+")[2:]
        sigma = made.species_fraction_sigma.sel(species="Fe3+")[2:]
        pull = ((x - 0.4) / sigma).values
        assert np.std(pull) == pytest.approx(1, abs=0.08)
        assert abs(np.mean(np.abs(pull) < 1) - 0.683) < 0.05

    def test_too_few_atoms_hold_no_share(self, rng):
        made = self.resolved(np.linspace(0, 1, 12), 0.001, rng)
        made["species_amount"] = (
            made.species_amount * xas.eels.species_fraction(made, level=(727, 731)).species_fraction.notnull()
        )
        made["species_amount"][3] = 0.0
        found = xas.eels.species_fraction(made, level=(727, 731))
        assert flag_names(found, pixel=3) == ["no_fraction"]
        assert np.isfinite(found.species_fraction.values).all(-1).sum() == 11

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"level": (740, 750)}, "holds 0 points of the species' spectra"),
            ({"level": (727, 731), "names": ("Fe2+",)}, "names are 2 different ones"),
        ],
    )
    def test_refused(self, rng, options, words):
        with pytest.raises(InvalidInput, match=words):
            xas.eels.species_fraction(self.resolved(np.linspace(0, 1, 8), 0.0, rng), **options)

    def test_a_level_without_signal_counts_no_atoms(self, rng):
        made = self.resolved(np.linspace(0, 1, 8), 0.0, rng)
        made["species_spectrum"] = made.species_spectrum.where(made.energy > 700, 0.0)
        with pytest.raises(InvalidInput, match="a species has no signal in level"):
            xas.eels.species_fraction(made, level=(697, 699))
