"""Valence from white lines: a series of Mn oxides by soft X-rays, calibrations by own standards, foreign ones refused."""

import numpy as np
import pytest

import spectra
import xas
from spectra.errors import InvalidInput
from spectra.verbs import history
from xas.eels.tables import load_table

VALENCES = {"MnO": 2, "LaMnO3": 3, "SrMnO3": 4}
#: L3 maxima of the digitised curves (eV)
MAXIMA = {"MnO": 640.5, "YBaMn3AlO7": 640.4, "LaMnO3": 642.3, "SrMnO3": 643.2}


@pytest.fixture(scope="module")
def compounds(data_dir):
    """White lines of each curve; the data end 9 eV behind L2, so that the level is read nearer."""
    made = {}
    for name in MAXIMA:
        path = data_dir / "softxas" / "mn_l23" / f"Data2_{name}.csv"
        energy, mu = np.genfromtxt(path, delimiter=",", skip_header=1, encoding="utf-8-sig").T
        attrs = {"technique": "xas", "element": "Mn", "edge": "L3", "sample": name}
        scan = spectra.from_arrays(energy, mu, name="mu", attrs=attrs)
        scan = xas.eels.subtract_background(scan, window=(636, 637.5), method="polynomial", degree=0)
        made[name] = xas.eels.white_line_ratio(scan, post=(6.0, 9.0), l3=4.0)
    return made


def test_maxima_are_where_they_were_read(compounds):
    for name, maximum in MAXIMA.items():
        assert float(compounds[name].l3_position) == pytest.approx(maximum, abs=0.15)


def test_ratios_lie_in_the_ranges_of_the_literature(compounds):
    ranges = {r["valence"]: r["range"] for r in load_table("ratios")["ratio"] if r["element"] == "Mn"}
    for name, valence in VALENCES.items():
        low, high = ranges[valence]
        assert low - 0.25 < float(compounds[name].l3_l2_ratio) < high + 0.25, name


@pytest.mark.parametrize("variable", ["l3_position", "branching_ratio"])
def test_valence_by_shift_and_by_ratio_agree_with_the_compounds(compounds, variable):
    """Standards in one call; the fourth compound, divalent Mn in another structure, is the unknown."""
    standards = [compounds[n] for n in VALENCES]
    line = xas.calibrate_valence(standards, valences=tuple(VALENCES.values()), variable=variable)
    unknown = xas.valence(compounds["YBaMn3AlO7"], calibration=line)
    assert float(unknown.valence) == pytest.approx(2, abs=0.4)
    assert abs(float(unknown.valence) - 2) < 2 * float(unknown.valence_sigma)
    for name, valence in VALENCES.items():
        assert float(xas.valence(compounds[name], calibration=line).valence) == pytest.approx(
            valence, abs=0.35
        )


def test_a_mixture_of_known_share(compounds, rng):
    """Semi-synthetic: half MnO and half SrMnO3 on one axis, by the branching ratio."""
    grid = np.arange(636.5, 662.7, 0.1)
    parts = {n: np.interp(grid, c.energy, c.net) for n, c in compounds.items()}

    def measured(mu):
        scan = spectra.from_arrays(
            grid, mu + rng.normal(scale=0.003, size=grid.size), name="mu", attrs={"element": "Mn"}
        )
        scan = xas.eels.subtract_background(scan, window=(636.5, 637.5), method="polynomial", degree=0)
        return xas.eels.white_line_ratio(scan, post=(6.0, 9.0), l3=4.0, positions=(642.0, 653.0), l2=4.0)

    standards = [measured(parts[n]) for n in ("MnO", "LaMnO3", "SrMnO3")]
    line = xas.calibrate_valence(
        standards, valences=(2, 3, 4), names=("a", "b", "c"), variable="branching_ratio"
    )
    mixed = xas.valence(measured((parts["MnO"] + parts["SrMnO3"]) / 2), calibration=line)
    assert float(mixed.valence) == pytest.approx(3, abs=0.5)


def test_foreign_windows_and_methods_are_refused(compounds):
    line = xas.calibrate_valence(
        [compounds[n] for n in VALENCES], valences=tuple(VALENCES.values()), variable="branching_ratio"
    )
    data = compounds["YBaMn3AlO7"]
    for options in ({"l3": 3.0}, {"method": "double_arctan"}, {"post": (5.0, 9.0)}, {"steps": (0.5, 0.5)}):
        other = xas.eels.white_line_ratio(data, **{"post": (6.0, 9.0), "l3": 4.0} | options)
        with pytest.raises(
            InvalidInput, match="not measured like the standards of this calibration: the measure"
        ):
            xas.valence(other, calibration=line)
    other = xas.eels.subtract_background(data, window=(636, 637.5))
    other = xas.eels.white_line_ratio(other, post=(6.0, 9.0), l3=4.0)
    with pytest.raises(
        InvalidInput, match="normalisation has method = 'background polynomial' there and 'background linear'"
    ):
        xas.valence(other, calibration=line)


def test_energy_losses_by_their_shift(rng):
    """Simulated: L3 of aligned core losses against standards on the same scale; a map keeps its bad pixel."""
    loss = np.arange(600.0, 690.0, 0.2)

    def counts(l3):
        l3 = np.asarray(l3)[..., None]
        lines = 3 / (1 + ((loss - l3) / 1.2) ** 2) + 1 / (1 + ((loss - l3 - 11) / 1.2) ** 2)
        return rng.poisson(3000 * ((loss / 640) ** -3.0 + lines))

    def measured(l3):
        dims = ("y", "x")[: np.ndim(l3)]
        values = counts(l3)
        if dims:
            values[0, 0] = 0
        scan = spectra.from_arrays(
            loss, values, axis="energy_loss", name="counts", units="counts", dims=dims,
            attrs={"element": "Mn", "energy_scale": "zero-loss peak at 0 eV"},
        )  # fmt: skip
        return xas.eels.white_line_ratio(xas.eels.subtract_background(scan, window=(602, 632)))

    line = xas.calibrate_valence(
        [measured(e) for e in (641.0, 642.0, 643.0)],
        valences=(2, 3, 4),
        names=("a", "b", "c"),
        variable="l3_position",
    )
    image = xas.valence(measured([[641.5, 641.5], [642.5, 642.5]]), calibration=line)
    np.testing.assert_allclose(image.valence.values[1], 3.5, atol=0.1)
    assert np.isnan(image.valence[0, 0])
    assert history(image)[-1]["verb"] == "xas.valence"
