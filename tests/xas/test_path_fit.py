"""fit_paths: known truth, larch's feffit, coverage of the uncertainties, and what it refuses."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput
from spectra.larch_guard import larch_attribute, larch_function
from spectra.verbs import history
from xas.exafs.transform import fourier_matrix
from xas.paths.curve import path_chi
from xas.paths.expressions import path_expression
from xas.paths.feff import feff_paths
from xas.paths.fit import fit_chi, path_problem
from xas.points.wavenumber import R_STEP

K = 0.05 * np.arange(341)
SHELLS = ("feff0001", "feff0002", "feff0003")  # the third is a triangle: multiple scattering
TRUTH = {"s02": 0.9, "e0": 3.0, "alpha": -0.002, "ss1": 0.008, "ss2": 0.011, "ss3": 0.012}
START = {"s02": 0.8, "e0": 0.0, "alpha": 0.0, "ss1": 0.005, "ss2": 0.005, "ss3": 0.005}
RANGES = {"k_range": (3.0, 15.0), "r_range": (1.5, 4.2), "dk": 2.0}


@pytest.fixture(scope="module")
def copper(data_dir):
    """Files of three shells, their tables and chi(k) of known truth."""
    files = [data_dir / "xas" / "feff_Cu_larch" / f"{name}.dat" for name in SHELLS]
    paths = [feff_paths(file)[0] for file in files]
    tables = [{"file": str(f), "deltar": "alpha*reff", "sigma2": f"ss{i + 1}"} for i, f in enumerate(files)]
    chi = sum(
        path_chi(
            p, K, s02=TRUTH["s02"], e0=TRUTH["e0"], deltar=TRUTH["alpha"] * p.reff, sigma2=TRUTH[f"ss{i + 1}"]
        )
        for i, p in enumerate(paths)
    )
    chi.setflags(write=False)
    return SimpleNamespace(files=files, paths=paths, tables=tables, chi=chi)


@pytest.fixture(scope="module")
def feffit():
    """The peer: values and sigmas of a fit of (file, path parameters) to one or more chi(k)."""
    names = ("feffpath", "feffit", "feffit_transform", "feffit_dataset")
    peer = {name: larch_function("larch.xafs", name) for name in names}
    group, param = larch_attribute("larch.fitting", "param_group"), larch_attribute("larch.fitting", "param")

    def fit(chis, paths, parameters, **ranges):
        transform = peer["feffit_transform"](**ranges)
        sets = [
            peer["feffit_dataset"](
                data=larch_attribute("larch", "Group")(k=K, chi=np.array(chi)),
                pathlist=[peer["feffpath"](str(f), label=f"p{d}_{i}", **v) for i, (f, v) in enumerate(own)],
                transform=transform,
                epsilon_k=1e-3,
            )
            for d, (chi, own) in enumerate(zip(chis, paths, strict=True))
        ]
        start = group(**{n: param(v, vary=True) for n, v in parameters.items()})
        found = peer["feffit"](start, sets, tol=1e-10)
        value, sigma = np.array([(found.params[n].value, found.params[n].stderr) for n in parameters]).T
        return SimpleNamespace(value=value, sigma=sigma, found=found)

    return fit


@pytest.fixture(scope="module")
def foil(measured):
    """The foil as its reference fit has it."""
    scan = xas.normalize(measured("Cu_foil_rt_larch"), e0=8980.5)
    return xas.autobk(scan, rbkg=1.0, kweight=1.0)


def noisy(chi, size, n, seed=5):
    return chi + np.random.default_rng(seed).normal(0, size, (n, chi.size))


class TestTruth:
    @pytest.mark.parametrize("space", ["r", "k", "q"])
    @pytest.mark.parametrize("kweights", [(2.0,), (1.0, 2.5)])
    def test_three_shells_without_noise(self, copper, space, kweights):
        fit = fit_chi(
            K, copper.chi, paths=copper.tables, parameters=START, space=space, kweights=kweights, **RANGES
        )
        np.testing.assert_allclose(fit.value, list(TRUTH.values()), rtol=2e-5, atol=1e-7)
        assert fit.rfactor < 1e-9
        np.testing.assert_allclose(
            fit.path_value["deltar"][0], [TRUTH["alpha"] * p.reff for p in copper.paths], rtol=1e-4
        )

    def test_higher_cumulants_and_broadening(self, copper):
        values = {
            "s02": 0.8,
            "e0": 2.0,
            "deltar": 0.02,
            "sigma2": 0.006,
            "third": 2e-4,
            "fourth": 2e-5,
            "ei": 1.5,
        }
        chi = path_chi(copper.paths[0], K, **values)
        table = {"file": str(copper.files[0]), "degen": "n"}
        start = dict.fromkeys(values, 0.0) | {
            "n": 10.0,
            "s02": {"value": 0.8, "vary": False},
            "sigma2": 0.003,
        }
        ranges = {"k_range": (2.5, 16.5), "r_range": (0.5, 4.0), "space": "k"}
        fit = fit_chi(K, chi, paths=table, parameters=start, **ranges)
        said = dict(zip(fit.parameters, fit.value, strict=True))
        assert said["n"] == pytest.approx(12, rel=1e-4)
        for name in ("e0", "deltar", "sigma2", "third", "fourth", "ei"):
            assert said[name] == pytest.approx(values[name], rel=1e-3)

    def test_a_temperature_series_shares_its_einstein_temperature(self, copper):
        temperatures = [20.0, 150.0, 300.0]
        chi = np.array([self._at(copper, t) for t in temperatures])
        table = {"file": str(copper.files[0]), "deltar": "dr", "sigma2": "sigma2_eins(temperature, theta)"}
        start = {"s02": 0.8, "e0": 0.0, "theta": 180.0, "dr": {"value": 0.0, "each": True}}
        fit = fit_chi(
            K, chi, together=True, conditions={"temperature": temperatures}, paths=table, parameters=start
        )
        assert fit.parameters == ("s02", "e0", "theta", "dr_0", "dr_1", "dr_2")
        np.testing.assert_allclose(fit.value, [0.9, 3.0, 240.0, 0.0002, 0.0015, 0.003], rtol=1e-4, atol=1e-7)
        assert fit.path_value["sigma2"].shape == (3, 1)
        assert fit.path_chi.shape == (3, 1, K.size)

    @staticmethod
    def _at(copper, temperature):
        text = path_expression("sigma2_eins(T, 240.)", copper.paths[0], 12.0, {"T": temperature})
        sigma2 = eval(text, {"tanh": math.tanh})
        return path_chi(copper.paths[0], K, s02=0.9, e0=3.0, deltar=1e-5 * temperature, sigma2=sigma2)

    def test_two_edges_of_one_sample(self, copper, data_dir):
        """Different paths for each data set, one parameter common to both."""
        iron = data_dir / "xas" / "feff_FeO" / "feff_feo01.dat"
        of_iron = path_chi(feff_paths(iron)[0], K, s02=0.9, e0=1.0, deltar=0.03, sigma2=0.009)
        of_copper = path_chi(copper.paths[0], K, s02=0.9, e0=-2.0, deltar=0.0, sigma2=0.006)
        paths = [
            {"file": str(copper.files[0]), "spectrum": 0, "label": "Cu", "sigma2": "ss_cu"},
            {"file": str(iron), "spectrum": 1, "label": "O", "sigma2": "ss_o", "deltar": "dr"},
        ]
        start = {"s02": 0.8, "e0": {"value": 0.0, "each": True}, "ss_cu": 0.005, "ss_o": 0.005, "dr": 0.0}
        fit = fit_chi(K, np.array([of_copper, of_iron]), together=True, paths=paths, parameters=start)
        said = dict(zip(fit.parameters, fit.value, strict=True))
        truth = {"s02": 0.9, "e0_0": -2.0, "e0_1": 1.0, "ss_cu": 0.006, "ss_o": 0.009, "dr": 0.03}
        assert said == pytest.approx(truth, rel=1e-4)
        assert np.isnan(fit.path_value["sigma2"][0, 1])
        assert np.isnan(fit.path_chi[1, 0]).all()

    def test_fewer_rows_are_the_same_sum_of_squares(self, copper):
        """Obvious and slow: real and imaginary part of chi(R), point by point."""
        chi = noisy(copper.chi, 2e-3, 1)[0]
        problem = path_problem(K, paths=copper.tables, parameters=START, kweights=(2.0,), **RANGES)
        _, matrix = fourier_matrix(K, 3.0, 15.0, kweight=2.0, taper=2.0, shape="hanning", rmax=10.0)
        part = matrix[int(0.01 + 1.5 / R_STEP) : int(0.01 + 4.2 / R_STEP)]
        fit = problem.fit(chi[None])
        model = fit.path_chi[0].sum(0)
        slow = (np.abs(part @ (chi - model)) ** 2).sum() / (np.abs(part @ chi) ** 2).sum()
        assert fit.rfactor == pytest.approx(slow, rel=1e-9)
        assert len(problem.space.matrix) < problem.space.count / 2
        assert problem.independent == pytest.approx(1 + 2 * 12 * 2.7 / np.pi)

    def test_noise_is_read_off_high_r(self, copper):
        fit = fit_chi(K, noisy(copper.chi, 2e-3, 200), paths=copper.tables, parameters=START, **RANGES)
        assert fit.epsilon_k.mean() == pytest.approx(2e-3, rel=0.03)
        assert fit.redchi.mean() == pytest.approx(1.0, abs=0.1)


def two_halves(copper, n):
    """One shell with noise, and a model that has it twice: which half is where cannot be known."""
    chi = path_chi(copper.paths[0], K, s02=0.8, e0=1.0, deltar=0.02, sigma2=0.015)
    shell = {"file": str(copper.files[0]), "sigma2": "ss"}
    halves = tuple({**shell, "label": side, "degen": 6, "deltar": f"dr_{side}"} for side in "ab")
    start = {"s02": {"value": 0.8, "vary": False}, "e0": 0.0, "dr_a": -0.05, "dr_b": 0.05, "ss": 0.005}
    return noisy(chi, 3e-4, n), halves, start, {**shell, "deltar": "dr"}


class TestPathsThatCannotBeTold:
    @pytest.mark.parametrize("uncertainty", ["propagated", "independent"])
    def test_have_no_sigma_and_leave_that_of_the_others(self, copper, uncertainty):
        chi, halves, start, whole = two_halves(copper, 20)
        options = {"k_range": (3.0, 12.0), "r_range": (1.5, 3.0), "uncertainty": uncertainty}
        fit = fit_chi(K, chi, paths=halves, parameters=start, **options)
        one = {n: v for n, v in start.items() if n != "dr_b" and n != "dr_a"} | {"dr": 0.0}
        alone = fit_chi(K, chi, paths=[{**whole, "degen": 12}], parameters=one, **options)
        lost = np.abs(np.diff(fit.path_value["deltar"][:, 0])[:, 0]) < 1e-6
        assert 5 <= lost.sum() < 20  # in the others noise lets the halves stand apart
        assert fit.flags["undetermined"][lost].all()
        assert np.isnan(fit.path_sigma["deltar"][lost]).all()
        a, b = fit.free.index("dr_a"), fit.free.index("dr_b")
        assert np.isnan(fit.correlation[lost][:, a, b]).all()
        e0, same = fit.parameters.index("e0"), alone.parameters.index("e0")
        np.testing.assert_allclose(fit.sigma[lost, e0], alone.sigma[lost, same], rtol=0.1)
        others = ~lost & ~fit.flags["undetermined"]
        assert np.isfinite(fit.path_sigma["deltar"][others]).all()


class TestLarch:
    @pytest.mark.parametrize("space", ["r", "k", "q"])
    @pytest.mark.parametrize("kweights", [(2.0,), (1.0, 2.0, 3.0)])
    def test_three_shells(self, copper, feffit, space, kweights):
        chi = noisy(copper.chi, 1e-3, 1)[0]
        own = [
            (f, {"s02": "s02", "e0": "e0", "deltar": "alpha*reff", "sigma2": f"ss{i + 1}"})
            for i, f in enumerate(copper.files)
        ]
        weights = [int(w) for w in kweights]
        peer = feffit(
            [chi], [own], START, kmin=3, kmax=15, kweight=weights if len(weights) > 1 else weights[0], dk=2,
            window="hanning", rmin=1.5, rmax=4.2, fitspace=space,
        )  # fmt: skip
        fit = fit_chi(
            K, chi, paths=copper.tables, parameters=START, kweights=kweights, space=space, uncertainty="independent", **RANGES
        )  # fmt: skip
        np.testing.assert_allclose((fit.value - peer.value) / peer.sigma, 0, atol=1e-4)
        np.testing.assert_allclose(fit.sigma, peer.sigma, rtol=1e-3)
        assert fit.rfactor == pytest.approx(peer.found.rfactor, rel=1e-6)
        assert fit.independent == pytest.approx(peer.found.n_independent)
        covariance = peer.found.covar
        size = np.sqrt(np.diag(covariance))
        order = [peer.found.var_names.index(n) for n in fit.free]
        theirs = (covariance / np.outer(size, size))[np.ix_(order, order)]
        np.testing.assert_allclose(fit.correlation, theirs, atol=1e-3)

    def test_data_sets_together(self, copper, feffit):
        chi = np.concatenate([noisy(0.9 * copper.chi, 1e-3, 1), noisy(copper.chi, 1e-3, 1, seed=6)])
        start = {"s02": 0.8, "e0": 0.0, "ss": 0.005, "dr_0": 0.0, "dr_1": 0.0}
        own = [
            [(copper.files[0], {"s02": "s02", "e0": "e0", "deltar": f"dr_{d}", "sigma2": "ss"})]
            for d in (0, 1)
        ]
        peer = feffit(chi, own, start, kmin=3, kmax=14, kweight=2, dk=1, window="hanning", rmin=1.5, rmax=3)
        table = {"file": str(copper.files[0]), "deltar": "dr", "sigma2": "ss"}
        given = {"s02": 0.8, "e0": 0.0, "ss": 0.005, "dr": {"value": 0.0, "each": True}}
        fit = fit_chi(
            K, chi, together=True, paths=table, parameters=given, k_range=(3.0, 14.0), r_range=(1.5, 3.0),
            uncertainty="independent",
        )  # fmt: skip
        np.testing.assert_allclose((fit.value - peer.value) / peer.sigma, 0, atol=1e-4)
        np.testing.assert_allclose(fit.sigma, peer.sigma, rtol=1e-3)

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("cu_rt_feff0001", "feff_Cu_larch/feff0001.dat"),
            ("cu_rt_feff6_demeter", "feff_Cu_demeter/feff0001.dat"),
        ],
    )
    def test_the_foil_is_as_in_the_reference(self, foil, data_dir, name, file):
        reference = json.loads((data_dir / "xas" / "reference_feffit_larch.json").read_text())[name]
        ranges = {"k": (3.0, 17.0), "r": (1.4, 3.0), "dk": 4.0, "window": "kaiser"}
        fitted = xas.fit_paths(foil, paths=str(data_dir / "xas" / file), uncertainty="independent", **ranges)
        for parameter, theirs in (("s02", "amp"), ("e0", "del_e0"), ("sigma2", "sig2"), ("deltar", "del_r")):
            value, sigma = reference[theirs]
            ours = fitted.sel(exafs_parameter=parameter)
            assert float(ours.exafs_value) == pytest.approx(value, abs=0.01 * sigma)
            assert float(ours.exafs_value_sigma) == pytest.approx(sigma, rel=0.01)
        distance = reference["reff"] + reference["del_r"][0]
        assert float(fitted.path_distance[0]) == pytest.approx(distance, abs=0.01 * reference["del_r"][1])
        assert float(fitted.exafs_rfactor) == pytest.approx(reference["rfactor"], rel=0.01)


class TestCoverage:
    """Stated intervals of one sigma hold the truth in 63 to 73 % of draws."""

    @staticmethod
    def of(problem, chi, truth):
        fit = problem.fit(chi[:, None], curves=False)
        assert not fit.flags["fit_not_converged"].any()
        return (np.abs(fit.value - [truth[n] for n in fit.parameters]) < fit.sigma).mean(0)

    @pytest.mark.parametrize("options", [
        {"k_range": (3.0, 12.0), "r_range": (1.0, 3.0)},
        {"k_range": (3.0, 16.0), "r_range": (1.4, 3.0), "dk": 4.0, "window": "kaiser"},
        {"k_range": (3.0, 12.0), "r_range": (1.0, 3.0), "kweights": (1.0, 2.0, 3.0)},
        {"k_range": (3.0, 12.0), "r_range": (1.0, 3.0), "space": "k"},
    ])  # fmt: skip
    def test_one_shell(self, copper, options):
        truth = {"s02": 0.9, "e0": 3.0, "deltar": -0.01, "sigma2": 0.008}
        chi = noisy(path_chi(copper.paths[0], K, **truth), 3e-3, 1000)
        held = self.of(path_problem(K, paths=copper.paths[0], **options), chi, truth)
        assert ((held > 0.63) & (held < 0.73)).all(), held

    @pytest.mark.long
    @pytest.mark.parametrize("space", ["r", "k", "q"])
    def test_three_shells(self, copper, space):
        problem = path_problem(K, paths=copper.tables, parameters=START, space=space, **RANGES)
        held = self.of(problem, noisy(copper.chi, 2e-3, 3000), TRUTH)
        assert ((held > 0.63) & (held < 0.73)).all(), held

    @pytest.mark.long
    @pytest.mark.parametrize("known", [False, True])
    def test_from_the_raw_spectrum_on(self, copper, known):
        """Through background and interpolation, whose noise is correlated along k."""
        energy = np.concatenate(
            [np.arange(8780.0, 8960, 5), np.arange(8960.0, 9010, 0.5), np.arange(9010.0, 10100, 3)]
        )
        at = np.sqrt(0.2624684 * np.clip(energy - 8980, 1e-3, None))
        chi = path_chi(copper.paths[0], at, s02=0.9, e0=3.0, deltar=-0.01, sigma2=0.008) * (
            1 - np.exp(-((at / 2.5) ** 6))
        )
        mu = (1 + chi) / (1 + np.exp(-(energy - 8980) / 1.5))
        # noise that exceeds what the background takes of the shell
        noise = np.where(energy > 9300, 5e-3, 3e-3)
        draws = mu + noise * np.random.default_rng(8).normal(size=(3000, energy.size))
        fitted = self._fitted(energy, draws, np.broadcast_to(noise, draws.shape) if known else None, copper)
        truth = np.array([0.9, 3.0, -0.01, 0.008])
        held = (np.abs(fitted.exafs_value - truth) < fitted.exafs_value_sigma).mean("scan").values
        assert ((held > 0.63) & (held < 0.73)).all(), held

    @staticmethod
    def _fitted(energy, mu, sigma, copper):
        attrs = {"technique": "xas", "element": "Cu", "edge": "K"}
        scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), sigma=sigma, attrs=attrs)
        scans = xas.autobk(xas.normalize(scans, e0=8980.0, pre=(-180, -40), post=(80, 1000)))
        return xas.fit_paths(scans, paths=copper.paths[0], k=(3.0, 13.0), r=(1.5, 3.0), path_curves=False)


class TestVerb:
    def options(self, copper, **more):
        return {"paths": tuple(copper.tables), "parameters": START, "k": (3.0, 15.0), "r": (1.5, 4.2), **more}

    def test_what_it_adds(self, foil, copper):
        fitted = xas.fit_paths(foil, **self.options(copper))
        assert list(fitted.path.values) == list(SHELLS)
        assert list(fitted.path_geometry.values) == ["Cu", "Cu", "Cu-Cu"]
        np.testing.assert_allclose(fitted.path_distance, fitted.path_reff + fitted.path_deltar)
        s02 = float(fitted.exafs_value.sel(exafs_parameter="s02"))
        np.testing.assert_allclose(fitted.path_amplitude, s02 * fitted.path_degen)
        np.testing.assert_allclose(fitted.path_chi.sum("path"), fitted.chi_fit, atol=1e-15)
        again = xas.fourier(foil, k=(3.0, 15.0))
        np.testing.assert_allclose(fitted.chir_mag, again.chir_mag, atol=1e-12)
        difference = (fitted.chir_fit_mag - fitted.chir_mag).sel(r=slice(1.8, 2.8))
        assert float(abs(difference).max()) < 0.1 * float(fitted.chir_mag.max())
        assert fitted.path_sigma2.attrs["units"] == "angstrom^2"
        assert flag_names(fitted) == []
        table = fitted.spectra.table()
        assert {"path_distance[feff0002]", "path_distance[feff0002]_sigma", "exafs_value[alpha]"} <= set(
            table.columns
        )

    def test_an_operando_series(self, foil, copper):
        rng = np.random.default_rng(2)
        chi = foil.chi.values + rng.normal(0, 1e-3, (4, foil.chi.size))
        chi[2, 100] = np.nan
        series = foil.expand_dims(time=4).copy()
        series["chi"] = (("time", "k"), chi)
        fitted = xas.fit_paths(series, **self.options(copper))
        assert list(failed(fitted).values) == [False, False, True, False]
        assert flag_names(fitted, time=2) == ["no_chi"]
        assert fitted.path_distance.isel(time=2).isnull().all()
        one = xas.fit_paths(series.isel(time=3), **self.options(copper))
        np.testing.assert_allclose(fitted.path_distance.isel(time=3), one.path_distance, rtol=1e-10)

    def test_spectra_together(self, foil, copper):
        series = foil.expand_dims(sample=2, temperature=2).copy().assign_coords(temperature=[10.0, 300.0])
        chi = noisy(copper.chi[: foil.k.size], 1e-3, 4)
        grid = np.zeros((2, 2, foil.k.size))
        grid[..., : chi.shape[-1]] = chi.reshape(2, 2, -1)
        series["chi"] = (("temperature", "sample", "k"), grid)
        start = {**START, "ss1": {"value": 0.005, "each": True}, "slope": 0.0}
        tables = [*copper.tables[:2], {**copper.tables[2], "sigma2": "ss3 + slope*temperature"}]
        fitted = xas.fit_paths(
            series, **self.options(copper, paths=tables, parameters=start, together="temperature")
        )
        assert fitted.path_distance.dims == ("sample", "temperature", "path")
        assert fitted.exafs_value.dims == ("sample", "exafs_parameter")
        assert {"ss1_0", "ss1_1", "ss2"} <= set(fitted.exafs_parameter.values)
        np.testing.assert_allclose(
            fitted.path_distance.isel(path=0), copper.paths[0].reff * (1 + TRUTH["alpha"]), atol=0.01
        )
        third = fitted.path_sigma2.isel(path=2)
        slope = fitted.exafs_value.sel(exafs_parameter="slope")
        np.testing.assert_allclose(third.diff("temperature").isel(temperature=0), 290 * slope, rtol=1e-6)

    def test_one_bad_spectrum_spoils_only_its_own_group(self, foil, copper):
        series = foil.expand_dims(sample=2, temperature=2).copy()
        series["chi"] = series["chi"].where(~((series.sample == 1) & (series.temperature == 0)))
        fitted = xas.fit_paths(series, **self.options(copper, together="temperature"))
        assert failed(fitted).transpose("sample", "temperature").values.tolist() == [
            [False, False],
            [True, True],
        ]

    def test_a_negative_disorder_is_said(self, foil, copper):
        start = {**START, "ss3": {"value": -0.001, "vary": False}}
        fitted = xas.fit_paths(foil, **self.options(copper, parameters=start))
        assert "unphysical_path" in flag_names(fitted)
        assert not bool(failed(fitted))

    def test_two_paths_on_top_of_another_are_said(self, foil, copper):
        chi, halves, start, _ = two_halves(copper, 1)
        scan = foil.isel(k=slice(K.size)).assign(chi=("k", chi[0]))
        ranges = {"k": (3, 12), "r": (1.5, 3.0)}
        fitted = xas.fit_paths(scan.drop_vars("chi_sigma"), paths=halves, parameters=start, **ranges)
        assert "undetermined" in flag_names(fitted)
        assert np.isnan(fitted.path_distance_sigma).all()

    def test_a_bound_is_said(self, foil, copper):
        start = {**START, "ss1": {"value": 0.004, "max": 0.005}}
        fitted = xas.fit_paths(foil, **self.options(copper, parameters=start))
        assert flag_names(fitted) == ["at_bound"]
        assert np.isnan(fitted.exafs_value_sigma.sel(exafs_parameter="ss1"))
        assert np.isfinite(fitted.exafs_value_sigma.sel(exafs_parameter="s02"))

    def test_the_results_file_computes_it_again_without_the_files(self, foil, copper, tmp_path):
        from spectra.results.rerun import rerun

        elsewhere = tmp_path / "feff0001.dat"
        elsewhere.write_text(copper.files[0].read_text())
        fitted = xas.fit_paths(foil, paths=str(elsewhere), k=(3.0, 15.0))
        elsewhere.unlink()
        file = tmp_path / "fit.nxs"
        spectra.save(file, fitted)
        loaded = spectra.load(file)
        np.testing.assert_array_equal(loaded.path_distance, fitted.path_distance)
        assert rerun(file).identical
        assert history(fitted)[-1]["resolved"]["independent_points"] == pytest.approx(16.3, abs=0.1)

    def test_a_second_fit_replaces_the_first(self, foil, copper):
        first = xas.fit_paths(xas.fourier(foil), **self.options(copper))
        second = xas.fit_paths(first, paths=copper.paths[0])
        assert list(second.path.values) == ["feff0001"]
        assert "replaced" in " ".join(history(second)[-1]["notes"])
        alone = xas.fit_paths(foil, paths=copper.paths[0], path_curves=False)
        np.testing.assert_array_equal(second.path_distance, alone.path_distance)
        assert "path_chi" not in alone


class TestRefusals:
    @pytest.mark.parametrize(("options", "sentence"), [
        ({"k": (3.0, 25.0)}, r"reaches beyond chi\(k\), which ends at 17.45"),
        ({"r": (3.0, 1.0)}, "holds no shell"),
        ({"r": (1.0, 40.0)}, "31.4 Å at most"),
        ({"k": (3.0, 5.0), "r": (1.0, 2.0)}, "hold 2.3 independent points: widen the ranges"),
        ({"kweight": ()}, "kweight is empty"),
        ({"together": "scan"}, "together = 'scan' is no dimension of the series"),
        ({"parameters": {"s02": 1.0, "foo": 1.0}}, "no path uses the parameter 'foo'"),
        ({"parameters": {"reff": 1.0}}, "a parameter cannot be called 'reff'"),
        ({"parameters": {"s02": "twice"}}, "expression of parameter 's02' uses 'twice'"),
        ({"parameters": {"s02": {"value": "x"}}}, "value of parameter 's02' must be a number, got 'x'"),
        ({"parameters": {"s02": {"value": 1.0, "mim": 0}}}, "did you mean 'min'"),
        ({"parameters": {"s02": {"expr": "e0"}, "e0": {"expr": "s02"}, "deltar": 0.0}}, "depends on itself"),
        ({"parameters": {"s02": {"value": float("nan")}}}, "'s02' has no start value"),
        ({"parameters": {}}, "let at least one vary"),
    ])  # fmt: skip
    def test_ranges_and_parameters(self, foil, copper, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xas.fit_paths(foil, **{"paths": str(copper.files[0]), **options})

    @pytest.mark.parametrize(("table", "sentence"), [
        ({"simga2": "ss"}, "has no key 'simga2'; did you mean 'sigma2'"),
        ({"sigma2": "ss"}, "expression of sigma2 of path 'feff0001' uses 'ss'"),
        ({"sigma2": "s02*"}, "cannot be read"),
        ({"sigma2": "gamma(s02)"}, "no function 'gamma'"),
        ({"sigma2": "sigma2_eins(300)"}, "takes a temperature and a characteristic temperature"),
        ({"sigma2": "sigma2_debye(300, s02, 3)"}, "takes a temperature and a characteristic temperature"),
        ({"degen": True}, "must be a number or an expression, got True"),
        ({"spectrum": 1}, "belongs to spectrum 1, and 1 are fitted together"),
    ])  # fmt: skip
    def test_tables_of_paths(self, foil, copper, table, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xas.fit_paths(foil, paths={"file": str(copper.files[0]), **table}, parameters={"s02": 1.0})

    def test_paths_that_do_not_fit(self, foil, copper, data_dir):
        iron = str(data_dir / "xas" / "feff_FeO" / "feff_feo01.dat")
        one = str(copper.files[0])
        for paths, sentence in (
            (iron, "was computed for Fe K, and the data are Cu K"),
            ((one, iron), r"different absorbers \(Cu K, Fe K\)"),
            ((one, one), "two paths are called 'feff0001'"),
            ((), "paths must be a folder"),
            (3, "paths must be a folder"),
            ({"label": "x"}, "needs its 'file', got label"),
            ({"file": str(copper.files[0].parent)}, "is a folder; the table of a path needs one file"),
        ):
            with pytest.raises(InvalidInput, match=sentence):
                xas.fit_paths(foil, paths=paths)

    def test_a_table_of_feff_that_is_too_short(self, foil, copper):
        short = copper.paths[0].to_spec()
        cut = {n: v[:52] if isinstance(v, list) and len(v) > 52 else v for n, v in short.items()}
        path = xas.FeffPath.from_spec(cut)
        with pytest.raises(
            InvalidInput, match=r"reaches beyond FEFF's table of path 'feff0001', which ends at"
        ):
            xas.fit_paths(foil, paths=path, k=(3.0, 16.0))
        high = float(path.k[-1])
        fitted = xas.fit_paths(foil, paths=path, k=(3.0, high), dk=0.5)
        assert np.isnan(fitted.chi_fit.sel(k=slice(high + 0.5, None))).all()
        assert np.isfinite(fitted.chi_fit.sel(k=slice(0, high))).all()

    def test_arrays(self, copper):
        with pytest.raises(InvalidInput, match="the last dimensions must be equal"):
            fit_chi(K, copper.chi[:-1], paths=copper.paths[0])
        with pytest.raises(InvalidInput, match="k must run from 0 in steps of 0.05"):
            fit_chi(K + 0.01, copper.chi, paths=copper.paths[0])
        with pytest.raises(InvalidInput, match="paths must be a folder"):
            fit_chi(K, copper.chi, paths=[])
        clash = {"s02": 0.9, "e0": {"value": 0.0, "each": True}, "e0_1": 1.0}
        with pytest.raises(InvalidInput, match="makes 'e0_1' of it"):
            fit_chi(K, np.stack([copper.chi] * 2), together=True, paths=copper.paths[0], parameters=clash)
        with pytest.raises(
            InvalidInput, match="no path belongs to any of the spectra|belongs to spectrum -1"
        ):
            fit_chi(K, copper.chi, paths={"path": copper.paths[0], "spectrum": -1})
