"""Whole reference spectra: measured MnO, Mn2O3 and MnO2 mixed in known fractions, a measured series, and misuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import least_squares

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.fitting.lineshapes import sgl
from xps.references.fit import Reference, fit_reference_spectra

WINDOW = (633.0, 667.0)
VALENCES = {"MnO": 2.0, "Mn2O3": 3.0, "MnO2": 4.0}


@pytest.fixture(scope="module")
def oxides(data_dir):
    return xps.read_series(data_dir / "xps" / "xpsdeeplearning" / "Mn_references.vms")


def references_of(oxides):
    x = oxides.binding_energy.values
    return [Reference.of(x, c, WINDOW) for c in oxides.counts.values.astype(float)]


def mixture(oxides, fractions, area, rng, *, shift=0.0, constant=300.0):
    """Counts of measured references in known fractions of the lines' area, with noise."""
    x = oxides.binding_energy.values
    pure = references_of(oxides)
    curve = np.tensordot(np.atleast_2d(fractions), np.stack([p.curve for p in pure]), 1)
    curve = np.stack([np.interp(x - shift, x, row) for row in curve])
    y = rng.poisson(np.maximum(constant + area * curve, 0))
    attrs = {"technique": "xps", "region": "Mn 2p", "element": "Mn"}
    return spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units="counts", dims=("sample",), attrs=attrs
    )


MIXTURES = ([0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [1 / 3, 1 / 3, 1 / 3])


class TestMixtures:
    @pytest.mark.parametrize("shift", [0.0, 0.4, -0.6])
    def test_known_fractions_within_two_sigma(self, oxides, rng, shift):
        data = mixture(oxides, MIXTURES, 2e5, rng, shift=shift)
        found = xps.fit_references(data, references=oxides, window=WINDOW, valences=VALENCES)
        off = np.abs(found.fraction - np.array(MIXTURES)) / found.fraction_sigma
        assert (
            float(off.max()) < 2.7
        )  # twelve numbers within two sigma but for chance: one in a hundred beyond 2.6
        assert float((off < 2).mean()) > 0.8
        np.testing.assert_allclose(found.reference_shift, shift, atol=0.02)
        valence = np.array(MIXTURES) @ [2, 3, 4]
        assert float((np.abs(found.mean_valence - valence) / found.mean_valence_sigma).max()) < 3
        assert all(flag_names(found, sample=i) == [] for i in range(len(MIXTURES)))
        np.testing.assert_allclose(found.fraction.sum("reference"), 1.0)

    def test_the_uncertainty_of_the_scale_goes_into_the_shift(self, oxides, rng):
        data = mixture(oxides, MIXTURES[:2], 1e5, rng)
        plain = xps.fit_references(data, references=oxides, window=WINDOW)
        calibrated = xps.calibrate(data, shift=-0.3, sigma=0.25)
        found = xps.fit_references(calibrated, references=oxides, window=WINDOW)
        np.testing.assert_allclose(found.reference_shift, plain.reference_shift - 0.3, atol=0.02)
        together = np.hypot(plain.reference_shift_sigma, 0.25)
        np.testing.assert_allclose(found.reference_shift_sigma, together, rtol=1e-3)
        np.testing.assert_allclose(found.fraction, plain.fraction, atol=0.02)

    @pytest.mark.parametrize("fraction", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
    def test_what_is_absent_is_not_found(self, oxides, rng, fraction):
        found = xps.fit_references(mixture(oxides, fraction, 1e5, rng), references=oxides, window=WINDOW)
        assert (np.abs(found.fraction.values[0] - fraction) < 2.5 * found.fraction_sigma.values[0]).all()

    def test_more_background_than_the_references_have(self, oxides, rng):
        data = mixture(oxides, MIXTURES[0], 1e5, rng)
        x = data.binding_energy.values
        lines = np.tensordot(MIXTURES[0], np.stack([p.lines for p in references_of(oxides)]), 1)
        more = rng.poisson(2000 + 20 * (x - x[0]) + 0.02 * 1e5 * lines)
        found = xps.fit_references(data.assign(counts=data.counts + more), references=oxides, window=WINDOW)
        assert abs(float(found.inelastic_step[0]) - 0.02) < 3 * float(found.inelastic_step_sigma[0])
        assert float((np.abs(found.fraction[0] - MIXTURES[0]) / found.fraction_sigma[0]).max()) < 3

    def test_a_broader_sample(self, oxides, rng):
        from scipy.ndimage import gaussian_filter1d

        x = oxides.binding_energy.values
        clean = mixture(oxides, MIXTURES[0], 2e5, rng)
        pure = references_of(oxides)
        curve = 300 + 2e5 * np.tensordot(MIXTURES[0], np.stack([p.curve for p in pure]), 1)
        broad = gaussian_filter1d(curve, 1.2 / 2.3548 / (x[1] - x[0]), mode="nearest")
        found = xps.fit_references(
            clean.assign(
                counts=(("sample", "binding_energy"), rng.poisson(broad)[None], {"units": "counts"})
            ),
            references=oxides,
            window=WINDOW,
        )
        assert abs(float(found.broadening[0]) - 1.2) < 3 * float(found.broadening_sigma[0]) + 0.01
        assert float((np.abs(found.fraction[0] - MIXTURES[0]) / found.fraction_sigma[0]).max()) < 3

    @pytest.mark.parametrize(
        ("area", "n"),
        [
            (2e4, 60),
            pytest.param(2e4, 600, marks=pytest.mark.long),
            pytest.param(2e5, 600, marks=pytest.mark.long),
        ],
    )
    def test_coverage(self, oxides, rng, area, n):
        data = mixture(oxides, [MIXTURES[0]] * n, area, rng)
        found = xps.fit_references(data, references=oxides, window=WINDOW)
        pull = ((found.fraction - MIXTURES[0]) / found.fraction_sigma).values
        for k in (1, 2):
            expected = stats.norm.cdf(k) - stats.norm.cdf(-k)
            share = (np.abs(pull) < k).mean(0)
            assert (np.abs(share - expected) < 3.5 * np.sqrt(expected * (1 - expected) / n) + 0.01).all(), (
                share
            )
        if n > 500:
            assert (np.abs(pull.mean(0)) < 0.25).all(), pull.mean(0)


class TestMeasuredSeries:
    def test_reduction_and_oxidation_is_a_trend(self, oxides, data_dir):
        file = data_dir / "xps" / "xpsdeeplearning" / "Mn_insitu_reduction_oxidation.vms"
        series = xps.read_series(file, grid="intersection")
        found = xps.fit_references(series, references=oxides, window=WINDOW, valences=VALENCES)
        fraction = found.fraction.values
        # reduced at first; warmed in oxygen the Mn(II) goes; MnO2 is the sample before. The references are of this series.
        assert fraction[0, 0] > 0.99
        assert fraction[2, 1] > 0.99
        assert fraction[3, 2] > 0.99
        assert fraction[1, 0] < 0.1
        valence = found.mean_valence.values
        assert valence[0] < valence[1]
        assert valence[0] < valence[2] < valence[3]
        # smoothed before it was written: chi-square is low, and what is left still is no noise
        assert float(found.redchi[1]) < 1
        assert [flag_names(found, scan=i) for i in range(4)] == [[], ["references_insufficient"], [], []]


class TestKernel:
    def test_it_finds_the_minimum_that_a_slow_fit_finds(self, rng):
        """Against scipy on a model written out with Gaussians that broaden exactly."""
        x = np.arange(630.0, 662.0, 0.1)

        def lines(shift, sigma, scale=1.0):
            return [
                scale * np.exp(-(((x - c - shift) / w) ** 2)) / w / np.sqrt(np.pi)
                for c, w in ((642.0, np.sqrt(1.3**2 + 2 * sigma**2)), (644.5, np.sqrt(1.0 + 2 * sigma**2)))
            ]

        references = [Reference(x, line, np.cumsum(line) * 0.1) for line in lines(0, 0)]

        def model(p):
            a, b, c0, c1, shift, sigma = p
            one, two = lines(shift, sigma)
            return a * one + b * two + c0 + c1 * (x - x[0]) / (x[-1] - x[0])

        truth = (9e3, 5e3, 400.0, 100.0, 0.2, 0.4)
        y = rng.poisson(model(truth)).astype(float)
        found = fit_reference_spectra(x, y, references, variance=np.full(x.size, 700.0))
        slow = least_squares(lambda p: y - model(p), truth, x_scale=np.abs(truth))
        # the kernel has the step besides, which is free and near zero here
        assert abs(found.step) < 4 * found.step_sigma
        np.testing.assert_allclose(found.area, slow.x[:2], rtol=0.03)
        assert found.shift == pytest.approx(slow.x[4], abs=0.02)
        assert found.broadening == pytest.approx(slow.x[5] * 2.3548, abs=0.05)

    def test_leading_shape_is_kept_and_input_is_not_touched(self, rng, frozen):
        x = np.arange(630.0, 662.0, 0.2)
        pure = [Reference.of(x, 100 + sgl(x, p, 1e4, 2.5, 0.3)) for p in (641.0, 645.0)]
        y = frozen(rng.poisson(100 + sgl(x, 642, 1e4, 2.5, 0.3), (2, 3, x.size)))
        found = fit_reference_spectra(x, y, pure)
        assert found.fraction.shape == (2, 3, 2)
        assert found.curves.shape == (2, 3, 2, x.size)
        np.testing.assert_allclose(found.curves.sum(-2) + found.background, found.fit, rtol=1e-9)


class TestFlags:
    def test_something_no_reference_shows(self, oxides, rng):
        data = mixture(oxides, MIXTURES[0], 1e5, rng)
        x = data.binding_energy.values
        found = xps.fit_references(
            data.assign(counts=data.counts + np.round(sgl(x, 648.5, 5000.0, 1.0, 0.3))),
            references=oxides,
            window=WINDOW,
        )
        assert flag_names(found, sample=0) == ["references_insufficient"]

    def test_a_shift_beyond_the_limit(self, oxides, rng):
        data = mixture(oxides, MIXTURES[0], 1e5, rng, shift=1.0)
        found = xps.fit_references(data, references=oxides, window=WINDOW, max_shift=0.5)
        assert "shift_at_limit" in flag_names(found, sample=0)
        assert np.isnan(found.reference_shift_sigma[0])

    def test_no_counts(self, oxides, rng):
        data = mixture(oxides, MIXTURES[:2], 1e5, rng).astype(float)
        data["counts"] = (
            data.counts.where(data.sample != data.sample[0]) if "sample" in data.coords else data.counts
        )
        data["counts"][{"sample": 0}] = np.nan
        found = xps.fit_references(data, references=oxides, window=WINDOW)
        assert flag_names(found, sample=0) == ["no_combination"]
        assert flag_names(found, sample=1) == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"references": {}}, "references must be 1 to 9 spectra, got 0"),
            ({"max_shift": 0.0}, "max_shift must be above 0"),
            ({"max_broadening": 99.0}, "max_broadening must be above 0 and at most 10 eV"),
            ({"valences": {"MnO": 2.0}}, "valences must name all references, MnO, Mn2O3, MnO2, got MnO"),
            ({"window": (600.0, 660.0)}, "reference 'MnO' runs from 630.0 to 669.9 eV with 400 points"),
            ({"window": (640.0, 642.0)}, r"reference 'Mn\w+' has no Shirley background|holds 2\d points"),
        ],
    )
    def test_misuse_is_one_sentence(self, oxides, rng, options, sentence):
        given = {"references": oxides, "window": WINDOW, **options}
        with pytest.raises(InvalidInput, match=sentence):
            xps.fit_references(mixture(oxides, MIXTURES[0], 1e4, rng), **given)

    def test_references_alike(self, oxides, rng):
        same = {"a": oxides.isel(scan=0), "b": oxides.isel(scan=0)}
        with pytest.raises(InvalidInput, match="references 'a' and 'b' are the same spectrum"):
            xps.fit_references(mixture(oxides, MIXTURES[0], 1e4, rng), references=same, window=WINDOW)

    def test_one_spectrum_is_no_series_of_references(self, oxides, rng):
        with pytest.raises(InvalidInput, match="references must be a series of spectra along one dimension"):
            xps.fit_references(mixture(oxides, MIXTURES[0], 1e4, rng), references=oxides.isel(scan=0))

    def test_a_series_is_no_reference(self, oxides, rng):
        with pytest.raises(
            InvalidInput, match="reference 'a' must be one spectrum along binding_energy, got scan"
        ):
            xps.fit_references(mixture(oxides, MIXTURES[0], 1e4, rng), references={"a": oxides})


def test_files_and_written_numbers_serve_as_references(oxides, data_dir, rng):
    folder = data_dir / "xps" / "xpsdeeplearning"
    data = mixture(oxides, MIXTURES[0], 1e5, rng)
    found = xps.fit_references(data, references=folder / "Mn_references.vms", window=WINDOW)
    resolved = found.spectra.history[-1]["resolved"]["references"]
    again = xps.fit_references(data, references=resolved, window=WINDOW)
    np.testing.assert_allclose(again.fraction, found.fraction, rtol=1e-9)
    assert list(found.reference.values) == ["MnO", "Mn2O3", "MnO2"]
