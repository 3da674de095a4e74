"""The vibrational progression: its two constants recovered with sigmas that cover, and what is refused."""

import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput

LOSS = np.arange(-0.5, 1.3, 0.01)
OMEGA, OMEGA_X = 0.1945, 0.0016
HEIGHTS = np.array([300, 60, 70, 60, 40, 20])


def mean(scale=1.0, zero=0.004):
    v = np.arange(6)
    places = zero + OMEGA * v - OMEGA_X * v * (v + 1)
    lines = HEIGHTS * np.exp(-4 * np.log(2) * ((LOSS[:, None] - places) / 0.085) ** 2)
    return scale * (lines.sum(axis=1) + 4)


def dataset(counts, dims=()):
    return spectra.from_arrays(LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims)


def test_losses_of_oxygen_from_its_constants():
    """0.193, 0.383, 0.570, 0.755 and 0.936 eV for v = 1 to 5; terms beyond these two constants add 1 meV at the end."""
    from xas.rixs.lines import O2_ANHARMONICITY, O2_ENERGY

    v = np.arange(1, 6)
    losses = O2_ENERGY * v - O2_ANHARMONICITY * v * (v + 1)
    np.testing.assert_allclose(losses, [0.193, 0.383, 0.570, 0.755, 0.936], atol=1.1e-3)
    np.testing.assert_allclose(losses[:3], [0.193, 0.383, 0.570], atol=2e-4)


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.long)])
def test_constants_are_recovered_and_sigmas_cover(rng, count):
    drawn = rng.poisson(mean(), (count, LOSS.size))
    found = xas.rixs.fit_lines(dataset(drawn, ("scan",)))
    for name, truth in (("vibrational_energy", OMEGA), ("anharmonicity", OMEGA_X)):
        value, sigma = found[name].values, found[f"{name}_sigma"].values
        assert abs(value.mean() - truth) < 4 * sigma.mean() / np.sqrt(count)
        inside = np.mean(np.abs(value - truth) < sigma)
        assert abs(inside - 0.683) < 3 * np.sqrt(0.68 * 0.32 / count), (name, inside)
    width = 0.085 * np.sqrt(np.pi / (4 * np.log(2)))
    truths = {
        ("position", "elastic"): 0.004,
        ("area", "v2"): 70 * width,
        ("area", "v5"): 20 * width,
        ("fwhm", "elastic"): 0.085,
    }
    for (name, line), truth in truths.items():
        off = (found[name] - truth).sel(component=line).values
        inside = np.mean(np.abs(off) < found[f"{name}_sigma"].sel(component=line).values)
        assert abs(inside - 0.683) < 3.5 * np.sqrt(0.68 * 0.32 / count), (name, line, inside)
    np.testing.assert_array_equal(found.resolution, found.fwhm.sel(component="elastic"))
    assert list(found.component.values)[:3] == ["elastic", "v1", "v2"]
    area = found.area.sel(component="elastic").mean()
    assert float(area) == pytest.approx(300 * 0.085 * np.sqrt(np.pi / (4 * np.log(2))), rel=0.02)
    assert found.attrs["history"].count("spectra.fit") == 0


def test_a_harmonic_lattice_and_a_feature():
    v = np.arange(4)
    y = (np.array([200, 90, 40, 15]) * np.exp(-4 * np.log(2) * ((LOSS[:, None] - 0.07 * v) / 0.04) ** 2)).sum(
        axis=1
    )
    y = y + 30 * np.exp(-4 * np.log(2) * ((LOSS - 0.9) / 0.3) ** 2)
    found = xas.rixs.fit_lines(
        dataset(np.round(10 * y + 20)), vibrations=3, energy=0.075, anharmonicity=None, resolution=0.05,
        features={"second": (0.85, 0.4)},
    )  # fmt: skip
    assert float(found.vibrational_energy) == pytest.approx(0.07, abs=5e-4)
    assert "anharmonicity" not in found
    assert float(found.position.sel(component="second")) == pytest.approx(0.9, abs=0.01)


def test_the_elastic_line_of_a_measured_exposure(data_dir):
    exposure = xas.rixs.read_series(data_dir / "rixs" / "Co_0609_d*.h5")
    spectrum = xas.rixs.reduce(exposure, dispersion=0.009)
    found = xas.rixs.fit_lines(spectrum, vibrations=0, resolution=0.1, window=(-0.15, 0.15))
    elastic = found.sel(component="elastic")
    assert float(elastic.position) == pytest.approx(float(spectrum.elastic_loss), abs=0.003)
    assert float(elastic.fwhm) == pytest.approx(float(spectrum.elastic_fwhm), rel=0.1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vibrations": -1}, "vibrations is the number of lines, 0 to 20, got -1"),
        ({"vibrations": 8}, "v = 8 lies at 1.46 eV, beyond the window that ends at 1.2 eV"),
        ({"energy": 0.0}, "energy must be a positive number of eV"),
        ({"window": (0.1, 1.2)}, "window must hold the elastic line at 0 eV"),
        ({"window": (-0.02, 0.05), "vibrations": 0}, "free parameters|few"),
        ({"features": {"elastic": (4.3, 1.0)}}, "cannot be the name of a line here"),
        ({"features": {"second": (4.3, 0.0)}}, "the width of 'second' must be a positive number"),
    ],
)
def test_refused(options, words):
    if "window" in options and options.get("vibrations") == 0:
        data = dataset(mean()).isel(energy_loss=slice(None, None, 4))
    else:
        data = dataset(mean())
    with pytest.raises(InvalidInput, match=words):
        xas.rixs.fit_lines(data, **options)


class TestWhatIsMisread:
    """Simulated lines, photons drawn."""

    def drawn(self, rng, heights, width, spacing=0.193, floor=4.0):
        places = spacing * np.arange(len(heights))
        lines = np.asarray(heights) * np.exp(-4 * np.log(2) * ((LOSS[:, None] - places) / width) ** 2)
        return dataset(rng.poisson(lines.sum(axis=1) + floor))

    def test_no_vibrations_no_spacing(self, rng):
        found = xas.rixs.fit_lines(self.drawn(rng, [400], 0.08))
        assert "no_vibrations" in flag_names(found)
        assert np.isnan(found.vibrational_energy)
        assert np.isnan(found.anharmonicity_sigma)
        assert not failed(found)

    def test_wide_lines_need_an_elastic_line(self, rng):
        """Flagged where the spacing rests on the elastic line, refused where there is none."""
        with_line = xas.rixs.fit_lines(
            self.drawn(rng, [3000, 900, 800, 600], 0.15), vibrations=3, resolution=0.15, anharmonicity=None
        )
        assert flag_names(with_line) == ["low_resolution"]
        assert float(with_line.vibrational_energy) == pytest.approx(
            0.193, abs=4 * float(with_line.vibrational_energy_sigma)
        )
        without = xas.rixs.fit_lines(self.drawn(rng, [0], 0.15, floor=50.0), resolution=0.2)
        assert "elastic_not_seen" in flag_names(without)
        assert np.isnan(without.vibrational_energy)

    def test_vibrations_of_the_lattice(self, rng):
        found = xas.rixs.fit_lines(
            self.drawn(rng, [900, 400, 200, 90], 0.04, spacing=0.07),
            vibrations=3, energy=0.075, anharmonicity=None, resolution=0.05,
        )  # fmt: skip
        assert "lattice_spacing" in flag_names(found)
        assert float(found.vibrational_energy) == pytest.approx(0.07, abs=0.002)
