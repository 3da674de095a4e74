"""The wavelet figure: panels that share their axes, labels with units, what is shown, one scale for a series."""

import itertools

import numpy as np
import pytest

import xas
from spectra.report import style, write_report
from spectra.report.gallery import gallery
from xas.exafs.wavelet_picture import plot_wavelet
from xas.figures import figures


@pytest.fixture(scope="module")
def scans(simulated):
    chi = xas.autobk(xas.normalize(simulated(3, noise=1e-3, attrs={"sample": "Mn3+ oxide"}), e0=6548.0))
    return xas.wavelet(chi, rmax=5.0, regions={"Mn-O": ((4.0, 9.0), (1.5, 2.5))})


def test_panels_share_axes_and_name_units(scans):
    figure = plot_wavelet(scans, scan=1)
    image, beside, below = figure.axes[:3]
    assert image.get_ylim() == beside.get_ylim()
    assert image.get_xlim() == below.get_xlim()
    assert image.get_ylabel() == "$R$ (Å)"
    assert below.get_xlabel() == "$k$ (Å$^{-1}$)"
    assert below.get_ylabel() == r"$k^{2}\chi(k)$ (Å$^{-2}$)"
    assert beside.get_xlabel() == r"$|\chi(R)|$ (Å$^{-3}$)"
    texts = [t.get_text() for ax in figure.axes for t in ax.texts]
    assert "Mn-O" in texts
    assert any("Cauchy, $n$ = 25" in t and "Hanning window" in t for t in texts)
    assert "Mn$^{3+}$ oxide" in image.get_title(loc="left")


@pytest.mark.parametrize("width", ["single", None, "double"])
def test_no_words_lie_over_others_at_any_width(scans, width):
    with style.column_width(width):
        figure = plot_wavelet(scans, scan=1)
    figure.canvas.draw()  # laid out
    corner = figure.axes[3]
    (bar,) = corner.child_axes
    ends = bar.get_xlim()
    ticks = [t for t in bar.get_xticklabels() if ends[0] <= t.get_position()[0] <= ends[1]]
    words = [*corner.texts, bar.xaxis.label, *ticks, figure.axes[2].xaxis.label]
    if figure._supxlabel is not None:
        words.append(figure._supxlabel)
    boxes = [word.get_window_extent() for word in words if word.get_text()]
    assert len(boxes) > 4
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert all(box.x1 <= figure.bbox.x1 and box.x0 >= 0 and box.y0 >= 0 for box in boxes)
    assert "Cauchy, $n$ = 25" in " ".join(word.get_text() for word in words)


def test_the_transform_beside_is_that_of_the_same_window(scans):
    drawn = plot_wavelet(scans.isel(scan=0), r=(1.0, 4.0)).axes[1].lines[0].get_xdata()
    alone = xas.fourier(scans.isel(scan=0), rmax=5.0)
    expected = alone.chir_mag.sel(r=slice(1.0 - 1e-6, 4.0))
    np.testing.assert_allclose(drawn, expected, rtol=1e-10)


def test_a_chosen_scale_and_title(scans):
    figure = plot_wavelet(scans, vmax=0.5, title="A", scan=2)
    mesh = figure.axes[0].collections[0]
    assert mesh.get_clim() == (0, 0.5)
    assert figure.axes[0].get_title(loc="left") == "A"


def test_morlet_is_named_and_no_weight_has_no_unit(scans):
    other = xas.wavelet(scans.isel(scan=0), kind="morlet", eta_sigma=6.0, kweight=0.0, rmax=4.0)
    figure = plot_wavelet(other)
    assert any(r"Morlet, $\eta\sigma$ = 6" in t.get_text() for ax in figure.axes for t in ax.texts)
    assert figure.axes[2].get_ylabel() == r"$\chi(k)$"


def test_the_report_shows_the_ends_of_a_series_in_one_scale(scans, tmp_path):
    drawn = list(figures(scans))
    assert [name for name, _, _ in drawn] == ["wavelet_0", "wavelet_2"]
    scales = {figure.axes[0].collections[0].get_clim() for _, _, figure in drawn}
    assert len(scales) == 1
    assert [name for name, _, _ in figures(scans.isel(scan=0))] == ["wavelet"]
    assert list(figures(scans.drop_vars("wavelet"))) == []
    assert {"wavelet_0", "wavelet_2"} <= {picture.name for picture in gallery(scans)}
    assert "Wavelet transform of the first spectrum" in write_report(tmp_path / "r.html", scans).read_text(
        "utf-8"
    )


def test_one_map_in_the_usual_way(scans):
    ax = scans.spectra.plot("wavelet", scan=0)
    assert ax.get_ylabel() == "$R$ (Å)"


def test_nonsense_is_refused_in_one_sentence(scans):
    with pytest.raises(ValueError, match=r"needs the variable 'wavelet', which xas.wavelet adds"):
        plot_wavelet(scans.drop_vars("wavelet"))
    with pytest.raises(ValueError, match="no series dimension 'sacn' to pick from; did you mean 'scan'"):
        plot_wavelet(scans, sacn=1)
    with pytest.raises(ValueError, match="scan = 7 is outside the series: it holds 3 spectra, 0 to 2"):
        plot_wavelet(scans, scan=7)
    with pytest.raises(ValueError, match=r"r = \(7, 9\) shows nothing of the map, which goes from 0 to 4.97"):
        plot_wavelet(scans, r=(7.0, 9.0))
    bad = scans.copy(deep=True)
    bad["wavelet"][0] = np.nan
    with pytest.raises(ValueError, match="the map of this spectrum is not known"):
        plot_wavelet(bad, scan=0)
    bare = scans.copy()
    bare.attrs.pop("history")
    with pytest.raises(ValueError, match="holds no xas.wavelet"):
        plot_wavelet(bare)
