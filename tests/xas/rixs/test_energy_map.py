"""Maps of incident energy and loss: yields of windows, inverse yields, dispersion, and what is drawn."""

import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput
from spectra.report.style import png
from xas.rixs.figures import figures

LOSS = np.arange(-1.0, 13.0, 0.04)
ENERGY = np.arange(527.0, 536.0, 1.0)
WINDOWS = {"O2": (522.5, 523.5), "band": (524.5, 526.5)}


def line(x, centre, width):
    return np.exp(-4 * np.log(2) * ((x - centre) / width) ** 2)


def mean():
    """Simulated: elastic line, emission of the band above 528.5 eV, molecules that resonate at 531 eV."""
    absorbed = 1 / (1 + np.exp(-(ENERGY - 528.5) / 0.3))[:, None]
    emitted = ENERGY[:, None] - LOSS
    resonance = line(ENERGY, 531.0, 1.0)[:, None]
    return 40 * line(LOSS, 0, 0.1) + 8 * absorbed * line(emitted, 525.5, 2.0) + 6 * resonance * line(emitted, 523, 0.9) + 0.05  # fmt: skip


def rixs_map(counts, dims=("incident_energy",), **coords):
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims,
        coords={"incident_energy": (ENERGY, "eV")} | coords,
        attrs={"technique": "rixs", "title": "simulated", "exposure_time": 600.0, "ring_current": 400.0},
    )  # fmt: skip


def test_fluorescence_is_followed_through_the_map(rng):
    found = xas.rixs.integrate_windows(rixs_map(rng.poisson(mean())), windows=WINDOWS)
    assert found.partial_yield.dims == ("incident_energy", "window")
    assert (
        float(found.incident_energy[found.partial_yield.sel(window="O2").argmax("incident_energy")]) == 531.0
    )
    emitted = ENERGY[4] - LOSS
    inside = (emitted >= 522.5) & (emitted <= 523.5)
    assert float(found.partial_yield[4, 0]) == found.counts.values[4, inside].sum()
    assert float(found.partial_yield_sigma[4, 0]) == pytest.approx(np.sqrt(float(found.partial_yield[4, 0])))


def test_yields_over_flux_and_their_sigma(rng):
    data = xas.rixs.normalize(rixs_map(mean()), emission=WINDOWS["band"], flux_error=0.1)
    found = xas.rixs.integrate_windows(data, windows=WINDOWS, divide="flux", inverse=("band",))
    photons = xas.rixs.integrate_windows(data, windows=WINDOWS).partial_yield
    np.testing.assert_allclose(found.partial_yield, photons / 240000.0)
    relative = np.sqrt(1 / photons + 0.01)
    np.testing.assert_allclose(found.partial_yield_sigma / found.partial_yield, relative)
    np.testing.assert_allclose(found.inverse_yield[:, 0], 240000.0 / photons.sel(window="band"))
    np.testing.assert_allclose(found.inverse_yield_sigma / found.inverse_yield, relative[:, [1]])


def test_windows_that_are_cut_or_hold_the_elastic_line():
    found = xas.rixs.integrate_windows(
        rixs_map(mean()), windows={"low": (522.5, 523.5), "line": (526.0, 527.0)}
    )
    short = xas.rixs.integrate_windows(rixs_map(mean()).sel(energy_loss=slice(None, 9)), windows=WINDOWS)
    assert "elastic_in_window" in flag_names(found, incident_energy=0)
    assert flag_names(found, incident_energy=4) == []
    cut = short.incident_energy.values - 522.5 > 9.02
    assert np.isnan(short.partial_yield.sel(window="O2").values).tolist() == cut.tolist()
    assert "window_cut" in flag_names(short, incident_energy=8)
    assert not failed(short).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"windows": {}}, "windows: at least one is needed"),
        ({"windows": {"O2": (400, 401)}}, r"windows: 'O2' \(400, 401\) eV of emission_energy holds no channel"),
        ({"windows": WINDOWS, "inverse": ("bnad",)}, "inverse: no window 'bnad'; did you mean 'band'"),
        ({"windows": WINDOWS, "divide": "flux"}, "divide='flux' needs flux_divisor, which xas.rixs.normalize adds"),
    ],
)  # fmt: skip
def test_refused(options, words):
    with pytest.raises(InvalidInput, match=words):
        xas.rixs.integrate_windows(rixs_map(mean()), **options)


class TestDispersion:
    def lines(self, channel, energy, sigma=0.1):
        n = len(channel)
        return spectra.from_arrays(
            [0.0, 0.1], np.ones((n, 2)), axis="energy_loss", name="counts", dims=("scan",),
            coords={"incident_energy": ("scan", np.asarray(energy, float))},
        ).assign(elastic_channel=("scan", np.asarray(channel, float)), elastic_channel_sigma=("scan", np.full(n, sigma)))  # fmt: skip

    def test_recovered_and_covered(self, rng):
        energy = 528.0 + 0.5 * np.arange(5)
        truth = 1900 + (energy - 528) / 0.0123
        found = [
            xas.rixs.fit_dispersion(self.lines(truth + rng.normal(0, 0.1, 5), energy)) for _ in range(300)
        ]
        value, sigma = (np.array([getattr(f, n) for f in found]) for n in ("value", "sigma"))
        assert value.mean() == pytest.approx(0.0123, abs=4 * sigma.mean() / np.sqrt(300))
        # larger than the scatter where chance makes the line look bent: at least two thirds inside
        assert 0.6 < np.mean(np.abs(value - 0.0123) < sigma) < 0.82
        falling = xas.rixs.fit_dispersion(self.lines(truth[::-1], energy))
        assert falling.value == pytest.approx(-0.0123)

    def test_measured_lines_are_not_on_one_straight_line(self, data_dir):
        """67 channels for the first half eV, 44 for the second: the sigma is that of the scatter."""
        files = [data_dir / "rixs" / f"Co_{n}_d1.h5" for n in ("0609", "0612", "0616")]
        series = xas.rixs.read_series(files, dim="incident", coordinate="incident_energy")
        found = xas.rixs.fit_dispersion(xas.rixs.reduce(series, dispersion=0.009))
        assert found.value == pytest.approx(0.0092, abs=2e-4)
        assert found.sigma == pytest.approx(0.0012, abs=2e-4)
        assert found.redchi > 1000
        assert "meV per channel from 3 elastic lines" in str(found)

    def test_refused(self):
        with pytest.raises(InvalidInput, match="needs incident_energy and elastic_channel of every exposure"):
            xas.rixs.fit_dispersion(rixs_map(mean()))
        with pytest.raises(InvalidInput, match="at two incident energies at least, got 1"):
            xas.rixs.fit_dispersion(self.lines([1900, 1900], [528, 528]))


class TestFigures:
    def test_a_map_and_its_yields(self, rng):
        data = xas.rixs.integrate_windows(rixs_map(rng.poisson(mean())), windows=WINDOWS)
        ((name, caption, figure),) = list(figures(data))
        assert name == "rixs_map"
        assert "yields of the marked windows" in caption
        assert len(png(figure)) > 10_000
        assert len(figure.axes) == 3
        assert xas.rixs.plot_map(data, scale="emission_energy").axes[0].get_xlabel() == "Emission energy (eV)"

    def test_parts(self, rng):
        counts = rng.poisson(mean()[4], (2, 3, LOSS.size))
        parts = spectra.from_arrays(
            LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=("scan", "part"),
            attrs={"technique": "rixs"},
        )  # fmt: skip
        ((name, caption, figure),) = list(figures(xas.rixs.compare_parts(parts)))
        assert (name, "of the first exposure" in caption) == ("rixs_parts", True)
        assert len(png(figure)) > 10_000

    def test_other_datasets_have_none_and_are_refused(self):
        one = rixs_map(mean()).isel(incident_energy=0)
        assert list(figures(one)) == []
        assert list(figures(one.assign_attrs(technique="eels"))) == []
        with pytest.raises(InvalidInput, match="plot_map needs a series along one dimension"):
            xas.rixs.plot_map(one)
        with pytest.raises(InvalidInput, match="variable: nothing called 'conuts' lies along energy_loss"):
            xas.rixs.plot_map(rixs_map(mean()), "conuts")
