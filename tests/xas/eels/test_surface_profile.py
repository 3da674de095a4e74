"""Steps between surface and core: truth recovered, intervals that cover, probabilities that are calibrated, refusals."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

import spectra
import xas.eels
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xas.eels.profiles.evidence import MODELS, Line, change_point, describe, find_step, gradient

DEPTH = np.arange(0.0, 15.25, 0.5)
ONE = {"quantities": ("l3_l2_ratio",)}


def course(x, position, width):
    """Rise from 0 to 1 with 10 to 90 % inside ``width``."""
    return (x > position).astype(float) if width == 0 else ndtr((x - position) / (width / 2.5631031))


def scan(depth=DEPTH, dims=("distance",), **values):
    """A line scan that carries ``name=(values, sigma)``, its spectra being of no account."""
    shape = np.shape(next(iter(values.values()))[0])
    data = spectra.from_arrays([630.0, 640.0], np.ones((*shape, 2)), axis="energy_loss", dims=dims)
    data = data.assign_coords(distance=("distance", depth, {"units": "nm"}))
    for name, (value, sigma) in values.items():
        data[name] = (dims, value, {"units": ""})
        if sigma is not None:
            data[f"{name}_sigma"] = (dims, np.broadcast_to(sigma, shape).astype(float), {"units": ""})
    return data


def shell(rng, *, position=5.0, width=1.5, noise=0.08, rows=()):
    """L3/L2 larger and O/Mn smaller in a shell, as in a line scan from the surface of a lithium-rich oxide."""
    step = course(DEPTH, position, width)
    size = (*rows, DEPTH.size)
    return {
        "l3_l2_ratio": (3.0 - 0.8 * step + noise * rng.normal(size=size), noise),
        "atomic_ratio": (2.6 + 0.7 * step + 0.1 * rng.normal(size=size), 0.1),
    }


def slow_evidence(line, position, width):
    """Bayes factor of one step against a level by brute force: integrals over mean and contrast on a grid."""
    s = course(line.x, position, width)
    taus = np.geomspace(0.5, 50, 7)
    mean = np.linspace(line.mean - 5, line.mean + 5, 201)
    contrast = np.linspace(-25, 25, 2001)

    def integral(fit):
        return np.exp(-0.5 * (line.weight * (line.v - fit) ** 2).sum(-1) + 0.5 * line.scatter)

    level = np.trapezoid(integral(mean[:, None]), mean)
    fit = mean[:, None, None] + contrast[None, :, None] * (s - s @ line.weight / line.total)
    likelihood = np.trapezoid(integral(fit), mean, axis=0)
    priors = [np.exp(-0.5 * (contrast / t) ** 2) / (t * np.sqrt(2 * np.pi)) for t in taus]
    return np.mean([np.trapezoid(likelihood * p, contrast) for p in priors]) / level


def test_the_evidence_is_that_of_slow_integration(rng):
    from xas.eels.profiles.evidence import _ask, _log_mean, rise

    x = np.arange(8.0)
    line = Line.of(
        x, 2 + 0.9 * course(x, 3.2, 1.0) + 0.3 * rng.normal(size=8), rng.uniform(0.2, 0.5, 8), free=False
    )
    for width in (0.0, 2.0):
        got = _log_mean(
            _ask(line, rise(x, np.array([3.2]), np.array([width]), "error_function")).bayes_factor
        )
        assert got[0, 0] == pytest.approx(np.log(slow_evidence(line, 3.2, width)), abs=0.02)


def test_case_of_a_shell_of_five_nanometres(rng):
    found = xas.eels.surface_profile(scan(**shell(rng)))
    assert found.profile_verdict.values.tolist() == ["step", "step"]
    assert found.shared_profile_verdict.item() == "step"
    assert abs(found.shared_step_position - 5.0) < 3 * found.shared_step_position_sigma
    assert found.shared_step_position_sigma < 0.25
    levels = found.surface_level.sel(quantity="l3_l2_ratio"), found.core_level.sel(quantity="l3_l2_ratio")
    assert [float(v) for v in levels] == pytest.approx([3.0, 2.2], abs=0.1)
    assert found.level_ratio.sel(quantity="atomic_ratio") == pytest.approx(2.6 / 3.3, abs=0.05)
    assert found.same_step_probability > 0.5
    assert abs(found.step_difference[0]) < 3 * found.step_difference_sigma[0]
    assert found.step_position.attrs["units"] == "nm"
    assert found.surface_level.attrs["surface"] == "where distance is low"
    assert {"quantity", "profile_model", "quantity_pair"} <= set(found.dims)


def test_two_steps_apart_are_told_apart(rng):
    values = shell(rng, width=0.0) | {"atomic_ratio": shell(rng, position=9.0, width=0.0)["atomic_ratio"]}
    found = xas.eels.surface_profile(scan(**values))
    assert found.same_step_probability < 0.01
    assert float(found.step_difference[0]) == pytest.approx(-4, abs=0.5)


def test_a_gradient_is_no_step(rng):
    values = 3 - 0.1 * DEPTH + 0.05 * rng.normal(size=DEPTH.size)
    found = xas.eels.surface_profile(scan(l3_l2_ratio=(values, 0.05)), **ONE)
    assert found.profile_verdict.item() == "gradient"
    assert np.isnan(found.step_position).all()
    assert np.isnan(found.core_level).all()
    assert abs(found.profile_gradient[0] + 0.1) < 4 * found.profile_gradient_sigma[0]


def test_noise_is_undecided_and_shows_no_step(rng):
    values = 3 + 0.05 * rng.normal(size=DEPTH.size)
    found = xas.eels.surface_profile(scan(l3_l2_ratio=(values, 0.05)), **ONE)
    assert found.profile_verdict.item() == "undecided"
    assert found.profile_probability.sel(profile_model="step").item() < 0.5


def test_a_sharp_step_has_an_upper_limit_and_no_width(rng):
    sharp, blurred = (
        xas.eels.surface_profile(scan(**shell(rng, width=w, noise=0.04)), **ONE) for w in (0.0, 3.0)
    )
    assert np.isnan(sharp.step_width).all()
    assert float(sharp.step_width_upper[0]) < 1.5
    assert sharp.sharp_probability[0] > 0.5
    assert abs(blurred.step_width[0] - 3.0) < 3 * blurred.step_width_sigma[0]


def test_the_surface_may_be_at_either_end(rng):
    values = shell(rng)
    low = xas.eels.surface_profile(scan(**values))
    high = xas.eels.surface_profile(scan(depth=20 - DEPTH, **values), surface="high")
    np.testing.assert_allclose(high.step_position, 20 - low.step_position)
    np.testing.assert_allclose(high.step_position_low, 20 - low.step_position_high)
    np.testing.assert_allclose(high.step_difference, -low.step_difference, atol=1e-9)
    np.testing.assert_allclose(high.profile_gradient, -low.profile_gradient)
    for name in ("surface_level", "level_ratio", "step_width_upper", "profile_curve", "change_point_sigma"):
        np.testing.assert_allclose(high[name], low[name], err_msg=name)


def test_missing_points_rows_and_lazy_data(rng):
    values = shell(rng, rows=(3,))
    values["l3_l2_ratio"][0][1, [4, 20]] = np.nan
    values["l3_l2_ratio"][0][2, 4:] = np.nan
    data = scan(dims=("y", "distance"), **values)
    whole = xas.eels.surface_profile(data)
    assert flag_names(whole, y=2, distance=0) == ["no_profile"]
    assert flag_names(whole, y=1, distance=0) == []
    assert np.isnan(whole.step_position.values[2, 0])
    assert np.isfinite(whole.step_position.values[2, 1])  # the other quantity is there
    assert np.isnan(whole.shared_step_position.values).tolist() == [False, False, True]
    for y in range(3):
        one = xas.eels.surface_profile(data.isel(y=y))
        for name in ("step_position", "shared_step_position", "profile_probability", "profile_curve"):
            np.testing.assert_array_equal(one[name], whole[name].isel(y=y), err_msg=name)
    lazy = xas.eels.surface_profile(data.chunk({"y": 1, "distance": 10}))
    assert lazy.step_position.chunks is not None
    xr.testing.assert_allclose(lazy.compute().step_position, whole.step_position)
    assert lazy.profile_verdict.values.tolist() == whole.profile_verdict.values.tolist()
    part = xas.eels.surface_profile(data.isel(y=0), region=(2.0, 12.0))
    inside = (DEPTH >= 2) & (DEPTH <= 12)
    np.testing.assert_array_equal(np.isfinite(part.profile_curve[0]), inside)


def test_what_all_points_share_is_in_the_levels_and_not_in_their_ratio(rng):
    values, sigma = shell(rng)["atomic_ratio"]
    plain = scan(atomic_ratio=(values, sigma))
    common = 0.1 * values
    with_factor = scan(atomic_ratio=(values, np.hypot(sigma, common)))
    with_factor["atomic_ratio_common_sigma"] = ("distance", common, {"units": ""})
    one, other = (xas.eels.surface_profile(d, quantities=("atomic_ratio",)) for d in (plain, with_factor))
    np.testing.assert_allclose(other.step_position_sigma, one.step_position_sigma)
    np.testing.assert_allclose(other.level_ratio_sigma, one.level_ratio_sigma)
    np.testing.assert_allclose(
        other.core_level_sigma, np.hypot(one.core_level_sigma, 0.1 * one.core_level), rtol=1e-6
    )


def test_scatter_beyond_sigma_is_named_and_can_be_left_free(rng):
    values, _ = shell(rng)["l3_l2_ratio"]
    small = scan(l3_l2_ratio=(values, 0.02))
    stated = xas.eels.surface_profile(small, **ONE)
    assert flag_names(stated, distance=3) == ["scatter_beyond_sigma"]
    free = xas.eels.surface_profile(small, scatter="free", **ONE)
    none = xas.eels.surface_profile(scan(l3_l2_ratio=(values, None)), **ONE)
    assert flag_names(free, distance=3) == []
    np.testing.assert_allclose(free.step_position, none.step_position)
    assert float(free.core_level_sigma[0]) == pytest.approx(0.08 / np.sqrt(20), rel=0.4)


def test_sigmas_that_follow_the_noise_do_not_pull_the_levels(rng):
    """A ratio's sigma grows with the ratio: weights by it alone would favour what fluctuated down."""
    truth = 3.0 - 0.8 * course(DEPTH, 5.2, 0.0)
    below = rng.poisson(100, (30, DEPTH.size))
    above = rng.poisson(100 * truth, (30, DEPTH.size))
    ratio = above / below
    data = scan(dims=("y", "distance"), l3_l2_ratio=(ratio, ratio * np.sqrt(1 / above + 1 / below)))
    found = xas.eels.surface_profile(data, **ONE)
    expected = 1 + 1 / 100  # of a ratio of counts
    away = (found.core_level - 2.2 * expected) / found.core_level_sigma
    assert abs(float(away.mean())) < 3 / np.sqrt(30)
    assert 0.7 < float(away.std()) < 1.3


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-50, 50), stretch=st.floats(0.01, 100))
def test_units_do_not_matter(scale, offset, stretch):
    rng = np.random.default_rng(3)
    values = 3 - 0.8 * course(DEPTH, 5, 1.0) + 0.1 * rng.normal(size=DEPTH.size)
    one = Line.of(DEPTH, values, np.full(DEPTH.size, 0.1), free=False)
    other = Line.of(DEPTH * stretch + offset, values * scale, np.full(DEPTH.size, 0.1 * scale), free=False)
    a, b = change_point(one), change_point(other)
    assert b.value == pytest.approx(a.value * stretch + offset, abs=1e-6 * stretch + 1e-9)
    assert gradient(other)[0] == pytest.approx(gradient(one)[0], rel=1e-6)


@pytest.mark.parametrize("sigma", [1e-12, 1e-3, 1.0, 1e6])
def test_any_numbers_get_an_answer(rng, sigma):
    """Levels, steps and wild values with sigmas that are far too small or too large: finite, and no warning."""
    many = 1e4 * course(DEPTH, 5.2, 0.0)
    values = [
        0 * DEPTH,
        0 * DEPTH + 3.3,
        many,
        many + rng.normal(size=DEPTH.size),
        rng.standard_cauchy(DEPTH.size),
    ]
    data = scan(dims=("y", "distance"), l3_l2_ratio=(np.stack(values), sigma))
    found = xas.eels.surface_profile(data, **ONE)
    np.testing.assert_allclose(found.profile_probability.sum("profile_model"), 1.0)
    told = ~found.profile_verdict.isin(["level", "gradient"])
    for name in (
        "step_position",
        "step_position_sigma",
        "step_width_upper",
        "surface_level",
        "core_level_sigma",
    ):
        assert np.isfinite(found[name].where(told, 0.0)).all(), name


def covered(rng, count, width, contrast, *, spacing=0.5, free=False, shape="error_function"):
    """Shares of truths inside one sigma and 95 % of positions, and inside one sigma of levels."""
    x = np.arange(0.0, 15 + spacing / 2, spacing)
    inside = []
    for _ in range(count):
        position = rng.uniform(3, 12)
        line = Line.of(
            x, contrast * course(x, position, width) + rng.normal(size=x.size), np.ones(x.size), free=free
        )
        found = find_step([line], line.inner(), shape)
        place, level = found.place(), describe(line, found, x, shape)
        near = abs(position - place.value) < place.sigma, place.low <= position <= place.high
        inside.append((*near, abs(level.surface) < level.surface_sigma, found.breadth()[2] >= width))
    return np.mean(inside, axis=0)


@pytest.mark.parametrize(("width", "contrast"), [(0.0, 6.0), (1.5, 6.0)])
def test_intervals_cover(rng, width, contrast):
    one, most, level, _ = covered(rng, 40, width, contrast)
    assert most >= 0.85
    assert 0.45 < one < 0.95
    assert 0.5 < level < 0.9


@pytest.mark.long
@pytest.mark.parametrize(
    ("width", "contrast", "options"),
    [
        (0.0, 6.0, {}),  # sharper than the sampling
        (0.0, 20.0, {"spacing": 1.0}),
        (1.5, 4.0, {}),
        (1.5, 20.0, {}),
        (4.0, 6.0, {"free": True}),
    ],
)
def test_intervals_cover_in_the_long_run(rng, width, contrast, options):
    count = 80
    one, most, level, limit = covered(rng, count, width, contrast, **options)
    assert abs(most - 0.95) < 3.5 * np.sqrt(0.05 * 0.95 / count)
    assert one > (0.5 if width == 0 else 0.68 - 3 * np.sqrt(0.22 / count))  # inside a gap nothing is Gaussian
    assert abs(level - 0.68) < 3.5 * np.sqrt(0.22 / count)
    assert limit > 0.85


@pytest.mark.long
def test_probabilities_are_calibrated(rng):
    """Steps, gradients and levels in equal numbers, contrasts of 0.5 to 6 sigma: what is said with 80 % is true as often."""
    said, true = [], []
    for i in range(270):
        kind, size = MODELS[i % 3], rng.choice([-1, 1]) * rng.uniform(0.5, 6)
        mean = {
            "level": 0 * DEPTH,
            "gradient": size * DEPTH / DEPTH[-1],
            "step": size * course(DEPTH, rng.uniform(2, 13), rng.choice([0, rng.uniform(0, 4)])),
        }[kind]
        line = Line.of(DEPTH, mean + rng.normal(size=DEPTH.size), np.ones(DEPTH.size), free=False)
        log = np.array(
            [0.0, gradient(line)[0], find_step([line], line.inner(), "error_function").log_evidence]
        )
        share = np.exp(log - log.max())
        said.append(share / share.sum())
        true.append(MODELS.index(kind))
    said, hit = np.concatenate(said), (np.array(true)[:, None] == np.arange(3)).ravel()
    for low, high in ((0.0, 0.05), (0.05, 0.5), (0.5, 0.9), (0.9, 1.01)):
        part = (said >= low) & (said < high)
        expected, spread = said[part].mean(), np.sqrt((said[part] * (1 - said[part])).sum()) / part.sum()
        # levels are told with less than they deserve: small contrasts can never be excluded
        assert abs(hit[part].mean() - expected) < 3 * spread + 0.12, (low, hit[part].mean(), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"quantities": ("l3_l2_ratoi",)},
            "no variable 'l3_l2_ratoi' along the line; did you mean 'l3_l2_ratio'",
        ),
        ({"quantities": ()}, "quantities must be named, each once"),
        ({"quantities": ("intensity",)}, "intensity is no number per spectrum along distance"),
        ({"dim": "depth"}, "no line along 'depth': the spectra lie along distance"),
        ({"region": (0.0, 2.0)}, "at least 6 spectra along distance, got 5 between 0 and 2"),
        ({"confidence": 0.4}, "confidence must be between 0.5 and 1, got 0.4"),
        ({"shape": "tanh"}, "shape must be 'error_function' or 'logistic'"),
    ],
)
def test_refused(rng, options, words):
    with pytest.raises(InvalidInput, match=words):
        xas.eels.surface_profile(scan(**shell(rng)), **options)


def test_sigmas_are_needed_where_they_are_to_be_believed(rng):
    data = scan(l3_l2_ratio=(shell(rng)["l3_l2_ratio"][0], None))
    with pytest.raises(InvalidInput, match="has no l3_l2_ratio_sigma: choose scatter='free'"):
        xas.eels.surface_profile(data, scatter="stated", **ONE)
    twice = scan(depth=np.repeat(DEPTH[::2], 2)[: DEPTH.size], **shell(rng))
    with pytest.raises(InvalidInput, match="distance must hold finite numbers, each once"):
        xas.eels.surface_profile(twice)
