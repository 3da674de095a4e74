"""Figures of core losses: what they draw, what a report shows, what is refused."""

import numpy as np
import pytest

import spectra
import xas
import xas.eels
from spectra.errors import InvalidInput
from spectra.report.gallery import gallery
from spectra.report.maps import warned
from spectra.report.style import png
from xas.eels.pictures import figures


def edges(shape=(), rng=3):
    """Mn L edges of electrons, simulated."""
    loss = np.arange(590.0, 690.0, 0.4)
    lines = 2.5 / (1 + ((loss - 643) / 1.4) ** 2) + 1.0 / (1 + ((loss - 654) / 1.4) ** 2)
    mean = 2000 * (loss / 640) ** -3.0 + 900 * (lines + 0.4 * (loss > 643) + 0.2 * (loss > 654))
    counts = np.random.default_rng(rng).poisson(mean, (*shape, loss.size)).astype(float)
    dims = ("y", "x")[: len(shape)]
    return spectra.from_arrays(
        loss, counts, axis="energy_loss", name="counts", units="counts", dims=dims,
        coords={d: (np.arange(n) * 0.5, "nm") for d, n in zip(dims, shape, strict=True)},
        attrs={"technique": "eels", "element": "Mn", "title": "simulated film"},
    )  # fmt: skip


def measured(shape=(), **options):
    data = edges(shape)
    if len(shape) == 2:
        data.counts[1, 2] = 0.0
    return xas.eels.white_line_ratio(xas.eels.subtract_background(data, window=(595, 634)), **options)


@pytest.fixture(scope="module")
def image():
    return measured((4, 5))


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_an_edge_with_its_background_lines_and_continuum():
    one = measured()
    above, below = xas.eels.plot_edge(one).axes
    assert above.get_legend().get_texts()[-1].get_text() == "background ± σ"
    assert texts(below) == ["L$_{3}$", "L$_{2}$"]
    dashed = next(line for line in above.lines if line.get_linestyle() == "--")
    x, y = dashed.get_data()
    beyond = np.isfinite(y)
    assert x[beyond].min() >= 634  # the extrapolation begins where the window ends
    np.testing.assert_allclose(y[beyond], one.background.sel(energy_loss=x[beyond]).values)
    continuum = next(line for line in below.lines if line.get_label() == "continuum")
    level = one.net.sel(energy_loss=slice(float(one.l2_position) + 15, float(one.l2_position) + 25)).mean()
    assert continuum.get_ydata()[-1] == pytest.approx(float(level), rel=0.01)
    assert below.get_xlabel() == "Energy loss (eV)"


@pytest.mark.parametrize("method", ["double_arctan", "second_derivative", "curve_fit"])
def test_every_method_is_drawn_with_what_it_has(method):
    _, below = xas.eels.plot_edge(measured(method=method)).axes
    drawn = [line.get_label() for line in below.lines]
    assert ("continuum" in drawn) == (method == "double_arctan")
    assert texts(below) == ["L$_{3}$", "L$_{2}$"]


def test_before_anything_was_measured_there_is_the_background_alone():
    _, below = xas.eels.plot_edge(xas.eels.subtract_background(edges(), window=(595, 634))).axes
    assert texts(below) == []


def test_the_band_is_the_covariance_of_the_background():
    from xas.eels.pictures import _background_sigma

    one = xas.eels.subtract_background(edges(), window=(595, 634))
    loss = one.energy_loss.values
    rng = np.random.default_rng(1)
    drawn = rng.multivariate_normal(one.background_parameter, one.background_covariance, 4000)
    from xas.eels.channels.curves import Curve

    spread = Curve.from_attrs(one.background.attrs).value(loss, drawn).std(0)
    np.testing.assert_allclose(_background_sigma(one, loss), spread, rtol=0.06)


def test_iron_is_drawn_in_its_own_windows():
    energy = np.arange(698.0, 731.0, 0.2)
    places = ((708.1, 0.7, 3.0), (709.8, 0.8, 3.0), (721.0, 1.2, 1.0), (722.8, 1.2, 1.0))
    lines = sum(h * np.exp(-(((energy - at) / w) ** 2)) for at, w, h in places)
    iron = spectra.from_arrays(
        energy, 0.3 + lines + 0.2 * (energy > 708), name="mu", attrs={"element": "Fe", "technique": "xas"}
    )
    iron = xas.eels.subtract_background(iron, window=(698, 705))
    iron = xas.eels.iron_window_ratio(iron, fe2_maximum=708.1)
    _, below = xas.eels.plot_edge(iron).axes
    assert [t.xy[0] for t in below.texts] == pytest.approx([709.8, 721.0])
    assert [name for name, *_ in figures(iron)] == ["edge"]


def test_a_map_with_its_sigma_grey_and_hatched(image):
    figure = xas.eels.plot_map(image, ("branching_ratio", "branching_ratio_sigma"))
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in panels] == ["x (nm)", "x (nm)"]
    shown = panels[0].collections[0].get_array().reshape(4, 5)
    assert np.argwhere(np.ma.getmaskarray(np.ma.masked_invalid(shown))).tolist() == [[1, 2]]
    assert len(panels[0].collections) == 1  # nothing to hatch
    doubtful = spectra.dataset.flag(image, np.eye(4, 5) > 0, "weak_line", "L2 is weak", severity="warning")
    assert warned(doubtful).sum() == 4
    hatched = [ax for ax in xas.eels.plot_map(doubtful).axes if ax.get_xlabel()]
    assert any(c.hatches == ["/////"] for c in hatched[0].collections if hasattr(c, "hatches"))
    sigma = image.branching_ratio_sigma
    few = xas.eels.plot_map(image, ("branching_ratio",), most_sigma=float(sigma.median()))
    left = few.axes[0].collections[0].get_array()
    assert np.ma.masked_invalid(left).count() == int((sigma <= sigma.median()).sum())


def test_what_a_report_shows(image):
    found = {name: caption for name, caption, _ in figures(image)}
    assert [n.rstrip("_0123456789") for n in found] == ["edge", "map"]
    assert "grey where it failed" in found["map"]
    names = [picture.name for picture in gallery(image)]
    assert "map" in names
    line = [name for name, *_ in figures(measured((4,)))]
    assert line == ["edge_0", "edge_3"]
    assert [name for name, *_ in figures(measured())] == ["edge"]
    assert list(figures(edges())) == []  # nothing was subtracted
    raman = spectra.from_arrays(np.arange(10.0), np.arange(10.0), axis="raman_shift")
    assert list(figures(raman)) == []
    assert png(xas.eels.plot_edge(image))[:4] == b"\x89PNG"


def test_a_single_row_is_no_map_and_all_lost_is_drawn():
    lost = edges((2, 2))
    lost.counts[:] = 0.0
    lost = xas.eels.subtract_background(lost, window=(595, 634))
    assert [n.split("_")[0] for n, *_ in figures(lost)] == ["edge"]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda d: xas.eels.plot_edge(edges()), "call xas.eels.subtract_background first"),
        (lambda d: xas.eels.plot_edge(d, z=1), "no series dimension 'z'"),
        (lambda d: xas.eels.plot_edge(d, y=9), "y = 9 is outside the series: it holds 4 spectra"),
        (lambda d: xas.eels.plot_edge(d, window=(100, 110)), "holds 0 channels"),
        (lambda d: xas.eels.plot_map(d.isel(y=0)), "map of two dimensions; this dataset has x"),
        (lambda d: xas.eels.plot_map(d, "l3_l2"), "no variable 'l3_l2'; did you mean"),
        (lambda d: xas.eels.plot_map(d, "net"), "'net' is no number per spectrum"),
        (
            lambda d: xas.eels.plot_map(d, "l3_half_width", most_sigma=1.0),
            "most_sigma needs l3_half_width_sigma",
        ),
        (lambda d: xas.eels.plot_map(edges((2, 2))), "nothing that a map shows by default"),
    ],
)
def test_refused(image, draw, words):
    with pytest.raises(InvalidInput, match=words):
        draw(image)


def test_figures_of_what_was_simulated_say_so(image):
    for title, shown in (
        ("film 7", "film 7 (simulated)"),
        ("", "(simulated)"),
        ("simulated film", "simulated film"),
    ):
        made = image.assign_attrs(title=title, simulated="yes")
        assert xas.eels.plot_map(made, "branching_ratio").axes[0].get_title(loc="left") == shown
        assert xas.eels.plot_edge(made).axes[0].get_title(loc="left").startswith(shown)
    measured_one = image.assign_attrs(title="film 7")
    assert xas.eels.plot_map(measured_one, "branching_ratio").axes[0].get_title(loc="left") == ""
