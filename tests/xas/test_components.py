"""Principal components and target transformation as verbs."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.larch_guard import larch_function

ATTRS = {"technique": "xas", "element": "Mn", "edge": "K", "normalized": "yes"}


def normalised(energy, mu):
    return spectra.from_arrays(energy, mu, name="mu", dims=("scan",) * (np.ndim(mu) - 1), attrs=ATTRS)


@pytest.fixture(scope="module")
def pure(simulated):
    energy = simulated().energy.values
    shapes = {"low": (6546.0, 0.3), "high": (6549.5, 0.6), "stranger": (6552.0, 0.1)}
    curves = {
        n: (simulated(edge=e, white_line=w).mu.values - 0.3 + 2e-4 * (energy - 6540)) / 0.8
        for n, (e, w) in shapes.items()
    }
    return {name: normalised(energy, y) for name, y in curves.items()}


@pytest.fixture(scope="module")
def series(pure):
    share = np.linspace(0.05, 0.95, 20)[:, None]
    noise = 2e-3 * np.random.default_rng(3).normal(size=(20, pure["low"].energy.size))
    return normalised(
        pure["low"].energy.values,
        (1 - share) * pure["low"].mu.values + share * pure["high"].mu.values + noise,
    )


def test_two_species_and_the_disagreement_is_shown(series):
    found = xas.principal_components(series)
    assert int(found.pc_number) == 2
    suggested = found.pc_suggested.to_series()
    assert set(suggested.index) == {
        "indicator",
        "imbedded_error",
        "significance",
        "scree",
        "cross_validation",
        "noise",
        "repeatability",
    }
    assert (suggested[["indicator", "significance", "cross_validation"]] == 2).all()
    assert "number of components by criterion: indicator 2" in found.spectra.history[-1]["notes"][-1]
    np.testing.assert_allclose(found.pc_rms, 2e-3, rtol=0.3)
    table = found.spectra.table()
    assert len(table) == 20


def test_scans_that_were_averaged_and_interpolated_do_not_add_components(charge):
    """LiNiO2 on charge: criteria for independent noise say 10 and more; from scan to scan four stand out."""
    found = xas.principal_components(charge)
    suggested = found.pc_suggested.to_series()
    assert suggested["indicator"] >= 10
    assert suggested["repeatability"] in (3, 4)
    assert suggested["noise"] in (3, 4)
    assert int(found.pc_number) == suggested["repeatability"]
    assert float(found.pc_rms.max()) < 2e-3
    mixed = np.random.default_rng(0).permutation(charge.sizes["time"])
    without_order = xas.principal_components(charge.isel(time=mixed)).pc_suggested.to_series()
    assert np.isnan(without_order["repeatability"])
    assert without_order["indicator"] == suggested["indicator"]


def test_targets(series, pure):
    found = xas.target_transform(xas.principal_components(series), candidates=pure)
    spoil = found.spoil.to_series()
    assert spoil["low"] < 3
    assert spoil["high"] < 3
    assert spoil["stranger"] > 10
    inside = np.isfinite(found.target_curve.values[0])
    np.testing.assert_allclose(found.target_curve.values[0, inside], pure["low"].mu.values[inside], atol=0.01)


def test_a_map_is_a_series(series):
    as_map = normalised(series.energy.values, series.mu.values).mu.values.reshape(4, 5, -1)
    data = spectra.from_arrays(series.energy.values, as_map, name="mu", dims=("y", "x"), attrs=ATTRS)
    found = xas.principal_components(data)
    one = xas.principal_components(series)
    assert found.pc_score.dims == ("y", "x", "pc")
    np.testing.assert_allclose(found.pc_score.values.reshape(20, -1), one.pc_score.values, atol=1e-10)


def test_a_lost_spectrum_takes_no_part(series):
    data = series.copy(deep=True)
    data["mu"][3] = np.nan
    found = xas.principal_components(data)
    rest = xas.principal_components(series.isel(scan=[i for i in range(20) if i != 3]))
    assert flag_names(found, scan=3) == ["no_components"]
    np.testing.assert_allclose(found.pc_curve, rest.pc_curve, atol=1e-12)
    assert np.isnan(found.pc_score[3]).all()


def test_larch_spans_the_same_space(series, larch):
    """larch takes the mean off first: its mean and first component span what two components here do."""
    found = xas.principal_components(series, window=(-20, 60))
    inside = np.isfinite(found.pc_curve.values[0])
    groups = [
        larch.Group(energy=series.energy.values[inside].copy(), norm=one.copy(), filename=f"s{i}")
        for i, one in enumerate(series.mu.values[:, inside])
    ]
    model = larch_function("larch.math.pca", "pca_train")(groups, arrayname="norm")
    ours = found.pc_curve.values[:2, inside]
    theirs = np.vstack([model.mean, model.components[0]])
    basis = np.linalg.qr(theirs.T)[0]
    cosines = np.linalg.svd(ours @ basis, compute_uv=False)
    assert (cosines > 0.995).all(), cosines


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("n is between 1 and the 10 components that are kept", {"n": 11}),
        ("largest is at least 1, got 0", {"largest": 0}),
        ("holds 2 points; at least 8 are needed", {"window": (0.0, 0.6)}),
    ],
)
def test_refusals(series, text, options):
    with pytest.raises(ValueError, match=text):
        xas.principal_components(series, **options)


def test_too_few_spectra(series):
    with pytest.raises(ValueError, match="needs at least 4 good spectra; this dataset has 3"):
        xas.principal_components(series.isel(scan=slice(3)))
    with pytest.raises(ValueError, match="looks at a series as a whole"):
        xas.principal_components(series.isel(scan=0))


def test_a_target_that_is_too_short(series, pure):
    found = xas.principal_components(series)
    short = pure["low"].isel(energy=pure["low"].energy < 6570)
    with pytest.raises(ValueError, match="candidate 'low' runs from .* decompose a narrower window"):
        xas.target_transform(found, candidates={"low": short})
    with pytest.raises(ValueError, match="needs the variable 'pc_curve'"):
        xas.target_transform(series, candidates=pure)
