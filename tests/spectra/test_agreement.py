"""One valence from many sources: what agrees, how often it is wrongly said not to, what is combined and what is named."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

import spectra
from spectra.agreement import Comparison, combine_means, smallest_seen
from spectra.agreement.statistics import difference_from_others
from spectra.errors import InvalidInput

MN = {"element": "Mn"}


def _says(valence, sigma, **more):
    return {"valence": valence, "sigma": sigma, **more}


def _series(values, dim="entry"):
    return xr.DataArray(np.asarray(values, float), dims=dim)


def _slow_mean(v, c):
    """Generalised least squares as it is in the book."""
    known = np.isfinite(v)
    v, inverse = v[known], np.linalg.inv(c[np.ix_(known, known)])
    one = np.ones(v.size)
    mean = one @ inverse @ v / (one @ inverse @ one)
    return mean, 1 / np.sqrt(one @ inverse @ one), (v - mean) @ inverse @ (v - mean), v.size - 1


def _covariance(rng, n):
    a = rng.normal(size=(n, n + 2))
    return 0.01 * a @ a.T


class TestKernel:
    def test_equals_the_book_entry_by_entry(self, rng, frozen):
        v = rng.normal(3.5, 0.3, size=(6, 4))
        v[2, 1] = v[3, 0] = np.nan
        c = frozen(np.stack([_covariance(rng, 4) for _ in range(6)]))
        found = combine_means(frozen(v), c)
        for i in range(6):
            mean, sigma, x2, f = _slow_mean(v[i], c[i])
            np.testing.assert_allclose(found.mean[i, 0], mean, rtol=1e-9)
            np.testing.assert_allclose(found.covariance[i, 0, 0] ** 0.5, sigma, rtol=1e-9)
            np.testing.assert_allclose(found.chi2[i], x2, rtol=1e-8)
            assert found.freedom[i] == f
            np.testing.assert_allclose(found.p_value[i], chi2.sf(x2, f), rtol=1e-7)

    @given(st.integers(0, 10_000), st.floats(-5, 5), st.floats(0.1, 10))
    def test_follows_offset_and_scale_and_order(self, seed, offset, scale):
        rng = np.random.default_rng(seed)
        v, c = rng.normal(size=4), _covariance(rng, 4)
        one, other = combine_means(v, c), combine_means(scale * v + offset, scale**2 * c)
        np.testing.assert_allclose(other.mean, scale * one.mean + offset, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(other.chi2, one.chi2, rtol=1e-6)
        order = rng.permutation(4)
        turned = combine_means(v[order], c[np.ix_(order, order)])
        np.testing.assert_allclose(turned.mean, one.mean, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(one.weights.sum(), 1, rtol=1e-6)

    @given(st.integers(0, 10_000))
    def test_one_value_off_moves_chi2_by_its_distance_from_the_others(self, seed):
        rng = np.random.default_rng(seed)
        v, c = rng.normal(size=4), _covariance(rng, 4)
        apart, sigma, others = difference_from_others(v, c)
        np.testing.assert_allclose(others.chi2 + (apart / sigma) ** 2, combine_means(v, c).chi2, rtol=1e-6)

    def test_a_measurement_given_twice_counts_once(self):
        c = np.array([[0.04, 0.04, 0], [0.04, 0.04, 0], [0, 0, 0.01]])
        found = combine_means([3.0, 3.0, 3.3], c)
        alone = combine_means([3.0, 3.3], np.diag([0.04, 0.01]))
        np.testing.assert_allclose(found.mean, alone.mean)
        np.testing.assert_allclose(found.chi2, alone.chi2)
        assert found.freedom == alone.freedom == 1
        assert combine_means([3.0, 3.1, 3.3], c).p_value == 0

    def test_refuses_another_covariance(self):
        with pytest.raises(InvalidInput, match="2 values have a covariance of 2 × 2 numbers"):
            combine_means([1.0, 2.0], np.eye(3))

    def test_smallest_seen_is_seen_in_four_of_five(self, rng):
        n = 20_000
        v = rng.normal(0, 0.1, size=(n, 4))
        c = 0.01 * np.eye(4)
        _, sigma, _ = difference_from_others(v[:1], c)
        v[:, 2] += smallest_seen(3) * sigma[0, 2]
        seen = (combine_means(v, c).p_value < 0.05).mean()
        assert abs(seen - 0.8) < 4 * np.sqrt(0.16 / n)


def _many_of_one_truth(rng, n=6000, shared=0.15):
    """Sources of one truth; XANES and LCF have standards in common, XPS and Mn 3s have their own systematics."""
    truth = rng.uniform(3, 4, n)
    cause = rng.normal(size=n)
    sigma = {"XPS 2p": 0.08, "Mn 3s": 0.12, "XANES": 0.03, "LCF": 0.05, "EELS": 0.1}
    systematic = {"XPS 2p": 0.05, "Mn 3s": 0.1, "XANES": shared, "LCF": shared / 2, "EELS": 0.02}
    says = {}
    for name, s in sigma.items():
        own = cause if name in ("XANES", "LCF") else rng.normal(size=n)
        more = 0.0
        if name == "XANES":  # what XANES has beyond the part that LCF shares
            own, more = cause / 2, rng.normal(size=n) * shared * np.sqrt(0.75)
        v = truth + rng.normal(0, s, n) + systematic[name] * own + more
        says[name] = _says(_series(v), s, systematic=systematic[name])
    return truth, says


def test_one_truth_is_found_apart_once_in_twenty_and_combined_within_sigma(rng):
    n = 2000
    truth, says = _many_of_one_truth(rng, n)
    found = spectra.compare_valence(says, **MN, shared={"Mn standards": ("XANES", "LCF")})
    apart = float((found.verdict == "disagree").mean())
    assert abs(apart - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)
    z = ((found.combined - truth) / found.combined_sigma).values
    inside = (np.abs(z[np.isfinite(z)]) < 1).mean()
    assert 0.63 < inside < 0.73
    assert found.combined.notnull().equals(found.agrees)


def test_a_cause_in_common_is_not_counted_twice(rng):
    """Two ways to evaluate one edge by one set of standards are not two measurements of it."""
    n = 2000
    truth = np.full(n, 3.5)
    common = rng.normal(0, 0.2, n)
    says = {
        "edge": _says(_series(truth + common + rng.normal(0, 0.02, n)), 0.02, systematic=0.2),
        "white line": _says(_series(truth + common + rng.normal(0, 0.02, n)), 0.02, systematic=0.2),
    }
    told = spectra.compare_valence(says, **MN, shared={"standards": ("edge", "white line")})
    z = ((told.combined - truth) / told.combined_sigma).dropna("entry").values
    assert 0.63 < (np.abs(z) < 1).mean() < 0.73
    assert abs(float((told.verdict == "disagree").mean()) - 0.05) < 0.02
    untold = spectra.compare_valence(says, **MN)
    z = ((untold.combined - truth) / untold.combined_sigma).values
    assert (np.abs(z) < 1).mean() < 0.60  # what it would be
    amounts = {"standards": {"edge": 0.2, "white line": 0.2}}
    xr.testing.assert_allclose(spectra.compare_valence(says, **MN, shared=amounts).p_value, told.p_value)


def test_a_surface_layer_is_found_and_named():
    """A shell of 3 nm of Mn3+ over Mn4+: each source sees it as far as its electrons or X-rays come."""
    shell, attenuation = 3.0, 2.0
    share = 1 - np.exp(-shell / attenuation)
    xps = 3 * share + 4 * (1 - share)
    grain = 3 * (2 * shell / 80) + 4 * (1 - 2 * shell / 80)  # a foil has two surfaces
    says = {
        "XPS 2p": _says(xps, 0.06, systematic=0.08, depth=(6.0, 0.7)),
        "Mn 3s": _says(xps + 0.05, 0.08, systematic=0.1, depth=(6.4, 0.7)),
        "XANES": _says(3.97, 0.02, systematic=0.1, depth=np.inf),
        "EELS": _says(grain, 0.08, systematic=0.05, depth=80.0),
    }
    found = spectra.compare_valence(says, **MN)
    assert found.verdict == "disagree"
    assert not found.agrees
    assert found.combined is None
    assert found.combined_sigma is None
    assert "It goes with depth: what looks up to 6.4 nm deep (XPS 2p, Mn 3s) says 3.2" in found.reason
    assert "80 nm deep or deeper (EELS, XANES) says 3.9" in found.reason
    assert "A surface lower in valence than the bulk would do this" in found.reason
    pair = found.pairs.set_index(["source", "other"]).loc[("XPS 2p", "XANES")]
    assert pair.in_sigmas < -4
    assert "depths differ (6 nm, all of the sample): surface against bulk" in pair.what_could_explain_it
    alike = spectra.compare_valence({k: {**v, "depth": 6.0} for k, v in says.items()}, **MN)
    assert "about equally deep, so it is not surface against bulk" in alike.reason


def test_the_one_that_stands_apart_is_named():
    says = {"A": (3.9, 0.05), "B": (3.92, 0.05), "C": (3.3, 0.1), "D": (3.85, 0.08)}
    found = spectra.compare_valence(says, **MN)
    assert (found.verdict, found.outlier, found.combined) == ("disagree", "C", None)
    assert "C stands alone, 0.6 ± 0.1 below the others; without it they agree on 3.9" in found.reason
    two = spectra.compare_valence({"A": (3.9, 0.05), "C": (3.3, 0.1)}, **MN)
    assert two.outlier is None
    assert "With two sources it cannot be said which of them is off." in two.reason
    three = spectra.compare_valence({"A": (3.0, 0.05), "B": (3.5, 0.05), "C": (4.0, 0.05)}, **MN)
    assert "Leaving out any one source does not make the others agree." in three.reason


def test_how_often_a_source_that_is_off_is_named(rng):
    n = 1000
    v = rng.normal(3.8, 0.1, size=(4, n))
    v[1] -= 0.6
    says = {name: _says(_series(row), 0.1) for name, row in zip("ABCD", v, strict=True)}
    found = spectra.compare_valence(says, **MN)
    named = found.outlier.where(found.outlier != "", drop=True)
    assert (found.verdict == "disagree").mean() > 0.95
    assert named.size > 0.8 * n
    assert (named == "B").mean() > 0.98


def test_what_is_not_known_is_said_and_never_none_alone():
    nan = spectra.compare_valence({"A": (3.9, 0.1), "B": (np.nan, 0.1)}, **MN)
    assert nan.verdict == "undecided"
    assert nan.combined is None
    assert "only A has a valence with a sigma here" in nan.reason
    assert "no valence (NaN)" in nan.table.set_index("source").remarks["B"]
    three = spectra.compare_valence({"A": (3.9, 0.1), "B": (np.nan, 0.1), "C": (3.8, 0.1)}, **MN)
    assert three.verdict == "agree"
    assert "Not in the test, for want of a valence or its sigma: B." in three.reason
    wide = spectra.compare_valence({"A": (3.9, 0.6), "B": (3.1, 0.6)}, **MN)
    assert "So this says little of" in wide.reason
    apart = spectra.compare_valence({"A": (3.9, 0.1), "B": (3.1, 0.1)}, **MN)
    assert "No systematic is stated for A, B" in apart.reason
    assert (apart.table.depth_from == "not known").all()
    assert apart.table.depth_nm.isna().all()


@settings(max_examples=20)
@given(st.integers(0, 5000))
def test_the_order_of_sources_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    says = {
        n: _says(rng.normal(3.5, 0.2), 0.1, systematic=0.05, depth=float(rng.uniform(1, 100))) for n in "ABCD"
    }
    names = list(rng.permutation(list("ABCD")))
    one = spectra.compare_valence(says, **MN, shared={"x": ("A", "C")})
    other = spectra.compare_valence({n: says[n] for n in names}, **MN, shared={"x": ("C", "A")})
    assert one.verdict == other.verdict
    np.testing.assert_allclose(one.p_value, other.p_value, rtol=1e-6)
    assert one.outlier == other.outlier
    weights = one.table.weight
    assert weights.isna().all() or (weights > -1e-9).all()


def _along(values, volts, **more):
    value = xr.DataArray(np.asarray(values, float), dims="voltage", coords={"voltage": volts})
    return _says(value, 0.05, **more)


def test_a_series_is_matched_by_its_coordinate():
    says = {
        "XANES": _along([3.5, 3.7, 3.9], [3.8, 4.0, 4.4]),
        "XPS": _along([3.9, 3.52, 3.2], [4.4, 3.8, 4.2], depth=6.0),
    }
    found = spectra.compare_valence(says, **MN)
    assert found.series == ("voltage",)
    assert found.verdict.sel(voltage=[3.8, 4.0, 4.2, 4.4]).values.tolist() == [
        "agree",
        "undecided",
        "undecided",
        "agree",
    ]
    one = found.at(voltage=4.41)
    assert (one.verdict, round(one.combined, 3)) == ("agree", 3.9)
    alone = spectra.compare_valence({"XANES": (3.9, 0.05), "XPS": (3.9, 0.05)}, **MN)
    assert one.p_value == pytest.approx(alone.p_value)
    assert len(found.table) == 8
    assert len(found.pairs) == 4
    assert "2 agree, 2 undecided" in repr(found)
    near = {"XANES": says["XANES"], "XPS": _along([3.52, 3.2], [3.81, 4.01])}
    assert spectra.compare_valence(near, **MN, tolerance=0.02).verdict.values.tolist() == [
        "agree",
        "disagree",
        "undecided",
    ]
    with pytest.raises(InvalidInput, match="no two sources have a value at the same voltage: give tolerance"):
        spectra.compare_valence(near, **MN)
    with pytest.raises(InvalidInput, match="no series 'time'"):
        found.at(time=1)


def test_labels_match_entries():
    def of(labels, values):
        return _says(xr.DataArray(np.asarray(values, float), dims="state", coords={"state": labels}), 0.1)

    says = {"A": of(["pristine", "charged"], [3.5, 4.0]), "B": of(["charged", "pristine"], [4.0, 3.5])}
    found = spectra.compare_valence(says, **MN)
    assert found.at(state="charged").combined == pytest.approx(4.0)
    with pytest.raises(InvalidInput, match="there is no state = 'empty'; there are"):
        found.at(state="empty")


def test_saved_loaded_drawn_and_reported(tmp_path):
    says = {"XPS": _says(3.2, 0.1, depth=6.0), "XANES": _says(3.9, 0.1, depth=np.inf), "Raman": (3.8, 0.2)}
    found = spectra.compare_valence(says, **MN, sample="LMO-7")
    spectra.save(tmp_path / "one.nxs", found.to_dataset())
    back = Comparison.from_dataset(spectra.load(tmp_path / "one.nxs"))
    assert back.data.identical(found.data)
    assert back.reason == found.reason
    assert found.plot().get_ylabel() == "Valence of Mn"
    page = found.to_dataset().spectra.report(tmp_path / "one.html")
    text = page.read_text(encoding="utf-8")
    assert "what looks up to 6 nm deep" in text
    assert "sources_disagree" in text
    shown = found._repr_html_()
    assert "LMO-7" in shown
    assert "<table" in shown
    with pytest.raises(InvalidInput, match="holds no comparison of valences"):
        Comparison.from_dataset(spectra.from_arrays([1.0, 2], [1.0, 2]))


SENTENCES = [
    ({}, "at least two sources, got 0"),
    ({"A": (3.9, 0.1)}, "at least two sources, got 1"),
    ({"A": (3.9, 0.0), "B": (3.8, 0.1)}, "sigma of source 'A' must be above 0"),
    ({"A": {"valence": 3.9}, "B": (3.8, 0.1)}, "source 'A' needs a valence and its sigma, got valence"),
    ({"A": {"valance": 3.9, "sigma": 0.1}, "B": (3.8, 0.1)}, "no 'valance'; did you mean 'valence'"),
    ({"A": 3.9, "B": (3.8, 0.1)}, "source 'A' is a dataset with a valence"),
    ({"A": ("high", 0.1), "B": (3.8, 0.1)}, "valence of source 'A' is a number"),
    ({"A": _says(3.9, 0.1, systematic=-1), "B": (3.8, 0.1)}, "systematic of source 'A' must not be negative"),
    ({"A": _says(3.9, 0.1, depth=-2.0), "B": (3.8, 0.1)}, "depth of 'A' is in nm and above 0"),
    (
        {"A": _says(3.9, 0.1, element="Ni"), "B": (3.8, 0.1)},
        "source 'A' is of Ni, and the valence of Mn was asked",
    ),
    (
        {"A": _says(3.9, 0.1, sample="one"), "B": _says(3.8, 0.1, sample="two")},
        "different samples: 'A' is of 'one', 'B' is of 'two'. Where they are one and the same, say so by sample=",
    ),
    (
        {"A": _says(_series([3.9, 4.0], "time"), 0.1), "B": _says(_series([1.0, 2, 3], "time"), 0.1)},
        r"different numbers of spectra along time \(A: 2, B: 3\)",
    ),
    (
        {"A": _says(_series([3.9, 4.0], "voltage"), 0.1), "B": (3.8, 0.1)},
        "'A' has 2 valences along voltage, and 'B' has none along it",
    ),
]


@pytest.mark.parametrize(("says", "sentence"), SENTENCES)
def test_says_what_is_wrong(says, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        spectra.compare_valence(says, **MN)


OPTIONS = [
    ({"threshold": 2.0}, "threshold is a probability between 0 and 1, got 2"),
    ({"depth": {"C": 3.0}}, "depth names no source 'C'"),
    ({"systematic": {"A": -1.0}}, "systematic of 'A' is a standard uncertainty of at least 0, got -1.0"),
    ({"variables": {"C": "x"}}, "variables names no source 'C'"),
    ({"shared": {"foil": ("A",)}}, r"shared\['foil'\] names two or more sources"),
    ({"shared": {"foil": ("C", "A")}}, r"shared\['foil'\] names no source 'C'"),
    ({"shared": {"foil": ("A", "B")}}, "'A' states no systematic that could be shared"),
    (
        {"shared": {"foil": {"A": 0.2, "B": 0.1}}, "systematic": {"A": 0.1, "B": 0.1}},
        "'A' shares 0.2, and its systematic is only 0.1",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), OPTIONS)
def test_options_say_what_is_wrong(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        spectra.compare_valence({"A": (3.9, 0.1), "B": (3.8, 0.1)}, **MN, **options)


def test_takes_a_mapping():
    with pytest.raises(InvalidInput, match="sources is a mapping of names"):
        spectra.compare_valence([(3.9, 0.1)], **MN)


def test_the_element_is_that_of_the_sources():
    found = spectra.compare_valence({"A": _says(3.9, 0.1, element="Mn"), "B": (3.8, 0.1)})
    assert found.data.attrs["element"] == "Mn"
    with pytest.raises(InvalidInput, match="needs 'element', as in element='Mn': no source names one"):
        spectra.compare_valence({"A": (3.9, 0.1), "B": (3.8, 0.1)})
    with pytest.raises(InvalidInput, match="the sources name Fe and Mn"):
        spectra.compare_valence({"A": _says(3.9, 0.1, element="Mn"), "B": _says(3.8, 0.1, element="Fe")})
