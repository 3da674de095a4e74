"""Valence: calibrations of measured oxides, their scatter, what they refuse, and the valence of mixtures beside."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names

SHORT = {"e0": 6548.0, "pre": (-28.0, -12.0), "post": (42.0, 82.0), "pre_order": 0, "order": 0}
NICKEL = {"pre": (-150.0, -30.0), "post": (60.0, 400.0)}
NAMES = ("MnO", "Mn3O4", "Mn2O3", "MnO2")
VALENCES = (2, 8 / 3, 3, 4)


@pytest.fixture(scope="module")
def oxide(measured):
    """``oxide("MnO_rt_01_xaslib", **ranges)``: its edge position."""

    def position(name, **ranges):
        return xas.edge_position(xas.normalize(measured(name), **ranges))

    return position


@pytest.fixture(scope="module")
def manganese(oxide):
    return xas.calibrate_valence(
        [oxide(f"{n}_rt_01_xaslib", **SHORT) for n in NAMES], valences=VALENCES, names=NAMES
    )


def series(edges, **attrs):
    """Edges at these energies, all alike but for that."""
    energy = np.concatenate(
        [np.arange(6400.0, 6530, 5), np.arange(6530, 6600, 0.25), np.arange(6600, 6900, 2)]
    )
    mu = 1 / (1 + np.exp(-(energy - np.asarray(edges, float)[:, None]) / 1.5))
    scans = spectra.from_arrays(
        energy, mu, name="mu", dims=("sample",), attrs={"element": "Mn", "edge": "K", **attrs}
    )
    return xas.edge_position(xas.normalize(scans, e0=6548.0, pre=(-120, -30), post=(50, 340)))


def test_manganese_oxides(manganese, oxide):
    """3.9 eV per unit, as the reference table has it; the oxides lie up to 1.3 eV off the line, and that is said."""
    assert manganese.slope == pytest.approx(3.9, abs=0.1)
    assert 1.0 < manganese.spread < 1.6
    assert manganese.measure == "last passage of 0.5 before the white line"
    for name, valence in (("MnO_rt_02_xaslib", 2), ("MnO2_rt_02_xaslib", 4), ("MnO2_rt_03_xaslib", 4)):
        got = xas.valence(oxide(name, **SHORT), calibration=manganese)
        assert abs(float(got.valence) - valence) < float(got.valence_sigma)
        assert float(got.valence_sigma) > manganese.spread / manganese.slope
        assert float(got.valence_noise) < 0.02


def test_nickel_oxides(oxide):
    """NiO and Ni(OH)2 against LaNiO3; the file labelled Ni2O3 behaves as Ni(II)."""
    standards = [
        oxide(n, **NICKEL)
        for n in ("Ni-K-NickelOxide_bmm", "NiOH2_rt_01_xaslib", "Ni-K-LanthanumNickelate_bmm")
    ]
    line = xas.calibrate_valence(standards, valences=(2, 2, 3), names=("NiO", "Ni(OH)2", "LaNiO3"))
    assert line.slope == pytest.approx(3.0, abs=0.4)
    got = xas.valence(oxide("Ni2O3_rt_01_xaslib", **NICKEL), calibration=line)
    assert float(got.valence) == pytest.approx(2.0, abs=0.15)
    assert float(got.valence_sigma) >= 0.4


def test_each_oxide_is_found_by_the_others_within_what_they_claim(oxide):
    measured = [oxide(f"{n}_rt_01_xaslib", **SHORT) for n in NAMES]
    pulls = []
    for i in range(4):
        others = [j for j in range(4) if j != i]
        line = xas.calibrate_valence(
            [measured[j] for j in others],
            valences=[VALENCES[j] for j in others],
            names=[NAMES[j] for j in others],
        )
        got = xas.valence(measured[i], calibration=line)
        pulls.append(abs(float(got.valence) - VALENCES[i]) / float(got.valence_sigma))
    assert max(pulls) < 2


def test_stated_uncertainties_cover(rng):
    """Standards and unknown scatter about a line by their structure: 68 % of the valences lie within their sigma."""
    inside, known = 0, np.array([2.0, 2.5, 3.0, 3.5, 4.0])
    for _ in range(400):
        truth = rng.uniform(2, 4)
        all_valences = np.append(known, truth)
        position = 6536 + 3.9 * all_valences + 1.2 * rng.normal(size=6)
        slope, intercept = np.polyfit(known, position[:5], 1)
        left = position[:5] - np.polyval([slope, intercept], known)
        line = xas.Calibration(
            "Mn", "K", "edge_position", "half", {}, tuple(xas.xanes.calibration.StandardPosition("", v, 0.0, 0.0) for v in known),
            slope, intercept, np.sqrt((left**2).sum() / 3), "", 0.0,
        )  # fmt: skip
        value, sigma = line.valence(position[5], np.array(0.0))
        inside += abs(value - truth) < sigma
    assert 0.63 < inside / 400 < 0.74


def test_a_line_comes_back_and_noise_alone_never_counts():
    standards = series([6544.0, 6546.0, 6548.0, 6550.0])
    line = xas.calibrate_valence(standards, valences=(2, 2.5, 3, 3.5), names="abcd")
    assert line.slope == pytest.approx(4, abs=1e-3)
    assert line.spread < 0.01
    got = xas.valence(series([6545.0, 6549.0]), calibration=line)
    np.testing.assert_allclose(got.valence, [2.25, 3.25], atol=2e-3)
    assert (got.valence_sigma == 0.2).all()  # the structure of an unknown is not known from four that agree
    assert (got.valence_noise < 1e-3).all()
    assert xas.calibrate_valence(standards, valences=(2, 2.5, 3, 3.5), least_sigma=0.5).least_sigma == 0.5


@settings(deadline=None)  # other work runs beside
@given(slope=st.floats(0.5, 6), offset=st.floats(-3, 3))
def test_any_line_is_inverted(slope, offset):
    valences = np.array([2.0, 3.0, 4.0])
    standards = tuple(
        xas.xanes.calibration.StandardPosition(str(v), v, 6540 + offset + slope * v, 0.0) for v in valences
    )
    line = xas.Calibration("Mn", "K", "edge_position", "", {}, standards, slope, 6540 + offset, 0.1)
    value, sigma = line.valence(6540 + offset + slope * np.linspace(2, 4, 5), np.zeros(5))
    np.testing.assert_allclose(value, np.linspace(2, 4, 5), atol=1e-9)
    assert (sigma > 0.1 / slope).all()


def test_it_is_saved_and_loaded(manganese, oxide, tmp_path):
    assert xas.load_calibration(manganese.save(tmp_path / "mn.toml")) == manganese
    got = xas.valence(oxide("MnO_rt_02_xaslib", **SHORT), calibration=manganese)
    assert xas.load_calibration(got.spectra.save(tmp_path / "mn.nxs")) == manganese
    table = got.spectra.history[-1]["options"]["calibration"]
    again = xas.valence(oxide("MnO_rt_02_xaslib", **SHORT), calibration=table)
    assert float(again.valence) == float(got.valence)
    assert json.loads(got.valence.attrs["calibration"])["slope"] == manganese.slope
    two = xas.calibrate_valence(series([6544.0, 6550.0]), valences=(2, 4))
    loaded = xas.load_calibration(two.save(tmp_path / "two.toml"))
    assert np.isnan(loaded.spread)
    assert loaded.least_sigma == 0.4


def test_data_treated_otherwise_are_refused(manganese, oxide):
    with pytest.raises(ValueError, match=r"not measured like the standards .* order = 0 there and 2 here"):
        xas.valence(oxide("Mn-Bixbyite_bmm"), calibration=manganese)
    shifted = SHORT | {"post": (20.0, 60.0)}
    with pytest.raises(ValueError, match=r"post = \(42, 81.\d*\) there and \(20, 60\) here"):
        xas.valence(oxide("MnO_rt_01_xaslib", **shifted), calibration=manganese)
    area = xas.edge_position(xas.normalize(oxide("MnO_rt_01_xaslib", **SHORT), **SHORT, method="area"))
    with pytest.raises(ValueError, match="method = 'edge_step' there and 'area' here"):
        xas.valence(area, calibration=manganese)
    other = xas.edge_position(oxide("MnO_rt_01_xaslib", **SHORT), level=0.8)
    with pytest.raises(ValueError, match="the measure is 'last passage of 0.5"):
        xas.valence(other, calibration=manganese)
    with pytest.raises(ValueError, match="the element is 'Mn' there and 'Fe' here"):
        xas.valence(oxide("MnO_rt_01_xaslib", **SHORT).assign_attrs(element="Fe"), calibration=manganese)


def test_energy_scales_must_agree_where_they_are_said():
    line = xas.calibrate_valence(series([6544.0, 6550.0], energy_scale="Mn foil 6539.0"), valences=(2, 4))
    with pytest.raises(
        ValueError, match="the energy scale is 'Mn foil 6539.0' there and 'Mn foil 6537.7' here"
    ):
        xas.valence(series([6547.0], energy_scale="Mn foil 6537.7"), calibration=line)
    silent = xas.valence(series([6547.0]), calibration=line)
    assert "an offset of 1 eV is 0.33 units" in str(silent.spectra.history[-1]["notes"])


def test_beyond_the_standards_is_marked():
    line = xas.calibrate_valence(series([6544.0, 6550.0]), valences=(2, 4))
    got = xas.valence(series([6547.0, 6553.0]), calibration=line)
    assert [flag_names(got, sample=i) for i in (0, 1)] == [[], ["outside_standards"]]
    assert not failed(got).any()


def test_other_measures_make_calibrations_too(charge):
    """The white line of LiNiO2 over its charge, as a line through its two ends."""
    scans = xas.white_line(charge)
    ends = scans.isel(time=[0, -1])
    line = xas.calibrate_valence(
        ends, valences=(3.0, 3.9), names=("pristine", "charged"), variable="white_line_position"
    )
    got = xas.valence(scans, calibration=line)
    assert float(got.valence[0]) == pytest.approx(3.0, abs=1e-6)
    assert float(got.valence[-1]) == pytest.approx(3.9, abs=1e-6)
    assert ((got.valence[5:-5] > 2.9) & (got.valence[5:-5] < 4.0)).all()


def test_valence_of_a_mixture(rng):
    covariance = np.array([[4e-4, -3e-4], [-3e-4, 4e-4]])
    fraction = np.array([0.3, 0.7])
    value, sigma = xas.mixture_valence(fraction, covariance, np.array([3.0, 4.0]))
    assert value == pytest.approx(3.7)
    draws = rng.multivariate_normal(fraction, covariance, 20000)
    assert sigma == pytest.approx((draws @ [3, 4] / draws.sum(1)).std(), rel=0.03)
    closed = np.array([[4e-4, -4e-4], [-4e-4, 4e-4]])
    assert xas.mixture_valence(fraction, closed, np.array([3.0, 4.0]))[1] == pytest.approx(0.02)


def test_line_and_mixture_side_by_side():
    ends = series([6544.0, 6550.0])
    line = xas.calibrate_valence(ends, valences=(2, 4), names=("MnO", "MnO2"))
    whole = ends.energy.values
    pure = ends.flat.values
    mixed = spectra.from_arrays(
        whole,
        0.4 * pure[[0]] + 0.6 * pure[[1]],
        name="mu",
        dims=("sample",),
        attrs={"element": "Mn", "edge": "K"},
    )
    mixed = xas.edge_position(xas.normalize(mixed, e0=6548.0, pre=(-120, -30), post=(50, 340)))
    standards = {n: ends.isel(sample=i) for i, n in enumerate(("MnO", "MnO2"))}
    mixed = xas.linear_combination(mixed, standards=standards)
    got = xas.valence(mixed, calibration=line, reference_valence={"MnO": 2.0, "MnO2": 4.0})
    assert float(got.valence_mixture[0]) == pytest.approx(3.2, abs=0.01)
    assert float(got.valence_difference[0]) == pytest.approx(float(got.valence_mixture[0] - got.valence[0]))
    assert float(got.valence_difference_sigma[0]) >= float(got.valence_sigma[0])
    with pytest.raises(ValueError, match="reference_valence lacks the standard 'MnO2'"):
        xas.valence(mixed, calibration=line, reference_valence={"MnO": 2.0})
    with pytest.raises(ValueError, match="which xas.linear_combination adds"):
        xas.valence(ends, calibration=line, reference_valence={"MnO": 2.0})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"valences": (2, 4, 5)}, "got 2 standards, 3 valences and 2 names"),
        ({"valences": (2, 2)}, "at least two valences, got"),
        ({"valences": (2, 4), "variable": "edge"}, "the dataset has no 'edge' with a sigma"),
    ],
)
def test_calibrations_of_nothing_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.calibrate_valence(series([6544.0, 6550.0]), **options)


def test_standards_treated_differently_are_refused(oxide):
    pair = [oxide("MnO_rt_01_xaslib", **SHORT), oxide("Mn-Bixbyite_bmm")]
    with pytest.raises(ValueError, match="the standard 'b' was not measured like 'a'"):
        xas.calibrate_valence(pair, valences=(2, 3), names=("a", "b"))


@pytest.mark.parametrize(
    "calibration", ["mn.toml", 3, {"element": "Mn"}, {"slope": 3, "colour": "red", "standards": []}]
)
def test_what_is_no_calibration_is_refused(calibration):
    with pytest.raises(ValueError, match=r"xas.(load_calibration|calibrate_valence)"):
        xas.valence(series([6544.0]), calibration=calibration)


def test_files_of_other_things_are_refused(tmp_path, manganese):
    (tmp_path / "other.toml").write_text("a = 1\n")
    with pytest.raises(ValueError, match="this table is no calibration"):
        xas.load_calibration(tmp_path / "other.toml")
    with pytest.raises(ValueError, match="holds no valence"):
        xas.load_calibration(series([6544.0]).spectra.save(tmp_path / "none.nxs"))
    with pytest.raises(OSError, match=r"written as .toml"):
        manganese.save(tmp_path / "mn.yaml")


def test_a_failed_position_is_no_valence():
    scans = series([6544.0, 6550.0])
    line = xas.calibrate_valence(scans, valences=(2, 4))
    lost = scans.copy(deep=True)
    lost["edge_position"][1] = np.nan
    assert flag_names(xas.valence(lost, calibration=line), sample=1) == ["no_valence"]
    with pytest.raises(ValueError, match="has no edge_position: look at its flags"):
        xas.calibrate_valence(lost, valences=(2, 4))


def test_names_that_are_taken_are_refused():
    line = xas.calibrate_valence(series([6544.0, 6550.0]), valences=(2, 4))
    with pytest.raises(ValueError, match="name is that of a new variable"):
        xas.valence(series([6544.0]), calibration=line, name="flat")
