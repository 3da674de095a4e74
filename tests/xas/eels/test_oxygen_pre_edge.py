"""Pre-edge of O K: known peaks back, sigmas by Monte Carlo, what is not there is not seen, measured oxides."""

import h5py
import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.verbs import history

LOSS = np.arange(470.0, 600.0, 0.2)
PLACES = (530.0, 537.0)


def edge(counts, pre=0.8, shift=0.0):
    """Expected counts: two Gaussian peaks and a step on a power law; ``counts`` at the step."""
    x = LOSS - shift
    peaks = pre * np.exp(-(((x - 530) / 0.7) ** 2)) + 1.8 * np.exp(-(((x - 537) / 1.8) ** 2))
    step = 0.5 + np.tanh((x - 535) / 0.8) / 2
    return 3 * counts * (LOSS / 530) ** -2.8 + counts * (peaks + step)


def loss_series(counts):
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=("pixel",)[: np.ndim(counts) - 1],
        attrs={"technique": "eels"},
    )  # fmt: skip


@pytest.mark.parametrize("continuum", ["linear", "arctan"])
def test_a_known_peak_above_its_continuum(frozen, continuum):
    """An independent sum over channels of the same definition, by interpolation on a fine grid."""
    made = xas.eels.oxygen_pre_edge(loss_series(frozen(edge(1e4))), continuum=continuum, positions=PLACES)
    fine = np.arange(520.0, 590.0, 0.002)
    net = np.interp(fine, LOSS, edge(1e4) - 3e4 * (LOSS / 530) ** -2.8)
    ends = [net[np.abs(fine - e) < 0.25].mean() for e in (528.5, 531.5)]

    def shape(e):
        return e if continuum == "linear" else np.arctan(np.pi * (e - 537.0) / 2.0)

    part = (fine > 528.5) & (fine < 531.5)
    level = ends[0] + (ends[1] - ends[0]) * (shape(fine[part]) - shape(528.5)) / (shape(531.5) - shape(528.5))
    area = np.trapezoid(net[part] - level, fine[part])
    whole = (fine > 528.5) & (fine < 568.5)
    assert float(made.pre_edge_area) == pytest.approx(area, rel=0.01)
    assert float(made.pre_edge_share) == pytest.approx(area / np.trapezoid(net[whole], fine[whole]), rel=0.01)


def test_peaks_are_found_and_their_distance_is_right():
    made = xas.eels.oxygen_pre_edge(loss_series(edge(1e5)))
    assert float(made.pre_edge_position) == pytest.approx(530.0, abs=0.05)
    assert float(made.pre_main_splitting) == pytest.approx(7.0, abs=0.1)
    assert flag_names(made) == []
    assert made.pre_edge_share.attrs["method"] == "linear continuum"
    assert "half_width" in made.pre_edge_share.attrs["windows"]


QUANTITIES = ("pre_edge_area", "pre_edge_share", "pre_edge_position", "main_position", "pre_main_splitting")


def covered(made, truth, name):
    away = np.abs(made[name].values - float(truth[name]))
    return np.mean(away < made[f"{name}_sigma"].values)


@pytest.mark.parametrize("counts", [30, 1000])
def test_sigmas_cover_quickly(rng, counts):
    options = {"positions": PLACES}
    truth = xas.eels.oxygen_pre_edge(loss_series(edge(counts)), **options)
    made = xas.eels.oxygen_pre_edge(loss_series(rng.poisson(edge(counts), size=(500, LOSS.size))), **options)
    for name in ("pre_edge_area", "pre_edge_share"):
        assert 0.61 < covered(made, truth, name) < 0.75, name


@pytest.mark.long
@pytest.mark.parametrize("counts", [10, 100, 1000, 1e5])
@pytest.mark.parametrize("continuum", ["linear", "arctan"])
def test_sigmas_cover(rng, counts, continuum):
    """± sigma holds the truth in 63 to 73 % of cases: areas at given places from 10 counts, positions where they are found."""
    rows = 4000
    y = rng.poisson(edge(counts), size=(rows, LOSS.size))
    for options in ({"positions": PLACES}, {}):
        if not options and counts < 1000:
            continue  # bumps of less than some ten sigmas: their place is chosen by the noise
        truth = xas.eels.oxygen_pre_edge(loss_series(edge(counts)), continuum=continuum, **options)
        made = xas.eels.oxygen_pre_edge(loss_series(y), continuum=continuum, **options)
        for name in QUANTITIES if counts >= 1000 else QUANTITIES[:2]:
            assert 0.63 < covered(made, truth, name) < 0.73, (name, options)
            away = made[name] - truth[name]
            assert abs(float(away.mean())) < 0.15 * float(made[f"{name}_sigma"].mean()), (name, options)


def test_what_is_not_there_is_not_seen_and_its_limit_is(rng):
    """Five of a hundred false alarms, whatever place noise likes best; a peak at the limit is seen in 95 of a hundred."""
    counts, rows = 400, 1500
    nothing = xas.eels.oxygen_pre_edge(
        loss_series(rng.poisson(edge(counts, pre=0.0), size=(rows, LOSS.size)))
    )
    unseen = np.mean(["pre_edge_not_seen" in flag_names(nothing, pixel=i) for i in range(rows)])
    assert unseen > 0.93
    limit = float(nothing.pre_edge_limit.mean())
    one = xas.eels.oxygen_pre_edge(loss_series(edge(counts, pre=0.5)), positions=PLACES)
    none = xas.eels.oxygen_pre_edge(loss_series(edge(counts, pre=0.0)), positions=PLACES)
    height = 0.5 * (limit - float(none.pre_edge_share)) / float(one.pre_edge_share - none.pre_edge_share)
    at_limit = rng.poisson(edge(counts, pre=height), size=(rows, LOSS.size))
    made = xas.eels.oxygen_pre_edge(loss_series(at_limit), positions=PLACES)
    seen = np.mean(["pre_edge_not_seen" not in flag_names(made, pixel=i) for i in range(rows)])
    assert 0.92 < seen < 0.99
    flagged = [i for i in range(rows) if "pre_edge_not_seen" in flag_names(nothing, pixel=i)]
    assert np.isnan(nothing.pre_main_splitting.values[flagged]).all()


def test_an_image_with_bad_pixels(rng):
    y = rng.poisson(edge(2000), size=(5, LOSS.size)).astype(float)
    good = xas.eels.oxygen_pre_edge(loss_series(y))
    y[1], y[2], y[3, 200] = 0, -3, np.nan
    made = xas.eels.oxygen_pre_edge(loss_series(y))
    for i in (1, 2, 3):
        assert "no_edge" in flag_names(made, pixel=i)
        assert np.isnan(made.pre_edge_share[i])
    for i in (0, 4):
        np.testing.assert_array_equal(made.pre_edge_share[i], good.pre_edge_share[i])


class TestMeasured:
    @pytest.mark.parametrize(("group", "main"), [("000001", 538.9), ("000002", 534.7)])
    def test_cuo_by_electrons_and_by_fluorescence(self, data_dir, group, main):
        """One peak at 530.1 eV in both; self-absorption makes another of the main peaks the highest."""
        with h5py.File(data_dir / "softxas" / "CuO_OK_CuL_flexpes_library.h5") as file:
            x, y = (file[f"spectra/{group}/{n}"][()] for n in "xy")
        scan = spectra.from_arrays(x, y, axis="energy", name="mu", attrs={"technique": "xas", "element": "O"})
        made = xas.oxygen_pre_edge(scan)
        assert flag_names(made) == []
        assert float(made.pre_edge_position) == pytest.approx(530.1, abs=0.1)
        assert float(made.main_position) == pytest.approx(main, abs=0.2)
        assert 0.03 < float(made.pre_edge_share) < 0.07
        assert any("scatter in front of the edge" in text for text in history(made)[-1]["notes"])

    def test_yag_has_none(self, data_dir):
        scan = xas.eels.read(data_dir / "eels" / "eelsdb" / "YAG_OK_spikes.msa")
        made = xas.eels.oxygen_pre_edge(scan, background=(511, 526))
        assert "pre_edge_not_seen" in flag_names(made)
        assert np.isnan(made.pre_main_splitting)
        assert 0.003 < float(made.pre_edge_limit) < 0.01

    def test_chromium_and_titanium_oxides(self, data_dir):
        chromium = xas.eels.read(data_dir / "eels" / "eelsdb" / "Cr2O3_OK_CrL_158.txt")
        made = xas.eels.oxygen_pre_edge(chromium, background=(511, 526))
        assert float(made.pre_main_splitting) == pytest.approx(11.2, abs=0.1)
        titanate = xas.eels.read(data_dir / "eels" / "pytemlib" / "EELS_STO.dm3")
        made = xas.eels.oxygen_pre_edge(titanate, search=(521, 528), background=(485, 518))
        assert float(made.pre_main_splitting) == pytest.approx(5.5, abs=0.15)

    def test_the_shoulder_of_lsmo_has_an_area_and_no_position(self, data_dir):
        """Its energies are 7 eV too high: looked for where they are."""
        scan = xas.eels.read(data_dir / "eels" / "exspy" / "LSMO_coreloss_raw.msa")
        made = xas.eels.oxygen_pre_edge(scan, search=(534, 540), background=(485, 530))
        assert float(made.pre_edge_share) > 5 * float(made.pre_edge_share_sigma)
        assert float(made.pre_edge_share) > float(made.pre_edge_limit)
        assert np.isnan(made.pre_edge_position)
        given = xas.eels.oxygen_pre_edge(scan, positions=(537.0, 542.3), background=(485, 530))
        assert float(given.pre_edge_share) == pytest.approx(float(made.pre_edge_share), rel=0.5)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"half_width": 0.0}, "half_width is in eV, above 0 and up to 200, got 0"),
            ({"search": (534.0, 527.0)}, r"search is two ascending energies in eV, got \(534, 527\)"),
            ({"main": (-1.0, 5.0)}, r"main is two ascending energies in eV, got \(-1, 5\)"),
            ({"positions": PLACES, "search": (527.0, 534.0)}, "give one of both"),
            ({"positions": (530.0, 531.0)}, "the second behind the window of the first"),
            ({"search": (700.0, 710.0)}, "do not hold the pre-edge and the main peak of O K"),
            ({"background": (460.0, 461.0)}, "needs at least 6"),
        ],
    )
    def test_a_sentence_each(self, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xas.eels.oxygen_pre_edge(loss_series(edge(100)), **options)

    def test_a_background_for_what_has_none(self):
        bare = xas.eels.subtract_background(loss_series(edge(100)), window=(480, 525))
        with pytest.raises(InvalidInput, match="background is for spectra without 'net'"):
            xas.eels.oxygen_pre_edge(bare, background=(480, 525))


def test_shares_calibrate_like_other_measures():
    """By own standards in one call; another continuum, window or sum is refused."""

    def measured(pre, **options):
        data = loss_series(edge(1e5, pre=pre)).assign_attrs(element="O", edge="K")
        return xas.oxygen_pre_edge(data, positions=PLACES, **options)

    line = xas.calibrate_valence(
        [measured(p) for p in (0.4, 0.8, 1.2)],
        valences=(3, 3.5, 4),
        names=("a", "b", "c"),
        variable="pre_edge_share",
    )
    assert float(xas.valence(measured(0.6), calibration=line).valence) == pytest.approx(3.25, abs=0.05)
    for options in ({"continuum": "arctan"}, {"half_width": 1.2}, {"total": 30.0}):
        with pytest.raises(
            InvalidInput, match="not measured like the standards of this calibration: the measure"
        ):
            xas.valence(measured(0.6, **options), calibration=line)


def test_white_lines_and_pre_edges_belong_to_xas_too():
    assert xas.white_line_ratio is xas.eels.white_line_ratio
    assert xas.oxygen_pre_edge is xas.eels.oxygen_pre_edge


def test_windows_that_nobody_has_verified_are_said_where_they_are_used():
    """Those of the table, and not those that are given."""
    shipped = " ".join(history(xas.eels.oxygen_pre_edge(loss_series(edge(2e4))))[-1]["notes"])
    assert "half_width = 1.5 eV is yet to be verified in its source, 10.1103/PhysRevB.79.085117" in shipped
    assert "search = 527 to 534 eV is yet to be verified" in shipped
    own = xas.eels.oxygen_pre_edge(loss_series(edge(2e4)), search=(527.0, 534.0), half_width=1.5, total=40.0)
    said = " ".join(history(own)[-1].get("notes", []))
    assert "half_width" not in said
    assert "search" not in said
