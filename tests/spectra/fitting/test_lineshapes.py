"""Every registered line shape: area, width, symmetry, equivariance, derivatives, limits; then each against its formula."""

import inspect
import itertools
import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import wofz

from spectra.errors import InvalidInput
from spectra.fitting import lineshapes as ls
from spectra.fitting import list_shapes, shape_model
from spectra.fitting.asymmetric import breit_wigner_fano, doniach, la, lf
from spectra.fitting.faddeeva import erfcx
from spectra.fitting.shapes import shape

SHAPES = list_shapes()
#: Where x has to stay positive, and how each parameter may be drawn at random.
RANGES = {"decay": (2.0, 5.0), "reference": (1.0, 4.0), "asymmetry": (0.02, 0.5), "w": (20.0, 100.0), "a": (0.55, 3.0),
          "b": (0.55, 8.0), "inverse_q": (-0.6, 0.6), "fraction": (0.02, 0.98)}  # fmt: skip
SCALED = {"position", "origin", "reference", "decay", "fwhm", "fwhm_g", "fwhm_l", "width"}


def some_parameters(found, rng):
    values = []
    for p in found.parameters:
        low, high = RANGES.get(p.name, (max(p.min, -1.5), min(p.max, 2.5)))
        values.append(rng.uniform(low + 0.1 * (high - low), high))
    return np.array(values)


def axis_of(found):
    return np.linspace(0.5, 14.0, 181) if found.name == "power_law" else np.linspace(-6.0, 9.0, 181)


def kernel(found, x, p):
    return found.with_derivatives(x, **dict(zip(found.names, p, strict=True)))


def integral(curve, centre, width):
    """Over all x, by panels that grow away from the centre."""
    steps = width * np.concatenate([[0], np.geomspace(0.05, 1e9, 90)])
    edges = centre + np.concatenate([-steps[:0:-1], steps])
    return sum(quad(lambda t: float(curve(np.array([t]))[0]), a, b, epsabs=0, epsrel=1e-10)[0]
               for a, b in itertools.pairwise(edges))  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
class TestShapeContract:
    """What every shape keeps, whoever registered it."""

    @pytest.fixture
    def found(self, name):
        return SHAPES[name]

    def test_signature_defaults_and_description_agree(self, found):
        parameters = list(inspect.signature(found.function).parameters.values())
        assert [p.name for p in parameters[1:]] == list(found.names)
        assert [p.default for p in parameters[1:]] == [p.value for p in found.parameters]
        assert all(p.meaning for p in found.parameters)
        assert found.summary

    def test_kernel_draws_the_same_curve(self, found, rng):
        x = axis_of(found)
        for _ in range(10):
            p = some_parameters(found, rng)
            expected = found.function(x, *p)
            np.testing.assert_allclose(
                kernel(found, x, p)[0], expected, atol=3e-11 * abs(expected).max(), rtol=0
            )

    def test_derivatives(self, found, rng):
        """Against five-point central differences of the NumPy function."""
        x = axis_of(found)
        for _ in range(6):
            p = some_parameters(found, rng)
            _, slopes = kernel(found, x, p)
            for k in range(len(p)):
                h = 1e-3 * max(1.0, abs(p[k]))
                curve = [found.function(x, *(p + d * h * np.eye(len(p))[k])) for d in (-2, -1, 1, 2)]
                expected = (8 * (curve[2] - curve[1]) - (curve[3] - curve[0])) / (12 * h)
                rounding = 3e-12 * max(abs(c).max() for c in curve) / h
                scale = abs(expected).max()
                np.testing.assert_allclose(
                    slopes[k], expected, atol=2e-6 * scale + rounding, rtol=0, err_msg=found.names[k]
                )

    def test_area_is_the_integral(self, found, rng):
        if "area" not in found.names:
            assert (
                found.name in {"doniach", "breit_wigner_fano"} or not found.peak
            )  # the others: infinite area
            return
        p = some_parameters(found, rng)
        if "a" in found.names:  # tails that a sum over finite panels can end
            p[found.names.index("a")] = 1.4
            p[found.names.index("b")] = 1.6
            p[found.names.index("fwhm_g")] = (
                0.0  # broadening keeps the area; it is tested against quadrature below
            )
        at = dict(zip(found.names, p, strict=True))
        width = max(at.get("fwhm", 0), at.get("fwhm_g", 0), at.get("fwhm_l", 0), at.get("width", 0))
        area = integral(lambda t: found.function(t, **at), at["position"], width)
        assert area == pytest.approx(at["area"], rel=1e-6)

    def test_symmetry_is_what_it_says(self, found, rng):
        if not found.peak:
            return
        p = dict(zip(found.names, some_parameters(found, rng), strict=True))
        d = np.linspace(0.01, 5, 60)
        left, right = found.function(p["position"] - d, **p), found.function(p["position"] + d, **p)
        assert np.allclose(left, right, rtol=1e-10) == found.symmetric

    def test_shift_equivariance(self, found, rng):
        p = dict(zip(found.names, some_parameters(found, rng), strict=True))
        moved = [n for n in ("position", "origin") if n in p]
        if not moved:
            assert found.name == "power_law"
            return
        x = axis_of(found)
        there = {**p, **{n: p[n] + 3.25 for n in moved}}
        expected = found.function(x, **p)
        np.testing.assert_allclose(
            found.function(x + 3.25, **there), expected, atol=1e-11 * abs(expected).max()
        )

    def test_scale_equivariance(self, found, rng):
        """x and all lengths times c: the same curve, an area c times as large."""
        p, c, x = dict(zip(found.names, some_parameters(found, rng), strict=True)), 2.5, axis_of(found)
        there = {n: v * c if n in SCALED else v for n, v in p.items()}
        for n in there:
            if n == "area":
                there[n] *= c
            elif n[0] == "c" and n[1:].isdigit():
                there[n] *= c ** -int(n[1:])
        expected = found.function(x, **p)
        np.testing.assert_allclose(found.function(c * x, **there), expected, atol=1e-10 * abs(expected).max())

    def test_curve_is_linear_in_its_strength(self, found, rng):
        names = [n for n in found.names if n in {"area", "amplitude", "height", "c0"}]
        p, x = dict(zip(found.names, some_parameters(found, rng), strict=True)), axis_of(found)
        if names == ["c0"]:
            p |= {f"c{k}": 0.0 for k in range(1, 8)}
        twice = {**p, names[0]: 2 * p[names[0]]}
        np.testing.assert_allclose(found.function(x, **twice), 2 * found.function(x, **p), rtol=1e-12)

    def test_finite_with_every_parameter_at_its_limits(self, found):
        x = axis_of(found)
        limits = [
            [p.min if math.isfinite(p.min) else -1e3, p.value, p.max if math.isfinite(p.max) else 1e3]
            for p in found.parameters
        ]
        base = [p.value for p in found.parameters]
        for k, choices in enumerate(limits):
            for value in choices:
                p = np.array([*base[:k], value, *base[k + 1 :]])
                with np.errstate(all="ignore"):
                    assert np.isfinite(found.function(x, *p)).all(), (found.names[k], value)
                f, g = kernel(found, x, p)
                assert np.isfinite(f).all(), (found.names[k], value)
                assert np.isfinite(g).all(), (found.names[k], value)

    def test_all_widths_zero_stay_finite(self, found):
        widths = [n for n in found.names if n.startswith(("fwhm", "width"))]
        p = [0.0 if q.name in widths else q.value for q in found.parameters]
        x = axis_of(found)
        with np.errstate(all="ignore"):
            assert np.isfinite(found.function(x, *p)).all()
        assert np.isfinite(kernel(found, x, p)[0]).all()

    def test_input_is_left_alone(self, found, frozen):
        x = frozen(axis_of(found))
        assert found.function(x, *(p.value for p in found.parameters)).shape == x.shape

    def test_as_lmfit_model(self, found):
        model = shape_model(found.name, prefix="p_", degree=7 if found.name == "polynomial" else None)
        parameters = model.make_params()
        assert [n.removeprefix("p_") for n in parameters] == list(found.names)
        x = axis_of(found)
        np.testing.assert_array_equal(
            model.eval(parameters, x=x), found.function(x, *(p.value for p in found.parameters))
        )
        assert all(parameters[f"p_{p.name}"].vary == p.vary for p in found.parameters)


@pytest.mark.parametrize("name", ["gaussian", "lorentzian", "pseudo_voigt", "sgl"])
@given(fwhm=st.floats(1e-3, 1e3), fraction=st.floats(0, 1))
@settings(max_examples=30)
def test_fwhm_is_the_full_width_at_half_maximum(name, fwhm, fraction):
    found = shape(name)
    p = {"position": 2.0, "area": 3.0, "fwhm": fwhm} | (
        {"fraction": fraction} if "fraction" in found.names else {}
    )
    top, half = found.function(np.array([2.0, 2.0 + fwhm / 2]), **p)
    assert half == pytest.approx(top / 2, rel=1e-9)


def test_linear_in_many_spectra_at_once(rng):
    """Closed forms broadcast: parameters of many spectra with one axis."""
    x, positions, widths = np.linspace(-5, 5, 50), rng.normal(size=(7, 1)), rng.uniform(0.5, 2, size=(7, 1))
    for name in ("gaussian", "lorentzian", "sgl", "gl", "pseudo_voigt"):
        all_at_once = shape(name).function(x, positions, 2.0, widths)
        assert all_at_once.shape == (7, 50)
        np.testing.assert_array_equal(
            all_at_once[3], shape(name).function(x, positions[3, 0], 2.0, widths[3, 0])
        )


class TestFaddeeva:
    def test_relative_accuracy_of_w(self):
        """Real and imaginary part of w, read off the Voigt line and its derivative, over twelve decades."""
        x = np.concatenate([np.linspace(0, 12, 400), np.geomspace(12, 1e6, 100)])
        s = 1 / (2 * math.sqrt(math.log(2)))
        for y in [0.0, *np.geomspace(1e-10, 1e6, 80)]:
            f, g = kernel(SHAPES["voigt"], x, [0.0, 1.0, 1 / s, 2 * y])
            w = wofz(x + 1j * y)
            assert (abs(f * math.sqrt(math.pi) - w.real) <= 1e-12 * abs(w)).all()
            slope = -2 * (x + 1j * y) * w + 2j / math.sqrt(math.pi)
            error = abs(g[0] * math.sqrt(math.pi) + slope.real)
            # the reference itself cancels to |z|^2 eps
            assert (error <= 1e-12 * abs(w) * np.maximum(1, x + y) + 5e-16 * np.hypot(x, y)).all()

    def test_erfcx(self):
        from scipy import special

        y = np.concatenate([np.linspace(-5, 20, 300), np.geomspace(1e-8, 1e8, 100)])
        from_python = numba.njit(lambda v: erfcx(v))  # kernels are compiled to be called by kernels
        np.testing.assert_allclose([from_python(v) for v in y], special.erfcx(y), rtol=1e-12)


class TestVoigt:
    def test_is_the_convolution(self):
        x = np.array([-2.0, 0.0, 0.7, 5.0])
        for fwhm_g, fwhm_l in [(1.0, 0.3), (0.2, 1.5)]:

            def both(u, at, fwhm_g=fwhm_g, fwhm_l=fwhm_l):
                return float(ls.lorentzian(at - u, 0, 2, fwhm_l) * ls.gaussian(u, 0, 1, fwhm_g))

            expected = [quad(both, -8, 8, args=(v,), points=[v, 0], epsabs=1e-13, limit=300)[0] for v in x]
            np.testing.assert_allclose(ls.voigt(x, 0, 2, fwhm_g, fwhm_l), expected, rtol=1e-8)

    def test_limits_are_gaussian_and_lorentzian(self):
        x = np.linspace(-4, 4, 81)
        np.testing.assert_allclose(ls.voigt(x, 0.3, 2, 1.1, 0), ls.gaussian(x, 0.3, 2, 1.1), rtol=1e-12)
        np.testing.assert_allclose(ls.voigt(x, 0.3, 2, 0, 1.1), ls.lorentzian(x, 0.3, 2, 1.1), rtol=1e-12)


class TestProductForm:
    def test_narrowest_near_a_half(self):
        found = SHAPES["gl"]
        d = np.linspace(0, 1, 200001)
        widths = {}
        for m in (1e-9, 0.3, 0.48, 1.0):
            curve = found.function(d, 0.0, 1.0, 1.0, m)
            widths[m] = 2 * d[np.argmax(curve < curve[0] / 2)]
        assert widths[1e-9] == pytest.approx(1, abs=2e-5)
        assert widths[1.0] == pytest.approx(1, abs=2e-5)
        assert widths[0.48] == pytest.approx(0.956, abs=5e-4)

    def test_area_across_the_branch_of_the_formula(self):
        """The kernel changes from a series to the closed form at m = 0.01: no step there."""
        found = SHAPES["gl"]
        x = np.linspace(-3, 3, 61)
        for m in (1e-12, 1e-3, 0.00999999, 0.01000001, 0.5):
            expected = ls.gl(x, 0.0, 1.0, 1.0, m)
            np.testing.assert_allclose(kernel(found, x, [0.0, 1.0, 1.0, m])[0], expected, rtol=1e-11)


class TestAsymmetric:
    def broadened(self, line, at, fwhm_g):
        s = fwhm_g / (2 * math.sqrt(2 * math.log(2)))
        edges = sorted(
            [at + k * s for k in (-9, -4, -1.5, 0, 1.5, 4, 9)] + ([0.0] if abs(at) < 9 * s else [])
        )

        def both(u):
            return line(u) * math.exp(-0.5 * ((at - u) / s) ** 2) / (s * math.sqrt(2 * math.pi))

        return sum(
            quad(both, a, b, epsabs=0, epsrel=1e-12, limit=200)[0] for a, b in itertools.pairwise(edges)
        )

    @pytest.mark.parametrize("fwhm_g", [0.003, 0.02, 0.3, 2.0])
    @pytest.mark.parametrize(("fwhm_l", "a", "b"), [(0.5, 0.6, 10.0), (0.05, 1.0, 1.0), (1.5, 0.54, 2.0)])
    def test_broadening_against_quadrature(self, fwhm_l, a, b, fwhm_g):
        x = np.array([-3.0, -1.0, -0.3, -0.01, 0.0, 0.01, 0.2, 1.0, 5.0, 20.0])
        for function, q in ((la, (a, b)), (lf, (a, b, 80.0)), (doniach, (0.2,))):

            def line(u, function=function, q=q):
                return float(function(np.array([u]), 0.0, 1.0, fwhm_l, *q, 0.0)[0])  # fmt: skip

            expected = np.array([self.broadened(line, at, fwhm_g) for at in x])
            got = function(x, 0.0, 1.0, fwhm_l, *q, fwhm_g)
            np.testing.assert_allclose(got, expected, atol=1e-9 * expected.max())
            p = [0.0, 1.0, fwhm_l, *q, fwhm_g]
            np.testing.assert_allclose(
                kernel(SHAPES[function.__name__], x, p)[0], expected, atol=1e-9 * expected.max()
            )

    @pytest.mark.parametrize("window", [(-30.0, -20.0), (20.0, 30.0), (-0.1, 0.1)])
    def test_window_that_does_not_hold_the_line(self, window):
        x = np.linspace(*window, 11)
        for name in ("la", "lf", "doniach"):
            found = SHAPES[name]
            p = [q.value for q in found.parameters]
            expected = found.function(x, *p)
            np.testing.assert_allclose(kernel(found, x, p)[0], expected, atol=1e-11 * expected.max())

    def test_tail_lies_at_high_x(self):
        for curve in (
            lambda x: doniach(x, asymmetry=0.2),
            lambda x: la(x, a=0.8, b=3.0),
            lambda x: lf(x, a=0.8, b=3.0),
            lambda x: breit_wigner_fano(x, inverse_q=0.2),
        ):
            low, high = curve(np.array([-3.0, 3.0]))
            assert high > 1.5 * low

    def test_doniach_maximum(self):
        x = np.linspace(-0.5, 0.5, 100001)
        curve = doniach(x, amplitude=2.0, fwhm_l=0.8, asymmetry=0.2, fwhm_g=0.0)
        assert x[curve.argmax()] == pytest.approx(0.0705, abs=1e-4)
        assert curve.max() == pytest.approx(2.0, rel=1e-8)

    def test_doniach_without_asymmetry_is_a_voigt(self):
        x = np.linspace(-5, 5, 101)
        height = doniach(x, 0.2, 2 / (math.pi * 0.6), 0.6, 0.0, 0.9)
        np.testing.assert_allclose(height, ls.voigt(x, 0.2, 1.0, 0.9, 0.6), rtol=1e-9)

    def test_la_with_exponents_one_is_a_voigt(self):
        x = np.linspace(-5, 5, 101)
        np.testing.assert_allclose(
            la(x, 0.2, 2.0, 0.6, 1, 1, 0.9), ls.voigt(x, 0.2, 2.0, 0.9, 0.6), rtol=1e-9
        )

    def test_la_width_before_broadening(self):
        a, b, width = 0.8, 4.0, 1.3
        left, right = (width / 2 * math.sqrt(2 ** (1 / e) - 1) for e in (b, a))
        top, low, high = la(np.array([1e-12, -left, right]), fwhm_l=width, a=a, b=b, fwhm_g=0.0)
        assert (low, high) == (pytest.approx(top / 2, rel=1e-9), pytest.approx(top / 2, rel=1e-9))

    def test_breit_wigner_fano_width_and_maximum(self):
        k, width = 0.3, 2.0
        x = np.linspace(-6, 6, 2400001)
        curve = breit_wigner_fano(x, fwhm=width, inverse_q=k)
        assert x[curve.argmax()] == pytest.approx(k * width / 2, abs=1e-5)
        above = x[curve >= curve.max() / 2]
        assert above[-1] - above[0] == pytest.approx(width * (1 + k**2) / (1 - k**2), abs=2e-5)


def test_casaxps_components_of_feo(data_dir):
    """LF and SGL curves as CasaXPS exported them, by the parameters found in reference work on the same file."""
    lines = (data_dir / "xps/pynxtools/FeO_analyzed_lineshapes_cols.txt").read_text().splitlines()
    table = np.array(
        [[float(v) for v in line.split("\t") if v.strip()] for line in lines[8:] if line.strip()]
    )
    energy, background = table[:, 8], table[:, 14]
    listed = {0: (709.05, 3.8576238), 2: (722.13, 4.8730051)}
    for column, (position, mfwhm) in listed.items():
        curve = table[:, 10 + column] - background
        drawn = lf(energy, position, 1.0, 0.479 * mfwhm, 0.54, 10.0, 80.0, 0.815 * mfwhm)
        scale = (drawn @ curve) / (drawn @ drawn)
        assert abs(scale * drawn - curve).max() < 1.2e-3 * curve.max()  # the widths are known to three digits
    curve = table[:, 11] - background
    drawn = ls.sgl(energy, 716.0, 1.0, 8.0, 0.3)
    scale = (drawn @ curve) / (drawn @ drawn)
    assert abs(scale * drawn - curve).max() < 5e-4 * curve.max()


def test_unknown_shape_names_the_closest():
    with pytest.raises(InvalidInput, match="no line shape 'voight'; did you mean 'voigt'"):
        shape_model("voight")


def test_degree_only_of_a_polynomial():
    with pytest.raises(InvalidInput, match="gaussian has no degree"):
        shape_model("gaussian", degree=2)
    with pytest.raises(InvalidInput, match="a polynomial needs a degree from 0 to 7, got 8"):
        shape_model("polynomial", degree=8)


def test_derivatives_of_a_parameter_that_is_not_there():
    with pytest.raises(InvalidInput, match="gaussian has no parameter 'sigma'"):
        shape("gaussian").with_derivatives([0.0, 1.0], sigma=2.0)
