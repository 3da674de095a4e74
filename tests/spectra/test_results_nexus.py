"""Sample files of each technique pass the NeXus validator, undocumented names counting as errors."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from spectra.results import save
from tests.spectra.results_samples import SAMPLES

pytestmark = pytest.mark.dev

# In a process of its own, which loads the validator once; in a copy of it for each file, because the validator changes
# logging and keeps what it found in a global variable.
_VALIDATE = """
import os, sys
import h5py
from pynxtools.dataconverter.validation import validate_hdf_group_against
for path in sys.argv[1:]:
    sys.stdout.flush()
    if os.fork() == 0:
        said = os.open(path + ".said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        with h5py.File(path) as file:
            (entry,) = file.values()
            definition = entry["definition"][()].decode()
            valid = validate_hdf_group_against(definition, entry, path, ignore_undocumented=False)
        print(definition, "valid" if valid else "invalid", flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Of each sample file: what the validator said, the definition and its judgement last."""
    if importlib.util.find_spec("pynxtools") is None:
        if os.environ.get("REDOX_DEV") == "1":
            pytest.fail("the NeXus validator is missing: pip install 'redox-spectra[dev]'")
        pytest.skip("the NeXus validator is not installed (extra: dev)")
    folder = tmp_path_factory.mktemp("nexus")
    paths = [str(save(folder / f"{name}.nxs", SAMPLES[name]())) for name in SAMPLES]
    checked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _VALIDATE, *paths], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    return {name: (folder / f"{name}.nxs.said").read_text() for name in SAMPLES}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_file_is_valid(name, said):
    definition, judgement = said[name].split()[-2:]
    assert judgement == "valid", said[name]
    assert definition == {"xas": "NXxas_trans", "xps": "NXxps", "raman": "NXraman"}[name.partition("_")[0]]


def test_a_file_that_is_not_valid_is_called_so(tmp_path):
    import h5py

    path = save(tmp_path / "sample.nxs", SAMPLES["raman_single"]())
    with h5py.File(path, "r+") as file:
        (entry,) = file.values()
        entry["nobody_documents_this"] = 1.0
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _VALIDATE, str(path)], capture_output=True, check=True
    )
    assert (tmp_path / "sample.nxs.said").read_text().split()[-1] == "invalid"
