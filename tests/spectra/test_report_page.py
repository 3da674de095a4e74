"""What a page of a report draws from is what the dataset holds, bounded, escaped; figures and PDF come from the same."""

import base64
import hashlib
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

import spectra
from spectra.dataset import flag
from spectra.errors import InvalidInput, WriteError
from spectra.report import write_figures, write_pdf
from spectra.report.embedded import choose, embedded
from spectra.report.html import report_page
from spectra.report.methods import paragraph
from spectra.report.packed import decoded, encoded

X = np.linspace(636.0, 660.0, 61)
NAMES = ["Mn3+ 2p3/2", "Mn4+ 2p3/2"]


def fitted(shape, dims, n=X.size):
    """Fits of two components on a flat background; the second spectrum failed."""
    x = np.linspace(636.0, 660.0, n)
    rng = np.random.default_rng(3)
    area = rng.uniform(100, 300, (*shape, 2))
    centre = np.array([641.2, 645.0])
    curves = area[..., None] / 2.5 * np.exp(-0.5 * ((x - centre[:, None]) / 1.1) ** 2)
    best = curves.sum(-2) + 40.0
    counts = rng.poisson(best).astype(float)
    names = (*dims, "binding_energy")
    data = spectra.from_arrays(x, counts, axis="binding_energy", name="counts", units="counts", dims=dims)
    bad = np.zeros(shape, bool)
    bad.ravel()[1:2] = True
    best[bad] = np.nan
    data = data.assign(
        best_fit=(names, best),
        residual=(names, counts - best),
        component_curve=((*dims, "component", "binding_energy"), curves),
        position=((*dims, "component"), np.broadcast_to(centre, area.shape).copy(), {"units": "eV"}),
        height=((*dims, "component"), np.where(bad[..., None], np.nan, area), {"units": "counts"}),
        height_sigma=((*dims, "component"), 0.1 * area),
        mean_valence=(dims, np.where(bad, np.nan, area[..., 0] / 100)),
        mean_valence_sigma=(dims, np.full(shape, 0.02)),
    ).assign_coords(component=NAMES)
    return flag(
        data.assign_attrs(title="Mn 2p", technique="xps"), bad, "no_convergence", "It did not converge."
    )


@pytest.fixture
def series():
    data = fitted((5,), ("scan",))
    return data.assign_coords(voltage=("scan", [3.0, 3.4, 3.8, 4.0, 4.2], {"units": "V"}))


def json_of(page):
    return [
        json.loads(text)
        for text in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)
    ]


def column(data, name):
    return next(c for c in data["numbers"]["columns"] if c["name"] == name)


class TestEmbedded:
    def test_the_page_holds_what_the_dataset_holds(self, series):
        (data,) = json_of(report_page(series, fits=0))
        assert data["total"] == 5
        np.testing.assert_allclose(
            decoded(column(data, "mean_valence")["values"]), series.mean_valence, rtol=1e-6
        )
        heights = column(data, "height")
        assert heights["component"]
        np.testing.assert_allclose(decoded(heights["values"]), series.height.values.ravel(), rtol=1e-6)
        np.testing.assert_allclose(decoded(heights["sigma"]), series.height_sigma.values.ravel(), rtol=1e-6)
        assert decoded(data["numbers"]["failed"]).tolist() == [0, 1, 0, 0, 0]
        flags = column(data, "flags")
        assert flags["texts"][flags["codes"][1]] == "no_convergence"

    def test_every_fit_is_there_with_its_parts(self, series):
        fits = embedded(series)["fits"]
        assert fits["descends"]
        assert fits["components"] == ["Mn³⁺ 2p3/2", "Mn⁴⁺ 2p3/2"]
        assert [one["spectrum"] for one in fits["spectra"]] == [0, 1, 2, 3, 4]
        assert fits["spectra"][1]["fit"] is None
        third = fits["spectra"][3]
        np.testing.assert_allclose(decoded(third["data"]), series.counts[3], rtol=1e-6)
        np.testing.assert_allclose(decoded(third["fit"]), series.best_fit[3], rtol=1e-6)
        np.testing.assert_allclose(decoded(third["base"]), 40.0, rtol=1e-6)
        for k, curve in third["parts"].items():
            np.testing.assert_allclose(decoded(curve), series.component_curve[3, k], rtol=1e-5, atol=1e-5)
        noise = np.sqrt(series.best_fit[3])
        np.testing.assert_allclose(decoded(third["residual"]), series.residual[3] / noise, rtol=1e-5)

    def test_coordinates_are_offered(self, series):
        against = embedded(series)["numbers"]["against"]
        assert [(a["name"], a["label"]) for a in against][-1] == ("voltage", "Voltage (V)")
        np.testing.assert_allclose(decoded(against[-1]["values"]), series.voltage)

    def test_a_map_has_its_two_dimensions(self):
        data = embedded(fitted((4, 6), ("y", "x")))
        assert [d["size"] for d in data["dims"]] == [4, 6]
        assert data["numbers"]["step"] == 1
        assert len(decoded(data["numbers"]["spectra"])) == 24

    def test_a_map_over_two_axes_has_its_numbers(self):
        """Up to 6 Å, of the spectra that did not fail, with what lies in the reach of the ends."""
        r, k = np.arange(0.0, 8.0, 0.5), np.arange(0.0, 12.0, 0.05)
        wavelet = np.arange(3.0)[:, None, None] + np.outer(r, k)
        data = spectra.from_arrays(X, np.ones((3, X.size)), axis="energy", name="mu", dims=("time",))
        data = data.assign(
            wavelet=(("time", "r", "k"), wavelet), cone_of_influence=(("r", "k"), (r[:, None] < k) * 1)
        )
        data = flag(
            data.assign_coords(r=r, k=k), np.array([False, True, False]), "no_edge", "There is no edge."
        )
        (plane,) = embedded(data)["planes"]
        assert plane["spectra"] == [0, 2]
        assert decoded(plane["down"]["values"]).tolist() == r[r <= 6].tolist()
        kept = wavelet[2][r <= 6][:, :: plane["every"][1]]
        np.testing.assert_allclose(decoded(plane["values"][1]), kept.ravel(), rtol=1e-6)
        assert decoded(plane["veil"]).reshape(kept.shape)[0, 1:].all()
        assert embedded(data.isel(time=0))["planes"][0]["spectra"] == [0]
        assert embedded(data.drop_vars("cone_of_influence"))["planes"][0]["veil"] is None

    def test_the_fits_for_paper_are_there(self, series):
        """The failed one first, then evenly spread ones; of a long series too."""
        assert embedded(series, printed=2)["printed"] == [0, 1]
        assert embedded(series, printed=0)["printed"] == []
        long = embedded(fitted((400,), ("scan",)), printed=5)
        assert len(long["printed"]) == 5
        assert {1, 399} <= set(long["printed"])
        assert set(long["printed"]) <= {one["spectrum"] for one in long["fits"]["spectra"]}

    def test_a_single_measured_spectrum(self):
        data = embedded(spectra.from_arrays(X, np.ones(X.size), axis="raman_shift"))
        assert data["fits"] is None
        assert data["total"] == 1
        np.testing.assert_allclose(decoded(data["curves"][0]["values"]), 1.0)

    @pytest.mark.parametrize(
        "values", [[6549.721, 6549.722, np.nan], [0.0, 1e-9, 1e30], [np.nan] * 3, [-1e300, 2, np.inf]]
    )
    def test_numbers_survive_their_way_into_the_page(self, values):
        found = decoded(encoded(values))
        kept = np.isfinite(values) & (np.abs(values) < 1e38)
        np.testing.assert_allclose(found[kept], np.array(values)[kept], rtol=1e-7)
        assert np.isnan(found[~np.isfinite(values)]).all()

    def test_a_small_change_of_a_large_number_is_kept(self):
        energies = 6549.7 + np.linspace(0, 1e-4, 11)
        np.testing.assert_allclose(decoded(encoded(energies)) - energies, 0, atol=1e-10)


class TestBounds:
    def test_flagged_spectra_come_along(self):
        flagged = np.array([7, 123, 9_999])
        chosen, _ = choose((10_000,), 200, flagged)
        assert chosen.size <= 200
        assert np.isin(flagged, chosen).all()
        assert np.diff(chosen).max() < 60
        many, _ = choose((10_000,), 200, np.arange(10_000))
        assert many.size <= 200
        assert many.max() == 9_999  # the series is seen to its end

    def test_of_a_map_a_map_is_left(self):
        chosen, step = choose((100, 300), 1000, np.array([1]))
        rows, columns = np.unravel_index(chosen[chosen != 1], (100, 300))
        assert chosen.size <= 1100
        assert (rows % step == 0).all()
        assert (columns % step == 0).all()

    @pytest.mark.long
    def test_a_long_series_gives_a_small_page(self):
        """Of 40,000 spectra, of which the curves are lazy, less than 15 MB stand in the page."""
        data = fitted((40_000,), ("scan",), n=50).chunk({"scan": 4000})
        page = report_page(data, fits=2)
        assert len(page.encode()) < 15e6
        (held,) = json_of(page)
        assert held["total"] == 40_000
        assert 1 in decoded(held["numbers"]["spectra"])
        assert len(held["fits"]["spectra"]) <= 201

    def test_lazy_and_loaded_give_the_same(self, series):
        assert embedded(series.chunk({"scan": 2})) == embedded(series)


class TestPage:
    def test_only_its_own_script_may_run_and_nothing_is_fetched(self, series):
        page = report_page(series, fits=0)
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1).replace("&#39;", "'")
        assert "default-src 'none'" in policy
        script = re.findall(r"<script>(.*?)</script>", page, re.S)
        assert len(script) == 1
        digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy
        (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
        assert "fetch(" not in page
        assert "innerHTML =" not in page

    def test_names_out_of_files_cannot_end_the_data(self, series):
        evil = '</script><script>alert("x")</script><!--'
        named = series.assign_coords(component=[evil, "b"], label=("scan", [evil] * 5))
        page = report_page(named, fits=0)
        assert evil not in page
        (data,) = json_of(page)
        assert data["numbers"]["components"][0] == evil
        assert column(data, "label")["texts"] == [evil]

    def test_headings_descend_by_one(self, series):
        page = report_page({"a": series, "b": series}, fits=1)
        levels = [
            int(level)
            for level in re.findall(r"<h([1-6])", re.sub(r"<script.*?</script>", "", page, flags=re.S))
        ]
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


class TestMethods:
    def test_a_paragraph_with_references(self):
        import xas

        energy = np.arange(6400.0, 6900.0, 0.5)
        mu = 1.0 / (1 + np.exp(-(energy - 6550) / 2)) + 0.2
        data = xas.normalize(
            spectra.from_arrays(energy, mu, name="mu"), e0=6550.0, pre=(-140, -40), post=(60, 300)
        )
        told = paragraph(data)
        assert "(xas.normalize; e0 = 6550.0, pre = [-140, -40], post = [60, 300], " in told.text
        assert "[1]" in told.text
        assert any("doi:10." in reference for reference in told.references)

    def test_nothing_was_done(self):
        assert paragraph(spectra.from_arrays(X, X)).text == ""


class TestFiles:
    @pytest.mark.parametrize(("format", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
    def test_single_figures(self, series, tmp_path, format, head):
        few = series[["counts", "mean_valence", "mean_valence_sigma"]]
        files = write_figures(tmp_path, few, format=format, width="single", fits=0)
        assert [f.name for f in files] == [f"counts.{format}", f"mean_valence.{format}"]
        assert all(f.read_bytes().startswith(head) for f in files)
        again = write_figures(tmp_path / "again", few, format=format, width="single", fits=0)
        assert [f.read_bytes() for f in files] == [f.read_bytes() for f in again]

    @pytest.mark.parametrize(("width", "millimetres"), [("single", 85.0), ("double", 174.0)])
    def test_a_journal_width(self, series, tmp_path, width, millimetres):
        (file,) = write_figures(tmp_path, series[["counts"]], format="svg", width=width)
        points = float(re.search(r'width="([\d.]+)pt"', file.read_text()).group(1))
        assert points / 72 * 25.4 == pytest.approx(millimetres, abs=0.1)

    def test_bad_input(self, series, tmp_path):
        with pytest.raises(InvalidInput, match="width of a figure is one of single, double, got 'wide'"):
            write_figures(tmp_path, series, width="wide")
        with pytest.raises(InvalidInput, match="format of a figure is one of png, svg, pdf, got 'gif'"):
            write_figures(tmp_path, series, format="gif")
        with pytest.raises(InvalidInput, match="at least one dataset"):
            write_pdf(tmp_path / "a.pdf", [])
        with pytest.raises(WriteError, match="no folder"):
            write_pdf(tmp_path / "absent" / "a.pdf", series[["counts"]])

    def test_a_pdf_of_all(self, series, tmp_path):
        file = write_pdf(tmp_path / "report.pdf", {"a": series, "b": series[["counts"]]}, fits=1)
        content = file.read_bytes()
        assert content.startswith(b"%PDF")
        assert len(re.findall(rb"/Type /Page\b", content)) >= 4
        assert [p.name for p in tmp_path.iterdir()] == ["report.pdf"]


def test_the_block_of_the_docs_runs(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/report.md", "exec"), {})
    assert {"series.html", "series.pdf", "paper"} == {path.name for path in tmp_path.iterdir()}
