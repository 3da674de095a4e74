"""Core losses in a results file: everything comes back, and the file makes the same numbers again."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.results.rerun import rerun
from tests.xas.eels.test_line_ratio import mean, subtracted


@pytest.fixture
def analysed(rng):
    counts = rng.poisson(mean(400), size=(2, 3, mean(1).size))
    counts[0, 1] = 0
    return xas.eels.white_line_ratio(subtracted(counts), method="all")


def test_saved_and_loaded(analysed, tmp_path):
    analysed.spectra.save(tmp_path / "image.nxs")
    back = spectra.load(tmp_path / "image.nxs")
    for name in ("l3_l2_ratio", "l3_l2_ratio_sigma", "net", "background_covariance", "ratio_by_method"):
        np.testing.assert_allclose(back[name], analysed[name], err_msg=name)
    assert flag_names(back, y=0, x=1) == flag_names(analysed, y=0, x=1)
    assert list(back.line_method.values) == list(analysed.line_method.values)


def test_a_valence_from_what_was_loaded(analysed, tmp_path):
    """The background's curve and covariance survive, so that another method can be asked of the file."""
    analysed.spectra.save(tmp_path / "image.nxs")
    back = spectra.load(tmp_path / "image.nxs")
    again = xas.eels.white_line_ratio(back, method="double_arctan", arctan_width=2.0)
    here = xas.eels.white_line_ratio(analysed, method="double_arctan", arctan_width=2.0)
    np.testing.assert_allclose(again.l3_l2_ratio, here.l3_l2_ratio)
    np.testing.assert_allclose(again.l3_l2_ratio_sigma, here.l3_l2_ratio_sigma)


def test_run_again_from_the_file(analysed, tmp_path):
    analysed.spectra.save(tmp_path / "image.nxs")
    assert rerun(tmp_path / "image.nxs").identical
