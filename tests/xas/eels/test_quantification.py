"""O/Mn from two edges: known truth, sigmas that cover, the factor by each of its sources, refusals."""

import numpy as np
import pytest

import spectra
import xas.eels
from spectra.dataset import failed
from spectra.errors import InvalidInput
from xas.eels.composition.edge_intensities import window_weights

WINDOWS = {"background": ((460.0, 525.0), (590.0, 635.0)), "signal": ((532.0, 582.0), (640.0, 690.0))}
LOSS = np.arange(450.0, 720.0, 0.5)


def mean(oxygen=800.0, manganese=500.0, level=9e3):
    """Two edges that end with their windows, on a power law: k = 1 gives oxygen over manganese."""
    return level * (LOSS / 500) ** -3 + oxygen * ((LOSS >= 532) & (LOSS < 582)) + manganese * (LOSS >= 640)


def dataset(counts, dims=(), **attrs):
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims, attrs=attrs
    )


def test_a_known_ratio_without_noise():
    found = xas.eels.quantify(dataset(mean()), k=2.0, **WINDOWS)
    assert found.atomic_ratio.dims == ("pair",)
    assert float(found.atomic_ratio.sel(pair="O/Mn")) == pytest.approx(
        3.184, rel=1e-3
    )  # half of the first channel lies before its window
    assert found.edge_intensity.sel(edge="O K") == pytest.approx(800 * 49.75, rel=1e-3)
    assert found.atomic_ratio.attrs["k_from"] == "a standard"


@pytest.mark.parametrize(("level", "scale"), [(9e3, 1.0), (90.0, 0.05)])
@pytest.mark.parametrize("count", [400, pytest.param(4000, marks=pytest.mark.long)])
def test_sigmas_cover(rng, level, scale, count):
    truth = mean(800 * scale, 500 * scale, level)
    clean = float(xas.eels.quantify(dataset(truth), k=1.0, gain=1.0, **WINDOWS).atomic_ratio[0])
    found = xas.eels.quantify(dataset(rng.poisson(truth, (count, LOSS.size)), ("scan",)), k=1.0, **WINDOWS)
    away = np.abs(found.atomic_ratio - clean) / found.atomic_ratio_sigma
    inside = float((away < 1).mean())
    assert abs(inside - 0.683) < 3 * np.sqrt(0.68 * 0.32 / count) + 0.01, inside


def test_the_sigma_of_the_factor_is_in_that_of_the_ratio():
    plain, wide = (xas.eels.quantify(dataset(mean()), k=1.0, k_sigma=s, **WINDOWS) for s in (0.0, 0.1))
    expected = np.hypot(plain.atomic_ratio_sigma, 0.1 * plain.atomic_ratio)
    np.testing.assert_allclose(wide.atomic_ratio_sigma, expected)


def test_a_profile_relative_to_the_core(rng):
    """A particle whose rim has lost oxygen: the core is right by definition, the rim relative to it."""
    position = np.linspace(0, 50, 26)
    oxygen = np.where(position < 8, 560.0, 800.0)
    counts = rng.poisson([mean(o) for o in oxygen])
    line = dataset(counts, ("position",)).assign_coords(position=("position", position, {"units": "nm"}))
    found = xas.eels.quantify(line, core={"position": (20.0, 50.0)}, core_ratio=2.0, **WINDOWS)
    ratio, sigma = found.atomic_ratio[:, 0], found.atomic_ratio_sigma[:, 0]
    assert float(ratio.sel(position=slice(20, 50)).mean()) == pytest.approx(2.0, rel=0.02)
    rim = ratio.sel(position=slice(0, 7))
    assert (np.abs(rim - 1.4) < 4 * sigma.sel(position=slice(0, 7))).all()
    assert "the core" in found.atomic_ratio.attrs["k_from"]
    assert found.atomic_ratio.attrs["k_sigma"] > 0


def test_cross_sections_need_the_microscope():
    with pytest.raises(InvalidInput, match="needs beam_energy in keV, a positive number; got None"):
        xas.eels.quantify(dataset(mean()), model="sigmak_sigmal", **WINDOWS)
    data = dataset(mean(), beam_energy=200.0, collection_angle=30.0)
    plain = xas.eels.quantify(data, model="sigmak_sigmal", **WINDOWS)
    assert plain.atomic_ratio.attrs["k"] == pytest.approx(1.399, abs=0.002)
    lines = xas.eels.quantify(data, model="sigmal_white_lines", **WINDOWS)
    assert lines.atomic_ratio.attrs["k"] == pytest.approx(2.04, abs=0.01)
    assert "sigmal_white_lines" in lines.atomic_ratio.attrs["k_from"]
    assert any("factor of two" in n for n in lines.spectra.history[-1]["notes"])


def test_a_measured_film_is_as_far_off_as_known(data_dir):
    """La0.7Sr0.3MnO3, nominal 3: from windows of 40 eV about 1.4, with the rule for white lines about 2.2."""
    film = xas.eels.read(
        data_dir / "eels/exspy/LSMO_coreloss_raw.msa", beam_energy=300.0, collection_angle=30.0
    )
    windows = {"background": ((485.0, 525.0), (595.0, 635.0)), "signal": ((532.0, 572.0), (645.0, 685.0))}
    plain = float(xas.eels.quantify(film, model="sigmak_sigmal", **windows).atomic_ratio[0])
    lines = float(xas.eels.quantify(film, model="sigmal_white_lines", **windows).atomic_ratio[0])
    assert plain == pytest.approx(1.37, abs=0.15)
    assert lines == pytest.approx(2.16, abs=0.2)


def test_spectra_without_an_edge_are_flagged(rng):
    counts = rng.poisson([mean(), mean(0.0, 0.0), 0 * LOSS, mean()]).astype(float)
    counts[1] -= 0.02 * counts[1] * (LOSS > 530)  # surely below its background
    found = xas.eels.quantify(dataset(counts, ("scan",)), k=1.0, **WINDOWS)
    assert failed(found).values.tolist() == [False, True, True, False]
    assert np.isnan(found.atomic_ratio.values[1:3]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one source of the factor is needed, got 0"),
        ({"k": 1.0, "model": "sigmak_sigmal"}, "one source of the factor is needed, got 2"),
        ({"k": -1.0}, "k must be a positive number"),
        ({"core": {"position": (0.0, 1.0)}}, "core and core_ratio go together"),
        ({"core": {"depth": (0.0, 1.0)}, "core_ratio": 2.0}, "core: there is no dimension 'depth'"),
        ({"k": 1.0, "edges": ("O", "Mn L")}, "edges are element and shell, as 'O K'"),
        ({"k": 1.0, "signal": ((532.0, 582.0), (640.0, 680.0))}, "as wide as each other, got 50 and 40 eV"),
        ({"k": 1.0, "signal": ((532.0, 592.0), (640.0, 700.0))}, "overlap: their noise is shared"),
        ({"k": 1.0, "signal": ((532.0, 582.0), (680.0, 730.0))}, "outside of the data, 450 to 719.5 eV"),
        ({"k": 1.0, "background": ((528.0, 530.0), (590.0, 635.0))}, "holds 5 channels, 6 are needed"),
    ],
)
def test_refused(options, words):
    with pytest.raises(InvalidInput, match=words):
        xas.eels.quantify(dataset(mean()), **(WINDOWS | options))


def test_weights_of_a_window_sum_to_its_width():
    for window in ((500.0, 550.0), (500.2, 551.3), (500.25, 500.4)):
        assert window_weights(LOSS, window).sum() == pytest.approx(window[1] - window[0])
