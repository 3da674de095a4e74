"""Energy-loss formats written byte by byte: every form reads to its truth, and what cannot be read is refused."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas.eels
from spectra.errors import ReadError
from spectra.reading.scan import notes_of
from tests.xas.eels.eels_files import digital_micrograph, dm_image, emsa, tia
from xas.eels.reading.doubts import background_removed, doubts, spikes


def notes(scan):
    return " | ".join(notes_of(scan) or scan.spectra.history[0].get("notes", []))


def loss(n=400, first=600.0, step=0.5):
    """A core loss on its background, in whole counts."""
    x = first + step * np.arange(n)
    edge = 800 * np.exp(-(((x - 642) / 2) ** 2)) + 300 * (x > 640)
    return x, np.round(4000 * (x / 600) ** -3 + edge)


@pytest.fixture
def write(tmp_path):
    def written(content, name):
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        else:
            file.write_bytes(content)
        return file

    return written


class TestEmsa:
    def test_every_form_of_the_data_is_the_same_spectrum(self, write):
        x, y = loss(60)
        pairs = [f"{a:.1f}, {b:.0f}" for a, b in zip(x, y, strict=True)]
        spaced = [p.replace(", ", "  ") for p in pairs]
        axis = {"OFFSET": x[0], "XPERCHAN": 0.5, "NPOINTS": f"{y.size}."}
        forms = [
            emsa(pairs, DATATYPE="XY", **axis),
            emsa(spaced, DATATYPE="XY"),
            emsa([", ".join(pairs[i : i + 2]) for i in range(0, 60, 2)], DATATYPE="XY", NCOLUMNS=2),
            emsa([f"{b:.0f}" for b in y], DATATYPE="Y", **axis),
            emsa([", ".join(f"{b:.0f}" for b in y[i : i + 5]) for i in range(0, 60, 5)], DATATYPE="Y", NCOLUMNS=5, **axis),
            emsa([f"{a / 1000:.6f}, {b:.0f}" for a, b in zip(x, y, strict=True)], DATATYPE="XY", XUNITS="keV"),
            emsa(pairs, DATATYPE="XY", **axis).replace("\n", "\r\n"),
            "\n".join(pairs),
            "\n".join(spaced),
            "\n".join(p.replace(", ", "\t") for p in pairs),
            "\n".join(p.replace(", ", ";") for p in pairs),
        ]  # fmt: skip
        for number, text in enumerate(forms):
            scan = xas.eels.read(write(text, f"form{number}.msa"))
            np.testing.assert_allclose(scan.energy_loss.values, x, rtol=1e-12, err_msg=str(number))
            np.testing.assert_array_equal(scan.counts.values, y, err_msg=str(number))
            assert scan.counts.attrs["units"] == "counts"

    def test_settings_with_units_in_the_keyword_or_without(self, write):
        for keys in ({"BEAMKV   -kV": 300, "CONVANGLE-mR": 10, "COLLANGLE-mR": 30, "DWELLTIME-ms": 50}, {"BEAMKV": 300, "CONVANGLE": 10, "COLLANGLE": 30, "DWELLTIME": 50}):  # fmt: skip
            scan = xas.eels.read(write(emsa(["600, 5", "601, 6"], DATATYPE="XY", **keys), "set.msa"))
            assert [scan.attrs[k] for k in ("beam_energy", "convergence_angle", "collection_angle", "dwell_time")] == [300, 10, 30, 0.05]  # fmt: skip

    @pytest.mark.parametrize(
        ("keys", "rows", "words"),
        [
            ({"DATATYPE": "Y"}, ["5", "6", "7"], "its XPERCHAN and OFFSET do not say the energies"),
            (
                {"DATATYPE": "XY", "SIGNALTYPE": "EDS"},
                ["5, 6", "7, 8"],
                "holds X-ray emission .SIGNALTYPE EDS.",
            ),
            ({"DATATYPE": "XY", "XUNITS": "nm"}, ["5, 6", "7, 8"], "its axis is in 'nm', not eV"),
            ({"DATATYPE": "XY"}, [], "holds no values after its header"),
            ({"DATATYPE": "XY"}, ["5, 6"], "1 point; a spectrum needs at least 2"),
        ],
    )
    def test_refused(self, write, keys, rows, words):
        with pytest.raises(ReadError, match=words):
            xas.eels.read(write(emsa(rows, **keys), "bad.msa"))

    def test_a_copy_that_was_cut_says_so(self, write):
        x, y = loss(60)
        whole = emsa([f"{a:.1f}, {b:.0f}" for a, b in zip(x, y, strict=True)], DATATYPE="XY", NPOINTS=60)
        cut = xas.eels.read(write(whole[: whole.index("620.5") + 8], "cut.msa"))
        assert "lacks its last line, #ENDOFDATA" in notes(cut)
        assert "NPOINTS says 60 and the file holds 41" in notes(cut)
        assert cut.counts.values[-1] == y[40]  # the value that was cut short is gone
        with pytest.raises(ReadError, match="no line #SPECTRUM"):
            xas.eels.read(write(whole[:90], "cut.msa"))

    def test_datatype_that_contradicts_the_lines(self, write):
        scan = xas.eels.read(
            write(emsa(["600, 5", "601, 6"], DATATYPE="Y", NPOINTS=2, OFFSET=0, XPERCHAN=1), "y.msa")
        )
        assert scan.energy_loss.values.tolist() == [600, 601]
        assert "DATATYPE says Y and the lines are pairs" in notes(scan)
        scan = xas.eels.read(
            write(emsa(["5", "6"], DATATYPE="XY", NPOINTS=2, OFFSET=600, XPERCHAN=1), "xy.msa")
        )
        assert scan.energy_loss.values.tolist() == [600, 601]

    def test_energy_loss_is_the_axis_for_any_reader(self, write):
        scan = spectra.read(write(emsa(["600, 5", "601, 6"], DATATYPE="XY"), "any.txt"))
        assert (scan.attrs["reader"], scan.counts.dims) == ("emsa", ("energy_loss",))
        told = spectra.read(write(emsa(["600, 5", "601, 6"], DATATYPE="XY"), "any.txt"), axis="energy")
        assert told.mu.dims == ("energy",)


EELS = {"Meta Data": {"Signal": "EELS", "Format": "Spectrum"}}


class TestDigitalMicrograph:
    @pytest.mark.parametrize("version", [3, 4])
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("kind", ["f4", "i4", "i2"])
    def test_one_spectrum(self, write, version, order, kind):
        x, y = loss()
        tags = EELS | {
            "EELS": {"Experimental Conditions": {"Collection semi-angle (mrad)": 40.0, "Convergence semi-angle (mrad)": 0.0}, "Acquisition": {"Exposure (s)": 0.5, "Number of frames": 3, "Date": "12/14/2019", "Start time": "1:30:41 PM"}},
            "Microscope Info": {"Voltage": 300000.0, "Probe Current (nA)": 0.05},
            "Device": {"Size": (2048, 520)},
        }  # fmt: skip
        picture = {"ImageData": {"Data": np.zeros(4, "i4"), "DataType": 23, "Dimensions": {"0": 2, "1": 2}}}
        image = dm_image(y.astype(kind), [(-1200, 0.5, "eV")], ImageTags=tags, Name="Mn L")
        file = write(digital_micrograph({"ImageList": {"0": picture, "1": image}}, version, order), "a.dm")
        scan = xas.eels.read(file)
        np.testing.assert_allclose(scan.energy_loss.values, x)
        np.testing.assert_array_equal(scan.counts.values, y)
        said = {"beam_energy": 300.0, "collection_angle": 40.0, "dwell_time": 0.5, "frames": 3, "probe_current": 0.05, "title": "Mn L", "start_time": "2019-12-14T13:30:41"}  # fmt: skip
        assert {k: scan.attrs.get(k) for k in said} == said
        assert "convergence_angle" not in scan.attrs

    def test_order_of_the_axes(self, write):
        _, y = loss(100)
        rows, columns = 3, 4
        scale = 1 + np.arange(rows)[:, None] * 10 + np.arange(columns)  # row and column told from the height
        cube = np.round(scale[..., None] * y).astype("f4")
        place, energy = [(0, 2, "nm"), (0, 5, "nm")], (-1200, 0.5, "eV")
        layouts = {
            "energy slowest": (np.moveaxis(cube, -1, 0), [*place, energy]),
            "energy fastest": (cube, [energy, *place]),
        }
        for name, (data, calibrations) in layouts.items():
            image = dm_image(np.ascontiguousarray(data), calibrations, ImageTags=EELS)
            scan = xas.eels.read(write(digital_micrograph({"ImageList": {"0": image}}, 4), "si.dm4"))
            assert scan.counts.dims == ("y", "x", "energy_loss"), name
            np.testing.assert_array_equal(scan.counts.values, cube, err_msg=name)
            assert scan.x.values.tolist() == [0, 2, 4, 6]
            assert scan.y.values.tolist() == [0, 5, 10]
            assert scan.x.attrs["units"] == "nm"
        line = dm_image(np.ascontiguousarray(cube[0].T), [(0, 2, "nm"), energy], ImageTags=EELS)
        scan = xas.eels.read(write(digital_micrograph({"ImageList": {"0": line}}), "line.dm3"))
        assert scan.counts.dims == ("position", "energy_loss")
        np.testing.assert_array_equal(scan.counts.values, cube[0])

    def test_two_spectra_in_one_file_are_selected_by_name(self, write):
        _, y = loss()
        images = {
            str(i): dm_image((y + i).astype("f4"), [(-1200, 0.5, "eV")], Name=name)
            for i, name in enumerate(("low", "high"))
        }
        file = write(digital_micrograph({"ImageList": images}), "two.dm3")
        assert xas.eels.read(file, select="high").counts[0] == y[0] + 1
        assert xas.eels.read_series(file).sizes["scan"] == 2

    def test_pictures_and_uncalibrated(self, write):
        _, y = loss()
        picture = dm_image(np.ones((8, 8), "f4"), [(0, 1, "nm"), (0, 1, "nm")])
        with pytest.raises(ReadError, match="holds 1 pictures and no spectrum"):
            xas.eels.read(write(digital_micrograph({"ImageList": {"0": picture}}), "p.dm3"))
        bare = dm_image(y.astype("f4"), [(0, 1, "")], ImageTags=EELS)
        scan = xas.eels.read(write(digital_micrograph({"ImageList": {"0": bare}}), "b.dm3"))
        assert "the energy is not calibrated: channels were counted as eV" in notes(scan)
        xray = dm_image(y.astype("f4"), [(0, 10, "eV")], ImageTags={"Meta Data": {"Signal": "X-ray"}})
        with pytest.raises(ReadError, match="no spectrum"):
            xas.eels.read(write(digital_micrograph({"ImageList": {"0": xray}}), "x.dm3"))


class TestTia:
    @pytest.mark.parametrize("version", [0x0210, 0x0220])
    def test_a_grid_a_line_and_what_was_not_finished(self, write, version):
        counts = np.arange(6 * 50).reshape(6, 50)
        grid = xas.eels.read(write(tia(counts, sizes=[3, 2], version=version), "grid 1.ser"))
        assert grid.counts.dims == ("y", "x", "energy_loss")
        np.testing.assert_array_equal(grid.counts.values.reshape(6, 50), counts)
        np.testing.assert_allclose(grid.energy_loss.values[:2], [500, 500.5])
        line = xas.eels.read(write(tia(counts, version=version), "line.ser"))
        assert line.counts.dims == ("position", "energy_loss")
        assert line.attrs["start_time"] == "2020-09-13T12:26:40+00:00"
        part = xas.eels.read(write(tia(counts, sizes=[10], planned=10, version=version), "part.ser"))
        assert part.counts.dims == ("scan", "energy_loss")
        assert "6 of the 10 spectra that were planned" in notes(part)

    def test_refused(self, write):
        counts = np.ones((1, 50))
        with pytest.raises(ReadError, match="in steps of 1e-09, which are no energies"):
            xas.eels.read(write(tia(counts, step=1e-9), "length.ser"))
        images = bytearray(tia(counts))
        images[6:10] = b"\x22\x41\0\0"
        with pytest.raises(ReadError, match="TIA file of images, not of spectra"):
            xas.eels.read(write(bytes(images), "image.ser"))


def hspy(file, data, axes, kind="EELS", **metadata):
    """A signal as HyperSpy writes it; axes in the order of the data."""
    with h5py.File(file, "w") as root:
        root.attrs["file_format"] = "HyperSpy"
        group = root.create_group("Experiments/run")
        group["data"] = data
        group.create_group("learning_results")
        group.create_group("original_metadata")
        group.create_group("metadata/Signal").attrs["signal_type"] = kind
        for i, (navigate, attrs) in enumerate(axes):
            axis = group.create_group(f"axis-{i}")
            axis.attrs.update({"navigate": navigate, "size": data.shape[i], **attrs})
        for path, attrs in metadata.items():
            group.require_group("metadata/" + path.replace("__", "/")).attrs.update(attrs)
    return file


class TestHyperspy:
    def test_navigation_and_settings(self, tmp_path):
        _, y = loss(100)
        data = np.ones((3, 4, 1)) * y
        place = {"offset": 0.0, "scale": 2.0, "units": "nm"}
        axes = [(True, place | {"name": "y"}), (True, place | {"name": "x"}), (False, {"offset": 0.6, "scale": 0.0005, "units": "keV", "name": "Energy loss"})]  # fmt: skip
        tem = {"Acquisition_instrument__TEM": {"beam_energy": 80.0}, "Acquisition_instrument__TEM__Detector__EELS": {"collection_angle": 36.0, "frame_number": 12}}  # fmt: skip
        scan = xas.eels.read(hspy(tmp_path / "si.hspy", data, axes, **tem))
        assert dict(scan.sizes) == {"y": 3, "x": 4, "energy_loss": 100}
        np.testing.assert_allclose(scan.energy_loss.values[[0, -1]], [600, 649.5])
        assert scan.x.values.tolist() == [0, 2, 4, 6]
        said = ("beam_energy", "collection_angle", "frames")
        assert [scan.attrs[k] for k in said] == [80.0, 36.0, 12]

    def test_other_kinds_are_refused_by_name(self, tmp_path):
        axes = [(False, {"offset": 0.0, "scale": 0.01, "units": "keV"})]
        with pytest.raises(ReadError, match="run is of the kind EDS_TEM"):
            xas.eels.read(hspy(tmp_path / "a.hspy", np.ones(20), axes, kind="EDS_TEM"))
        axes = [(True, {"offset": 0.0, "scale": 1.0, "units": "nm"})]
        with pytest.raises(ReadError, match="run has 0 signal axes"):
            xas.eels.read(hspy(tmp_path / "b.hspy", np.ones(20), axes))


class TestDoubts:
    def test_a_clean_core_loss_gives_none(self, rng):
        x, y = loss()
        assert doubts(x, rng.poisson(y)) == []

    @given(st.integers(10, 380), st.integers(0, 2**31))
    @settings(max_examples=30)
    def test_a_spike_is_found_and_noise_is_not(self, at, seed):
        _, y = loss()
        counts = np.random.default_rng(seed).poisson(y).astype(float)
        before = spikes(counts)
        counts[at] += 20 * np.sqrt(y[at])
        assert spikes(counts)[at]
        assert before.sum() <= 1

    def test_zero_loss(self):
        x = np.arange(-20, 60, 0.1)
        y = 1e5 * np.exp(-((x / 0.5) ** 2)) + 100
        assert doubts(x, y) == []
        assert "the zero-loss peak is cut: its rising side" in doubts(x[x > -0.25], y[x > -0.25])[0]
        assert "on its falling side" in doubts(x[x > 0.05], y[x > 0.05])[0]
        tail = x > 5
        assert "is not in the data, which begin at 5" in doubts(x[tail], (y + x**2)[tail])[0]
        assert "the highest point lies at 12" in doubts(x + 12, y)[0]

    def test_saturation_zeros_and_negatives(self, rng):
        x, y = loss()
        counts = rng.poisson(y)
        assert "the detector may be saturated" in doubts(x, np.minimum(counts, 3600))[0]
        image = np.stack([counts, 0 * counts])
        assert "1 of 2 spectra hold nothing but zeros" in doubts(x, image)
        assert "5 of 400 counts are negative" in doubts(x, np.where(np.arange(400) < 5, -1, counts))[0]

    def test_background(self, rng):
        x, y = loss()
        net = rng.poisson(y) - 4000 * (x / 600) ** -3
        assert background_removed(x, net)
        assert not background_removed(x, y)
        assert not background_removed(x - 600, net)  # a low loss begins where it wants
