"""Valence three ways on measured manganese oxides, and references on measured core losses and microscope stacks."""

import json

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xas.eels.references.curves import ReferenceCurve

VALENCES = {"MnO": 2.0, "LaMnO3": 3.0, "SrMnO3": 4.0, "YBaMn3AlO7": 2.0}


@pytest.fixture(scope="module")
def compounds(data_dir):
    made = {}
    for name in VALENCES:
        path = data_dir / "softxas" / "mn_l23" / f"Data2_{name}.csv"
        energy, mu = np.genfromtxt(path, delimiter=",", skip_header=1, encoding="utf-8-sig").T
        attrs = {"technique": "xas", "element": "Mn", "edge": "L3", "sample": name}
        scan = spectra.from_arrays(energy, mu, name="mu", attrs=attrs)
        scan = xas.eels.subtract_background(scan, window=(636, 637.5), method="polynomial", degree=0)
        made[name] = xas.white_line_ratio(scan, post=(6.0, 9.0), l3=4.0)
    return made


def by_references(compounds, unknown, *standards, **options):
    return xas.eels.fit_references(
        compounds[unknown], references={n: compounds[n] for n in standards},
        valences={n: VALENCES[n] for n in standards}, **options,
    )  # fmt: skip


def by_line(compounds, unknown, variable, *standards):
    line = xas.calibrate_valence(
        [compounds[n] for n in standards], valences=[VALENCES[n] for n in standards], variable=variable
    )
    return xas.valence(compounds[unknown], calibration=line)


@pytest.mark.parametrize("unknown", ["YBaMn3AlO7", "MnO"])
def test_a_divalent_compound_left_out_is_divalent_three_ways(compounds, unknown):
    """The other divalent compound has another structure: the valence agrees, and what no reference shows is said."""
    standards = [n for n in VALENCES if n not in (unknown, "YBaMn3AlO7" if unknown != "MnO" else unknown)]
    ways = [by_line(compounds, unknown, v, *standards) for v in ("l3_position", "branching_ratio")]
    for way in ways:
        assert abs(float(way.valence) - 2) < 1.0 * float(way.valence_sigma)
    summed = by_references(compounds, unknown, *standards)
    assert float(summed.valence) == pytest.approx(2, abs=0.2)
    assert all(abs(float(w.valence - summed.valence)) < float(w.valence_sigma) for w in ways)
    assert 0.3 < float(summed.valence_sigma) < 0.7  # what is left goes together from point to point
    assert "undecided" in flag_names(summed)
    assert 0.1 < float(summed.misfit) < 0.2


def test_a_trivalent_compound_lies_on_the_line_and_is_no_sum(compounds):
    for variable in ("l3_position", "branching_ratio"):
        made = by_line(compounds, "LaMnO3", variable, "MnO", "SrMnO3")
        assert abs(float(made.valence) - 3) < float(made.valence_sigma)
    summed = by_references(compounds, "LaMnO3", "MnO", "SrMnO3")
    assert "undecided" in flag_names(summed)
    assert (
        float(summed.reference_shift) < -0.5
    )  # what distinguishes valences, taken for an error of the scale


def test_mixtures_of_compounds_by_references(compounds, rng):
    """Semi-synthetic: sums of three measured curves with noise, moved by 0.2 eV, on the axis of none of them."""
    grid = np.arange(637.6, 662.0, 0.1)
    names = ("MnO", "LaMnO3", "SrMnO3")
    parts = np.array([np.interp(grid - 0.2, compounds[n].energy, compounds[n].net) for n in names])
    inside = (grid > 638.43) & (grid < 660.83)
    parts /= parts[:, inside].sum(1, keepdims=True)
    for shares in ((0.5, 0.5, 0), (0, 0.4, 0.6), (0.2, 0.3, 0.5)):
        mu = np.array(shares) @ parts * 100 + rng.normal(scale=0.01, size=grid.size)
        scan = spectra.from_arrays(
            grid, mu, name="mu", sigma=np.full(grid.size, 0.01), attrs={"element": "Mn", "edge": "L3"}
        )
        made = xas.eels.fit_references(
            scan,
            references={n: compounds[n] for n in names},
            valences={n: VALENCES[n] for n in names},
            background="none",
        )
        truth = np.array(shares) @ (2, 3, 4)
        assert abs(float(made.valence) - truth) < max(2.5 * float(made.valence_sigma), 0.03)
        assert "undecided" not in flag_names(made)
        assert float(made.reference_shift) == pytest.approx(0.2, abs=0.02)


def test_a_calibration_of_core_losses_is_refused_for_other_windows(rng):
    """Own standards in one call, by ratio, from core losses; other windows, steps, methods and backgrounds are refused."""
    loss = np.arange(600.0, 690.0, 0.2)

    def measured(ratio, window=(602, 632), **options):
        lines = ratio / (1 + (loss - 642) ** 2) + 1 / (1 + (loss - 653) ** 2)
        counts = rng.poisson(5000 * ((loss / 640) ** -3.0 + lines + 0.2 * (loss > 642) + 0.1 * (loss > 653)))
        scan = spectra.from_arrays(
            loss,
            counts,
            axis="energy_loss",
            name="counts",
            units="counts",
            attrs={"element": "Mn", "edge": "L3"},
        )
        method = options.pop("background", None)
        scan = xas.eels.subtract_background(scan, window=window, method=method)
        return xas.white_line_ratio(scan, **options)

    line = xas.calibrate_valence(
        [measured(r) for r in (4.4, 3.0, 2.2)],
        valences=(2, 3, 4),
        names=("a", "b", "c"),
        variable="branching_ratio",
    )
    made = xas.valence(measured(3.0), calibration=line)
    assert abs(float(made.valence) - 3) < float(made.valence_sigma)
    for other in (
        {"l3": 4.0},
        {"steps": (0.5, 0.5)},
        {"post": (12, 22)},
        {"method": "double_arctan"},
        {"background": "exponential"},
    ):
        with pytest.raises(InvalidInput, match="not measured like the standards of this calibration"):
            xas.valence(measured(3.0, **other), calibration=line)


@pytest.fixture(scope="module")
def manganite(data_dir):
    """Measured Mn L2,3 of one film in the bulk and where it lacks oxygen, axes 1.8 eV apart; background already off."""
    folder = data_dir / "eels" / "eelsdb"
    return {n: xas.eels.read(folder / f"LSMO_{n}_MnL.msa") for n in ("bulk", "Ovac")}


def test_a_line_scan_from_bulk_to_oxygen_vacancies(manganite, rng):
    """Semi-synthetic: measured shapes, mixed by a known profile, Poisson noise, each spectrum with a drift of its own."""
    loss = manganite["bulk"].energy_loss.values
    x = loss[(loss > 637.9) & (loss < 677.5)]
    pure = {n: d[d.attrs["signal"]].values.astype(float) for n, d in manganite.items()}
    unit = [CubicSpline(loss, p / ReferenceCurve(loss, p).between(x[0], x[-1])) for p in pure.values()]
    profile = np.linspace(0.1, 0.9, 15)
    drift = rng.uniform(-0.4, 0.4, 15)
    mean = [(1 - p) * unit[0](x - d) + p * unit[1](x - d) for p, d in zip(profile, drift, strict=True)]
    y = rng.poisson(8e4 * np.array(mean) + 500)
    line = spectra.from_arrays(
        x,
        y,
        axis="energy_loss",
        name="counts",
        units="counts",
        dims=("position",),
        attrs={"element": "Mn", "title": "semi-synthetic"},
    )
    known = {n: spectra.from_arrays(loss, p, axis="energy_loss", name="intensity") for n, p in pure.items()}
    made = xas.eels.fit_references(
        line, references=known, window=(x[0], x[-1]), shift=(-1.0, 1.0), background="linear"
    )
    pull = (made.fraction.sel(reference="Ovac").values - profile) / made.fraction_sigma.sel(
        reference="Ovac"
    ).values
    assert np.sqrt(np.mean(pull**2)) < 1.6
    np.testing.assert_allclose(made.reference_shift, drift, atol=0.05)


def test_files_are_references_and_treated_as_the_data_were(data_dir):
    """The raw spectrum of the film is that of its bulk on a power law; the printed one came without background."""
    folder = data_dir / "eels" / "eelsdb"
    known = {n: folder / f"LSMO_{n}_MnL.msa" for n in ("bulk", "Ovac")}
    raw = xas.eels.read(data_dir / "eels" / "exspy" / "LSMO_coreloss_raw.msa")
    made = xas.eels.fit_references(raw, references=known, shift=(-1.0, 1.0))
    np.testing.assert_allclose(made.fraction, [1, 0], atol=1e-6)
    with pytest.raises(InvalidInput, match="LSMO_bulk_MnL.msa' cannot be treated as the data were"):
        xas.eels.fit_references(xas.eels.subtract_background(raw, window=(590, 635)), references=known)


@pytest.fixture(scope="module")
def drawn(compounds):
    return by_references(compounds, "YBaMn3AlO7", "MnO", "LaMnO3", "SrMnO3", keep="curves")


def test_the_figure_tells_shares_valence_and_flags(drawn):
    figure = xas.eels.plot_references(drawn)
    above, below = figure.axes
    texts = [t.get_text() for t in above.get_legend().get_texts()]
    assert [t.split()[0] for t in texts] == ["spectrum", "MnO", "LaMnO3", "SrMnO3", "sum"]
    assert "undecided" in above.get_title(loc="left")
    assert "valence 2.00" in above.get_title(loc="left")
    assert below.get_ylabel() == "Residual"


def test_a_figure_of_what_is_not_there_is_refused(drawn):
    with pytest.raises(InvalidInput, match="keep='curves'"):
        xas.eels.plot_references(drawn.drop_vars("reference_curve"))
    with pytest.raises(InvalidInput, match="there is no series dimension 'x' to pick from"):
        xas.eels.plot_references(drawn, x=1)


def test_what_was_done_is_told(drawn):
    windows = json.loads(drawn.valence.attrs["windows"])
    assert windows["background"] == "subtracted"
    assert json.loads(drawn.valence.attrs["references"]) == {"MnO": 2.0, "LaMnO3": 3.0, "SrMnO3": 4.0}
