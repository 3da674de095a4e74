"""Further edges in range: tabulated, seen, and fine structure not taken for one."""

import numpy as np
import pytest

import spectra
import xas
from spectra.verbs import verb
from tests.xas.conftest import absorption
from xas.normalization.further_edges import following_edge, following_energy, further_edges, seen_steps

ENERGY = np.concatenate([np.arange(5300.0, 5455, 5), np.arange(5455, 5520, 0.3), np.arange(5520, 6400, 2.5)])


def scan(mu, **attrs):
    return spectra.from_arrays(ENERGY, mu, name="mu", attrs={"technique": "xas", **attrs})


def test_barium_in_a_titanium_scan(measured):
    found = further_edges(measured("Ti-K-Fresnoite_bmm"))
    assert [edge.name.split(" or ")[0] for edge in found] == ["Ba L3", "Ba L2"]
    assert [edge.energy for edge in found] == pytest.approx([5247, 5624], abs=10)
    assert all(edge.seen for edge in found)
    first = following_edge(measured("Ti-K-Fresnoite_bmm"), 4981.7)
    assert str(first) == "Ba L3 at 5245 eV (seen in the data)"


def test_no_measured_fine_structure_is_taken_for_an_edge(data_dir):
    files = sorted((data_dir / "xas").glob("*.*")) + sorted(
        (data_dir / "xas" / "fe_references_als").glob("*.e")
    )
    looked = 0
    for file in files:
        if "Fresnoite" in file.name:
            continue
        try:
            data = xas.read(file)
        except ValueError:
            continue
        looked += 1
        assert [edge for edge in further_edges(data) if edge.seen] == [], file.name
    assert looked > 60


@pytest.mark.parametrize(
    ("size", "place"),
    [(0.2, 5723.0), (1.0, 5723.0), (0.05, 5989.0), (0.2, 5989.0), (1.0, 5989.0), (0.05, 6300.0)],
)
def test_a_step_in_the_fine_structure_is_seen(size, place):
    mu = absorption(ENERGY, edge=5470.0, white_line=0.2)
    mu = mu + 0.8 * size * (0.5 + np.arctan((ENERGY - place) / 1.5) / np.pi)
    mu = mu + np.random.default_rng(0).normal(scale=1e-3, size=mu.size)
    steps = seen_steps(ENERGY, mu, 5470.0)
    assert steps == pytest.approx([place], abs=6)
    assert seen_steps(ENERGY, mu * 1e3 + 7 - 1e-3 * ENERGY, 5470.0) == steps
    data = scan(mu, element="V", edge="K")
    assert following_edge(data, 5470.0).energy == pytest.approx(place, abs=6)


def test_an_edge_before_the_one_measured_is_listed_and_does_not_follow():
    mu = absorption(ENERGY, edge=5700.0) + 0.3 * (0.5 + np.arctan((ENERGY - 5470) / 1.5) / np.pi)
    data = scan(mu)
    assert [edge.energy for edge in further_edges(data, 5700.0)] == pytest.approx([5470], abs=6)
    assert following_edge(data, 5700.0) is None


def test_tabulated_edges_of_the_element(simulated):
    """Ce L3 with L2 and L1 in range; the step of L2 is there, that of L1 is not."""
    energy = np.concatenate(
        [np.arange(5600.0, 5700, 5), np.arange(5700, 5780, 0.5), np.arange(5780, 6700, 2.5)]
    )
    mu = absorption(energy, edge=5726.0, white_line=0.2)
    mu = mu + 0.4 * (0.5 + np.arctan((energy - 6166) / 1.5) / np.pi)
    data = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Ce", "edge": "L3"})
    found = further_edges(data)
    assert [(edge.name, edge.seen) for edge in found] == [("Ce L2", True), ("Ce L1", False)]
    assert found[1].energy == pytest.approx(6549, abs=2)
    assert str(found[1]).endswith("eV (tabulated)")
    assert further_edges(simulated()) == ()


def test_nothing_in_noise_flat_or_empty_spectra(rng):
    for mu in (np.ones(ENERGY.size), rng.normal(size=ENERGY.size), np.full(ENERGY.size, np.nan)):
        assert seen_steps(ENERGY, mu, 5470.0) == []
    assert seen_steps(ENERGY[:10], np.ones(10), 5305.0) == []
    assert further_edges(scan(np.ones(ENERGY.size))) == ()


def test_a_verb_that_ends_a_range_names_the_edge(measured):
    @verb("xas.probe", axis="energy")
    def probe(dataset):
        """Note the energy of the next edge."""
        return dataset.assign_attrs(next_edge=following_energy(dataset, 4981.7))

    made = probe(measured("Ti-K-Fresnoite_bmm"))
    assert made.attrs["next_edge"] == 5245.0
    assert made.spectra.history[-1]["notes"] == [
        "a further edge lies in the range of the scan: Ba L3 at 5245 eV (seen in the data)"
    ]
    assert probe(measured("Cu_foil_rt_larch")).attrs["next_edge"] is None
