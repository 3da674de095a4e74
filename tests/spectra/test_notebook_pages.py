"""What a notebook shows: the numbers, flags and history are there, and nobody's text becomes HTML."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import raman
import spectra
from spectra.findings import Audit, Finding
from spectra.notebook.pages import dataset_html, dataset_text, step_line, table_html
from spectra.results.rerun import rerun

X = np.linspace(400.0, 800.0, 81)
NASTY = "<script>alert('x')</script> & co"


class Balance(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in {"br", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(text):
    parser = Balance()
    parser.feed(text)
    assert not parser.open
    assert "script" not in parser.seen
    return text


@pytest.fixture(scope="module")
def fitted():
    lines = {"a": {"shape": "lorentzian", "position": 590.0, "area": 900.0, "fwhm": 20.0}}
    data = spectra.simulate(X, lines, background=10.0, axis="raman_shift", n=12)
    data = data.assign_attrs(sample=NASTY)
    values = np.array(data["intensity"].values)
    values[4] = np.nan
    data = data.assign(intensity=(("scan", "raman_shift"), values, data["intensity"].attrs))
    model = ({"shape": "lorentzian"}, {"shape": "polynomial", "degree": 0})
    return spectra.fit(data, model=model, params={"position": 580.0, "area": 900.0, "fwhm": 15.0})


def test_a_dataset_shows_results_flags_history_and_a_figure(fitted):
    text = checked(fitted.spectra._repr_html_())
    assert "&lt;script&gt;" in text
    assert "position (1/cm)" in text
    assert "590" in text
    assert "fit too few points (1): There are fewer usable points" in text
    assert "spectra.fit(model=" in text
    assert "The first of 12 spectra" in text
    assert text.count("data:image/png;base64,") == 1
    assert "Not measured: simulated" in text
    assert re.search(r"spectra: <b>12 \(scan\)", text)


def test_a_dataset_in_a_terminal(fitted):
    lines = repr(fitted.spectra).splitlines()
    assert "raman shift: 400 to 800 1/cm, 81 points" in lines[0]
    assert lines[-1].startswith("  spectra.fit(model=")
    assert dataset_text(fitted) == repr(fitted.spectra)


def test_what_is_not_computed_stays_so(fitted):
    def never(block):
        raise AssertionError("computed")

    lazy = fitted[["intensity"]].chunk().map(lambda v: v.copy(data=v.data.map_blocks(never, dtype=float, meta=np.empty((0, 0)))))  # fmt: skip
    lazy.attrs = dict(fitted.attrs)
    assert "Not computed yet" in checked(dataset_html(lazy))


def test_a_measured_spectrum_alone():
    data = spectra.from_arrays(X, np.ones(81), axis="wavenumber", name="absorbance").assign_attrs(
        title="film"
    )
    text = checked(dataset_html(data))
    assert "film" in text
    assert "<table" not in text


def test_xarrays_own_page_stays(fitted):
    assert "xr-wrap" in fitted._repr_html_()


def test_an_audit():
    finding = Finding("A1", "error", "t", NASTY, "5 <b>eV</b>", 5.0, "< 4 eV", "doi", "ask & look", 2, 3)
    other = Finding("A2", "warning", "t", "fit", "found", None, "4", "doi", "")
    text = checked(Audit((other, finding), ("A1", "A2"), (("A3", "a <background>"),))._repr_html_())
    assert "1 errors, 1 warnings" in text
    assert text.index("A1 error") < text.index("A2 warning")
    assert "[2 of 3 spectra]" in text
    assert "A3 needs a &lt;background&gt;" in text
    assert "to do: ask &amp; look" in text
    assert "No rule found anything" in checked(Audit(())._repr_html_())


def test_a_rerun(fitted, tmp_path):
    path = spectra.save(tmp_path / "fit.nxs", fitted)
    text = checked(rerun(path)._repr_html_())
    assert re.search(r"(\d+) of \1 variables are the same", text)
    path = spectra.save(tmp_path / "raw.nxs", spectra.from_arrays(X, np.ones(81), axis="raman_shift"))
    assert "No verb was applied" in checked(rerun(path)._repr_html_())


def test_a_ranking_of_phases():
    text = checked(raman.identify_phases((408, 522, 690, 994))._repr_html_())
    assert "v2o5" in text
    assert "missing (1/cm)" in text


def test_a_table_of_anything():
    assert "&lt;i&gt;" in checked(table_html(["<i>"], [[None], [3.5], ["x&y"]]))


def test_a_step_shows_what_is_not_default():
    step = {"verb": "spectra.crop", "options": {"window": [1, 2]}}
    assert step_line(step) == "spectra.crop(window=[1, 2])"
    far = {"verb": "gone.away", "options": {"a": None, "b": {"not_storable": "x", "text": "Model"}, "c": "z" * 200}}  # fmt: skip
    assert step_line(far).startswith("gone.away(b='Model', c='zzz")
    assert len(step_line(far)) < 130


def test_the_edge_is_marked_and_the_real_part_stands_beside_the_magnitude():
    energy = np.linspace(6500.0, 6600.0, 101)
    data = spectra.from_arrays(energy, np.arctan(energy - 6550.0), axis="energy", name="mu")
    ax = data.assign(e0=6550.04).spectra.plot()
    assert ax.get_legend_handles_labels()[1][-1] == "$E_0$ = 6550.0 eV"
    assert data.spectra.plot().get_legend() is None
    r = np.linspace(0.0, 6.0, 50)
    curves = {name: ("r", np.cos(r), {"units": ""}) for name in ("chir_mag", "chir_re")}
    shells = data.assign(curves).assign_coords(r=("r", r, {"units": "angstrom"}))
    assert shells.spectra.plot().get_legend_handles_labels()[1] == ["$|\\chi(R)|$", "Re $\\chi(R)$"]
    k = ("k", np.linspace(0.0, 12.0, 40), {"units": "1/angstrom"})
    full = shells.assign(wavelet=(("r", "k"), np.ones((50, 40)), {"units": ""})).assign_coords(k=k)
    assert full.spectra.plot().get_xlabel() == "$k$ (Å$^{-1}$)"
    assert full.spectra.plot("chir_mag").get_xlabel() == "$R$ (Å)"
