"""Every state of the tables: simulated from its numbers, fitted, and its fraction found again; packets, two levels, ties."""

from __future__ import annotations

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
from xps.energy_scale.calibration import line_top
from xps.rules.evidence import splitting_of
from xps.states.doublets import doublet_components, known_states
from xps.tables import load_table, number

ROWS = {row["name"]: row for row in load_table("states")["state"]}
LEVELS = {row["name"]: row for kind in ("level", "assumed") for row in load_table("levels")[kind]}
STATES = [name for name, row in ROWS.items() if row.get("kind") != "satellite"]
LEVEL = 300.0


def curve(x, state, area, *, packet=False, shift=0.0):
    """Lines of a state straight from the table; the first line of a doublet has its share of ``area``."""
    row = ROWS[state]
    if "metal" in row:
        return metal_curve(x, row, area, shift)
    level = LEVELS[row["level"]]
    lines = [(number(row["position"]), 1.0, number(row.get("fwhm", level["fwhm"])))]
    if packet:
        table = row["packet"]
        total = sum(table["areas"])
        lines = [
            (p, a / total, w)
            for p, a, w in zip(table["positions"], table["areas"], table["widths"], strict=True)
        ]
    double = len(level["lines"]) == 2
    ratio = number(level["area_ratio"]) if double else 0.0
    splitting = number(row.get("splitting", level["splitting"])) if double else 0.0
    y = 0.0
    for position, share, width in lines:
        first = area * share / (1 + ratio)
        y = y + sgl(x, position + shift, first, width, 0.3)
        if double:
            wider = width * number(level["width_factor"])
            y = y + sgl(x, position + shift + splitting, first * ratio, wider, 0.3)
    return y


def metal_curve(x, row, area, shift=0.0):
    """Line and losses of a metal, both lines of the doublet, from the table."""
    m = row["metal"]
    at = number(row["position"]) - m["top"] + shift
    total = (1 + m["area_ratio"]) * (1 + sum(share for _, _, share in m["losses"]))
    width, gauss, y = m["fwhm_l"], number(m["fwhm_g"]), 0.0
    for apart, part, wider, of_loss in (
        (0.0, 1.0, 1.0, 1.0),
        (m["splitting"], m["area_ratio"], m["width_factor"], m["loss_width_factor"]),
    ):
        one = area / total * part
        y = y + lf(x, at + apart, one, width * wider, m["a"], m["b"], m["reach"] / width, gauss * wider)
        for distance, w, share in m["losses"]:
            y = y + gaussian(x, at + apart + distance, one * share, w * of_loss)
    return y


def axis_of(states, step=0.1):
    """Energies around all lines of some states."""
    places = []
    for state in states:
        row, level = ROWS[state], LEVELS[ROWS[state]["level"]]
        at = [number(row["position"]), *row.get("packet", {}).get("positions", [])]
        apart = number(row.get("splitting", level["splitting"])) if "splitting" in level else 0.0
        places += [*at, *(p + apart for p in at)]
    return np.arange(min(places) - 12, max(places) + 14, step)


def measured(x, net, rng, element="", **attrs):
    """Counts with noise on a level that is known."""
    stored = {"technique": "xps", "region": "simulated", **({"element": element} if element else {}), **attrs}
    y = rng.poisson(net + LEVEL)
    dims = ("scan",) if y.ndim > 1 else ()
    data = spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=stored
    )
    data["background"] = (("binding_energy",), np.full(x.size, LEVEL), {"units": "counts"})
    data["net"] = (data.counts - data.background).assign_attrs(units="counts")
    return data


def companion(state):
    """The state of the same level that lies furthest away."""
    row = ROWS[state]
    others = [r for n, r in ROWS.items() if r["level"] == row["level"] and n != state and n in STATES]
    if not others:
        return None
    return max(others, key=lambda r: abs(number(r["position"]) - number(row["position"])))["name"]


class TestEveryState:
    @pytest.mark.parametrize("state", STATES)
    def test_fractions_are_found_again(self, state, rng):
        if ROWS[state]["level"] == "Mn 3s":
            return  # splittings, not positions, part these: below
        other = companion(state)
        states = (state,) if other is None else (state, other)
        x = axis_of(states)
        net = curve(x, state, 24000.0) + (curve(x, other, 16000.0) if other else 0)
        result = xps.deconvolve(measured(x, net, rng), states=states, position_range=0.3)
        assert flag_names(result) == []
        found, sigma = result.fraction.values, result.fraction_sigma.values
        truth = [0.6, 0.4] if other else [1.0]
        assert (np.abs(found - truth) <= 3 * sigma + 1e-12).all(), (found, sigma)
        assert (sigma < 0.1).all()
        first = result.isel(component=0)
        # of a metal the table has the maximum, some hundredths from the branch point of its line
        assert abs(first.maximum - number(ROWS[state]["position"])) < 3 * first.position_sigma + 0.01

    @pytest.mark.parametrize("state", [n for n, r in ROWS.items() if r["level"] == "Mn 3s"])
    def test_lines_of_mn_3s_keep_their_splitting(self, state, rng):
        x = axis_of((state,))
        result = xps.deconvolve(measured(x, curve(x, state, 40000.0), rng), states=(state,))
        assert flag_names(result) == []
        ratio = result.best_value.sel(parameter=[p for p in result.parameter.values if "area_ratio" in p])
        assert float(ratio.squeeze()) == pytest.approx(0.6, abs=0.05)
        assert float(result.position.diff("component").squeeze()) == pytest.approx(
            number(ROWS[state]["splitting"])
        )

    @pytest.mark.parametrize("state", [n for n, r in ROWS.items() if "packet" in r])
    def test_packets_are_found_again(self, state, rng):
        other = next(
            (
                n
                for n, r in ROWS.items()
                if r["level"] == ROWS[state]["level"] and "packet" in r and n != state
            )
        )
        x = axis_of((state, other))
        net = curve(x, state, 60000.0, packet=True) + curve(x, other, 40000.0, packet=True)
        # both packets on one scale: their distance is the table's
        result = xps.deconvolve(
            measured(x, net, rng), states=(state, other), packets="to-verify", position_range=0.2
        )
        assert flag_names(result) == []
        found, sigma = result.fraction.values, result.fraction_sigma.values
        assert (np.abs(found - [0.6, 0.4]) <= 3 * sigma).all(), (found, sigma)
        assert result.sizes["component"] == 2 * (
            len(ROWS[state]["packet"]["areas"]) + len(ROWS[other]["packet"]["areas"])
        )

    @pytest.mark.parametrize("satellite", [n for n, r in ROWS.items() if r.get("kind") == "satellite"])
    def test_satellites_have_an_area_and_no_fraction(self, satellite, rng):
        level = ROWS[satellite]["level"]
        main = next(n for n, r in ROWS.items() if r["level"] == level and n in STATES and r["multiplets"])
        x = axis_of((main, satellite))
        net = curve(x, main, 40000.0) + curve(x, satellite, 9000.0)
        result = xps.deconvolve(measured(x, net, rng), states=(main, satellite))
        assert list(result.state.values) == [main]
        line = result.sel(component=f"{level.split()[0]} 2p3/2 satellite")
        assert abs(line.area - 6000.0) < 3 * line.area_sigma
        assert any("enters no fraction" in n for n in history(result)[-1]["notes"])


class TestTables:
    def test_a_state_that_does_not_say_whether_it_has_multiplets_is_one_doublet(self, monkeypatch):
        rows = [{k: v for k, v in row.items() if k not in ("multiplets", "packet")} for row in ROWS.values()]
        monkeypatch.setattr(
            "xps.states.own_tables.load_table",
            lambda name: {"state": rows} if name == "states" else load_table(name),
        )
        _, said = doublet_components(("Mn3+",))
        assert not any("multiplets" in sentence for sentence in said)

    def test_every_number_has_unit_source_and_status(self):
        for row in (*ROWS.values(), *LEVELS.values()):
            for key, entry in row.items():
                if isinstance(entry, dict) and key not in ("packet", "metal"):
                    assert {"value", "unit", "source", "status"} <= set(entry), (row["name"], key)
                    assert entry["status"] in ("read", "computed", "to-verify")
                    low, high = entry.get("range", (-np.inf, np.inf))
                    assert low <= entry["value"] <= high, (row["name"], key)

    @pytest.mark.parametrize(
        ("file", "level", "windows"),
        [
            ("Co_references.vms", "Co 2p", ((774, 786), (790, 806))),
            ("Ni_references.vms", "Ni 2p", ((849, 859), (866, 877))),
            ("Fe_references.vms", "Fe 2p", ((703, 715), (717, 730))),
        ],
    )
    def test_splittings_of_measured_references_lie_in_the_tables(self, data_dir, file, level, windows):
        """Maxima of both envelopes above a straight line, in the metal and its oxides."""
        low, high = splitting_of(level)[1:3]
        series = xps.read_series(data_dir / "xps/xpsdeeplearning" / file, select=level)
        x = series.binding_energy.values

        def top(y, window):
            inside = (x >= window[0]) & (x <= window[1])
            line = np.linspace(y[inside][0], y[inside][-1], inside.sum())
            return float(line_top(x[inside], (y[inside] - line)[None]).position[0])

        for y in series.counts.values:
            first, second = (top(y, window) for window in windows)
            assert low - 0.05 <= second - first <= high + 0.05

    def test_every_packet_is_whole(self):
        for name, row in ROWS.items():
            if "packet" in row:
                table = row["packet"]
                assert len(table["positions"]) == len(table["widths"]) == len(table["areas"]), name
                assert 98 < sum(table["areas"]) < 102, name
                assert table["positions"] == sorted(table["positions"]), name

    def test_names_are_told_apart_in_expressions(self):
        from xps.deconvolution.linefit import fraction_name

        assert len({fraction_name(name) for name in ROWS}) == len(ROWS)

    def test_every_level_has_states_and_every_state_a_level(self):
        assert set(known_states().values()) == set(LEVELS)


class TestTwoLevels:
    states = ("V4+", "V5+", "O 1s lattice", "O 1s hydroxyl")

    def simulated(self, rng):
        x = axis_of(self.states)
        shares = dict(zip(self.states, (9000.0, 21000.0, 40000.0, 10000.0), strict=True))
        return measured(x, sum(curve(x, s, a) for s, a in shares.items()), rng, element="V")

    def test_fractions_are_those_of_each_level(self, rng):
        result = xps.deconvolve(self.simulated(rng), states=self.states, position_range=0.2)
        np.testing.assert_array_less(
            np.abs(result.fraction - [0.3, 0.7, 0.8, 0.2]), 3 * result.fraction_sigma
        )
        assert float(result.fraction.sum()) == pytest.approx(2.0)
        assert float(result.mean_valence) == pytest.approx(4.7, abs=3 * float(result.mean_valence_sigma))
        assert flag_names(result) == []

    def test_of_two_valences_there_is_no_mean(self, rng):
        x = np.arange(635.0, 735.0, 0.2)
        net = curve(x, "Mn3+", 30000.0) + curve(x, "Fe3+", 30000.0)
        result = xps.deconvolve(measured(x, net, rng), states=("Mn3+", "Fe3+"))
        assert "mean_valence" not in result
        np.testing.assert_allclose(result.fraction, 1.0)

    def test_a_region_of_neither_element_is_refused(self, rng):
        data = self.simulated(rng).assign_attrs(element="Ni", region="Ni 2p")
        with pytest.raises(
            InvalidInput, match=r"are of V 2p and O 1s, and this dataset is the region 'Ni 2p'"
        ):
            xps.deconvolve(data, states=self.states)


class TestOptions:
    def test_the_vacancy_never_comes_without_its_caveat(self, rng):
        states = ("O 1s lattice", "O 1s vacancy")
        x = axis_of(states)
        data = measured(x, curve(x, states[0], 20000.0) + curve(x, states[1], 9000.0), rng, element="O")
        result = xps.deconvolve(data, states=states)
        assert any("a vacancy emits no electron" in n for n in history(result)[-1]["notes"])
        found = xps.audit(result)
        assert "A20" in str(found.attrs["audit"])

    def test_ties_can_be_changed(self, rng):
        x = axis_of(("Mn3+",))
        level = LEVELS["Mn 2p"]
        first = sgl(x, 641.6, 20000.0, 3.2, 0.3)
        second = sgl(x, 641.6 + 11.65, 20000.0 * 0.56, 3.2 * number(level["width_factor"]), 0.3)
        changes = {"Mn3+ 2p1/2": {"area_ratio": {"value": 0.5, "min": 0.4, "max": 0.7}}}
        result = xps.deconvolve(measured(x, first + second, rng), states=("Mn3+",), changes=changes)
        ratio = result.sel(parameter="mn3_2p1_2_area_ratio")
        assert abs(ratio.best_value - 0.56) < 3 * ratio.best_value_sigma

    def test_one_line_alone(self, rng):
        x = np.arange(630.0, 650.0, 0.1)
        line = sgl(x, 641.6, 20000.0, 3.2, 0.3)
        result = xps.deconvolve(measured(x, line, rng, element="Mn"), states=("Mn3+",), one_line=True)
        assert list(result.component.values) == ["Mn3+ 2p3/2"]
        assert abs(result.area.item() - 20000) < 3 * result.area_sigma.item()

    def test_verified_packets_need_no_more_than_their_name(self, rng):
        x = axis_of(("NiO",))
        result = xps.deconvolve(
            measured(x, curve(x, "NiO", 50000.0, packet=True), rng, element="Ni"),
            states=("NiO",),
            packets=True,
        )
        notes = history(result)[-1]["notes"]
        assert any("NiO is a packet of 5 lines" in n for n in notes)
        assert not any("verified" in n for n in notes)

    def test_own_areas_of_a_packet(self, rng):
        x = axis_of(("Mn4+",))
        areas = {"Mn4+": (4.0, 3.0, 2.0, 1.0, 0.5, 0.2)}
        data = measured(x, curve(x, "Mn4+", 50000.0, packet=True), rng)
        result = xps.deconvolve(data, states=("Mn4+",), packets=True, packet_areas=areas)
        area = result.area.sel(component=[f"Mn4+ 2p3/2 p{k}" for k in range(1, 7)])
        np.testing.assert_allclose(area / area[0], np.array(areas["Mn4+"]) / 4, rtol=1e-9)

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (
                {"changes": {"Mn3+ 2p3/3": {}}},
                "changes names 'Mn3\\+ 2p3/3', which is no component; did you mean",
            ),
            ({"changes": {"Mn3+ 2p3/2": {"fwmh": 1.0}}}, "has no 'fwmh'"),
            ({"packets": "all"}, "packets must be"),
        ],
    )
    def test_misuse_is_one_sentence(self, options, sentence, rng):
        x = axis_of(("Mn3+",))
        with pytest.raises(InvalidInput, match=sentence):
            xps.deconvolve(measured(x, curve(x, "Mn3+", 9000.0), rng), states=("Mn3+",), **options)


class TestAgainstMeasurementAndAudit:
    def test_measured_nickel_oxide_is_nickel_oxide(self, data_dir):
        file = data_dir / "xps" / "xpsdeeplearning" / "Ni_references.vms"
        series = xps.read_series(file, grid="intersection")
        oxides = series.isel(scan=np.flatnonzero(series.sample.values == "NiO"))
        found = xps.deconvolve(
            oxides, states=("NiO", "Ni metal"), packets="to-verify", position_range=1.5, background="shirley"
        )
        assert (found.fraction.sel(state="NiO") > 0.9).all()

    def test_packets_pass_the_rules_on_multiplets(self, rng):
        states = ("Mn2+", "Mn3+", "Mn4+")
        x = np.arange(630.0, 668.0, 0.1)
        net = sum(curve(x, s, 40000.0, packet=True) for s in states)
        found = xps.deconvolve(measured(x, net, rng, element="Mn"), states=states, packets="to-verify")
        broken = {f["rule"] for f in json.loads(xps.audit(found).attrs["audit"])["findings"]}
        assert not broken & {"A01", "A02", "A03", "A04", "A17", "A18"}
