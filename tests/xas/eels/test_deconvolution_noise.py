"""Sigmas of deconvolved spectra against Monte Carlo: channels, and weighted sums over correlated channels."""

import numpy as np
import pytest

import xas
from tests.xas.eels.deconvolution_samples import (
    CORE,
    LOW,
    POST,
    WINDOW,
    background,
    core_truth,
    dataset,
    low_truth,
)

INSIDE = (CORE > 606) & (CORE < 744)
PLACES = (643.0, 654.0)


def drawn(rng, t, rows, scale=1.0, low_counts=None, shape=core_truth):
    plural, single = shape(t, 2000.0 * scale)
    core = dataset(CORE, rng.poisson(plural + background(3000.0 * scale), size=(rows, CORE.size)))
    mean = low_truth(t, low_counts or 1e6)[0]
    low = dataset(LOW, mean if low_counts is None else rng.poisson(mean, size=(rows, LOW.size)))
    return xas.eels.subtract_background(core, window=WINDOW), low, single


def covers(made, name, truth):
    return float((np.abs(made[name] - truth) < made[f"{name}_sigma"]).mean())


@pytest.mark.parametrize("modifier", ["zero_loss", "gaussian"])
def test_sigma_of_channels(rng, modifier):
    """A low loss of few counts, so that its noise is seen as well."""
    core, low, _ = drawn(rng, 0.8, 300, low_counts=2e4)
    made = xas.eels.fourier_ratio(core, low, modifier=modifier, end=2.0)
    ratio = (np.sqrt((made.net_sigma**2).mean("x")) / made.net.std("x")).values[INSIDE]
    assert np.median(ratio) == pytest.approx(1, abs=0.04)
    assert np.percentile(ratio, [2, 98]) == pytest.approx([1, 1], abs=0.18)


@pytest.mark.parametrize("t", [0.3, 0.8])
def test_sigma_of_white_lines(rng, t):
    """The ratio that plural scattering spoils comes back, and its sigma covers although channels are correlated."""
    core, low, single = drawn(rng, t, 500)
    made = xas.eels.fourier_ratio(core, low, end=2.0)
    lines = xas.eels.white_line_ratio(made, "Mn", post=POST, positions=PLACES)
    truth = xas.eels.white_line_ratio(dataset(CORE, single), "Mn", post=POST, positions=PLACES)
    raw = xas.eels.white_line_ratio(core, "Mn", post=POST, positions=PLACES)
    for name in ("l3_l2_ratio", "branching_ratio"):
        assert 0.63 < covers(lines, name, float(truth[name])) < 0.73
        assert covers(raw, name, float(truth[name])) < 0.5
    for name in ("l3", "l2"):
        ratio = float(np.sqrt((lines[f"{name}_sigma"] ** 2).mean()) / lines[name].std())
        assert ratio == pytest.approx(1, abs=0.1)


def test_positions_and_the_second_derivative(rng):
    core, low, single = drawn(rng, 0.5, 400)
    made = xas.eels.fourier_ratio(core, low, end=2.0)
    lines = xas.eels.white_line_ratio(made, "Mn", post=POST, method="second_derivative")
    truth = xas.eels.white_line_ratio(dataset(CORE, single), "Mn", post=POST, method="second_derivative")
    for name in ("l3_position", "l2_position", "l3"):
        assert 0.62 < covers(lines, name, float(truth[name])) < 0.74
    assert "Fourier-ratio" in lines.l3_l2_ratio.attrs["normalization"]


def test_independent_channels_would_be_wrong(rng):
    """Sigmas of channels taken as independent do not make those of areas: what the response is kept for."""
    core, low, _ = drawn(rng, 0.8, 200)
    made = xas.eels.fourier_ratio(core, low, end=2.0)
    window = slice(638.0, 648.0)
    area = made.net.sel(energy_loss=window).sum("energy_loss")
    naive = np.sqrt((made.net_sigma.sel(energy_loss=window) ** 2).sum("energy_loss")).mean()
    assert float(naive / area.std()) < 0.9


def test_stated_sigmas_and_no_background(rng):
    """Spectra that came without background, of normal noise."""
    plural, single = core_truth(0.5)
    sigma = 20.0
    rows = plural + rng.normal(0, sigma, (500, CORE.size))
    core = dataset(CORE, rows, units="", sigma=np.full(rows.shape, sigma))
    made = xas.eels.fourier_ratio(core, dataset(LOW, low_truth(0.5)[0]), end=2.0)
    ratio = (made.net_sigma.mean("x") / made.net.std("x")).values[INSIDE]
    assert np.median(ratio) == pytest.approx(1, abs=0.03)
    lines = xas.eels.white_line_ratio(made, "Mn", post=POST, positions=PLACES)
    truth = xas.eels.white_line_ratio(dataset(CORE, single), "Mn", post=POST, positions=PLACES)
    assert 0.63 < covers(lines, "branching_ratio", float(truth.branching_ratio)) < 0.73
    unknown = xas.eels.fourier_ratio(dataset(CORE, rows[:2], units=""), dataset(LOW, low_truth(0.5)[0]))
    assert unknown.net_sigma.isnull().all()
    assert unknown.net.notnull().all()


@pytest.mark.long
def test_draws_of_richardson_lucy(rng):
    core, low, _ = drawn(rng, 0.5, 200)
    many = xas.eels.richardson_lucy(core, low, iterations=10, end=2.0)
    made = xas.eels.richardson_lucy(core.isel(x=slice(0, 10)), low, iterations=10, draws=60, end=2.0)
    part = (CORE > 640) & (CORE < 740)
    ratio = (made.net_sigma.mean("x") / many.net.std("x")).values[part]
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert float(many.deconvolution_redchi.mean()) == pytest.approx(1, abs=0.1)


@pytest.mark.long
@pytest.mark.parametrize("t", [0.3, 0.8, 1.5])
@pytest.mark.parametrize("counts", [1e6, 1e5])
def test_sigma_of_single_scattering(rng, t, counts):
    low, truth = low_truth(t, counts)
    made = xas.eels.fourier_log(dataset(LOW, rng.poisson(low, size=(800, LOW.size))), end=2.0)
    part = (LOW > 3) & (low > 5)
    ratio = (np.sqrt((made.single_scattering_sigma**2).mean("x")) / made.single_scattering.std("x")).values[
        part
    ]
    assert np.median(ratio) == pytest.approx(0.97, abs=0.05)
    inside = (np.abs(made.single_scattering - truth) < made.single_scattering_sigma).values[:, part].mean()
    assert 0.63 < inside < 0.73


def test_other_verbs_state_no_sigma_that_takes_channels_as_independent(rng):
    loss = np.arange(480.0, 600.0, 0.25)
    peaks = 0.8 * np.exp(-(((loss - 530) / 0.9) ** 2)) + 2 * np.exp(-(((loss - 537) / 2.5) ** 2))
    core = dataset(
        loss, rng.poisson(9e3 * (loss / 500) ** -3 + 2000 * (peaks + (loss > 534.2)), (2, loss.size))
    )
    core = xas.eels.subtract_background(core, window=(482, 524))
    made = xas.eels.oxygen_pre_edge(xas.eels.fourier_ratio(core, dataset(LOW, low_truth(0.3)[0]), end=2.0))
    assert made.pre_edge_area.notnull().all()
    assert made.pre_edge_area_sigma.isnull().all()
