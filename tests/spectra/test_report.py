"""Figures show what the field expects and what the dataset holds; the page is whole, escaped and self-contained."""

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import spectra
from spectra.dataset import flag
from spectra.errors import InvalidInput, WriteError
from spectra.report import write_report
from spectra.report.conventions import is_trend, literal, plain_text, species_text, unit_text, variable_label
from spectra.report.figures import plot
from spectra.report.gallery import gallery, write_overview, write_pictures
from spectra.report.html import report_page
from spectra.report.pdf import write_pdf
from spectra.report.series import coordinate
from spectra.report.style import png
from spectra.report.summary import summary_table, with_uncertainty

X = np.linspace(636.0, 660.0, 121)
NAMES = ["Mn3+ 2p3/2", "Mn4+ 2p3/2"]


@pytest.fixture
def fitted(frozen):
    """Five spectra along a charge, each with a fit of two components above a subtracted background."""
    made = spectra.simulate(
        X,
        {
            NAMES[0]: {"shape": "gaussian", "position": 641.2, "area": np.linspace(300, 100, 5), "fwhm": 2.5},
            NAMES[1]: {"shape": "gaussian", "position": 642.7, "area": np.linspace(100, 300, 5), "fwhm": 2.2},
        },
        background=lambda x, peaks: 40 + 0.01 * np.cumsum(peaks, -1),
        counts=2000,
        rng=2,
        axis="binding_energy",
        name="counts",
        units="counts",
        dim="charge",
        coords={"charge": (frozen([0.0, 10, 20, 30, 40]), "mAh/g")},
        attrs={"title": "Mn 2p", "technique": "xps"},
    )
    best_fit = made.true_component_curve.sum("component")
    truth = [str(name) for name in made.data_vars if str(name).startswith("true_")]
    return made.drop_vars(truth).assign(
        background=made.true_background,
        net=made.counts - made.true_background,
        best_fit=best_fit,
        residual=made.counts - made.true_background - best_fit,
        component_curve=made.true_component_curve,
        position=made.true_position.assign_attrs(units="eV"),
        position_sigma=0 * made.true_position + 0.05,
        mean_valence=("charge", np.linspace(3.25, 3.75, 5), {"units": ""}),
        mean_valence_sigma=("charge", np.full(5, 0.02)),
    )


@pytest.fixture
def single(fitted):
    return fitted.isel(charge=0, drop=True)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


class TestPlot:
    def test_a_trend_whose_uncertainties_are_all_unknown(self, fitted):
        few = fitted[["counts", "mean_valence", "mean_valence_sigma"]]
        few = few.assign(mean_valence_sigma=few.mean_valence_sigma * np.nan)
        assert plot(few, "mean_valence").has_data()  # and no warning, which would be an error

    def test_a_cell_that_ends_with_it_shows_it(self, fitted, single):
        from IPython.core.formatters import PNGFormatter

        for made in (single.spectra.plot(), fitted.spectra.plot(), single.spectra.plot("best_fit").figure):
            assert PNGFormatter()(made).startswith(b"\x89PNG")

    def test_binding_energy_descends_to_the_right(self, single):
        ax = plot(single, "counts")
        assert ax.get_xlim() == (660.0, 636.0)
        assert ax.get_xlabel() == "Binding energy (eV)"
        assert ax.get_ylabel() == "Intensity (counts)"

    def test_energy_ascends(self):
        data = spectra.from_arrays(np.linspace(6500, 6600, 11), np.ones(11), name="mu")
        assert plot(data).get_xlim() == (6500, 6600)

    def test_a_fit_shows_data_parts_sum_and_residual(self, single):
        ax = plot(single)
        drawn = lines(ax)
        assert set(drawn) >= {"data", "background", "fit", "Mn$^{3+}$ 2p$_{3/2}$", "Mn$^{4+}$ 2p$_{3/2}$"}
        np.testing.assert_allclose(drawn["data"].get_ydata(), single.counts)
        np.testing.assert_allclose(drawn["background"].get_ydata(), single.background)
        np.testing.assert_allclose(drawn["fit"].get_ydata(), single.best_fit + single.background)
        (strip,) = ax.child_axes
        np.testing.assert_allclose(strip.get_lines()[1].get_ydata(), single.residual / single.counts_sigma)

    def test_a_background_inside_the_fit_is_found(self, single):
        """Fitted together with the lines: what of the fit is no component is its background."""
        inside = single.drop_vars(["background", "net"]).assign(
            best_fit=single.best_fit + single.background,
            residual=single.residual,
        )
        drawn = lines(plot(inside))
        np.testing.assert_allclose(drawn["background"].get_ydata(), single.background)
        np.testing.assert_allclose(drawn["data"].get_ydata(), single.counts)

    def test_a_fit_of_a_part_of_the_axis_still_shows_its_background(self, single):
        inside = np.abs(single.binding_energy - 648) < 8
        names = ["background", "best_fit", "residual", "component_curve", "net"]
        drawn = lines(plot(single.assign({name: single[name].where(inside) for name in names})))
        assert np.isfinite(drawn["background"].get_ydata()).sum() == int(inside.sum())

    def test_a_component_that_is_no_peak_belongs_to_the_background(self, single):
        line = single.component_curve[:1] * 0 + 25.0
        curves = np.concatenate([single.component_curve, line])
        flat = single.drop_vars(["component_curve", "position", "position_sigma"]).drop_dims("component")
        flat = flat.assign(
            component_curve=(("component", "binding_energy"), curves),
            height=("component", [100.0, 50.0, np.nan]),
            best_fit=single.best_fit + 25.0,
            residual=single.residual - 25.0,
        ).assign_coords(component=[*NAMES, "line"])
        drawn = lines(plot(flat))
        assert "line" not in drawn
        np.testing.assert_allclose(drawn["background"].get_ydata(), single.background + 25.0)

    def test_residuals_of_counts_are_over_their_square_root(self, single):
        (strip,) = plot(single.drop_vars("counts_sigma")).child_axes
        expected = single.residual / np.sqrt(np.maximum(single.best_fit + single.background, 1))
        np.testing.assert_allclose(strip.get_lines()[1].get_ydata(), expected)
        other = single.drop_vars("counts_sigma").assign(counts=single.counts.assign_attrs(units="counts/s"))
        (strip,) = plot(other).child_axes
        np.testing.assert_allclose(strip.get_lines()[1].get_ydata(), single.residual)

    def test_the_fit_of_a_series_is_that_of_one_spectrum(self, fitted):
        ax = plot(fitted, charge=3)
        assert ax.get_title(loc="left") == "Charge 30 mAh/g (4 of 5)"
        np.testing.assert_allclose(lines(ax)["data"].get_ydata(), fitted.counts[3])
        assert plot(fitted).get_title(loc="left").startswith("Charge 0 mAh/g (1")

    def test_a_failed_fit_says_why_and_shows_the_data(self, single):
        bad = flag(single, True, "no_convergence", "It did not converge; widen the limits.")
        bad = bad.assign(best_fit=bad.best_fit * np.nan, residual=bad.residual * np.nan)
        ax = plot(bad)
        assert [t.get_text() for t in ax.texts] == ["not fitted: no convergence"]
        np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), single.counts)

    def test_a_series_is_coloured_by_its_coordinate(self, fitted):
        ax = plot(fitted, "counts")
        assert len(ax.get_lines()) == 5
        (bar,) = [a for a in ax.figure.axes if a is not ax]
        assert bar.get_ylabel() == "Charge (mAh/g)"
        assert len({tuple(line.get_color()) for line in ax.get_lines()}) == 5

    def test_many_spectra_become_a_map(self):
        time = np.datetime64("2024-05-13T08:00") + np.arange(120) * np.timedelta64(5, "m")
        data = spectra.from_arrays(
            X, np.ones((120, X.size)), axis="binding_energy", dims=("time",), coords={"time": time}
        )
        ax = plot(data)
        assert not ax.get_lines()
        assert ax.get_ylabel() == "Time since 2024-05-13 08:00 (h)"
        assert ax.get_ylim()[1] == pytest.approx(10, abs=0.2)

    def test_a_hundred_thousand_spectra_are_thinned_out_and_it_says_so(self):
        data = spectra.from_arrays(X, np.ones((2000, X.size)), axis="raman_shift", dims=("scan",))
        ax = plot(
            data.assign(area=("scan", np.ones(2000)), area_sigma=("scan", np.ones(2000))).chunk({"scan": 100})
        )
        assert ax.get_title(loc="right") == "1000 of 2000 spectra, evenly spread"
        ax = plot(data.assign(area=("scan", np.ones(2000)), area_sigma=("scan", np.ones(2000))), "area")
        assert not ax.containers
        assert len(ax.collections) == 1

    def test_what_all_may_be_off_by_together_is_pale_and_moves_no_limits(self, fitted):
        before = plot(fitted, "mean_valence").get_ylim()
        wide = fitted.assign(mean_valence_systematic=("charge", np.full(5, 3.0)))
        ax = plot(wide, "mean_valence")
        assert ax.get_ylim() == before
        (pale,) = [c for c in ax.collections if c.get_alpha() == 0.2]
        ends = np.array(pale.get_segments())[:, :, 1]
        np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 6.0)
        captions = {
            p.name: p.caption for p in gallery(wide[["counts", "mean_valence", "mean_valence_systematic"]])
        }
        assert "off by together" in captions["mean_valence"]

    def test_the_band_of_a_hundred_thousand_holds_every_bar(self):
        n = 100_000
        value, sigma = np.sin(np.arange(n)), np.linspace(0.1, 0.2, n)
        data = spectra.from_arrays(np.arange(2.0), np.ones((n, 2)), dims=("scan",))
        ax = plot(data.assign(edge=("scan", value), edge_sigma=("scan", sigma)), "edge")
        corners = ax.collections[0].get_paths()[0].vertices
        assert len(corners) < 5000
        assert corners[:, 1].min() == pytest.approx((value - sigma).min())
        assert corners[:, 1].max() == pytest.approx((value + sigma).max())

    def test_a_map_with_many_points_and_nothing_finite(self):
        data = spectra.from_arrays(X, np.ones((11, 12, X.size)), axis="raman_shift", dims=("y", "x"))
        assert plot(data).get_ylabel() == "Spectrum number"
        assert plot(data.assign(intensity=data.intensity * np.nan)).get_ylabel() == "Spectrum number"

    def test_dollar_signs_in_names_are_no_formulas(self):
        names = ["US$", r"$\broken{$", "ok"]
        data = spectra.from_arrays(
            X, np.ones((3, X.size)), axis="raman_shift", dims=("sample",), coords={"sample": names},
            attrs={"title": r"$\worse{$"},
        )  # fmt: skip
        data = data.assign(area=("sample", np.ones(3), {"units": "$\\frac$", "long_name": "$x{$"}))
        assert png(plot(data))
        assert png(plot(data, "area"))
        assert png(plot(data, sample=1))

    def test_numbers_are_drawn_with_their_error_bars(self, fitted):
        ax = plot(fitted, "mean_valence")
        assert ax.get_xlabel() == "Charge (mAh/g)"
        (container,) = ax.containers
        heights = np.ptp([path.vertices for path in container.lines[2][0].get_paths()], axis=1)[:, 1]
        np.testing.assert_allclose(heights, 2 * 0.02)
        assert len(plot(fitted, "position").containers) == 2

    def test_chi_is_weighted_as_it_was_transformed(self):
        k = np.arange(0.0, 12.0, 0.05)
        data = spectra.from_arrays(np.linspace(6500, 7000, 50), np.ones(50), name="mu")
        data = data.assign(chi=("k", np.cos(k))).assign_coords(k=("k", k, {"units": "1/angstrom"}))
        history = '[{"verb": "xas.fourier", "options": {"kweight": 3.0}}]'
        ax = plot(data.assign_attrs(history=history))
        np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), k**3 * np.cos(k))
        assert ax.get_ylabel() == "$k^{3}\\,\\chi(k)$ (Å$^{-3}$)"
        assert ax.get_xlabel() == "$k$ (Å$^{-1}$)"
        np.testing.assert_allclose(plot(data).get_lines()[0].get_ydata(), k**2 * np.cos(k))

    def test_a_report_looks_closer_at_the_edge_once(self):
        energy = np.linspace(6400, 7000, 601)
        data = spectra.from_arrays(
            energy, np.tanh(energy - 6550) + np.zeros((2, 1)), name="mu", dims=("scan",)
        )
        data = data.assign(norm=data["mu"], flat=data["mu"], e0=6550.0)
        assert [picture.name for picture in gallery(data)] == ["mu", "flat", "flat_zoom"]
        assert [picture.name for picture in gallery(data.sel(energy=slice(6540, 6560)))] == ["mu", "flat"]
        assert [picture.name for picture in gallery(data[["mu"]])] == ["mu"]

    def test_maps_and_wavelets_are_images(self):
        data = spectra.from_arrays(X, np.ones((3, 4, X.size)), axis="raman_shift", dims=("y", "x"))
        data = data.assign(area=(("y", "x"), np.ones((3, 4))), wavelet=(("r", "k"), np.ones((5, 6))))
        data = data.assign_coords(r=np.arange(5.0), k=np.arange(6.0))
        for name in ("area", "wavelet"):
            assert len(plot(data, name).collections) == 1
        assert len(plot(data).get_lines()) == 12

    def test_of_a_fitted_map_a_number_is_drawn_over_it(self, fitted):
        """Hatched where a flag asks for a look; the fit of a pixel by its place."""
        rows = fitted.isel(charge=[0, 1, 2, 3, 4, 0]).drop_vars("charge")
        data = rows.assign_coords(y=("charge", [0, 0, 0, 1, 1, 1]), x=("charge", [0, 1, 2] * 2))
        data = data.set_index(charge=["y", "x"]).unstack("charge").transpose("y", "x", ...)
        data = flag(data, np.array([[0, 0, 0], [0, 1, 0]], bool), "weak", "It is weak.", severity="warning")
        ax = plot(data)
        np.testing.assert_allclose(ax.collections[0].get_array().reshape(2, 3), data.mean_valence)
        assert len(ax.collections) == 2  # the colours and the hatches
        assert len(plot(data, "position", component=NAMES[1]).collections) == 2
        assert "fit" in " ".join(lines(plot(data, y=1, x=2)))

    def test_one_component_by_its_name(self, fitted):
        name = str(fitted.component.values[1])
        ax = plot(fitted, "position", component=name)
        np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), fitted.position.sel(component=name))
        assert ax.get_title(loc="left")
        with pytest.raises(InvalidInput, match="there is no component .Mn3.; allowed: Mn3"):
            plot(fitted, "position", component="Mn3")

    def test_names_of_a_series_are_in_the_legend_or_on_the_axis(self):
        data = spectra.from_arrays(
            X, np.arange(1, 4)[:, None] * np.ones(X.size), axis="raman_shift", dims=("scan",),
            coords={"sample": ("scan", ["MnO", "Mn2O3", "MnO2"]), "scan": np.arange(3)},
        )  # fmt: skip
        legend = plot(data).get_legend()
        assert [t.get_text() for t in legend.get_texts()] == ["MnO", "Mn2O3", "MnO2"]
        ax = plot(data.assign(valence=("scan", [2.0, 3.0, 4.0])), "valence")
        assert [t.get_text() for t in ax.get_xticklabels()] == ["MnO", "Mn2O3", "MnO2"]

    def test_seconds_of_a_long_series_become_hours(self):
        data = spectra.from_arrays(X, np.ones((3, X.size)), axis="raman_shift", dims=("time",))
        data = data.assign_coords(
            time=("time", [0.0, 3600.0, 36000.0], {"units": "s", "start": "2024-05-13T08:00:00"})
        )
        one = coordinate(data, "time")
        assert one.label == "Time since 2024-05-13 08:00 (h)"
        assert one.values.tolist() == [0, 1, 10]

    def test_the_panel_given_is_used(self, single):
        from matplotlib.figure import Figure

        ax = Figure().add_subplot()
        assert plot(single, ax=ax) is ax
        assert single.spectra.plot("counts", ax=ax) is ax

    @pytest.mark.parametrize(
        ("variable", "index", "sentence"),
        [
            ("contus", {}, "this dataset has no variable 'contus' to draw; did you mean 'counts'?"),
            (
                "counts",
                {"chrge": 0},
                "there is no series dimension 'chrge' to pick from; did you mean 'charge'?",
            ),
            ("counts", {"charge": 1.5}, "charge = 1.5 is no place along it: give a whole number"),
            ("counts", {"charge": 9}, "charge = 9 is outside the series: it holds 5 spectra, 0 to 4."),
            (
                "mean_valence",
                {"charge": 1},
                "'mean_valence' cannot be drawn in one panel: it is a single number.",
            ),
        ],
    )
    def test_bad_input(self, fitted, variable, index, sentence):
        with pytest.raises(InvalidInput) as caught:
            plot(fitted, variable, **index)
        assert sentence in str(caught.value)

    def test_the_dataset_and_matplotlib_are_left_as_they_were(self, fitted, monkeypatch):
        import matplotlib

        before, settings = fitted.copy(deep=True), dict(matplotlib.rcParams)
        settings["backend"] = "svg"
        monkeypatch.setitem(matplotlib.rcParams, "backend", "svg")
        png(plot(fitted))
        assert fitted.identical(before)
        assert dict(matplotlib.rcParams) == settings

    def test_pyplot_is_not_touched(self):
        code = (
            "import numpy as np, spectra, sys\n"
            "data = spectra.from_arrays(np.arange(9.), np.arange(9.))\n"
            "data.spectra.plot(); assert 'matplotlib.pyplot' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_the_same_figure_gives_the_same_bytes(self, single):
        assert png(plot(single)) == png(plot(single))


class TestTexts:
    @pytest.mark.parametrize(
        ("value", "sigma", "text"),
        [
            (6549.7213, 0.0456, "6549.721 ± 0.046"),
            (35837.2, 214.0, "35840 ± 210"),
            (0.5, 0.0996, "0.50 ± 0.10"),
            (99.96, 0.996, "100.0 ± 1.0"),
            (-1.5, 2.0, "-1.5 ± 2.0"),
            (0.0012345, 1.2e-5, "0.001234 ± 0.000012"),
            (3.0e9, 2.0e7, "3e+09 ± 2e+07"),
            (1.23456789, None, "1.23457"),
            (1.0, float("nan"), "1"),
            (float("nan"), 0.1, "–"),
            (2.0, float("inf"), "2"),
        ],
    )
    def test_value_and_uncertainty(self, value, sigma, text):
        assert with_uncertainty(value, sigma) == text

    def test_rounding_never_moves_a_value_by_more_than_a_tenth_of_its_uncertainty(self, rng):
        for _ in range(500):
            value, sigma = rng.normal() * 10 ** rng.uniform(-3, 5), 10 ** rng.uniform(-4, 3)
            number, _, error = with_uncertainty(value, sigma).partition(" ± ")
            assert abs(float(number) - value) <= 0.051 * sigma
            assert float(error) == pytest.approx(sigma, rel=0.051)

    def test_summary_has_units_sigma_and_flags(self, fitted):
        bad = flag(fitted, np.arange(5) == 1, "no_convergence", "It did not converge.")
        table = summary_table(bad)
        assert len(table) == 10
        assert table["position (eV)"][0] == "641.200 ± 0.050"
        assert "position_sigma" not in " ".join(table.columns)
        assert table["flags"].tolist()[2:4] == ["no_convergence", "no_convergence"]
        assert len(summary_table(fitted, rows=3)) == 3

    def test_what_was_asked_comes_first(self, single):
        """Behind the place in the series, before what it was made of; records of the files are no column."""
        data = single.assign(verdict=((), "undecided"), l3_l2_ratio=((), 2.1), l3_l2_ratio_sigma=((), 0.1))
        data = data.assign_coords(metadata=((), "{}"))
        names = [c.partition(" ")[0] for c in summary_table(data).columns]
        assert names[:3] == ["component", "verdict", "l3_l2_ratio"]
        assert "metadata" not in names

    def test_units_species_and_captions(self):
        assert unit_text("1/cm") == "cm$^{-1}$"
        assert unit_text("angstrom") == "Å"
        assert species_text("Mn3+ 2p3/2") == "Mn$^{3+}$ 2p$_{3/2}$"
        assert species_text("C-C") == "C-C"
        assert species_text("Ni2+, sat") == "Ni$^{2+}$, sat"
        assert plain_text("$k^{2}\\,\\chi(k)$") == "k²χ(k)"
        assert plain_text(literal("US$")) == "US$"

    def test_a_variable_nobody_listed_is_called_by_its_own_name(self):
        data = spectra.from_arrays([1.0, 2, 3], [1.0, 2, 3])
        data = data.assign(new_thing=("energy", np.ones(3), {"long_name": "brand new", "units": "1/cm"}))
        assert variable_label(data, "new_thing") == "Brand new (cm$^{-1}$)"


class _Parts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.images, self.links, self.open, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "img":
            self.images.append(given)
        self.links += [given[k] for k in ("href", "src") if k in given]
        if tag not in ("img", "br", "meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    parts = _Parts()
    parts.feed(page)
    assert not parts.open
    return parts


class TestReport:
    def test_the_page_is_well_formed_and_needs_nothing_beside_it(self, fitted):
        parts = parsed(report_page(fitted))
        assert all(link.startswith("data:image/png;base64,") for link in parts.links)
        for image in parts.images:
            assert base64.b64decode(image["src"].partition(",")[2]).startswith(b"\x89PNG")
            assert image["alt"]
        text = " ".join(parts.text)
        for expected in (
            "Mn 2p",
            "641.200 ± 0.050",
            "Not measured:",
            "binding energy",
            "Fit with its components",
        ):
            assert expected in text

    def test_what_stands_in_files_is_text_and_never_markup(self, fitted):
        evil = '<script>alert("x")</script>'
        named = fitted.assign_attrs(title=evil, sample=evil, files_left_out=f'{{"{"a<b"}": "{"x & y"}"}}')
        named = flag(named, True, "odd", f"It says {evil}")
        named = named.assign_coords(component=[evil, "b"])
        page = report_page(named, title=evil)
        assert page.count("<script") == page.count("</script>") == 2  # its data and its own
        parts = parsed(page)
        assert evil in " ".join(parts.text)
        assert "a<b" in " ".join(parts.text)

    def test_methods_inputs_and_notes_are_told(self, kitchen, pots, recipe_text):
        from spectra.pipeline.recipe import parse_recipe

        text = " ".join(parsed(report_page(spectra.run(parse_recipe(recipe_text), pots))).text)
        for expected in (
            "kitchen.brew",
            "factor = 3",
            "window = [110, 190]",
            "Multiply what was measured; add brewed.",
        ):
            assert expected in text
        assert "It was brewed too long; lower factor." in text

    def test_failed_fits_are_shown_first_and_the_number_is_limited(self, fitted):
        bad = flag(fitted, np.arange(5) == 3, "no_convergence", "It did not converge.")
        bad = bad.drop_vars(["net", "position", "position_sigma", "mean_valence", "mean_valence_sigma"])
        names = [picture.name for picture in gallery(bad, fits=2) if picture.name.startswith("fit")]
        assert len(names) == 2
        assert "fit_3" in names
        assert not [p for p in gallery(bad, fits=0) if p.name.startswith("fit")]

    def test_long_tables_say_how_much_is_left_out(self, fitted):
        assert "6 more rows are in the results file." in report_page(fitted, rows=4, fits=0)

    def test_several_datasets(self, single):
        other = single.drop_vars(["best_fit", "residual", "component_curve"])
        page = report_page({"one": single, "two": other.assign_attrs(title="First")}, title="Both")
        assert page.count("<section ") == 2
        assert "<title>Both</title>" in page
        assert report_page([other, other]).count("<section ") == 2

    def test_no_dataset(self):
        with pytest.raises(InvalidInput, match="at least one dataset"):
            report_page([])

    def test_written_whole_or_not_at_all(self, single, tmp_path):
        file = write_report(tmp_path / "report.html", single)
        assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert single.spectra.report(tmp_path / "again.html").is_file()
        with pytest.raises(WriteError, match="no folder"):
            write_report(tmp_path / "absent" / "report.html", single)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["again.html", "report.html"]

    def test_pictures_in_a_folder_and_side_by_side(self, fitted, tmp_path):
        few = fitted[["counts", "mean_valence", "mean_valence_sigma"]]
        written = write_pictures(tmp_path / "new", gallery(few), prefix="mn_")
        assert [p.name for p in written] == ["mn_counts.png", "mn_mean_valence.png"]
        overview = write_overview(
            tmp_path / "all.png", [(few, "mean_valence", "Mn 2p"), (fitted, "best_fit", "Fit")]
        )
        assert overview.read_bytes().startswith(b"\x89PNG")
        write_report(tmp_path / "report.html", {"Mn 2p": few}, figures=tmp_path / "figures")
        assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == ["counts.png", "mean_valence.png"]

    def test_a_plain_measured_spectrum(self):
        data = spectra.from_arrays(X, np.ones(X.size), axis="raman_shift")
        page = report_page(data)
        assert "Dataset 1" in page
        assert len(re.findall(r"<img", page)) == 1

    def test_a_figure_that_fails_does_not_take_the_report_with_it(
        self, single, tmp_path, monkeypatch, caplog
    ):
        from spectra.report import gallery as module

        def fails(dataset):
            yield "map", "A map.", module.style.new_axes()
            raise ZeroDivisionError("no width")

        monkeypatch.setattr(module, "_of_techniques", lambda: {"a-plugin": fails})
        page = report_page(single)
        assert "A figure of a-plugin could not be drawn (ZeroDivisionError: no width)" in page
        assert "a figure of a-plugin could not be drawn" in caplog.text
        assert write_pdf(tmp_path / "report.pdf", single).stat().st_size > 1000

    def test_dask_backed_datasets(self, fitted):
        few = fitted[["counts", "mean_valence", "mean_valence_sigma"]]
        lazy = [picture.png for picture in gallery(few.chunk({"charge": 2}))]
        assert lazy == [picture.png for picture in gallery(few)]


def test_what_belongs_to_a_number_is_no_trend_of_its_own(fitted):
    """Its uncertainties stand beside it in the table, as bars in its figure, and not as figures."""
    values = np.linspace(6549.0, 6551.0, 5)
    dims = [d for d in fitted.dims if fitted.sizes[d] == 5][:1]
    made = fitted.assign(
        dict.fromkeys(("edge_position", "edge_position_systematic", "noise"), (dims, values))
    )
    assert is_trend(made, "edge_position")
    assert not is_trend(made, "edge_position_systematic")
    assert not is_trend(made, "noise")


@pytest.mark.parametrize(
    ("scale", "label"),
    [
        (1e6, "Intensity ($10^{9}$ counts)"),
        (1.0, "Intensity (counts)"),
        (1e-9, "Intensity ($10^{-6}$ counts)"),
    ],
)
def test_the_power_of_ten_stands_in_the_label_where_the_residual_would_hide_it(single, scale, label):
    large = single.copy()
    for name in ("counts", "best_fit", "net", "background", "residual", "component_curve"):
        if name in large:
            large[name] = large[name] * scale
    ax = plot(large)
    ax.figure.canvas.draw()
    assert ax.get_ylabel() == label
    assert ax.yaxis.get_offset_text().get_text() == ""


def test_the_axis_of_a_fit_ends_where_its_background_does(single):
    """A background of a window leaves nothing to draw outside of it, where the fit's own curve goes on."""
    window = (single.binding_energy >= 638) & (single.binding_energy <= 646)
    ax = plot(single.assign({name: single[name].where(window) for name in ("net", "background", "residual")}))
    high, low = ax.get_xlim()
    assert 638 <= low < 638.5
    assert 645.5 < high <= 646
