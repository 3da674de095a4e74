"""The figure of a fit of paths: labels with units, ranges, every path, and what it refuses."""

import numpy as np
import pytest

import xas
from spectra.errors import InvalidInput
from spectra.report import write_report
from xas.figures import figures
from xas.paths.picture import plot_paths


@pytest.fixture(scope="module")
def fitted(measured, data_dir):
    scan = xas.autobk(xas.normalize(measured("Cu_foil_rt_larch"), e0=8980.5)).assign_attrs(sample="Cu2+ foil")
    series = scan.expand_dims(scan=3).copy(deep=True)
    series["chi"] = series["chi"].where(series["scan"] != 1)
    paths = tuple(str(data_dir / "xas" / "feff_Cu_larch" / f"feff000{n}.dat") for n in (1, 2))
    return xas.fit_paths(series, paths=paths, k=(3.0, 14.0), r=(1.5, 3.8))


def test_both_panels_name_their_units(fitted):
    in_k, in_r = plot_paths(fitted, scan=2).axes
    assert in_k.get_ylabel() == r"$k^{2}\chi(k)$ (Å$^{-2}$)"
    assert in_r.get_ylabel() == r"$|\chi(R)|$ (Å$^{-3}$)"
    assert in_r.get_xlim() == (0.0, 5.3)
    assert "Cu$^{2+}$ foil" in in_k.get_title(loc="left")
    np.testing.assert_allclose(in_r.lines[0].get_ydata(), fitted.chir_mag.isel(scan=2).sel(r=slice(0, 5.3)))
    np.testing.assert_allclose(
        in_r.lines[1].get_ydata(), fitted.chir_fit_mag.isel(scan=2).sel(r=slice(0, 5.3))
    )
    texts = [text.get_text() for text in in_r.texts]
    assert texts == [
        f"feff000{n}  {d:.3f} Å" for n, d in zip((1, 2), fitted.path_distance[2].values, strict=True)
    ]
    assert (np.asarray(in_r.get_yticks()) >= 0).all()


def test_without_curves_of_the_paths(measured, data_dir):
    scan = xas.autobk(xas.normalize(measured("Cu_foil_rt_larch")))
    path = str(data_dir / "xas" / "feff_Cu_larch" / "feff0001.dat")
    one = xas.fit_paths(scan, paths=path, path_curves=False, kweight=(0.0, 3.0))
    in_k, in_r = plot_paths(one, r=(1.0, 4.0), title="A").axes
    assert in_k.get_ylabel() == r"$\chi(k)$"
    assert in_k.get_title(loc="left") == "A"
    assert in_r.get_xlim() == (1.0, 4.0)
    assert not in_r.texts


def test_what_it_refuses(fitted):
    for options, sentence in (
        ({"scan": 1}, "the fit of this spectrum failed"),
        ({"scan": 3}, "scan = 3 is outside the series: it holds 3 spectra"),
        ({"time": 0}, "no series dimension 'time'"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            plot_paths(fitted, **options)
    with pytest.raises(InvalidInput, match="needs the variable 'chi_fit'"):
        plot_paths(fitted.drop_vars("chi_fit"))


def test_the_report_shows_both_ends(fitted, tmp_path):
    assert [name for name, _, _ in figures(fitted)] == ["paths_0", "paths_2"]
    write_report(tmp_path / "report.html", fitted)
    assert "Fit of scattering paths of the last spectrum" in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )
