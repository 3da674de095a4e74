"""White line: reference values of measured oxides, truth, coverage, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names

RANGES = {"e0": 6548.0, "pre": (-150.0, -30.0), "post": (50.0, 700.0)}
SHORT = {"e0": 6548.0, "pre": (-28.0, -12.0), "post": (42.0, 82.0), "pre_order": 0, "order": 0}


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("MnO_rt_01_xaslib", 6554.5), ("Mn3O4_rt_01_xaslib", 6558.7), ("Mn2O3_rt_01_xaslib", 6559.0),
        ("Mn-Manganosite_bmm", 6554.2), ("Ni-K-NickelOxide_bmm", 8350.1), ("Ni-K-LanthanumNickelate_bmm", 8349.9),
        ("Co-K-CoO_bmm", 7727.0), ("V2O3_xaslib", 5488.6), ("V2O5_xaslib", 5495.2), ("Fe2O3_rt_xaslib", 7132.2),
    ],
)  # fmt: skip
def test_measured_oxides(measured, name, position):
    scan = xas.normalize(measured(name), **(SHORT if name.startswith("Mn") and "xaslib" in name else {}))
    got = xas.white_line(scan, half_width=1.5)
    assert float(got.white_line_position) == pytest.approx(position, abs=0.4)
    assert 1 < float(got.white_line_height) < 2
    assert 0 < float(got.white_line_position_sigma) < 0.1


def test_charge_of_lithium_nickel_oxide(charge):
    got = xas.white_line(charge)
    first, last = got.white_line_position.values[[0, -1]]
    assert (first, last) == (pytest.approx(8352.51, abs=0.1), pytest.approx(8355.08, abs=0.1))
    assert float(got.white_line_position_scatter) < 0.02


@settings(deadline=None)  # other work runs beside
@given(center=st.floats(6552, 6562), width=st.floats(3, 6), height=st.floats(0.3, 1.0))
def test_a_parabola_finds_its_vertex(center, width, height):
    energy = np.arange(6480.0, 6640, 0.25)
    y = (energy > 6546) * (1 + height * (1 - ((energy - center) / width) ** 2).clip(0))
    scan = spectra.from_arrays(
        energy, y, name="mu", attrs={"normalized": "yes", "element": "Mn", "edge": "K"}
    )
    got = xas.white_line(scan, half_width=1.5)
    assert float(got.white_line_position) == pytest.approx(center, abs=1e-5)
    assert float(got.white_line_height) == pytest.approx(1 + height, abs=1e-6)


@pytest.mark.parametrize("noise", [8e-4, 6e-3])
def test_the_uncertainty_covers(simulated, noise):
    truth = xas.white_line(xas.normalize(simulated(), **RANGES))
    got = xas.white_line(xas.normalize(simulated(1000, noise=noise, seed=3), **RANGES))
    for name in ("white_line_position", "white_line_height"):
        pull = ((got[name] - truth[name]) / got[f"{name}_sigma"]).values
        assert 0.63 < (abs(pull) < 1).mean() < 0.73, name


def test_height_depends_on_the_ranges_and_position_does_not(measured):
    got = xas.white_line(xas.normalize(measured("Mn-Bixbyite_bmm")))
    assert float(got.white_line_height_systematic) > 50 * float(got.white_line_height_sigma)
    assert float(got.white_line_position_systematic) < 0.05


def test_no_maximum_is_flagged(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1] = np.nan
    got = xas.white_line(xas.normalize(scans, **RANGES))
    assert failed(got).values.tolist() == [False, True, False]
    energy = np.arange(6480.0, 6640, 0.25)
    rising = 1 / (1 + np.exp(-(energy - 6548))) + np.clip(energy - 6548, 0, None) * 1e-2
    scan = spectra.from_arrays(
        energy, rising, name="mu", attrs={"normalized": "yes", "element": "Mn", "edge": "K"}
    )
    assert flag_names(xas.white_line(scan)) == ["no_white_line"]
    noisy = xas.white_line(xas.normalize(simulated(20, white_line=0.0, noise=3e-2), **RANGES))
    assert failed(noisy).any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"window": (40.0, -5.0)}, "window is two ascending energies"),
        ({"half_width": 0.0}, "half_width is in eV"),
        ({"window": (2000.0, 2010.0)}, "finds 0 points between"),
    ],
)
def test_nonsense_is_refused(simulated, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.white_line(xas.normalize(simulated(), **RANGES), **options)


def test_raw_data_are_refused(simulated):
    with pytest.raises(
        ValueError, match=r"xas.white_line needs the variable 'flat', which xas.normalize adds"
    ):
        xas.white_line(simulated())
