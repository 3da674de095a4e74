"""Hydrogenic cross-sections: the published programs' numbers, limits, and refusals."""

import numpy as np
import pytest

from spectra.errors import InvalidInput
from xas.eels import cross_section
from xas.eels.composition.hydrogenic import k_strength, l_strength

#: (keV, mrad): O K and Mn L for 50 eV, for 100 eV, in barn, as programs after Egerton compute them.
TABLE = {
    (200, 30): (1170, 1636, 2036, 3200),
    (300, 30): (1016, 1421, 1774, 2788),
    (300, 10): (758, 1089, 1300, 2098),
    (100, 20): (1311, 1838, 2247, 3540),
}


@pytest.mark.parametrize("at", TABLE)
def test_the_table_is_reproduced(at):
    """O K to 0.1 %, Mn L to 1 %."""
    settings = {"beam_energy": float(at[0]), "collection_angle": float(at[1])}
    for n, width in enumerate((50.0, 100.0)):
        oxygen, manganese = TABLE[at][2 * n : 2 * n + 2]
        assert cross_section("O", "K", width=width, **settings).value == pytest.approx(oxygen, rel=1e-3)
        assert cross_section("Mn", "L", width=width, **settings).value == pytest.approx(manganese, rel=1e-2)


def test_the_rule_for_white_lines_is_named_and_as_large_as_known():
    settings = {"beam_energy": 200.0, "collection_angle": 30.0}
    for width, factor in {40: 1.58, 50: 1.46, 60: 1.38, 80: 1.29, 100: 1.24}.items():
        plain = cross_section("Mn", "L", width=float(width), **settings)
        lines = cross_section("Mn", "L", width=float(width), model="sigmal_white_lines", **settings)
        assert lines.value / plain.value == pytest.approx(factor, abs=0.01)
        assert (plain.model, lines.model) == ("sigmak_sigmal", "sigmal_white_lines")
    copper = [cross_section("Cu", "L", width=50.0, model=m, **settings).value for m in ("sigmak_sigmal", "sigmal_white_lines")]  # fmt: skip
    assert copper[0] == copper[1]  # Z = 29 is beyond the rule


def test_limits():
    small = [
        cross_section("O", "K", beam_energy=200.0, collection_angle=30.0, width=w).value for w in (1.0, 2.0)
    ]
    assert small[1] / small[0] == pytest.approx(2.0, rel=0.02)
    angles = [cross_section("O", "K", beam_energy=200.0, collection_angle=b, width=50.0).value for b in (5.0, 20.0, 80.0)]  # fmt: skip
    assert angles[0] < angles[1] < angles[2]
    with_onset = cross_section("Mn", "L", beam_energy=200.0, collection_angle=30.0, width=50.0, onset=648.0)
    assert with_onset.onset == 648.0
    assert "Mn L" in str(with_onset)


def test_the_oscillator_strength_of_a_k_shell_is_that_of_two_electrons():
    """At small q, the strength of the continuum and of the bound states below it sums to about 2 (Bethe sum rule)."""
    energy = np.geomspace(532, 5e4, 4000)
    strength = k_strength(energy, np.full(energy.size, 1e-3), {"z": 8})
    total = float((np.diff(energy) * (strength[1:] + strength[:-1])).sum() / 2)
    assert 1.0 < total < 2.0
    assert np.isfinite(l_strength(energy + 110, np.full(energy.size, 1e-3), {"z": 25, "l1": 769.0})).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"element": "Mg"}, "no hydrogenic L shell of 'Mg' in the table; allowed: Co, Cr"),
        ({"collection_angle": 0.0}, "needs collection_angle in mrad, a positive number; got 0.0"),
        ({"collection_angle": None}, "Files that do not say it leave it to you"),
        ({"beam_energy": -200.0}, "needs beam_energy in keV"),
        ({"width": float("inf")}, "needs width in eV"),
        ({"shell": "M"}, "shell must be K or L, got 'M'"),
        ({"model": "hartree"}, "model must be sigmak_sigmal or sigmal_white_lines"),
    ],
)
def test_refused(call, words):
    good = {"element": "Mn", "shell": "L", "beam_energy": 200.0, "collection_angle": 30.0, "width": 50.0}
    given = good | call
    with pytest.raises(InvalidInput, match=words):
        cross_section(given.pop("element"), given.pop("shell"), **given)
