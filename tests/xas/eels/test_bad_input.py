"""What goes wrong at a microscope or a beamline: a sentence each, or a flag per pixel; never an image that stops."""

import re
from collections import Counter

import numpy as np
import pytest

import spectra
import xas
import xas.eels
from spectra.dataset import failed, flag_names, flag_table
from spectra.errors import InvalidInput, ReadError
from spectra.reading.scan import notes_of
from spectra.verbs import history
from tests.xas.eels.eels_files import digital_micrograph, dm_image, emsa
from xas.eels.background.doubts import stretches
from xas.eels.energy_axis.known_features import highest

LOSS = np.arange(560.0, 700.0, 0.5)


def mean_of(loss, at=642.0, gap=11.0, exponent=3.0, height=800.0):
    lines = 2.5 / (1 + ((loss - at) / 1.4) ** 2) + 1.0 / (1 + ((loss - at - gap) / 1.4) ** 2)
    steps = 0.4 * (loss > at) + 0.2 * (loss > at + gap)
    return 2000 * (loss / 600) ** -exponent + height * (lines + steps)


def image(rng, shape=(4, 5), loss=LOSS, **edge):
    counts = rng.poisson(mean_of(loss, **edge), (*shape, loss.size)).astype(float)
    dims = ("y", "x")[2 - len(shape) :]
    return spectra.from_arrays(
        loss, counts, axis="energy_loss", name="counts", units="counts", dims=dims,
        attrs={"technique": "eels", "element": "Mn", "title": "simulated"},
    )  # fmt: skip


def flags_set(data):
    table = flag_table(data)
    return Counter(dict(zip(table["flag"], table["spectra"], strict=True)))


class TestWindows:
    def test_no_pre_edge(self, rng):
        data = spectra.crop(image(rng), window=(640, 700))
        with pytest.raises(
            InvalidInput, match=r"window \(597, 632\) holds 0 channels of data from 640 to 699.5 eV"
        ):
            xas.eels.subtract_background(data, window=(597, 632))

    def test_level_behind_l2_outside_of_the_data(self, rng):
        data = xas.eels.subtract_background(spectra.crop(image(rng), window=(560, 660)), window=(570, 632))
        with pytest.raises(
            InvalidInput, match=r"the level behind L2 .* the data end at 660 eV: .* eV are missing"
        ):
            xas.eels.white_line_ratio(data)

    def test_level_behind_l2_cut_short_is_a_flag(self, rng):
        data = xas.eels.subtract_background(spectra.crop(image(rng), window=(560, 672)), window=(570, 632))
        assert flags_set(xas.eels.white_line_ratio(data))["post_truncated"] == 20

    def test_level_behind_l2_under_the_next_edge(self, rng):
        loss = np.arange(450.0, 560.0, 0.5)
        data = image(rng, loss=loss, at=518.0, gap=7.5).assign_attrs(element="V")
        data = xas.eels.subtract_background(data, window=(460, 505))
        with pytest.raises(InvalidInput, match="lies under the O K edge at 532 eV: end it .* as in post="):
            xas.eels.white_line_ratio(data)

    def test_l2_beyond_the_axis(self, rng):
        data = xas.eels.subtract_background(spectra.crop(image(rng), window=(560, 648)), window=(570, 632))
        with pytest.raises(
            InvalidInput, match="do not hold L3 and L2 of Mn.*L2 lies about 11.2 eV behind it|eV are missing"
        ):
            xas.eels.white_line_ratio(data)

    def test_lanthanum_under_nickel(self, rng, data_dir):
        loss = np.arange(780.0, 920.0, 0.5)
        data = image(rng, (), loss=loss, at=855.0, gap=17.0).assign_attrs(element="Ni", sample="LaNiO3")
        data = xas.eels.subtract_background(data, window=(790, 825))
        with pytest.raises(InvalidInput, match=r"La M4 \(853 eV\) lies under Ni L3 of this sample"):
            xas.eels.white_line_ratio(data)
        folder = data_dir / "eels" / "eelsdb"
        measured = xas.eels.read(folder / "La2NiO4_OK_LaM_NiL_headerless_tab.msa")
        measured = xas.eels.subtract_background(measured, window=(790, 825))
        with pytest.raises(InvalidInput, match="La M4|another edge, as strong as L3, stands in front of it"):
            xas.eels.white_line_ratio(measured, "Ni")


def test_missing_angles_for_a_cross_section(rng):
    loss = np.arange(450.0, 720.0, 0.5)
    counts = rng.poisson(
        9e3 * (loss / 500) ** -3 + 800.0 * ((loss > 532) & (loss < 585)) + 500.0 * (loss > 640)
    )
    data = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", units="counts")
    windows = {"background": ((460, 525), (590, 635)), "signal": ((532, 582), (640, 690))}
    with pytest.raises(InvalidInput, match="beam_energy|collection_angle"):
        xas.eels.quantify(data.assign_attrs(beam_energy=200.0), model="sigmak_sigmal", **windows)
    with pytest.raises(InvalidInput, match="beam_energy|collection_angle"):
        xas.eels.quantify(data.assign_attrs(collection_angle=30.0), model="sigmak_sigmal", **windows)
    both = data.assign_attrs(collection_angle=30.0, beam_energy=200.0)
    assert float(xas.eels.quantify(both, model="sigmak_sigmal", **windows).atomic_ratio.squeeze()) > 0


class TestPixels:
    def treated(self, data):
        return xas.eels.white_line_ratio(xas.eels.subtract_background(data, window=(570, 632)))

    @pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
    def test_one_bad_pixel_leaves_the_others(self, rng, value):
        data = image(rng)
        broken = data.copy(deep=True)
        broken.counts[1, 2] = value
        good, some = self.treated(data), self.treated(broken)
        assert np.argwhere(failed(some).values).tolist() == [[1, 2]]
        kept = np.ones((4, 5), bool)
        kept[1, 2] = False
        for name in ("l3_l2_ratio", "l3_l2_ratio_sigma", "l3_position"):
            np.testing.assert_allclose(some[name].values[kept], good[name].values[kept], rtol=1e-9)
            assert np.isnan(some[name].values[1, 2])

    def test_an_image_of_nothing_but_zeros(self, rng):
        data = image(rng)
        data.counts[:] = 0.0
        made = self.treated(data)
        assert flags_set(made)["no_background"] == 20
        assert np.isnan(made.l3_l2_ratio.values).all()

    def test_a_window_whose_upper_half_is_zero(self, rng):
        """One such pixel stops the fast background of a usual program for the whole image."""
        data = image(rng)
        data.counts[2, 2] = data.counts[2, 2].where((LOSS < 600) | (LOSS > 635), 0.0)
        made = xas.eels.subtract_background(data, window=(570, 632))
        assert np.isfinite(made.net.values).all()
        other = xas.eels.subtract_background(data, window=(570, 632), estimator="two_area")
        assert np.isfinite(other.net.values).all(-1).sum() >= 19

    def test_saturation_is_flagged_per_pixel_when_read(self, tmp_path):
        counts = np.round(mean_of(LOSS)).astype("i4") * np.ones((2, 3, 1), "i4")
        counts[1, 2] = np.minimum(counts[1, 2], 2400)
        cube = np.ascontiguousarray(np.moveaxis(counts, -1, 0))  # the places run fastest in the file
        tags = {"Meta Data": {"Signal": "EELS", "Format": "Spectrum image"}}
        places = [(0.0, 1.0, "nm"), (0.0, 1.0, "nm"), (-1120.0, 0.5, "eV")]
        file = tmp_path / "map.dm4"
        file.write_bytes(digital_micrograph({"ImageList": {"0": dm_image(cube, places, ImageTags=tags)}}, 4))
        scan = xas.eels.read(file)
        assert scan.counts.shape == (2, 3, LOSS.size)
        assert [flag_names(scan, y=y, x=x) for y in (0, 1) for x in (1, 2)] == [[], [], [], ["saturated"]]
        assert not failed(scan).any()
        assert "saturated" in " ".join(notes_of(scan) or scan.spectra.history[0]["notes"])

    def test_spikes_are_named_and_taken_away(self, data_dir):
        yag = xas.eels.read(data_dir / "eels" / "eelsdb" / "YAG_OK_spikes.msa")
        assert "stand out like spikes (at 513.5" in " ".join(history(yag)[0]["notes"])
        clean = spectra.despike(yag)
        changed = clean.energy_loss.values[np.flatnonzero(clean.counts.values != yag.counts.values)]
        np.testing.assert_allclose(changed, [581.9, 640.9])  # the third is within what noise does

    def test_a_file_without_header_is_never_empty(self, tmp_path):
        (tmp_path / "bare.msa").write_text(
            "\n".join(f"{e:.1f}\t{int(n)}" for e, n in zip(LOSS, mean_of(LOSS), strict=True))
        )
        scan = xas.eels.read(tmp_path / "bare.msa")
        assert scan.sizes["energy_loss"] == LOSS.size
        (tmp_path / "empty.msa").write_text(emsa([], DATATYPE="XY"))
        with pytest.raises(ReadError, match="holds no values after its header"):
            xas.eels.read(tmp_path / "empty.msa")

    def test_cross_sections_need_no_network(self, monkeypatch):
        import socket

        def refuse(*_, **__):
            raise AssertionError("a cross-section opened a connection")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        found = xas.eels.cross_section("O", "K", beam_energy=200.0, collection_angle=30.0, width=50.0)
        assert found.value == pytest.approx(1170, rel=1e-3)


class TestOverSubtraction:
    def test_an_extrapolation_above_the_data_is_flagged(self, rng):
        """The data fall faster behind the window than in it: the tail of another edge inside of the window."""
        loss = np.arange(500.0, 640.0, 0.5)
        truth = 3000 * (loss / 500) ** -4.0
        bent = truth + 200 * np.clip((loss - 560) / 40, 0, 1)
        counts = rng.poisson(np.where(loss < 600, bent, truth), (30, loss.size))
        data = spectra.from_arrays(
            loss, counts, axis="energy_loss", name="counts", units="counts", dims=("x",)
        )
        made = xas.eels.subtract_background(data, window=(560, 598))
        assert flags_set(made)["over_subtracted"] == 30
        assert not failed(made).any()  # a warning: the numbers stand

    @pytest.mark.parametrize("level", [9.0, 200.0, 20000.0])
    def test_noise_alone_is_not(self, rng, level):
        loss = np.arange(560.0, 700.0, 0.5)
        counts = rng.poisson(level * (loss / 600) ** -3.0, (1000, loss.size))
        data = spectra.from_arrays(
            loss, counts, axis="energy_loss", name="counts", units="counts", dims=("x",)
        )
        for options in ({}, {"method": "exponential"}, {"method": "linear"}):
            made = xas.eels.subtract_background(data, window=(562, 632), **options)
            many = flags_set(made)["over_subtracted"]
            bent = options.get("method") == "linear" and level > 1000
            assert many == 0 or bent

    def test_stated_sigmas_and_lazy_data(self, rng):
        loss = np.arange(560.0, 700.0, 0.5)
        values = np.where(loss < 632, 100.0, 80.0) + rng.standard_normal((3, loss.size))
        data = spectra.from_arrays(
            loss, values, axis="energy_loss", name="counts", dims=("x",), sigma=np.ones_like(values)
        )
        made = xas.eels.subtract_background(data, window=(562, 630), method="polynomial", degree=0)
        assert flags_set(made)["over_subtracted"] == 3
        lazy = xas.eels.subtract_background(
            data.chunk({"x": 1}), window=(562, 630), method="polynomial", degree=0
        )
        np.testing.assert_array_equal(lazy.status.values, made.status.values)

    def test_la2nio4_with_a_short_window_into_the_edge(self, data_dir):
        data = xas.eels.read(data_dir / "eels" / "eelsdb" / "La2NiO4_OK_LaM_NiL_headerless_tab.msa")
        assert "over_subtracted" in flag_names(xas.eels.subtract_background(data, window=(515, 535)))
        assert "over_subtracted" not in flag_names(xas.eels.subtract_background(data, window=(480, 525)))

    def test_stretches_cover_what_is_behind(self):
        energy = np.arange(600.0, 700.0)
        found = stretches(energy, 640.0)
        assert len(found) == 8
        assert found[0][0] == 41
        assert found[-1][-1] == 99
        assert stretches(energy, 698.5) == []


class TestEnergyScale:
    def test_offsets_as_found_in_files_are_taken_out(self, rng):
        data = image(rng, (3,), at=642.0)
        shifts = []
        for offset in (0.0, -11.0, 4.0, 6.7):
            moved = data.assign_coords(energy_loss=("energy_loss", LOSS + offset, {"units": "eV"}))
            made = xas.eels.calibrate_energy(moved, features={"Mn L3": (636 + offset, 648 + offset, 642.0)})
            shifts.append(float(made.energy_shift) + offset)
            assert made.attrs["energy_scale"] == "Mn L3 at 642 eV"
            lines = xas.eels.white_line_ratio(xas.eels.subtract_background(made, window=(570, 632)))
            assert flags_set(lines)["energy_scale_off"] == 0
            assert float(lines.l3_position.mean()) == pytest.approx(642, abs=0.3)
        np.testing.assert_allclose(shifts, shifts[0], atol=1e-6)

    def test_two_features_correct_the_dispersion(self):
        loss = np.arange(500.0, 720.0, 0.25)
        counts = sum(100 * np.exp(-(((loss - at) / 2) ** 2)) for at in (532.0, 642.0))
        read = 1.01 * loss - 3.0
        data = spectra.from_arrays(read, counts, axis="energy_loss", name="counts")
        features = {"O K": (530, 540, 532.0), "Mn L3": (640, 652, 642.0)}
        made = xas.eels.calibrate_energy(data, features=features)
        np.testing.assert_allclose(made.energy_loss, loss, atol=0.02)
        assert float(made.dispersion_factor) == pytest.approx(1 / 1.01, rel=1e-4)
        stretched = spectra.from_arrays(1.05 * loss, counts, axis="energy_loss", name="counts")
        features = {"O K": (550, 565, 532.0), "Mn L3": (665, 682, 642.0)}
        doubted = history(xas.eels.calibrate_energy(stretched, features=features))[-1]["notes"]
        assert any("the dispersion differs by -4.8 %" in text for text in doubted)

    def test_the_splitting_tells_a_wrong_dispersion(self, rng):
        data = image(rng, (2,), gap=14.2)
        lines = xas.eels.white_line_ratio(xas.eels.subtract_background(data, window=(570, 632)))
        assert flags_set(lines)["splitting_off"] == 2

    @pytest.mark.parametrize("gap", [15.5, 17.0, 20.0])
    def test_an_l2_where_it_is_not_looked_for_is_told(self, rng, gap):
        """What is taken for L2 is then the flank of the true one, or noise: nothing else would say so."""
        data = xas.eels.subtract_background(image(rng, (2,), gap=gap), window=(570, 632))
        assert flags_set(xas.eels.white_line_ratio(data))["splitting_off"] == 2

    @pytest.mark.parametrize(
        "counts",
        [
            mean_of(LOSS) + 250 * np.exp(-(((LOSS - 668) / 6) ** 2)),
            mean_of(LOSS, height=0.0),
            mean_of(LOSS, height=60.0) / 20,
        ],
        ids=["a plasmon behind both lines", "nothing", "hardly anything"],
    )
    def test_no_line_is_seen_in_what_is_none(self, rng, counts):
        data = image(rng, (300,)).copy(data={"counts": rng.poisson(counts, (300, LOSS.size)).astype(float)})
        data = xas.eels.subtract_background(data, window=(570, 632))
        for positions in (None, "own", (642.0, 653.0)):
            made = xas.eels.white_line_ratio(data, positions=positions)
            named = flags_set(made)
            assert [named[n] for n in ("edge_in_front", "no_l3")] == [0, 0]
            assert (
                named["splitting_off"] == 0 or named["l2_not_seen"] > 0
            )  # what is found in noise lies anywhere

    @pytest.mark.parametrize("offset", [10.0, 11.0, 15.0, 20.0])
    def test_a_scale_far_off_is_a_sentence(self, rng, offset):
        """L3 is then found where L2 should be: without a word the ratio would come out as -0.2."""
        data = image(rng, (3,), at=642.0 + offset)
        with pytest.raises(InvalidInput, match="hardly anything stands where L3 of Mn is looked for") as told:
            xas.eels.white_line_ratio(xas.eels.subtract_background(data, window=(570, 632)))
        said = re.search(r"off by about (\d+) eV.*\((\d+), (\d+), ([\d.]+)\)", str(told.value))
        off, low, high, to = (float(word) for word in said.groups())
        assert off == pytest.approx(offset, abs=1)
        moved = xas.eels.calibrate_energy(data, features={"Mn L3": (low, high, to)})
        made = xas.eels.white_line_ratio(xas.eels.subtract_background(moved, window=(560, 626)))
        assert float(made.l3_position.mean()) == pytest.approx(to, abs=0.5)
        assert float(made.l3_l2_ratio.mean()) == pytest.approx(2.4, abs=0.2)

    def test_a_scale_far_off_the_other_way(self, rng):
        data = xas.eels.subtract_background(image(rng, (3,), at=626.0), window=(565, 612))
        with pytest.raises(InvalidInput, match="if it is L3 of Mn itself, the energy scale is off"):
            xas.eels.white_line_ratio(data)

    def test_one_pixel_of_an_image_that_is_far_off_holds_nothing(self, rng):
        good, off = image(rng, (3,)).counts.values, image(rng, (1,), at=655.0).counts.values
        data = image(rng, (4,)).copy(data={"counts": np.concatenate([good, off])})
        made = xas.eels.white_line_ratio(xas.eels.subtract_background(data, window=(570, 632)))
        assert flags_set(made)["no_l3"] == 1
        np.testing.assert_array_equal(np.isnan(made.l3_l2_ratio), [False, False, False, True])
        assert bool(np.isnan(made.l3_position[3]))

    def test_measured_files_of_one_film_meet(self, data_dir):
        """L3 of the raw spectrum at 648.7 and of the interface at 646.9 eV."""
        folder = data_dir / "eels"
        found = []
        for name in ("exspy/LSMO_coreloss_raw.msa", "eelsdb/LSMO_Ovac_MnL.msa"):
            scan = xas.eels.calibrate_energy(
                xas.eels.read(folder / name), features={"Mn L3": (644, 652, 642.0)}
            )
            found.append(float(scan.energy_shift))
        assert found == pytest.approx([-6.7, -4.9], abs=0.3)

    @pytest.mark.parametrize(
        ("features", "words"),
        [
            ({}, "names at least one"),
            ({"O K": (520.0, 540.0, 532.0)}, "O K: .* holds 0 channels of data from 560 to 699.5 eV"),
            ({"edge": (600.0, 630.0, 610.0)}, "no maximum inside .* rises to its end"),
            ({"a": (638.0, 646.0, 642.0), "b": (650.0, 656.0, 645.0)}, "would stretch the scale by 0.27"),
        ],
    )
    def test_refused(self, rng, features, words):
        with pytest.raises(InvalidInput, match=words):
            xas.eels.calibrate_energy(image(rng, (40,)), features=features)

    def test_after_the_background_it_is_too_late(self, rng):
        data = xas.eels.subtract_background(image(rng), window=(570, 632))
        with pytest.raises(InvalidInput, match="calibrate the energy before"):
            xas.eels.calibrate_energy(data, features={"Mn L3": (638, 646, 642.0)})

    def test_a_dip_is_no_maximum(self):
        y = -mean_of(LOSS)
        with pytest.raises(InvalidInput, match="Mn L3: "):
            highest(LOSS, y, 641.0, 643.0, 1.5, "Mn L3")
