"""White lines: truth recovered, sigmas that cover, bad pixels flagged, bad input told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xas.eels.channels.linear_variance import ratio_variance
from xas.eels.white_lines.areas import METHODS
from xas.eels.white_lines.positions import find_lines
from xas.eels.white_lines.weights import Windows, curvature_weights, overlap, step_weights

LOSS = np.arange(590.0, 690.0, 0.3)
WINDOW = (592.0, 632.0)
LINEAR = ("double_step", "double_arctan", "second_derivative")


def mean(level, l3=644.0, l2=655.2, ratio=3.0, mixed=False):
    """Counts of a Mn L edge: lines of known ratio, Gaussian or half Lorentzian, on two steps and a power law."""

    def line(place):
        t = (LOSS - place) / 1.6
        return (np.exp(-(t**2)) + 1 / (1 + t**2)) / 2 if mixed else np.exp(-(t**2))

    lines = ratio * line(l3) + line(l2)
    steps = (2 * (LOSS > l3) + (LOSS > l2)) / 3
    return level * ((LOSS / 632) ** -3.0 + 0.35 * lines + 0.06 * steps)


def dataset(counts):
    dims = ("y", "x")[3 - np.ndim(counts) :] if np.ndim(counts) > 1 else ()
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims,
        attrs={"technique": "eels", "element": "Mn"},
    )  # fmt: skip


def subtracted(counts):
    return xas.eels.subtract_background(dataset(counts), window=WINDOW)


def windows(**changes):
    default = {"l3": 5.0, "l2": 4.0, "post": (15.0, 25.0), "steps": (2 / 3, 1 / 3), "arctan_width": 1.0,
               "filter_width": 1.0, "channels": "fractional", "overlapping": "shrink"}  # fmt: skip
    return Windows(**(default | changes))


@pytest.mark.parametrize(
    ("method", "tolerance"),
    [("double_step", 0.03), ("double_arctan", 0.1), ("second_derivative", 0.05), ("curve_fit", 0.1)],
)
def test_the_ratio_put_in_comes_out(method, tolerance):
    made = xas.eels.white_line_ratio(subtracted(mean(1e6)), method=method)
    assert float(made.l3_l2_ratio) == pytest.approx(3.0, abs=tolerance)
    assert float(made.branching_ratio) == pytest.approx(0.75, abs=tolerance / 10)
    assert float(made.l3_position) == pytest.approx(644, abs=0.05)
    assert float(made.splitting) == pytest.approx(11.2, abs=0.05)


def _pulls(method, level, count, rng, mixed=False, **options):
    counts = rng.poisson(mean(level, mixed=mixed), size=(count, LOSS.size))
    made = xas.eels.white_line_ratio(subtracted(counts), method=method, positions=(644.0, 655.2), **options)
    truth = xas.eels.white_line_ratio(
        subtracted(mean(level, mixed=mixed)), method=method, positions=(644.0, 655.2)
    )
    return made, truth


@pytest.mark.parametrize("method", LINEAR)
def test_sigmas_of_the_areas_cover(method, rng):
    made, truth = _pulls(method, 200, 1500, rng)
    for name in ("l3", "l2"):
        pull = (made[name] - made[name].mean()) / made[f"{name}_sigma"]
        assert float(pull.std()) == pytest.approx(1, abs=0.06)
        assert float(made[name].mean()) == pytest.approx(
            float(truth[name]), abs=0.02 * abs(float(truth["l3"]))
        )


@pytest.mark.long
@pytest.mark.parametrize("level", [1877, 188, 47, 19, 9])
def test_sigmas_cover_down_to_nine_counts(level, rng):
    """The ratio itself is skewed once L2 is but a few sigmas; the branching ratio is not."""
    made, truth = _pulls("double_step", level, 4000, rng)
    names = ["l3", "l2", "branching_ratio"] + (["l3_l2_ratio"] if level > 100 else [])
    for name in names:
        inside = np.abs(made[name] - float(truth[name])) < made[f"{name}_sigma"]
        assert 0.63 < float(inside.mean()) < 0.73, name


@pytest.mark.long
def test_the_sigma_of_a_fitted_ratio_covers(rng):
    """With the background fitted first: what it adds is found by fitting again."""
    made, truth = _pulls("curve_fit", 3000, 300, rng, mixed=True)
    pull = (made.branching_ratio - float(truth.branching_ratio)) / made.branching_ratio_sigma
    assert float(pull.std()) == pytest.approx(1, abs=0.15)
    assert abs(float(pull.mean())) < 0.25


def test_sigmas_of_positions_cover(rng):
    counts = rng.poisson(mean(2000), size=(1500, LOSS.size))
    made = xas.eels.white_line_ratio(subtracted(counts))
    for name in ("l3_position", "l2_position", "splitting"):
        pull = (made[name] - made[name].mean()) / made[f"{name}_sigma"]
        assert 0.9 < float(pull.std()) < 1.35, name  # the parabola follows the highest channel


class TestImages:
    def test_bad_pixels_stop_nothing(self, frozen, rng):
        counts = rng.poisson(mean(300), size=(3, 4, LOSS.size)).astype(float)
        good = xas.eels.white_line_ratio(subtracted(frozen(counts)), method="all", positions="own")
        counts[0, 0], counts[0, 1], counts[0, 2, 50] = 0, -3, np.nan
        counts[1, 0, LOSS > 600] = 0
        made = xas.eels.white_line_ratio(subtracted(frozen(counts)), method="all", positions="own")
        assert made.l3_l2_ratio.dims == ("y", "x")
        for x in range(3):
            assert "no_background" in flag_names(made, y=0, x=x)
            assert np.isnan(made.l3_l2_ratio[0, x])
        assert flag_names(made, y=1, x=0) != []
        np.testing.assert_array_equal(made.l3_l2_ratio[2], good.l3_l2_ratio[2])
        np.testing.assert_array_equal(made.ratio_by_method[2], good.ratio_by_method[2])
        shared = xas.eels.white_line_ratio(subtracted(frozen(counts)), method="all")
        np.testing.assert_array_equal(shared.l3_l2_ratio.isnull(), made.l3_l2_ratio.isnull())

    def test_spectra_moved_against_each_other_are_found(self):
        moved = np.array([mean(1e5, 640 + s, 651.2 + s) for s in np.linspace(-4, 6, 6)])
        made = xas.eels.white_line_ratio(subtracted(moved), l3=4.5)
        np.testing.assert_allclose(made.l3_position, 640 + np.linspace(-4, 6, 6), atol=0.06)
        np.testing.assert_allclose(made.l3_l2_ratio[1:], 3, atol=0.05)
        assert "background_touches_line" in flag_names(made, x=0)

    def test_a_weak_line_is_told(self, rng):
        made = xas.eels.white_line_ratio(subtracted(rng.poisson(mean(3, ratio=9.0), size=(40, LOSS.size))))
        assert any("weak_line" in flag_names(made, x=i) for i in range(40))


def test_soft_x_rays_by_the_same_code(rng):
    """No counts: the scatter in front of the edge is the noise, a line the background."""
    energy = np.arange(630.0, 690.0, 0.2)
    lines = 3 * np.exp(-(((energy - 641) / 1.5) ** 2)) + np.exp(-(((energy - 652.2) / 1.5) ** 2))
    curve = 0.2 - 0.001 * (energy - 630) + lines + (2 * (energy > 641) + (energy > 652.2)) / 6
    mu = curve + rng.normal(scale=0.01, size=(400, energy.size))
    scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs={"element": "Mn"})
    scans = xas.eels.subtract_background(scans, window=(630, 636.5))
    made = xas.eels.white_line_ratio(scans, positions=(641.0, 652.2), post=(8.0, 15.0))
    pull = (made.l3_l2_ratio - made.l3_l2_ratio.mean()) / made.l3_l2_ratio_sigma
    assert float(pull.std()) == pytest.approx(1, abs=0.15)
    assert float(made.l3_l2_ratio.mean()) == pytest.approx(3, abs=0.05)


def test_without_sigmas_none_are_stated():
    net = mean(1000) - 1000 * (LOSS / 632) ** -3.0
    scan = spectra.from_arrays(LOSS, net, axis="energy_loss", name="intensity", attrs={"element": "Mn"})
    made = xas.eels.white_line_ratio(scan)
    assert np.isnan(made.l3_l2_ratio_sigma)
    assert "no uncertainty can be given" in made.attrs["history"]
    stated = spectra.from_arrays(
        LOSS,
        net,
        axis="energy_loss",
        name="intensity",
        sigma=np.full(LOSS.size, 5.0),
        attrs={"element": "Mn"},
    )
    assert 0 < float(xas.eels.white_line_ratio(stated).l3_l2_ratio_sigma) < 0.2


class TestKernels:
    def test_channels_by_their_part(self):
        energy = np.array([0.0, 1.0, 2.0, 3.0])
        part = overlap(energy, np.array([0.75]), np.array([2.25]), "fractional")
        np.testing.assert_allclose(part, [[0, 0.75, 0.75, 0]])
        np.testing.assert_allclose(
            overlap(energy, np.array([0.75]), np.array([2.25]), "whole"), [[0, 1, 1, 0]]
        )

    def test_steps_alone_leave_no_lines(self):
        """A continuum of exactly the assumed shape has no area; half a channel counts half."""
        e3, e2 = np.array([644.1]), np.array([655.37])
        for arctan in (False, True):
            w = windows()
            u3, u2 = step_weights(LOSS, e3, e2, (np.array([5.0]), np.array([4.0])), w, arctan)
            if arctan:
                steps = sum(
                    s * (np.arctan(np.pi * (LOSS - e)) / np.pi + 0.5)
                    for s, e in zip(w.steps, (e3, e2), strict=True)
                )
            else:
                steps = sum(
                    s * np.clip((LOSS + 0.15 - e) / 0.3, 0, 1) for s, e in zip(w.steps, (e3, e2), strict=True)
                )
            assert abs(float((u3 * steps).sum())) < (0.15 if arctan else 1e-9)
            assert abs(float((u2 * steps).sum())) < (0.15 if arctan else 1e-9)

    def test_curvature_does_not_see_a_slope(self):
        energy = np.arange(600.0, 700.0, 0.2)
        line = np.exp(-(((energy - 644) / 1.6) ** 2)) + 0.5 * np.exp(-(((energy - 655) / 1.6) ** 2))
        places = np.array([644.0]), np.array([655.0])
        (u3, u2), _ = curvature_weights(energy, line[None], *places, 1.0)
        assert float((u3 @ (3 + 0.2 * energy))[0]) == pytest.approx(0, abs=1e-6)
        assert float((u3 @ line)[0] / (u2 @ line)[0]) == pytest.approx(2, abs=0.01)

    @given(st.floats(-0.5, 0.5), st.floats(50, 5000))
    def test_positions_move_with_the_spectrum(self, shift, height):
        net = (mean(height, 644 + shift, 655.2 + shift) - height * (LOSS / 632) ** -3.0)[None]
        found = find_lines(LOSS, net, (630.7, 650.7), 11.2)
        assert found.l3[0] == pytest.approx(644 + shift, abs=0.06)
        assert found.l2[0] == pytest.approx(655.2 + shift, abs=0.08)

    def test_derivatives_of_positions_are_those_of_differences(self, rng):
        net = (mean(1e5) - 1e5 * (LOSS / 632) ** -3.0)[None]
        found = find_lines(LOSS, net, (630.7, 650.7), 11.2)
        change = rng.normal(size=LOSS.size) * 1e-3
        moved = find_lines(LOSS, net + change, (630.7, 650.7), 11.2)
        assert float((moved.l3 - found.l3)[0]) == pytest.approx(
            float(found.by_l3[0] @ change[found.at_l3[0]]), rel=1e-3
        )

    def test_variance_of_a_ratio(self, rng):
        a, b = rng.multivariate_normal([30, 10], [[0.5, 0.2], [0.2, 0.3]], size=200_000).T
        stated = ratio_variance(np.array(30.0), np.array(10.0), 0.5, 0.3, 0.2)
        assert np.var(a / b) == pytest.approx(float(stated), rel=0.03)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"element": "Xx"}, "element 'Xx' has no table of L edges"),
        ({"l3": -1.0}, "l3 is in eV, above 0 and up to 30, got -1"),
        ({"post": (25.0, 15.0)}, "post is two ascending energies"),
        ({"steps": (1.0, 1.0)}, "steps are two shares that add up to 1"),
        ({"half_width": 0.0}, "half_width is in eV, above 0"),
        ({"positions": (655.0, 644.0)}, "positions are those of L3 and L2, ascending"),
        ({"element": "Ni"}, "do not hold L3 and L2 of Ni"),
        ({"element": "V"}, r"lies under the O K edge at 532 eV"),
        ({"post": (60.0, 70.0)}, "eV are missing"),
        ({"positions": (644.0, 689.0)}, "eV are missing"),
    ],
)
def test_bad_input(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xas.eels.white_line_ratio(subtracted(mean(500)), **options)


def test_an_element_must_be_said():
    scan = subtracted(mean(500))
    del scan.attrs["element"]
    with pytest.raises(InvalidInput, match="which element it is is not said"):
        xas.eels.white_line_ratio(scan)


def test_every_method_is_described():
    for text in METHODS.values():
        text.format(
            l3=5,
            l2=4,
            steps=(0.6, 0.3),
            post=(1, 2),
            arctan_width=1,
            filter_width=1,
            normal=(50, 100),
            line_shape="gaussian",
        )


def test_data_without_the_edge_are_refused_in_a_sentence():
    two = spectra.from_arrays([600.0, 700.0], [1.0, 2.0], axis="energy_loss", name="counts", units="counts")
    with pytest.raises(
        InvalidInput, match=r"hold 0 channels there; at least 20 are needed: is this the right element"
    ):
        xas.eels.white_line_ratio(two, element="Mn")


def test_spectra_taken_as_free_of_background_say_so():
    result = xas.eels.white_line_ratio(dataset(mean(500) - 500 * (LOSS / 632) ** -3.0))
    assert "no background was subtracted here" in " ".join(result.spectra.history[-1]["notes"])
    assert np.isnan(result.l3_l2_ratio_sigma)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("double_step", ""),
        ("double_arctan", "arctan_width = 1 eV"),
        ("normalized_sum", "normal = 50 to 100 eV"),
    ],
)
def test_numbers_that_nobody_has_verified_are_said_where_they_are_used(method, said):
    made = xas.eels.white_line_ratio(subtracted(mean(2e4)), "Mn", method=method)
    notes = [n for n in made.spectra.history[-1].get("notes", []) if "yet to be verified" in n]
    assert [n.partition(" is yet")[0] for n in notes] == ([said] if said else [])
