"""Metals: lines of fixed asymmetric shape, held against the measured metals they come from, alone and mixed with oxides."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.fitting.asymmetric import lf
from spectra.fitting.lineshapes import gaussian, sgl
from spectra.verbs import history
from xps.background.shirley import shirley
from xps.states.metals import metal_line
from xps.tables import load_table, number

ROWS = {row["name"]: row for row in load_table("states")["state"]}
METALS = {"Ni": (846.0, 888.0), "Co": (774.0, 812.0), "Fe": (700.0, 735.0)}
#: Measured oxides by their place in the file, and what they are drawn as: a packet, or doublets and a satellite.
OXIDES = {
    "NiO": ("Ni", 1, ("NiO",), ("NiO", "Ni 2p satellite")),
    "CoO": ("Co", 1, ("Co2+",), ("Co2+", "Co 2p satellite")),
    "FeO": ("Fe", 1, ("Fe2+",), ("Fe2+", "Fe 2p satellite")),
    "Fe2O3": ("Fe", 3, ("Fe3+",), ("Fe3+", "Fe 2p satellite")),
}
BACKGROUNDS = [pytest.param("shirley", marks=pytest.mark.long), "active_shirley"]


@functools.cache
def measured(folder, element, number_in_file):
    """Energies and counts inside the window; iron was written with every point twice."""
    file = folder / "xps" / "xpsdeeplearning" / f"{element}_references.vms"
    one = xps.read_series(file, select=f"{element} 2p").isel(scan=number_in_file)
    low, high = METALS[element]
    x, y = one.binding_energy.values, one.counts.values
    inside = (x >= low) & (x <= high)
    x, y = x[inside], y[inside]
    if element == "Fe":
        x, y = (x[1:-1:2] + x[2::2]) / 2, (y[1:-1:2] + y[2::2]) / 2
    return x, y


def region(x, y, element, **attrs):
    return spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units="counts", dims=("scan",) if y.ndim > 1 else (),
        attrs={"technique": "xps", "element": element, "region": f"{element} 2p", **attrs},
    )  # fmt: skip


def mixed(folder, oxide, shares, peak, rng):
    """Counts of measured metal and oxide in shares of their areas above a Shirley background."""
    element, place = OXIDES[oxide][:2]
    pure = []
    for k in (0, place):
        x, y = measured(folder, element, k)
        pure.append(y / np.trapezoid(y - shirley(x, y, n_end=5).background, x))
    y = np.array([share * pure[0] + (1 - share) * pure[1] for share in shares])
    return region(x, rng.poisson(peak * y / y.max(1, keepdims=True)).astype(float), element)


def of_metal(found, element):
    state = {"state": f"{element} metal"}
    return found.fraction.sel(state).values, found.fraction_sigma.sel(state).values


def systematic(element, kind):
    return ROWS[f"{element} metal"]["metal"]["systematic"][kind]


class TestTheShapes:
    @pytest.mark.parametrize("background", BACKGROUNDS)
    @pytest.mark.parametrize("element", METALS)
    def test_are_those_of_the_measured_metals(self, element, background, data_dir):
        """With position, area and broadening alone, what is left is below one percent of the height."""
        x, y = measured(data_dir, element, 0)
        found = xps.deconvolve(
            region(x, y, element), states=(f"{element} metal",), background=background, position_range=0.3
        )
        net = found.net.values
        curve = found.component_curve.sum("component").values
        assert np.std(net - curve) < 0.008 * net.max()
        assert np.abs(found.area.sum() / np.trapezoid(net, x) - 1) < 0.03
        broadening = found.best_value.sel(parameter=f"{element.lower()}_2p3_2_metal_fwhm_g")
        assert abs(broadening - number(ROWS[f"{element} metal"]["metal"]["fwhm_g"])) < 0.1
        assert abs(float(found.maximum[0]) - x[y.argmax()]) < 0.1

    @pytest.mark.parametrize("element", METALS)
    def test_areas_lie_where_they_are_said_to(self, element):
        m = ROWS[f"{element} metal"]["metal"]
        low, high = m["counted"]
        x = np.arange(-100.0, 300.0, 0.02)
        y = lf(x, 0.0, 1.0, m["fwhm_l"], m["a"], m["b"], m["reach"] / m["fwhm_l"], number(m["fwhm_g"]))
        total = 1 + sum(share for _, _, share in m["losses"])
        for distance, width, share in m["losses"]:
            y = y + gaussian(x, distance, share, width)
        assert x[y.argmax()] == pytest.approx(m["top"], abs=0.06)
        inside = (x >= low) & (x <= high)
        assert np.trapezoid(y[inside], x[inside]) > 0.98 * total
        assert np.trapezoid(y, x) == pytest.approx(total, rel=1e-3)

    def test_other_states_have_none(self):
        assert metal_line(ROWS["NiO"]) is None
        assert metal_line(ROWS["V metal"]) is None
        for name, row in ROWS.items():
            if "metal" in row:
                assert row["metal"]["status"] == "computed"
                assert abs(row["metal"]["area_ratio"] / 0.5 - 1) < 0.07
                assert "above an iterated Shirley background" in row["metal"]["source"], name


class TestMeasured:
    @pytest.mark.parametrize("background", BACKGROUNDS)
    @pytest.mark.parametrize("oxide", ["NiO", "CoO", "FeO"])
    def test_metals_are_metals(self, oxide, background, data_dir):
        element, _, packet, _ = OXIDES[oxide]
        x, y = measured(data_dir, element, 0)
        found = xps.deconvolve(
            region(x, y, element), states=(f"{element} metal", *packet), background=background,
            packets="to-verify", position_range=0.3,
        )  # fmt: skip
        share, sigma = of_metal(found, element)
        assert share > 0.98
        assert 1 - share <= 2 * np.hypot(np.nan_to_num(sigma), 0.01)

    @pytest.mark.parametrize("background", BACKGROUNDS)
    @pytest.mark.parametrize("oxide", OXIDES)
    def test_oxides_have_no_metal(self, oxide, background, data_dir):
        element, place, packet, _ = OXIDES[oxide]
        x, y = measured(data_dir, element, place)
        found = xps.deconvolve(
            region(x, y, element), states=(f"{element} metal", *packet), background=background,
            packets="to-verify", position_range=0.3,
        )  # fmt: skip
        assert of_metal(found, element)[0] < 0.01

    @pytest.mark.parametrize("oxide", ["NiO", "Fe2O3"])
    def test_mixtures_lie_within_sigma_and_what_is_said_of_them(self, oxide, data_dir, rng):
        element, _, packet, _ = OXIDES[oxide]
        shares = np.array([0.3, 0.6])
        found = xps.deconvolve(
            mixed(data_dir, oxide, shares, 2000.0, rng), states=(f"{element} metal", *packet),
            background="active_shirley", packets="to-verify", position_range=0.3,
        )  # fmt: skip
        share, sigma = of_metal(found, element)
        assert (np.abs(share - shares) <= 2 * sigma + systematic(element, "packets")).all()
        assert any("up to 0.0" in n and "no sigma holds that" in n for n in history(found)[-1]["notes"])

    def test_a_metal_that_is_hardly_there_is_fitted_all_the_same(self, data_dir, rng):
        """Its position is nearly flat and the oxide is drawn far from the counts: steps stay damped to the end."""
        data = mixed(data_dir, "FeO", np.array([0.1, 0.1]), 5000.0, rng)
        found = xps.deconvolve(
            data,
            states=("Fe metal", "Fe2+", "Fe 2p satellite"),
            background="active_shirley",
            position_range=0.3,
        )
        assert not {"fit_not_converged"} & {n for k in range(2) for n in flag_names(found.isel(scan=k))}
        share, sigma = of_metal(found, "Fe")
        assert (np.abs(share - 0.1) <= 2 * sigma + systematic("Fe", "doublets")).all()

    def test_nickel_oxide_as_one_doublet_has_numbers(self, data_dir):
        x, y = measured(data_dir, "Ni", 1)
        found = xps.deconvolve(
            region(x, y, "Ni"), states=("Ni metal", "NiO", "Ni 2p satellite"), background="active_shirley",
            position_range=0.3,
        )  # fmt: skip
        assert "fit_not_converged" not in flag_names(found)
        share, sigma = of_metal(found, "Ni")
        assert abs(share) <= 2 * sigma + systematic("Ni", "doublets")

    @pytest.mark.long
    @pytest.mark.parametrize("oxide", OXIDES)
    def test_mixtures_by_either_background_and_either_drawing(self, oxide, data_dir, rng):
        element, _, packet, doublets = OXIDES[oxide]
        shares = np.array([0.1, 0.3, 0.5, 0.8])
        data = mixed(data_dir, oxide, shares, 5000.0, rng)
        for background in ("shirley", "active_shirley"):
            for kind, states in (("packets", packet), ("doublets", doublets)):
                found = xps.deconvolve(
                    data, states=(f"{element} metal", *states), background=background,
                    packets="to-verify" if kind == "packets" else False, position_range=0.3,
                )  # fmt: skip
                share, sigma = of_metal(found, element)
                off = np.abs(share - shares) - 2 * np.nan_to_num(sigma)
                assert (off <= systematic(element, kind)).all(), (background, kind, share, sigma)


class TestAsAFit:
    X = np.arange(844.0, 890.0, 0.1)

    def simulated(self, share, rng, area=60000.0, n=None, **changed):
        """Nickel and its oxide as one doublet on a known constant."""
        m = ROWS["Ni metal"]["metal"] | changed
        at = number(ROWS["Ni metal"]["position"]) - m["top"]
        total = (1 + m["area_ratio"]) * (1 + sum(s for _, _, s in m["losses"]))
        y = np.full(self.X.size, 300.0)
        for apart, part, wider, of_loss in (
            (0.0, 1.0, 1.0, 1.0),
            (m["splitting"], m["area_ratio"], m["width_factor"], m["loss_width_factor"]),
        ):
            one, w = share * area / total * part, m["reach"] / m["fwhm_l"]
            y += lf(self.X, at + apart, one, m["fwhm_l"] * wider, m["a"], m["b"], w, 0.5 * wider)
            for distance, width, of in m["losses"]:
                y += gaussian(self.X, at + apart + distance, one * of, width * of_loss)
        for apart, part, width in ((0.0, 2 / 3, 2.5), (17.5, 1 / 3, 2.5 * 1.67)):
            y += sgl(self.X, 854.4 + apart, (1 - share) * area * part, width, 0.3)
        y = rng.poisson(y if n is None else np.broadcast_to(y, (n, y.size)))
        return region(self.X, y.astype(float), "Ni", sample="nickel")

    def test_fractions_and_their_notes(self, rng):
        found = xps.deconvolve(
            self.simulated(0.4, rng),
            states=("Ni metal", "NiO"),
            background="active_linear",
            position_range=0.3,
        )
        share, sigma = of_metal(found, "Ni")
        assert abs(share - 0.4) < 3 * sigma
        assert flag_names(found) == []
        notes = history(found)[-1]["notes"]
        assert any("Ni 2p of nickel metal" in n and "-5 to 20 eV" in n for n in notes)
        assert any("drawn as single doublets: up to 0.21 off" in n for n in notes)

    def test_the_audit_takes_it_for_a_metal(self, rng):
        found = xps.deconvolve(
            self.simulated(0.4, rng),
            states=("Ni metal", "NiO"),
            background="active_linear",
            position_range=0.3,
        )
        findings = json.loads(xps.audit(found).attrs["audit"])["findings"]
        assert not {f["rule"] for f in findings if "metal" in f["subject"]} & {
            "A01", "A04", "A05", "A08", "A14", "A15", "A16", "A30",
        }  # fmt: skip

    def test_its_shape_can_be_freed(self, rng):
        changes = {"Ni 2p3/2 metal": {"a": {"value": 0.8, "min": 0.55, "max": 3.0}}}
        found = xps.deconvolve(
            self.simulated(1.0, rng, area=200_000.0, a=1.2), states=("Ni metal",), background="active_linear",
            changes=changes,
        )  # fmt: skip
        exponent = found.sel(parameter="ni_2p3_2_metal_a")
        assert abs(exponent.best_value - 1.2) < 3 * exponent.best_value_sigma
        assert exponent.best_value_sigma < 0.1

    def test_one_line_alone(self, rng):
        data = self.simulated(1.0, rng).sel(binding_energy=slice(845, 866))
        found = xps.deconvolve(data, states=("Ni metal",), background="active_linear", one_line=True)
        assert [str(c) for c in found.component.values] == [
            "Ni 2p3/2 metal", *(f"Ni 2p3/2 metal loss {k}" for k in (1, 2, 3)),
        ]  # fmt: skip

    def test_packet_areas_are_none_of_a_metal(self, rng):
        with pytest.raises(InvalidInput, match="packet_areas names 'Ni metal', for which no packet is known"):
            xps.deconvolve(
                self.simulated(1.0, rng), states=("Ni metal",), background="active_linear", packets=True,
                packet_areas={"Ni metal": (1.0, 2.0)},
            )  # fmt: skip

    @pytest.mark.long
    def test_one_sigma_holds_the_truth(self, rng):
        found = xps.deconvolve(
            self.simulated(0.4, rng, area=20_000.0, n=200), states=("Ni metal", "NiO"),
            background="active_linear", position_range=0.3,
        )  # fmt: skip
        share, sigma = of_metal(found, "Ni")
        assert 0.60 < (np.abs(share - 0.4) < sigma).mean() < 0.76
        assert abs((share - 0.4).mean()) < 0.25 * np.median(sigma)


def test_metals_without_a_measurement_say_that_they_are_symmetric(rng):
    """Vanadium metal and nitride in one window with O 1s, as before."""
    x = np.arange(506.0, 540.0, 0.1)
    states = {"V metal": (512.4, 0.9, 7.6), "VN": (514.35, 1.5, 7.4), "V5+": (517.4, 1.5, 7.4)}
    y = np.full(x.size, 300.0) + sgl(x, 529.6, 20000.0, 1.5, 0.3)
    for (place, width, apart), area in zip(states.values(), (6000.0, 9000.0, 15000.0), strict=True):
        y += sgl(x, place, area / 1.5, width, 0.3) + sgl(x, place + apart, area / 3, 1.5 * width, 0.3)
    data = region(x, rng.poisson(y).astype(float), "V", title="simulated")
    found = xps.deconvolve(data, states=(*states, "O 1s lattice"), background="active_linear")
    np.testing.assert_array_less(
        np.abs(found.fraction.values - [0.2, 0.3, 0.5, 1.0]), 3 * found.fraction_sigma.values + 1e-9
    )
    assert any("drawn symmetric, which is yet to be verified" in n for n in history(found)[-1]["notes"])
