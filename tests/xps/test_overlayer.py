"""Paths of electrons by TPP-2M, and thicknesses of layers from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xps.quantities.attenuation import find_material, tpp2m
from xps.quantities.overlayer import layer_thickness
from xps.tables import load_table


class TestPath:
    def test_the_value_that_was_published(self):
        """Manganese at 50 eV: 4.61 Å in 10.1002/sia.740210302."""
        path = tpp2m(50.0, valence_electrons=7, density=7.30, molar_mass=54.938)
        assert 10 * float(path) == pytest.approx(4.61, abs=0.01)

    def test_the_formula_written_out(self):
        """Al2O3 at 1000 eV, step by step."""
        nv, rho, mass, gap, e = 24.0, 4.0, 101.961, 8.8, 1000.0
        u = nv * rho / mass
        ep = 28.816 * u**0.5
        beta = -0.10 + 0.944 * (ep**2 + gap**2) ** -0.5 + 0.069 * rho**0.1
        gamma, c, d = 0.191 * rho**-0.5, 1.97 - 0.91 * u, 53.4 - 20.8 * u
        expected = e / (ep**2 * (beta * np.log(gamma * e) - c / e + d / e**2)) / 10
        assert float(find_material("Al2O3").path(e)) == pytest.approx(expected, rel=1e-4)

    def test_it_rises_like_a_power_of_the_energy(self):
        for row in load_table("materials")["material"]:
            path = find_material(row["name"]).path([600.0, 1400.0])
            exponent = np.log(path[1] / path[0]) / np.log(1400 / 600)
            assert 0.7 < exponent < 0.85, row["name"]
            assert 0.8 < path[1] < 6, row["name"]

    def test_beyond_its_energies_it_is_not_known(self):
        path = find_material("Mn").path([20.0, 500.0, 3000.0])
        np.testing.assert_array_equal(np.isfinite(path), [False, True, False])

    def test_numbers_that_wait_for_a_check_say_so(self):
        assert find_material("Au").said == ()
        assert "the density of MnO (5.37 g/cm3" in find_material("MnO").said[0]
        own = find_material({"formula": "LiMn2O4", "density": 4.28, "gap": 1.2})
        assert own.valence_electrons == 1 + 2 * 7 + 4 * 6
        assert own.molar_mass == pytest.approx(180.81, abs=0.02)

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ("Mn203", "no material 'Mn203'; did you mean 'Mn2O3'"),
            ({"formula": "MnO"}, "needs a formula and a density"),
            ({"formula": "MnO", "density": 5.0, "colour": 1}, "a material has no 'colour'"),
            ({"formula": "Mn)O", "density": 5.0}, r"formula 'Mn\)O' is not one that can be read"),
            ({"formula": "CeO2", "density": 7.2}, "valence electrons of Ce are not in the table"),
        ],
    )
    def test_sentences(self, given, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            find_material(given)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"density": 0.0}, "density must be above 0"),
            ({"valence_electrons": -1}, "valence_electrons must be above 0"),
            ({"gap": -1.0}, "gap must not be negative"),
        ],
    )
    def test_bad_numbers(self, change, sentence):
        given = {"valence_electrons": 7, "density": 7.3, "molar_mass": 54.9, "gap": 0.0}
        with pytest.raises(InvalidInput, match=sentence):
            tpp2m(100.0, **{**given, **change})


def ratio_of(d, lo, ls, bulk, cosine=1.0):
    return bulk * (1 - np.exp(-d / lo / cosine)) / np.exp(-d / ls / cosine)


class TestThickness:
    @given(st.floats(0.01, 15), st.floats(0.8, 4), st.floats(0.8, 4), st.floats(0.05, 20))
    def test_it_inverts_the_attenuation(self, d, lo, ls, bulk):
        found = layer_thickness(ratio_of(d, lo, ls, bulk), 1.0, bulk_ratio=bulk, paths=(lo, ls))
        assert float(found.thickness) == pytest.approx(d, rel=1e-7)

    def test_equal_paths_are_the_logarithm(self):
        found = layer_thickness([300.0, 10.0], [500.0, 500.0], bulk_ratio=0.8, paths=(2.0, 2.0), cosine=0.7)
        np.testing.assert_allclose(
            found.thickness, 2.0 * 0.7 * np.log1p(np.array([300.0, 10.0]) / 500 / 0.8), rtol=1e-10
        )

    def test_against_the_obvious_way(self):
        target = 3.7
        root = brentq(lambda d: ratio_of(d, 2.1, 3.4, 0.6) - target, 1e-6, 50)
        found = layer_thickness(target, 1.0, bulk_ratio=0.6, paths=(2.1, 3.4))
        assert float(found.thickness) == pytest.approx(root, rel=1e-9)

    def test_sigma_holds_the_scatter(self, rng):
        o, s = rng.normal(400.0, 20.0, 20000), rng.normal(900.0, 30.0, 20000)
        found = layer_thickness(o, s, 20.0, 30.0, bulk_ratio=0.6, paths=(2.1, 3.4))
        truth = layer_thickness(400.0, 900.0, bulk_ratio=0.6, paths=(2.1, 3.4)).thickness
        share = (np.abs(found.thickness - truth) < found.sigma).mean()
        assert 0.66 < share < 0.70

    def test_no_layer_and_no_substrate(self):
        found = layer_thickness([-1.0, 5.0, np.nan], [5.0, 0.0, 5.0], bulk_ratio=1.0, paths=(2.0, 2.0))
        assert np.isnan(found.thickness).all()


X = np.arange(270.0, 670.0, 0.25)
WINDOWS = {"C 1s": (276.0, 294.0), "Mn 2p": (630.0, 654.0)}


def covered_oxide(d, angle=0.0, *, n=None, rng=None):
    """Simulated MnO under carbon of thickness ``d`` in nm: areas by the same physics, written independently."""
    layer, oxide = find_material("hydrocarbon"), find_material("MnO")
    cosine = np.cos(np.radians(angle))
    e_c, e_mn = 1486.6 - 284.2, 1486.6 - 638.7
    atoms_c = 3 * layer.density / layer.molar_mass
    atoms_mn = oxide.density / oxide.molar_mass
    c1s = 1.0 * atoms_c * layer.path(e_c) * (1 - np.exp(-d / layer.path(e_c) / cosine))
    mn2p = 13.914 * atoms_mn * oxide.path(e_mn) * np.exp(-d / layer.path(e_mn) / cosine)
    y = 900 + 4e4 * (
        c1s * np.exp(-(((X - 285) / 1.2) ** 2)) / 1.2 + mn2p * np.exp(-(((X - 642) / 2.0) ** 2)) / 2.0
    )
    if rng is not None:
        y = rng.poisson(y, (n, X.size))
    attrs = {"technique": "xps", "region": "survey", "photon_energy": 1486.6}
    dims = () if n is None else ("scan",)
    data = spectra.from_arrays(
        X, y, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=attrs
    )
    return xps.quantify(data, windows=WINDOWS, background="linear")


LAYER = {"overlayer": "C 1s", "substrate": "Mn 2p", "material": "hydrocarbon", "substrate_material": "MnO"}


class TestVerb:
    @pytest.mark.parametrize(("d", "angle"), [(0.3, 0.0), (1.5, 0.0), (1.5, 45.0), (6.0, 0.0)])
    def test_the_thickness_comes_back(self, d, angle):
        result = xps.overlayer_thickness(covered_oxide(d, angle), angle=angle, **LAYER)
        assert float(result.overlayer_thickness) == pytest.approx(d, rel=2e-3)
        assert float(result.overlayer_thickness_path_sigma) == pytest.approx(0.11 * d, rel=2e-3)

    def test_sigma_covers(self, rng):
        result = xps.overlayer_thickness(covered_oxide(1.5, n=400, rng=rng), **LAYER)
        share = (np.abs(result.overlayer_thickness - 1.5) < result.overlayer_thickness_sigma).mean()
        assert float(share) == pytest.approx(0.683, abs=0.07)

    def test_a_series_is_lazy(self, rng):
        data = covered_oxide(1.5, n=4, rng=rng)
        lazy = xps.overlayer_thickness(data.chunk(scan=2), **LAYER)
        assert lazy.overlayer_thickness.chunks is not None
        eager = xps.overlayer_thickness(data, **LAYER)
        np.testing.assert_allclose(lazy.overlayer_thickness.compute(), eager.overlayer_thickness)

    def test_an_oxide_on_its_metal(self):
        """Two components of one level: d = path × ln(1 + ratio / R)."""
        x = np.arange(90.0, 112.0, 0.1)
        y = 200 + 3000 * np.exp(-(((x - 99.4) / 0.6) ** 2)) + 1500 * np.exp(-(((x - 103.4) / 0.9) ** 2))
        attrs = {"technique": "xps", "region": "Si 2p", "element": "Si", "photon_energy": 1486.6}
        data = spectra.from_arrays(x, y, axis="binding_energy", name="counts", units="counts", attrs=attrs)
        width = {"value": 1.2, "min": 0.5, "max": 3.0}
        lines = (
            {
                "name": "metal",
                "position": {"value": 99.5, "min": 99, "max": 100},
                "fwhm": width,
                "fraction": 0.0,
            },
            {
                "name": "oxide",
                "position": {"value": 103.2, "min": 102, "max": 104},
                "fwhm": width,
                "fraction": 0.0,
            },
        )
        fitted = xps.deconvolve(data, components=lines, background="linear")
        options = {"overlayer": "oxide", "substrate": "metal", "material": "SiO2"}
        result = xps.overlayer_thickness(fitted, bulk_ratio=0.93, **options)
        path = float(find_material("SiO2").path(1486.6 - float(x.mean())))
        assert float(result.overlayer_thickness) == pytest.approx(path * np.log1p(0.75 / 0.93), rel=1e-3)
        physical = xps.overlayer_thickness(fitted, substrate_material="Si", **options)
        assert 0.5 < float(physical.overlayer_thickness) / float(result.overlayer_thickness) < 2

    def test_components_that_overlap_cover_too(self, rng):
        """What one line gains the other one loses, and the ends of the background move both alike."""
        x = np.arange(90.0, 112.0, 0.1)
        metal, oxide = (np.exp(-(((x - e) / w) ** 2)) for e, w in ((99.4, 0.8), (100.6, 1.0)))
        y = rng.poisson(200 + 300 * metal + 240 * oxide, (400, x.size))
        attrs = {"technique": "xps", "region": "Si 2p", "element": "Si", "photon_energy": 1486.6}
        data = spectra.from_arrays(
            x, y, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs=attrs
        )
        lines = (
            {"name": "metal", "position": 99.4, "fwhm": 0.8 * 2 * np.log(2) ** 0.5, "fraction": 0.0},
            {"name": "oxide", "position": 100.6, "fwhm": 1.0 * 2 * np.log(2) ** 0.5, "fraction": 0.0},
        )
        fitted = xps.deconvolve(data, components=lines, background="linear")
        options = {"overlayer": "oxide", "substrate": "metal", "material": "SiO2", "bulk_ratio": 0.93}
        result = xps.overlayer_thickness(fitted, **options)
        path = float(find_material("SiO2").path(1486.6 - float(x.mean())))
        truth = path * np.log1p(1.0 / 0.93)
        inside = (np.abs(result.overlayer_thickness - truth) < result.overlayer_thickness_sigma).mean()
        assert float(inside) == pytest.approx(0.683, abs=0.07)

    def test_what_cannot_be_said_is_flagged(self, rng):
        thick = xps.overlayer_thickness(covered_oxide(15.0), **LAYER)
        assert "layer_too_thick" in flag_names(thick)
        bare = covered_oxide(1.5, n=2, rng=rng)
        bare["line_area"][1, 0] = -3.0
        result = xps.overlayer_thickness(bare, **LAYER)
        assert "no_thickness" in flag_names(result, scan=1)
        assert np.isfinite(result.overlayer_thickness).values.tolist() == [True, False]

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"overlayer": "C1s"}, "no line or component 'C1s'; did you mean 'C 1s'"),
            ({"overlayer": "Mn 2p"}, "overlayer and substrate both name 'Mn 2p'"),
            ({"angle": 70.0}, "angle must be at least 0 and below 60 degrees, got 70"),
            ({"substrate_material": None}, "give substrate_material or bulk_ratio"),
            ({"substrate_material": "Li2CO3"}, "Li2CO3 holds no Mn"),
            ({"bulk_ratio": -1.0}, "bulk_ratio must be above 0"),
            ({"photon_energy": 5000.0}, "TPP-2M holds between 50 and 2000 eV"),
        ],
    )
    def test_sentences(self, change, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xps.overlayer_thickness(covered_oxide(1.5), **{**LAYER, **change})

    def test_it_needs_areas(self):
        data = spectra.from_arrays(X, X, axis="binding_energy", name="counts", units="counts")
        with pytest.raises(InvalidInput, match=r"needs areas: call xps.quantify"):
            xps.overlayer_thickness(data, **LAYER)
