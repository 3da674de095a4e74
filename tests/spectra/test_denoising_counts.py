"""Denoising of counts: scaled by their noise, without negative parts, and spectra that have something of their own."""

import numpy as np
import pytest

import spectra
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.preprocessing.low_rank import count_scales, leading_curves, left_structure, nonnegative_factors
from spectra.verbs import history

LOSS = np.arange(595.0, 690.0, 0.25)


def edge(at, strength):
    lines = strength / (1 + ((LOSS - at) / 1.5) ** 2) + 1 / (1 + ((LOSS - at - 11) / 1.5) ** 2)
    return lines + 0.2 * (at < LOSS) + 0.1 * (at + 11 < LOSS)


def image(rng, side=12, counts=150.0, odd=None):
    """Two valences along a line on a power law, and perhaps a pixel of a third one."""
    share = np.linspace(0, 1, side)[None, :, None] * np.ones((side, 1, 1))
    mean = (1 - share) * edge(643.0, 3.6) + share * edge(642.0, 2.2) + 2 * (LOSS / 640) ** -3.0
    if odd is not None:
        mean[odd] = edge(645.0, 4.5) + 2 * (LOSS / 640) ** -3.0
    data = spectra.from_arrays(
        LOSS, rng.poisson(counts * mean).astype(float), axis="energy_loss", name="counts", units="counts",
        dims=("y", "x"), attrs={"technique": "eels", "element": "Mn"},
    )  # fmt: skip
    return data, counts * mean


@pytest.mark.parametrize("method", ["principal_components", "nmf"])
def test_noise_goes_and_counts_stay(rng, method):
    data, truth = image(rng)
    done = spectra.denoise(data, components=2, method=method, noise="counts")
    before, after = (float(np.sqrt(((d.counts - truth) ** 2 / truth).mean())) for d in (data, done))
    assert before == pytest.approx(1, abs=0.02)
    assert after < 0.2
    np.testing.assert_allclose(done.counts.mean(("y", "x")), data.counts.mean(("y", "x")), rtol=0.02)
    assert not any(flag_names(done, y=y, x=x) for y in range(12) for x in range(12))
    if method == "nmf":
        assert float(done.counts.min()) >= 0


def test_the_number_of_components_is_found_for_counts(rng):
    data, _ = image(rng)
    assert int(spectra.denoise(data, noise="counts").pc_number) == 2


@pytest.mark.parametrize("method", ["principal_components", "nmf"])
def test_a_pixel_of_its_own_is_told_and_its_ratio_is_that_of_others(rng, method):
    """What denoising does to white lines: the odd pixel gets the lines of its neighbours, and says so."""
    data, _ = image(rng, odd=(5, 6))
    done = spectra.denoise(data, components=2, method=method, noise="counts")
    flagged = [(y, x) for y in range(12) for x in range(12) if flag_names(done, y=y, x=x)]
    assert flagged == [(5, 6)]
    assert flag_names(done, y=5, x=6) == ["structure_left_out"]
    top = {name: LOSS[int(np.argmax(d.counts.values[5, 6]))] for name, d in (("was", data), ("is", done))}
    assert abs(top["was"] - 645) < 1
    assert abs(top["is"] - 645) > 1.5
    more = spectra.denoise(data, components=3, method="principal_components", noise="counts")
    assert flag_names(more, y=5, x=6) == []


def test_sigmas_are_said_to_be_correlated(rng):
    data, truth = image(rng)
    data = data.assign(counts_sigma=(data.counts.dims, np.sqrt(truth), {"units": "counts"}))
    done = spectra.denoise(data, components=2)
    assert done.counts_sigma.attrs["correlated_channels"] == "yes"
    assert "correlated along the axis" in " ".join(history(done)[-1]["notes"])
    assert spectra.denoise(data, components=2, method="nmf").counts_sigma.isnull().all()


def test_nothing_negative_is_made_of_what_is(rng):
    data, _ = image(rng)
    low = data.assign(counts=data.counts - 300)
    with pytest.raises(
        InvalidInput, match=r"method='nmf' is for what cannot be negative; the mean of counts is"
    ):
        spectra.denoise(low, method="nmf", components=2)


class TestKernels:
    def test_factors_of_a_product(self, rng):
        shares, curves = rng.uniform(0, 1, (80, 3)), rng.uniform(0, 1, (3, 120)) ** 4
        rows = shares @ curves
        basis = leading_curves(rows, 3)
        w, h, _ = nonnegative_factors(rows @ basis.T, basis)
        assert w.min() >= 0
        assert h.min() >= 0
        np.testing.assert_allclose(w @ h, rows, atol=0.02 * rows.max())

    def test_one_component(self, rng):
        rows = np.outer(rng.uniform(1, 2, 20), np.exp(-(np.linspace(-2, 2, 50) ** 2)))
        basis = leading_curves(rows, 1)
        w, h, settled = nonnegative_factors(rows @ basis.T, basis)
        assert settled
        np.testing.assert_allclose(w @ h, rows, rtol=1e-6, atol=1e-9)

    def test_scales_even_out_the_noise(self, rng):
        mean = np.outer(rng.uniform(50, 500, 40), np.linspace(0.2, 3, 100))
        rows = rng.poisson(mean, size=(200, *mean.shape))
        left, right = count_scales(mean)
        scatter = rows.std(0) / (left * right)
        assert scatter.std() / scatter.mean() < 0.08

    def test_false_alarms_are_rare(self, rng):
        noise = rng.normal(size=(2000, 400))
        assert left_structure(noise, np.zeros_like(noise), np.ones_like(noise)).sum() <= 2
