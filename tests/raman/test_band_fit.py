"""Bands of every phase simulated and found again; uncertainties that cover; flags, limits, neighbours, bad input."""

import json

import lmfit
import numpy as np
import pytest
import xarray as xr

import raman
import spectra
from raman.bands.noise import local_mean
from raman.bands.table import list_phases
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput, UnknownOption
from spectra.fitting.from_lmfit import build
from spectra.fitting.spec import from_tables
from spectra.results.rerun import rerun
from spectra.verbs import history

SHIFT = np.arange(300.0, 800.0, 1.5)


def lnmo(n=1, *, counts=1500.0, noise=0.0, seed=1, axis="raman_shift", **changes):
    """Spectra of disordered LNMO on fluorescence, simulated; ``changes`` replaces the areas or positions of bands."""
    names = ("Eg + F2g", "F2g(2)", "F2g(3)", "A1g")
    area = changes.get("area", (4e3, 6e3, 5e3, 3e4))
    position = changes.get("position", (398.0, 491.0, 590.0, 633.0))
    lines = {
        name: {
            "shape": "lorentzian",
            "position": position[i],
            "area": area[i],
            "fwhm": (20.0, 20.0, 22.0, 18.0)[i],
        }
        for i, name in enumerate(names)
    }
    said = {"name": "counts", "units": "counts"} if counts else {"name": "intensity"}
    data = spectra.simulate(
        SHIFT, lines, background=300.0, counts=counts, noise=noise, n=n, rng=seed, axis=axis, **said
    )
    return data.drop_vars([v for v in data if str(v) in ("counts_sigma", "intensity_sigma")])


def off_by(found, data, quantity, bands=4):
    """Distance from the truth in the stated uncertainty."""
    value, sigma = (found[n].values[..., :bands] for n in (quantity, f"{quantity}_sigma"))
    return (value - data[f"true_{quantity}"].values[..., :bands]) / sigma


@pytest.mark.parametrize("technique", ["raman", "ftir"])
def test_every_phase_is_found_where_it_was_put(technique, rng):
    """Each phase of the table, shifted inside its ranges, comes back within its uncertainty."""
    axis, name = {"raman": ("raman_shift", "intensity"), "ftir": ("wavenumber", "absorbance")}[technique]
    for phase in list_phases(technique).values():
        x = np.arange(
            min(b.position for b in phase.bands) - 150, max(b.position for b in phase.bands) + 250, 1.0
        )
        lines = {
            b.name: {
                "shape": b.shape or "lorentzian",
                "position": b.position
                + rng.uniform(-0.5, 0.5) * min(b.position - b.range[0], b.range[1] - b.position),
                "area": 100.0 * b.fwhm,
                "fwhm": b.fwhm,
            }
            for b in phase.bands
        }
        data = spectra.simulate(x, lines, background=20.0, noise=0.2, rng=rng, axis=axis, name=name)
        found = raman.fit_bands(data, phase.name, window=(x[0], x[-1]))
        names = [b.name for b in phase.bands]
        assert found.component.values.tolist() == [*names, "baseline"]
        assert (found.found.sel(component=names) == 1).all(), phase.name
        assert (np.abs(off_by(found, data, "position", len(names))) < 4.5).all(), phase.name
        assert (np.abs(off_by(found, data, "area", len(names))) < 4.5).all(), phase.name


class TestUncertainty:
    @pytest.mark.parametrize("kind", ["counts", "net", "unknown"])
    def test_covers_the_truth(self, kind):
        """Counts, counts less a baseline, and noise of unknown size: 200 spectra, every band."""
        self.covered(kind, 300, tolerance=0.09)

    @pytest.mark.long
    @pytest.mark.parametrize("shape", ["lorentzian", "gaussian", "pseudo_voigt"])
    @pytest.mark.parametrize("kind", ["counts", "net", "unknown"])
    def test_covers_in_63_to_73_percent(self, kind, shape):
        self.covered(kind, 1500, tolerance=0.05, shape=shape)

    @staticmethod
    def covered(kind, n, *, tolerance, shape="lorentzian"):
        lines = {
            "F2g(2)": {"shape": shape, "position": 491.0, "area": 6e3, "fwhm": 20.0},
            "F2g(3)": {"shape": shape, "position": 590.0, "area": 7e3, "fwhm": 22.0},
            "A1g": {"shape": shape, "position": 633.0, "area": 3e4, "fwhm": 18.0},
        }
        counted = {"counts": 3000, "name": "counts", "units": "counts"}
        how = {"noise": 8.0} if kind == "unknown" else counted
        data = spectra.simulate(SHIFT, lines, background=300.0, n=n, rng=5, axis="raman_shift", **how)
        data = data.drop_vars(f"{data.attrs['signal']}_sigma")
        if kind == "net":
            data["net"] = (data.counts - data.true_background).assign_attrs(units="counts")
        found = raman.fit_bands(data, (491.0, 590.0, 633.0), shape=shape)
        for quantity in ("position", "area", "fwhm"):
            off = off_by(found, data, quantity, 3)
            inside = (np.abs(off) < 1).mean(0)
            assert (np.abs(inside - 0.683) < tolerance).all(), (quantity, inside)
            assert (np.abs(off.mean(0)) < 0.25).all(), (quantity, off.mean(0))

    @pytest.mark.long
    @pytest.mark.parametrize("ratio", [3.0, 5.0, 10.0, 30.0, 100.0])
    def test_covers_from_a_signal_to_noise_of_three_on(self, ratio):
        """A band of that ratio beside one three times as high, both moved inside their ranges."""
        n, x = 1500, np.arange(520.0, 720.0, 1.5)
        moved = 590.0 + np.random.default_rng(1).uniform(-3, 3, n)
        lines = {
            "F2g(3)": {
                "shape": "lorentzian",
                "position": moved,
                "area": ratio * np.pi / 2 * 20,
                "fwhm": 20.0,
            },
            "A1g": {
                "shape": "lorentzian",
                "position": 633.0,
                "area": 3 * ratio * np.pi / 2 * 18,
                "fwhm": 18.0,
            },
        }
        data = spectra.simulate(x, lines, background=10.0, noise=1.0, n=n, rng=2, axis="raman_shift")
        found = raman.fit_bands(data.drop_vars("intensity_sigma"), "lnmo", window=(520.0, 720.0))
        for quantity in ("position", "area", *(["fwhm"] if ratio > 3 else [])):
            inside = (np.abs(off_by(found, data, quantity, 2)) < 1).mean(0)
            assert ((inside >= 0.63) & (inside <= 0.73)).all(), (quantity, inside)

    def test_of_the_axis_is_in_that_of_positions(self):
        data = lnmo()
        of_axis = xr.DataArray(np.linspace(0.3, 0.8, SHIFT.size), dims="raman_shift", attrs={"units": "1/cm"})
        plain, calibrated = (
            raman.fit_bands(d, "lnmo") for d in (data, data.assign(raman_shift_sigma=of_axis))
        )
        added = np.interp(plain.position.values[..., :4], SHIFT, of_axis)
        np.testing.assert_allclose(
            calibrated.position_sigma.values[..., :4], np.hypot(plain.position_sigma.values[..., :4], added)
        )
        np.testing.assert_array_equal(plain.fwhm_sigma, calibrated.fwhm_sigma)
        assert any("raman_shift_sigma" in text for text in history(calibrated)[-1]["notes"])

    def test_stated_ones_come_first(self):
        data = lnmo().assign(counts_sigma=("raman_shift", np.full(SHIFT.size, 10.0), {"units": "counts"}))
        data = data.isel(scan=0, missing_dims="ignore")
        assert history(raman.fit_bands(data, "lnmo"))[-1]["resolved"]["weights"] == "sigma"
        assert history(raman.fit_bands(data, "lnmo", weights="none"))[-1]["resolved"]["weights"] == "none"
        net = data.assign(net=data.counts - 300.0)
        assert history(raman.fit_bands(net, "lnmo"))[-1]["resolved"]["sigma"] == "counts_sigma"
        with pytest.raises(InvalidInput, match="needs the variable 'intensity_sigma'"):
            raman.fit_bands(lnmo(counts=None, noise=1.0), "lnmo", weights="sigma")
        with pytest.raises(InvalidInput, match="needs counts, and intensity is in no units"):
            raman.fit_bands(lnmo(counts=None, noise=1.0), "lnmo", weights="poisson")

    def test_running_mean_is_that_of_the_definition(self, rng, frozen):
        y = rng.normal(size=(3, 40))
        y[1, 5] = np.nan
        mean = local_mean(frozen(y), 9)
        slow = [[np.nanmean(row[max(i - 4, 0) : i + 5]) for i in range(40)] for row in y]
        np.testing.assert_allclose(mean, slow, atol=1e-12)


class TestPeer:
    @pytest.mark.parametrize("shape", ["lorentzian", "gaussian", "pseudo_voigt", "voigt"])
    def test_lmfit_finds_the_same(self, shape):
        """Same minimum and covariance as lmfit on the model that the verb made."""
        data = lnmo(counts=None, noise=3.0)
        found = raman.fit_bands(data, "lnmo", shape=shape)
        peer = spectra.to_lmfit(found, **({"scan": 0} if "scan" in found.dims else {}))
        assert isinstance(peer, lmfit.model.ModelResult)
        assert peer.ndata == np.isfinite(found.best_fit).sum()
        assert abs(peer.redchi / float(found.redchi.squeeze()) - 1) < 1e-6
        for name, value, sigma in zip(
            found.parameter.values,
            found.best_value.values.ravel(),
            found.best_value_sigma.values.ravel(),
            strict=True,
        ):
            if np.isfinite(sigma) and sigma > 0:
                assert abs(peer.params[name].value - value) < 0.02 * sigma, name

    def test_weak_doublets_end_no_higher_than_lmfit(self, rng):
        """Bands at 15 % of their neighbour, in the noise: the minimum is never above that of lmfit's own fit."""
        lines = {
            "a": {"shape": "lorentzian", "position": 585.0, "area": 900.0, "fwhm": 14.0},
            "b": {"shape": "lorentzian", "position": 603.0, "area": 900.0, "fwhm": 14.0},
            "c": {"shape": "lorentzian", "position": 640.0, "area": 7000.0, "fwhm": 16.0},
        }
        x = np.arange(520.0, 720.0, 2.0)
        data = spectra.simulate(x, lines, background=20.0, noise=12.0, n=25, rng=3, axis="raman_shift")
        found = raman.fit_bands(data, (585.0, 603.0, 640.0), window=(520.0, 720.0))
        said = history(found)[-1]["resolved"]
        model, params = build(from_tables(said["model"], said["params"]))
        for i in range(data.sizes["scan"]):
            params["b585_area"].value = params["b603_area"].value = params["b640_area"].value = 1000.0
            peer = model.fit(
                data.intensity.values[i], params, x=x, weights=1 / data.intensity_sigma.values[i]
            )
            assert found.redchi.values[i] <= peer.redchi * (1 + 1e-6)


class TestMeasured:
    def test_silicon_lies_where_it_was_found_before(self, data_dir):
        data = raman.read(data_dir / "raman" / "carbon" / "Si_spectrum01.txt")
        found = raman.fit_bands(data, "silicon", shape="pseudo_voigt").sel(component="Si")
        assert found.position.item() == pytest.approx(521.30, abs=0.01)
        assert found.fwhm.item() == pytest.approx(7.5, abs=0.05)
        other = raman.read(data_dir / "raman" / "calib" / "Ho785_Si_S0B.txt")
        found = raman.fit_bands(other, "silicon", shape="pseudo_voigt").sel(component="Si")
        assert found.position.item() == pytest.approx(522.72, abs=0.5)
        assert found.fwhm.item() == pytest.approx(10.7, abs=0.5)

    def test_a_piece_of_a_measured_map(self, data_dir):
        """Plastics on a substrate, most pixels without these bands: every one has its numbers or says why not."""
        data = raman.read(data_dir / "raman" / "map_plastics_29x287x672.h5").isel(
            y=slice(0, 4), x=slice(0, 12)
        )
        found = raman.fit_bands(data, (1002.0, 1097.0), window=(960.0, 1140.0), widths="shared")
        assert found.position.dims == ("y", "x", "component")
        lost = failed(found).values
        assert np.isfinite(found.position.values[~lost][:, :2]).all()
        assert set(np.unique(found.found.values[~lost][:, :2])) <= {0.0, 1.0}
        assert (found.height.values[~lost][:, :2] >= 0).all()


class TestOptions:
    def test_widths_are_shared(self):
        data = lnmo()
        free = raman.fit_bands(data, "lnmo")
        all_alike = raman.fit_bands(data, "lnmo", widths="shared")
        pair = raman.fit_bands(data, "lnmo", widths=(("F2g(3)", "A1g"),))
        assert np.unique(all_alike.fwhm.values.ravel()[:4].round(9)).size == 1
        assert pair.fwhm.values.ravel()[2] == pytest.approx(pair.fwhm.values.ravel()[3])
        assert [d.sizes["varied"] for d in (free, all_alike, pair)] == [14, 11, 13]

    def test_positions_are_kept_or_given_room(self):
        data = lnmo(position=(398.0, 491.0, 590.0, 655.0))
        kept = raman.fit_bands(data, "lnmo", position_range=0.0)
        np.testing.assert_array_equal(kept.position.values.ravel()[:4], [398, 491, 590, 633])
        limited = raman.fit_bands(data, "lnmo")
        assert limited.at_limit.sel(component="A1g").item() == 1
        roomy = raman.fit_bands(data, "lnmo", position_range=30.0)
        assert float(roomy.position.sel(component="A1g").squeeze()) == pytest.approx(655.0, abs=0.5)

    def test_no_band_is_narrower_than_the_instrument(self):
        found = raman.fit_bands(lnmo(), "lnmo", instrument_width=25.0)
        assert (found.fwhm.values.ravel()[:4] >= 25.0 - 1e-9).all()
        assert found.at_limit.sel(component="A1g").item() == 1
        voigt = raman.fit_bands(lnmo(), "lnmo", shape="voigt", instrument_width=6.0)
        widths = voigt.best_value.sel(parameter=[p for p in voigt.parameter.values if p.endswith("fwhm_g")])
        assert (widths == 6.0).all()

    def test_anything_of_a_band_can_be_changed(self):
        changes = {"A1g": {"position": {"value": 630.0, "min": 625.0, "max": 640.0}, "fwhm": 12.0}}
        found = raman.fit_bands(lnmo(), "lnmo", changes=changes)
        assert found.fwhm.sel(component="A1g").item() == 12.0
        mixed = raman.fit_bands(lnmo(), "lnmo", shape="pseudo_voigt", changes={"A1g": {"fraction": 1.0}})
        assert mixed.best_value.sel(parameter="a1g_fraction").item() == 1.0

    def test_positions_tables_and_phases_together(self):
        found = raman.fit_bands(lnmo(), ("licoo2", 398.0, {"name": "mine", "position": 633.0, "fwhm": 18.0}))
        assert found.component.values.tolist() == ["398", "Eg", "A1g", "mine", "baseline"]
        both = raman.fit_bands(lnmo(), ("licoo2", "lambda-mno2"))
        assert "licoo2 A1g" in both.component.values

    def test_net_is_fitted_without_a_baseline(self):
        data = lnmo()
        data["net"] = (data.counts - data.true_background).assign_attrs(units="counts")
        found = raman.fit_bands(data, "lnmo")
        assert "baseline" not in found.component.values
        said = history(found)[-1]
        assert (said["resolved"]["variable"], said["resolved"]["baseline"]) == ("net", "none")
        assert any("no uncertainty from it" in text for text in said["notes"])
        assert "baseline" in raman.fit_bands(data, "lnmo", variable="counts").component.values

    def test_a_file_of_ones_own_is_needed_once(self, tmp_path):
        file = tmp_path / "mine.toml"
        file.write_text('[[phase]]\nname = "mine"\nbands = [{ name = "A1g", position = 633.0 }, 590.0]\n')
        found = raman.fit_bands(lnmo(), str(file), window=(540.0, 700.0))
        target = found.spectra.save(tmp_path / "fit.nxs")
        file.unlink()
        again = rerun(target)
        assert again.identical, str(again)

    def test_what_is_to_be_verified_is_said(self):
        (entry,) = history(raman.fit_bands(lnmo(), "lnmo-ordered"))
        assert any("to be verified" in text and "F2g(3) low" in text for text in entry["notes"])
        assert any("were left out: low 160, low 220, low 240" in text for text in entry["notes"])
        assert not any("verified" in text for text in history(raman.fit_bands(lnmo(), "lnmo"))[0]["notes"])


class TestFlags:
    def test_a_band_that_is_not_there(self):
        found = raman.fit_bands(lnmo(area=(4e3, 6e3, 1e-6, 3e4)), "lnmo")
        assert found.found.squeeze().values[:4].tolist() == [1, 1, 0, 1]
        assert "band_not_found" in flag_names(found.squeeze())
        assert not failed(found).any()

    def test_a_spectrum_that_ends_inside_a_band(self):
        data = lnmo(counts=None, noise=1.0)
        found = raman.fit_bands(data.sel(raman_shift=slice(300, 637)), "lnmo")
        assert "band_cut_off" in flag_names(found.squeeze())
        assert "band_cut_off" not in flag_names(raman.fit_bands(data, "lnmo").squeeze())
        # one spectrum of a series that lacks its end
        series = lnmo(3)
        gap = series.counts.where(~((series.scan == 1) & (series.raman_shift > 637)))
        flagged = raman.fit_bands(series.assign(counts=gap), "lnmo")
        assert ["band_cut_off" in flag_names(flagged, scan=i) for i in range(3)] == [False, True, False]

    def test_one_lost_spectrum_leaves_the_others_alone(self):
        series = lnmo(4)
        lost = series.counts.where(series.scan != 2)
        whole, found = (raman.fit_bands(d, "lnmo") for d in (series, series.assign(counts=lost)))
        assert failed(found).values.tolist() == [False, False, True, False]
        assert np.isnan(found.position.isel(scan=2)).all()
        assert np.isnan(found.found.isel(scan=2)).all()
        others = [0, 1, 3]
        np.testing.assert_array_equal(found.position.isel(scan=others), whole.position.isel(scan=others))


class TestMap:
    def test_neighbours_help_where_the_table_leads_astray(self):
        """A band that wanders over a map, far from where the table has it: neighbours lead there."""
        y, x = np.mgrid[:5, :6]
        position = (610.0 + 7.0 * x + 2.0 * y).ravel()
        lines = {"b": {"shape": "gaussian", "position": position, "area": 4e3, "fwhm": 8.0}}
        data = spectra.simulate(SHIFT, lines, background=50.0, noise=2.0, rng=3, axis="raman_shift")
        data = data.drop_vars("intensity_sigma")
        grid = xr.Dataset(
            {
                "intensity": (
                    ("y", "x", "raman_shift"),
                    data.intensity.values.reshape(5, 6, -1),
                    {"units": ""},
                )
            },
            coords={"raman_shift": data.raman_shift},
            attrs={"signal": "intensity"},
        )
        band = ({"name": "b", "position": {"value": 605.0, "range": [560.0, 680.0]}, "fwhm": 8.0},)
        fresh = raman.fit_bands(grid, band, shape="gaussian", start="fresh")
        helped = raman.fit_bands(grid, band, shape="gaussian")
        truth = position.reshape(5, 6)
        assert (helped.redchi.values <= fresh.redchi.values * (1 + 1e-9)).all()
        right = [np.abs(d.position.sel(component="b").values - truth) < 1.0 for d in (fresh, helped)]
        assert right[1].all()

    def test_a_map_with_missing_pixels_keeps_its_shape(self):
        data = lnmo(6)
        counts = data.counts.values.reshape(2, 3, -1).astype(float)
        counts[1, 2] = np.nan
        grid = xr.Dataset(
            {"counts": (("y", "x", "raman_shift"), counts, {"units": "counts"})},
            coords={"raman_shift": data.raman_shift},
            attrs={"signal": "counts"},
        )
        found = raman.fit_bands(grid, "lnmo")
        assert failed(found).values.tolist() == [[False] * 3, [False, False, True]]
        kept = found.area.where(found.found == 1).sel(component="A1g")
        assert np.isfinite(kept.values).sum() == 5

    def test_curves_are_left_out_on_request(self):
        found = raman.fit_bands(lnmo(2), "lnmo", component_curves=False)
        assert "component_curve" not in found
        assert any("component_curves=True" in text for text in history(found)[-1]["notes"])


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"bands": "lnno"}, "did you mean 'lnmo'"),
            ({"bands": (1500.0,)}, "none of the bands asked for \\(1500 1/cm\\) lies inside"),
            ({"bands": "lnmo", "shape": "lorentz"}, "did you mean 'lorentzian'"),
            ({"bands": "lnmo", "window": (630.0, 634.0)}, "parameters are fitted: widen the window"),
            ({"bands": "lnmo", "widths": (("A1g", "Eg"),)}, "widths names 'Eg', which is no band here"),
            ({"bands": "lnmo", "widths": (("A1g", "A1g"),)}, "in two groups"),
            ({"bands": "lnmo", "changes": {"A1gg": {}}}, "changes names 'A1gg'.*did you mean 'A1g'"),
            ({"bands": "lnmo", "changes": {"A1g": {"width": 3.0}}}, "has no 'width'"),
            ({"bands": "lnmo", "changes": {"A1g": {"fwhm": "x"}}}, "must be a number that is kept or a table"),
            ({"bands": "lnmo", "changes": {"A1g": {"fwhm": {"value": 900.0}}}}, "outside its limits"),
            ({"bands": "lnmo", "position_range": -1.0}, "position_range must be 0 or more"),
            ({"bands": "lnmo", "instrument_width": -1.0}, "instrument_width must be 0 or more"),
            ({"bands": (400.0, 400.0)}, "two bands called '400'"),
            ({"bands": ("lnmo", {"name": "A1g", "position": 500.0})}, "the band 'A1g' twice"),
            ({"bands": ()}, "names no band of raman"),
            ({"bands": "lnmo", "variable": "nett"}, "no variable 'nett' along raman_shift"),
        ],
    )  # fmt: skip
    def test_is_refused_with_a_sentence(self, options, sentence):
        with pytest.raises((InvalidInput, UnknownOption), match=sentence):
            raman.fit_bands(lnmo(), **options)

    def test_options_go_by_name(self):
        with pytest.raises(UnknownOption, match="takes its options by name, such as shape="):
            raman.fit_bands(lnmo(), "lnmo", "voigt")
        with pytest.raises(UnknownOption, match="was given 'bands' twice"):
            raman.fit_bands(lnmo(), "lnmo", bands="carbon")
        with pytest.raises(InvalidInput, match="needs 'bands'"):
            raman.fit_bands(lnmo())

    def test_transmittance_is_refused(self):
        data = spectra.from_arrays(
            np.arange(400.0, 800.0), np.ones(400), axis="wavenumber", name="transmittance"
        )
        with pytest.raises(InvalidInput, match="call raman.to_absorbance first"):
            raman.fit_bands(data, "lnmo")

    def test_another_axis_is_refused(self):
        data = spectra.from_arrays(np.arange(400.0, 800.0), np.ones(400), axis="energy")
        with pytest.raises(InvalidInput, match="works along raman_shift or wavenumber"):
            raman.fit_bands(data, "lnmo")


def test_inputs_stay_as_they_are(frozen):
    data = lnmo(2)
    data["counts"] = (data.counts.dims, frozen(data.counts.values), data.counts.attrs)
    before = data.copy(deep=True)
    raman.fit_bands(data, "lnmo")
    xr.testing.assert_identical(data, before)


def test_the_result_goes_into_a_file_and_out(tmp_path):
    found = raman.fit_bands(lnmo(2), bands="lnmo")
    file = found.spectra.save(tmp_path / "fit.nxs")
    loaded = spectra.load(file)
    for name in ("position", "found", "at_limit", "table_position"):
        np.testing.assert_array_equal(loaded[name].values, found[name].values)
    assert loaded.assignment.values.tolist() == found.assignment.values.tolist()
    assert rerun(file).identical
    assert json.loads(loaded.attrs["history"])[-1]["verb"] == "raman.fit_bands"
