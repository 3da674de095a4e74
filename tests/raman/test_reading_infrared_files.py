"""Every infrared file of the collection goes to the reader that knows it, with its quantity, units and axis."""

import numpy as np
import pytest

import raman
import spectra
from spectra.dataset import spectral_axis, validate
from spectra.errors import SpectraError
from spectra.reading.registry import read_scans

#: file -> reader, scans, quantity of the first and its units
FILES = {
    "agilent/4_noimage_agg256.bsp": ("agilent", 1, "absorbance", ""),
    "agilent/4_noimage_agg256.dat": ("agilent", 1, "absorbance", ""),
    "agilent/4_noimage_agg256.hdr": ("agilent", 1, "absorbance", ""),
    "emsc/MieStd1_rawSpec.csv": ("rows", 1, "intensity", ""),
    "emsc/MieStd2_refSpec.csv": ("rows", 1, "intensity", ""),
    "omnic/7_CZ0-100_Pd_101.SPA": ("omnic", 1, "absorbance", ""),
    "omnic/CO@Mo_Al2O3.SPG": ("omnic", 57, "absorbance", ""),
    "omnic/interfero.SPA": ("omnic", 1, "interferogram", "V"),
    "omnic/orange_sample1.spa": ("omnic", 1, "absorbance", ""),
    "omnic/spectre.SPA": ("omnic", 2, "single_channel", ""),
    "omnic/wodger.spg": ("omnic", 4, "absorbance", ""),
    "opus/background.0": ("opus", 2, "single_channel", ""),
    "opus/brukeropus_file.0": ("opus", 6, "absorbance", ""),
    "opus/not_opus.spa": ("omnic", 1, "absorbance", ""),
    "opus/test.0000": ("opus", 6, "absorbance", ""),
    "opus/test.0001": ("opus", 6, "absorbance", ""),
    "opus/test_opus.0": ("opus", 1, "intensity", ""),
    "perkinelmer/4x4_pixel_PE_image.fsm": ("perkinelmer", 1, "transmittance", "%"),
    "perkinelmer/single_PE_spectrum.sp": ("perkinelmer", 1, "transmittance", "%"),
    "photothermal/Nodax_Spectral_Array.ptir": ("ptir", 7, "single_channel", ""),
    "text/peach_juice.dpt": ("dpt", 1, "intensity", ""),
}
#: Files that are refused: a table of expected values without an axis, an index of points, a description.
REFUSED = {"README.md", "emsc/MieStd3_corr.csv", "text/IFG_single.dpt"}


def test_the_lists_are_complete(data_dir):
    folder = data_dir / "ftir"
    assert {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()} == {*FILES, *REFUSED}


@pytest.mark.parametrize("name", FILES)
def test_every_file(data_dir, name):
    reader, count, signal, units = FILES[name]
    file = data_dir / "ftir" / name
    scans = read_scans(file)
    assert (len(scans), scans[0].attrs["reader"]) == (count, reader)
    assert (scans[0].attrs["signal"], scans[0][scans[0].attrs["signal"]].attrs["units"]) == (signal, units)
    for number in {0, count - 1}:
        scan = validate(raman.read(file, select=number))
        x = scan[spectral_axis(scan)].values
        assert spectral_axis(scan) in ("wavenumber", "raman_shift", "path_difference")
        assert spectral_axis(scan) == "path_difference" or 0 <= x[0] < x[-1] < 16000
        assert np.isfinite(scan[scan.attrs["signal"]]).any()
        assert scan.attrs["title"]
        assert len(scan.spectra.history) == 1


def test_every_refusal_is_a_sentence(data_dir):
    for name in REFUSED:
        with pytest.raises(SpectraError) as caught:
            raman.read(data_dir / "ftir" / name)
        assert name.split("/")[-1] in str(caught.value)
        assert str(caught.value).endswith(".")


def test_inspect_lists_everything(data_dir):
    table = spectra.inspect(data_dir / "ftir" / "opus" / "brukeropus_file.0")
    assert list(table.scan) == [
        "absorbance", "sample interferogram", "sample phase", "sample single channel", "reference interferogram",
        "reference single channel",
    ]  # fmt: skip
