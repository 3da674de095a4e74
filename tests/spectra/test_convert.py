"""Conversions: nothing is lost on the way there and back, nothing given is changed, larch leaves no trace."""

import json
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest

import spectra
import spectra.dataset as convert
from spectra.dataset import as_dataset
from spectra.dataset.convert import from_foreign
from spectra.errors import InvalidInput
from spectra.larch_guard import larch_attribute, larch_function, quiet_larch

ENERGY = np.array([6530.0, 6540.0, 6550.0])


@pytest.fixture
def scans(frozen):
    data = spectra.from_arrays(
        frozen(ENERGY),
        {"mu": frozen([[0.1, 1.2, 1.0], [0.2, 1.1, 0.9]]), "i0": frozen(np.ones((2, 3)))},
        dims=("scan",),
        attrs={"technique": "xas", "title": "MnO", "element": "Mn", "edge": "K"},
    )
    data = data.assign(e0=("scan", [6538.0, 6539.0], {"units": "eV"}))
    return spectra.crop(data, window=(6500, 6600))


class TestLarch:
    def test_there_and_back(self, scans):
        group = convert.to_larch_group(scans, scan=1)
        np.testing.assert_array_equal(group.mu, [0.2, 1.1, 0.9])
        assert (group.e0, group.atsym, group.edge, group.filename) == (6539.0, "Mn", "K", "MnO")
        (entry,) = group.journal.get("spectra.crop", latest=False)
        assert json.loads(entry.value) == {"window": [6500, 6600]}
        back = spectra.from_larch_group(group)
        np.testing.assert_array_equal(back.energy, ENERGY)
        np.testing.assert_array_equal(back.mu, group.mu)
        assert float(back.e0) == 6539.0
        assert (back.attrs["element"], back.attrs["edge"], back.attrs["title"]) == ("Mn", "K", "MnO")
        assert json.loads(back.attrs["larch_journal"])[0][0] == "spectra.crop"

    def test_larch_may_write_into_the_group(self, scans):
        group = convert.to_larch_group(scans, scan=0)
        group.mu[:] = 0
        assert scans.mu[0, 0] == 0.1

    def test_what_larch_computes_comes_over(self, data_dir):
        scan = spectra.read(data_dir / "xas" / "Cu_foil_rt_larch.xdi").rename({"mutrans": "mu"})
        group = convert.to_larch_group(scan.assign_attrs(signal="mu"))
        larch_function("larch.xafs", "autobk")(group, rbkg=1, kweight=1)
        larch_function("larch.xafs", "xftf")(group, kmin=3, kmax=12, kweight=2)
        data = as_dataset(group)
        assert {"norm", "flat", "bkg", "chi", "chir_mag", "e0", "edge_step"} <= set(data.variables)
        np.testing.assert_array_equal(data.chi, group.chi)
        assert data.chi.dims == ("k",)
        assert data.k.attrs["units"] == "1/angstrom"

    def test_descending_energies_and_short_arrays(self):
        group = larch_attribute("larch", "Group")(energy=ENERGY[::-1], mu=[3.0, 2, 1], norm=[1.0, 2])
        data = spectra.from_larch_group(group)
        assert data.mu.values.tolist() == [1, 2, 3]
        text = " ".join(n for entry in data.spectra.history for n in entry["notes"])
        assert "left out: norm" in text
        assert "reversed" in text
        assert group.energy[0] == 6550

    def test_bad_groups(self, scans):
        group = larch_attribute("larch", "Group")
        with pytest.raises(InvalidInput, match="needs energy to become a dataset"):
            spectra.from_larch_group(group(mu=[1.0, 2]))
        with pytest.raises(InvalidInput, match="needs mu or norm along its energy"):
            spectra.from_larch_group(group(energy=[1.0, 2]))
        with pytest.raises(InvalidInput, match=r"takes one spectrum; choose it along scan, such as scan=0"):
            convert.to_larch_group(scans)
        with pytest.raises(InvalidInput, match="no dimension 'scn'; did you mean 'scan'"):
            convert.to_larch_group(scans, scn=0)
        raman = spectra.from_arrays([1.0, 2], [1.0, 2], axis="raman_shift")
        with pytest.raises(InvalidInput, match="this dataset lies along raman_shift"):
            convert.to_larch_group(raman)


LOOK = """
import logging, warnings
import lmfit, numpy, pandas, scipy.optimize, xarray
logging.getLogger().setLevel(logging.INFO)
before = list(warnings.filters), logging.getLogger().level, list(logging.getLogger().handlers)
{load}
after = list(warnings.filters), logging.getLogger().level, list(logging.getLogger().handlers)
assert before == after, (before, after)
import sys
assert "larch" in sys.modules
"""


@pytest.mark.parametrize(
    "load",
    [
        "from spectra.larch_guard import quiet_larch\nwith quiet_larch():\n    import larch.xafs",
        "from spectra.larch_guard import larch_function\nlarch_function('larch.xafs', 'etok')(10)",
        "import spectra\nspectra.to_larch_group(spectra.from_arrays([1.0, 2.0], [1.0, 2.0]))",
    ],
)
def test_loading_larch_leaves_no_trace(load):
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(load=load)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_guard_restores_after_an_error():
    import logging
    import warnings

    before = list(warnings.filters), logging.getLogger().level

    def fail():
        with quiet_larch():
            logging.getLogger().setLevel(1)
            warnings.simplefilter("always")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (list(warnings.filters), logging.getLogger().level) == before


# ---- HyperSpy is not installed here: stand-ins with the attributes that its signals have -------------------------


class Axis:
    def __init__(self, name, units, axis):
        self.name, self.units, self.axis, self.size = name, units, np.asarray(axis, float), len(axis)


class Signal:
    """What is used of ``hyperspy.signals.Signal1D``: data, axes_manager, metadata.General.title, _signal_type."""

    def __init__(self, data, navigation, signal, kind="", title=""):
        self.data, self._signal_type = data, kind
        # HyperSpy lists navigation axes in reversed order of the array's
        self.axes_manager = types.SimpleNamespace(
            navigation_axes=tuple(navigation[::-1]), signal_axes=(signal,)
        )
        self.metadata = types.SimpleNamespace(General=types.SimpleNamespace(title=title))


UNDEFINED = object()  # HyperSpy's axes without a name or unit hold an object that is no text


class TestHyperSpy:
    def test_a_map_of_energy_losses(self, frozen):
        data = frozen(np.arange(24.0).reshape(2, 3, 4))
        axes = [Axis("y", "nm", [0, 5]), Axis("x", "nm", [0, 1, 2])]
        signal = Signal(data, axes, Axis(UNDEFINED, UNDEFINED, [640, 641, 642, 643]), "EELS", "LMO")
        dataset = as_dataset(signal)
        assert dataset.intensity.dims == ("y", "x", "energy_loss")
        np.testing.assert_array_equal(dataset.intensity, data)
        assert dataset.x.attrs["units"] == "nm"
        assert (dataset.attrs["technique"], dataset.attrs["title"]) == ("eels", "LMO")

    def test_settings_of_the_microscope_come_along(self):
        eels = types.SimpleNamespace(EELS=types.SimpleNamespace(collection_angle=np.float64(50)))
        tem = types.SimpleNamespace(beam_energy=200.0, convergence_angle=0.0, Detector=eels)
        signal = Signal(np.ones(2), [], Axis(UNDEFINED, UNDEFINED, [640, 641]), "EELS")
        signal.metadata.Acquisition_instrument = types.SimpleNamespace(TEM=tem)
        settings = {k: v for k, v in as_dataset(signal).attrs.items() if k.endswith(("energy", "angle"))}
        assert settings == {"beam_energy": 200.0, "collection_angle": 50.0}  # an angle of zero is no angle

    def test_names_units_and_directions(self):
        signal = Signal(np.array([1.0, 2, 3]), [], Axis("Energy", "keV", [6.57, 6.56, 6.55]))
        dataset = convert.from_hyperspy(signal)
        np.testing.assert_allclose(dataset.energy, [6550, 6560, 6570])
        assert dataset.intensity.values.tolist() == [3, 2, 1]
        assert (
            "raman_shift"
            in convert.from_hyperspy(Signal(np.ones(2), [], Axis(UNDEFINED, "1/cm", [5, 6]))).dims
        )

    def test_lazy_signals_stay_lazy(self):
        dask = pytest.importorskip("dask.array")
        data = dask.ones((2, 5), chunks=(1, 5))
        dataset = convert.from_hyperspy(
            Signal(data, [Axis("x", "nm", [0, 1])], Axis("Energy", "eV", range(5)))
        )
        assert dataset.intensity.chunks is not None

    def test_signals_that_are_no_spectra(self):
        with pytest.raises(
            InvalidInput, match=r"the signal axis scan \(no units\) is no spectral axis; name it one of"
        ):
            convert.from_hyperspy(Signal(np.ones(3), [], Axis("scan", UNDEFINED, [0, 1, 2])))
        image = Signal(np.ones((2, 2)), [], Axis("x", "nm", [0, 1]))
        image.axes_manager.signal_axes = (Axis("x", "nm", [0, 1]), Axis("y", "nm", [0, 1]))
        with pytest.raises(InvalidInput, match="this one has 2"):
            convert.from_hyperspy(image)

    def test_to_hyperspy(self, scans, monkeypatch):
        def signal1d(data, axes, metadata):
            navigation = [Axis(a["name"], a["units"], a["axis"]) for a in axes if a["navigate"]]
            (last,) = [Axis(a["name"], a["units"], a["axis"]) for a in axes if not a["navigate"]]
            return Signal(data, navigation, last, title=metadata["General"]["title"])

        api = types.ModuleType("hyperspy.api")
        api.signals = types.SimpleNamespace(Signal1D=signal1d)
        package = types.ModuleType("hyperspy")
        package.api = api
        monkeypatch.setitem(sys.modules, "hyperspy", package)
        monkeypatch.setitem(sys.modules, "hyperspy.api", api)
        back = convert.from_hyperspy(convert.to_hyperspy(scans))
        np.testing.assert_array_equal(back.intensity, scans.mu)
        np.testing.assert_array_equal(back.energy, scans.energy)
        assert back.attrs["title"] == "MnO"
        with pytest.raises(InvalidInput, match="'e0' is no variable along energy"):
            convert.to_hyperspy(scans, "e0")

    def test_without_hyperspy(self, scans, monkeypatch):
        monkeypatch.setitem(sys.modules, "hyperspy", None)
        monkeypatch.setitem(sys.modules, "hyperspy.api", None)
        with pytest.raises(InvalidInput, match="needs HyperSpy, which is not installed"):
            convert.to_hyperspy(scans)


class TestPandas:
    def test_columns_are_variables(self):
        frame = pd.DataFrame({"mu": [1.0, 2, 3], "energy": ENERGY, "i0": [5, 6, 7]})
        data = as_dataset(frame)
        assert data.attrs["signal"] == "mu"
        assert data.i0.values.tolist() == [5, 6, 7]
        assert spectra.from_pandas(frame, signal="i0").attrs["signal"] == "i0"

    def test_columns_are_a_series(self):
        frame = pd.DataFrame(
            np.arange(6.0).reshape(3, 2), index=pd.Index(ENERGY, name="energy"), columns=[3.6, 4.2]
        )
        data = spectra.from_pandas(frame, dim="voltage", signal="mu")
        assert data.voltage.values.tolist() == [3.6, 4.2]
        pd.testing.assert_frame_equal(convert.to_pandas(data), frame, check_names=False)

    def test_round_trip_of_one_spectrum(self, scans):
        one = scans.isel(scan=0)
        frame = convert.to_pandas(one)
        assert frame.columns.tolist() == ["mu", "i0"]
        np.testing.assert_array_equal(spectra.from_pandas(frame).mu, one.mu)
        assert convert.to_pandas(scans, "i0").shape == (3, 2)

    def test_an_index_without_a_name(self):
        frame = pd.DataFrame({"a": [1.0, 2.0]}, index=[500.0, 510.0])
        with pytest.raises(InvalidInput, match="say which it is with axis="):
            spectra.from_pandas(frame)
        assert spectra.from_pandas(frame, axis="raman_shift").raman_shift.values.tolist() == [500, 510]

    def test_bad_frames(self):
        with pytest.raises(InvalidInput, match="a holds .*, not numbers"):
            spectra.from_pandas(pd.DataFrame({"energy": [1.0, 2], "a": ["x", "y"]}))
        with pytest.raises(InvalidInput, match="no column beside its spectral axis"):
            spectra.from_pandas(pd.DataFrame({"energy": [1.0, 2]}))
        with pytest.raises(InvalidInput, match="axis 'enrgy' is not a spectral axis; did you mean 'energy'"):
            spectra.from_pandas(pd.DataFrame({"a": [1.0, 2]}), axis="enrgy")
        with pytest.raises(InvalidInput, match="no column 'nu'; allowed: mu"):
            spectra.from_pandas(pd.DataFrame({"energy": [1.0, 2], "mu": [1.0, 2]}), signal="nu")


def test_what_is_nothing_of_these():
    assert from_foreign([1, 2, 3]) is None
    with pytest.raises(InvalidInput, match="takes an xarray.Dataset of spectra"):
        as_dataset([1, 2, 3])
