"""Components written as tables: limits, ties of doublets, states of the tables, CasaXPS, and every way to get them wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

import spectra
from spectra.errors import InvalidInput
from spectra.fitting.from_lmfit import build
from spectra.fitting.spec import from_tables
from xps.deconvolution.casaxps import casaxps_components
from xps.links import linked_model
from xps.states.doublets import doublet_components, known_states
from xps.tables import load_table

FIRST = {"name": "Mn3+ 2p3/2", "position": {"value": 641.2, "min": 640.7, "max": 641.7}, "fwhm": 2.5}
SECOND = {"name": "Mn3+ 2p1/2", "partner": "Mn3+ 2p3/2", "splitting": 11.3, "area_ratio": 0.5}


class TestLinkedModel:
    def test_numbers_are_kept_tables_fitted_texts_tied(self):
        other = {"name": "x", "shape": "voigt", "position": "mn3_2p3_2_position + 2", "fwhm_l": 0.3}
        made = linked_model([{**FIRST, "area": {"value": 5, "vary": False}}, other])
        assert made.params["mn3_2p3_2_position"] == {"value": 641.2, "min": 640.7, "max": 641.7, "vary": True}
        assert made.params["mn3_2p3_2_fwhm"]["vary"] is False
        assert made.params["mn3_2p3_2_area"] == {"value": 5, "min": 0, "max": np.inf, "vary": False}
        assert made.params["mn3_2p3_2_fraction"]["vary"] is False
        assert made.params["x_position"]["expr"] == "mn3_2p3_2_position + 2"
        assert made.params["x_fwhm_g"]["vary"] is True
        assert made.params["x_area"]["vary"] is True
        assert made.model == ({"shape": "sgl", "prefix": "mn3_2p3_2_"}, {"shape": "voigt", "prefix": "x_"})

    def test_the_second_line_follows_the_first(self):
        made = linked_model([FIRST, {**SECOND, "width_factor": {"value": 1.2, "min": 1, "max": 2}}])
        tie = {n.removeprefix("mn3_2p1_2_"): s.get("expr") for n, s in made.params.items() if "2p1_2" in n}
        assert tie == {
            "position": "mn3_2p3_2_position + 11.3",
            "area": "mn3_2p3_2_area * 0.5",
            "fwhm": "mn3_2p3_2_fwhm * mn3_2p1_2_width_factor",
            "fraction": "mn3_2p3_2_fraction",
            "width_factor": None,
        }
        assert made.params["mn3_2p1_2_width_factor"] == {"value": 1.2, "min": 1, "max": 2, "vary": True}

    def test_states_and_valences_are_inherited(self):
        made = linked_model([{**FIRST, "state": "Mn3+", "valence": 3}, SECOND])
        assert [(line.state, line.valence) for line in made.lines] == [("Mn3+", 3), ("Mn3+", 3)]

    @pytest.mark.parametrize("shape", ["doniach", "breit_wigner_fano"])
    def test_an_amplitude_that_is_left_out_is_fitted_as_an_area_is(self, shape):
        made = linked_model([{"name": "a", "shape": shape, "position": 641.0}])
        assert made.params["a_amplitude"]["vary"] is True

    @pytest.mark.parametrize("factor", [1.0, 1.3])
    def test_lines_without_area_keep_the_ratio_of_a_doublet(self, factor):
        """Areas over windows that are as much wider as the line is."""
        first = {
            "name": "a",
            "shape": "doniach",
            "position": 71.0,
            "asymmetry": 0.2,
            "fwhm_l": 0.5,
            "fwhm_g": 0.6,
        }
        second = {"name": "b", "partner": "a", "splitting": 3.3, "area_ratio": 0.75, "width_factor": factor}
        made = linked_model([{**first, "amplitude": 100.0}, second])
        total, values = build(from_tables(made.model, made.params))
        areas = []
        for prefix, width in (("a_", 1.0), ("b_", factor)):
            x = values[f"{prefix}position"].value + width * np.linspace(-10, 10, 2001)
            areas.append(np.trapezoid(total.eval_components(params=values, x=x)[prefix], x))
        assert areas[1] / areas[0] == pytest.approx(0.75, rel=1e-6)

    def test_limits_that_meet_leave_nothing_to_fit(self):
        made = linked_model([{**FIRST, "position": {"value": 641, "min": 641, "max": 641}}])
        assert made.params["mn3_2p3_2_position"]["vary"] is False

    @pytest.mark.parametrize(
        ("components", "sentence"),
        [
            ([], "components is empty"),
            ([{"position": 641.0}], "component 0 has no name"),
            ([FIRST, FIRST], "component 'Mn3\\+ 2p3/2' comes twice"),
            ([{"name": "a", "fwhm": 2.0}], "component 'a' has no position"),
            ([{**FIRST, "fhwm": 2.0}], r"component 'Mn3\+ 2p3/2' \(sgl\) has no 'fhwm'; did you mean 'fwhm'"),
            ([{**FIRST, "shape": "sglx"}], "no line shape 'sglx'; did you mean 'sgl'"),
            ([{**FIRST, "position": {"val": 1}}], "has no 'val'"),
            ([{**FIRST, "position": {"value": 1, "min": 2}}], "starts at 1, outside its limits 2 to inf"),
            ([{**FIRST, "position": True}], "must be a number, a table or an expression, got True"),
            ([SECOND], "has the partner 'Mn3\\+ 2p3/2', which must stand before it"),
            ([FIRST, {**SECOND, "shape": "gl"}], "must have the shape of its partner, 'sgl'"),
            ([FIRST, {**SECOND, "fwhm": 2.0}], "has no 'fwhm'; .*width_factor"),
            (
                [FIRST, {"name": "b", "partner": "Mn3+ 2p3/2", "splitting": 11.3}],
                "has a partner and no area_ratio",
            ),
        ],
    )
    def test_misuse_is_one_sentence(self, components, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            linked_model(components)


class TestStates:
    def test_every_state_of_the_table_makes_a_model(self):
        for state, level in known_states().items():
            components, _ = doublet_components([state])
            metal = next(row for row in load_table("states")["state"] if row["name"] == state).get("metal")
            losses = len(metal["losses"]) if metal else 0
            assert len(components) == (1 if level.endswith("1s") else 2) * (1 + losses)
            assert all(state in c["name"] or state.split()[-1] in c["name"] for c in components)
            linked_model(components)

    @pytest.mark.parametrize("shape", ["sgl", "gl", "voigt", "pseudo_voigt", "gaussian", "lorentzian"])
    def test_widths_are_common_to_all_states(self, shape):
        made = linked_model(doublet_components(["Mn2+", "Mn3+", "Mn4+"], shape=shape)[0])
        free = [n for n, s in made.params.items() if s.get("vary")]
        width = {"gl": "width", "voigt": "fwhm_g"}.get(shape, "fwhm")
        assert free == [
            "mn2_2p3_2_position",
            "mn2_2p3_2_area",
            f"mn2_2p3_2_{width}",
            "mn2_2p1_2_width_factor",
            "mn3_2p3_2_position",
            "mn3_2p3_2_area",
            "mn4_2p3_2_position",
            "mn4_2p3_2_area",
        ]

    def test_positions_and_splittings_can_be_given(self):
        components, _ = doublet_components(
            ["Mn3+", "Mn4+"], positions={"Mn3+": 641.2}, splittings={"Mn4+": 11.5}, position_range=0.2
        )
        assert components[0]["position"] == pytest.approx({"value": 641.2, "min": 641.0, "max": 641.4})
        assert components[2]["position"]["value"] == 642.3
        assert [components[i]["splitting"] for i in (1, 3)] == [11.65, 11.5]

    def test_numbers_that_are_not_verified_are_said(self):
        _, said = doublet_components(["Ni3+"])
        assert any("the position of Ni3+ (855.7 eV" in s and "yet to be verified" in s for s in said)
        _, said = doublet_components(["Ni3+"], positions={"Ni3+": 855.5})
        assert not any("verified" in s for s in said)
        assert any("multiplets" in s for s in said)
        assert doublet_components(["V5+"])[1] == []

    @pytest.mark.parametrize(
        ("states", "options", "sentence"),
        [
            (["Mn5+"], {}, "no state 'Mn5\\+'; did you mean 'Mn"),
            ([], {}, "states is empty"),
            (["Mn3+", "Mn3+"], {}, "states holds one of them twice"),
            (
                ["Mn3+"],
                {"packets": True},
                r"the areas inside the packet of Mn3\+ have not been verified: give",
            ),
            (["Mn3+"], {"packet_areas": {"Mn3+": (1.0,) * 5}}, "packet_areas belong to packets"),
            (
                ["Mn3+"],
                {"packets": True, "packet_areas": {"Mn3+": (1.0, 2.0)}},
                r"packet_areas of Mn3\+ must be 5 numbers",
            ),
            (
                ["V3+"],
                {"packets": True, "packet_areas": {"V3+": (1.0,)}},
                r"names 'V3\+', for which no packet is known",
            ),
            (
                ["Mn3+"],
                {"positions": {"Mn4+": 642.0}},
                "positions names 'Mn4\\+', which is not among the states",
            ),
            (["Mn3+"], {"position_range": -1.0}, "position_range must not be negative"),
            (["Mn3+"], {"shape": "doniach"}, "states cannot be drawn with the shape 'doniach'"),
        ],
    )
    def test_misuse_is_one_sentence(self, states, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            doublet_components(states, **options)


def casa(shape, position, *, link=None, fwhm=2.0, area=100.0):
    def value(v, **more):
        return {"value": v, "low": v / 2, "high": v * 2, "link": None, "factor": 1.0, **more}

    tied = {"link": link}
    return {
        "name": "Mo 3d",
        "shape": shape,
        "area": value(area, factor=0.67, **tied),
        "fwhm": value(fwhm, **tied),
        "position_binding": {"value": position, "low": None, "high": None, "offset": 3.13, **tied},
        "rsf": 1.0,
    }


def with_casaxps(components, units="counts", **attrs):
    x = np.linspace(220, 240, 201)
    stored = {
        "casaxps": json.dumps({"components": components}),
        "technique": "xps",
        "dwell_time": 0.5,
        "sweeps": 4,
        **attrs,
    }
    return spectra.from_arrays(
        x, np.ones(201), axis="binding_energy", name="counts", units=units, attrs=stored
    )


class TestCasaXPS:
    def test_areas_become_counts(self):
        (one,), said = casaxps_components(with_casaxps([casa("GL(30)", 229.0)]))
        assert one["area"] == {"value": 200.0, "min": 100.0, "max": 400.0}
        assert one["shape"] == "gl"
        assert one["fraction"] == 0.3
        assert said == ["GL(30) of CasaXPS is approximate: its curve has not been checked"]
        (rate,), _ = casaxps_components(with_casaxps([casa("GL(30)", 229.0)], units="counts/s"))
        assert rate["area"]["value"] == 100.0

    def test_links_become_ties(self):
        components, _ = casaxps_components(
            with_casaxps([casa("SGL(20)", 229.0), casa("SGL(20)", 232.1, link=0)])
        )
        assert components[1]["name"] == "Mo 3d 2"
        assert components[1]["position"] == "mo_3d_1_position + 3.13"
        assert components[1]["area"] == "mo_3d_1_area * 0.67"
        assert components[1]["fwhm"] == "mo_3d_1_fwhm * 1.0"
        linked_model(components)

    def test_a_calibration_moves_the_components(self):
        data = with_casaxps([casa("SGL(20)", 229.0)]).assign(charge_shift=-1.5)
        (one,), _ = casaxps_components(data)
        assert one["position"]["value"] == 227.5

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (with_casaxps([]), "the file read held none: give states"),
            (
                with_casaxps([casa("LA(1.5,243)", 229.0)]),
                r"the curve of LA\(1.5,243\) in CasaXPS is not known",
            ),
            (with_casaxps([casa("LF(1,2,30,50,5)", 229.0)]), r"LF\(1,2,30,50,5\) in CasaXPS is not known"),
            (with_casaxps([casa("GL(30)", None)]), "the file states no photon energy"),
            (
                with_casaxps([casa("GL(30)", 229.0)], units=""),
                r"counts per second cannot be turned .* \(unknown\)",
            ),
            (
                with_casaxps([casa("GL(30)", 229.0), casa("SGL(30)", 232.0, link=0)]),
                "ties the width of 'Mo 3d 2' to another shape",
            ),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, data, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            casaxps_components(data)
