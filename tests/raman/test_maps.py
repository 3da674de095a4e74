"""Maps without a model, and maps while a cell charges: species, end members, bands against the voltage."""

import numpy as np
import pytest
import xarray as xr

import raman
import spectra
from spectra.dataset import failed

MAP = "map_plastics_29x287x672.h5"


def prepared(data):
    data = spectra.despike(data, against="neighbours", width=8)
    return spectra.subtract_baseline(data, method="arpls", options={"lam": 1e5})


class TestSpeciesOfAMeasuredMap:
    """Plastics on a substrate: most pixels hold fluorescence alone, one a grain of carbonate (band near 1085)."""

    PLACE = (4, 6)

    @pytest.fixture(scope="class")
    @classmethod
    def piece(cls, data_dir):
        whole = raman.read(data_dir / "raman" / MAP)
        return prepared(whole.isel(y=slice(4, 13), x=slice(244, 257)))

    @pytest.mark.parametrize("start", ["extremes", "simplisma"])
    def test_the_grain_is_a_species(self, piece, start):
        found = spectra.mcr_als(piece, n=2, window=(950, 1250), start=start)
        axis = found.raman_shift.values
        peak = axis[np.nan_to_num(found.species_spectrum.values).argmax(-1)]
        grain = int(np.abs(peak - 1085).argmin())
        assert abs(peak[grain] - 1085) < 6
        amount = found.species_amount.isel(species=grain)
        assert np.unravel_index(int(amount.values.argmax()), amount.shape) == self.PLACE
        sigma = found.species_amount_sigma.isel(species=grain)
        assert float(amount[self.PLACE] / sigma[self.PLACE]) > 10
        assert (found.species_amount.fillna(0) >= 0).all()

    def test_a_lost_pixel_is_a_hole(self, piece):
        hurt = piece.copy(deep=True)
        hurt.net[0, 0] = np.nan
        found = spectra.mcr_als(hurt, n=2, window=(950, 1250))
        assert np.isnan(found.species_amount.values[0, 0]).all()
        assert failed(found).values[0, 0]
        assert not failed(found).values[1:].any()


@pytest.mark.long
def test_the_whole_measured_map_is_resolved(data_dir):
    """8,323 spectra: species of carbonate and of the detector's own pattern, largest where the grains are."""
    found = spectra.mcr_als(prepared(raman.read(data_dir / "raman" / MAP)), n=2)
    peaks = found.raman_shift.values[found.species_spectrum.values.argmax(-1)]
    assert np.abs(peaks - 1084).min() < 6
    assert int(failed(found).sum()) == int(found.intensity.isnull().all("raman_shift").sum())


class TestOperandoMap:
    """LiCoO2 while it charges, simulated: A1g moves with the voltage, in half of the map twice as far."""

    STEPS = 10

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls):
        moved = np.linspace(0, 6, cls.STEPS)[:, None, None] * np.where(np.arange(4) < 2, 1.0, 2.0) / 2
        moved = np.broadcast_to(moved, (cls.STEPS, 3, 4))
        bands = {
            "Eg": {"shape": "lorentzian", "position": 485.0, "area": 900.0, "fwhm": 12.0},
            "A1g": {"shape": "lorentzian", "position": (594.0 - moved).ravel(), "area": 2500.0, "fwhm": 14.0},
        }
        flat = spectra.simulate(
            np.arange(420.0, 680.0, 2.0), bands, background=20.0, noise=1.5, rng=3, axis="raman_shift"
        )
        values = flat.intensity.values.reshape(cls.STEPS, 3, 4, -1).copy()
        values[4, 1, 1] = np.nan
        made = xr.Dataset(
            {"intensity": (("time", "y", "x", "raman_shift"), values, {"units": ""})},
            coords={
                "raman_shift": flat.raman_shift,
                "time": (
                    "time",
                    np.arange(cls.STEPS) * 600.0,
                    {"units": "s", "start": "2024-05-01T10:00:00"},
                ),
            },
            attrs={"signal": "intensity", "technique": "raman", "simulated": "yes"},
        )
        log = xr.Dataset(
            {"voltage": ("time", np.linspace(3.0, 4.3, 200), {"units": "V"})},
            {"time": ("time", np.linspace(0, 6600, 200), {"units": "s", "start": "2024-05-01T10:00:00"})},
        )
        return spectra.join_cycler(raman.fit_bands(made, "licoo2"), cycler=log, duration=60), moved

    def test_positions_of_every_pixel_and_step(self, fitted):
        found, moved = fitted
        a1g = found.position.sel(component="A1g")
        sure = a1g.where(found.found.sel(component="A1g") == 1)
        assert np.argwhere(np.isnan(sure.values)).tolist() == [[4, 1, 1]]
        off = (sure - (594.0 - moved)) / found.position_sigma.sel(component="A1g")
        assert float((np.abs(off) < 4).where(sure.notnull(), True).mean()) == 1.0

    def test_against_the_voltage(self, fitted):
        """Every pixel has its slope against the voltage; the two halves differ by a factor of two."""
        found, _ = fitted
        assert found.voltage.dims == ("time",)
        assert (np.diff(found.voltage) > 0).all()
        a1g = found.position.sel(component="A1g", drop=True)
        related = xr.corr(a1g, found.voltage, dim="time")
        assert (related < -0.98).all()
        slope = xr.cov(a1g, found.voltage, dim="time") / found.voltage.var("time", ddof=1)
        assert float(slope[:, 2:].mean() / slope[:, :2].mean()) == pytest.approx(2.0, rel=0.1)

    def test_a_picture_of_one_pixel_and_of_one_step(self, fitted, tmp_path):
        found, _ = fitted
        assert spectra.plot_against(found.isel(y=0, x=0), "voltage") is not None
        raman.plot_map(found.isel(time=3), "position", component="A1g").savefig(tmp_path / "map.png")
        assert (tmp_path / "map.png").stat().st_size > 5_000
