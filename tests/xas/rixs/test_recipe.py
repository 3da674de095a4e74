"""The recipe that ships, from the measured detectors of one exposure to a results file that runs itself again."""

import pytest

import spectra
from spectra.dataset import flag_names
from spectra.results import load
from spectra.results.rerun import rerun


def test_rixs_reduce(data_dir, tmp_path):
    out = tmp_path / "exposure.nxs"
    files = sorted((data_dir / "rixs").glob("Co_0609_d*.h5"))
    found = spectra.run("rixs_reduce", files, out=out)
    assert float(found.resolution) == pytest.approx(0.0843, abs=0.002)
    assert float(found.scale_drift) == pytest.approx(-0.007, abs=0.002)
    assert "scale_drifted" in flag_names(found)
    assert not {"changed_in_the_beam", "lines_do_not_fit"} & set(flag_names(found))
    kept = load(out)
    assert float(kept.resolution_sigma) == float(found.resolution_sigma)
    assert kept.spectra.flags.flag.tolist() == found.spectra.flags.flag.tolist()
    assert [e["verb"] for e in kept.spectra.history][1:] == [
        "xas.rixs.reduce", "xas.rixs.compare_parts", "xas.rixs.normalize", "xas.rixs.fit_lines",
    ]  # fmt: skip
    assert rerun(out).identical
