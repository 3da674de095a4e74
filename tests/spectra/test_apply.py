"""The bridge from kernels to labelled datasets: outputs of any number, labels with their units."""

import numpy as np

import spectra
from spectra.dataset import map_spectra


def test_one_output_alone_keeps_the_axis_and_its_units():
    data = spectra.from_arrays(
        [1.0, 2, 3], [[4.0, 5, 6], [7, 8, 9]], dims=("scan",), coords={"scan": ([0.1, 0.2], "V")}
    )
    found = map_spectra(
        lambda y: {"doubled": 2 * y}, [(data.intensity, ("energy",))], {"doubled": ("energy",)}
    )
    np.testing.assert_array_equal(found["doubled"], 2 * data.intensity)
    assert found["doubled"].energy.attrs == data.energy.attrs == {"units": "eV"}
    assert data.assign(found).scan.attrs["units"] == "V"
