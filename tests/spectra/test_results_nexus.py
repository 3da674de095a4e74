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

# In a process of its own: the validator changes logging and keeps what it found in a global variable.
_VALIDATE = """
import sys
import h5py
from pynxtools.dataconverter.validation import validate_hdf_group_against
path = sys.argv[1]
with h5py.File(path) as file:
    (entry,) = file.values()
    definition = entry["definition"][()].decode()
    valid = validate_hdf_group_against(definition, entry, path, ignore_undocumented=False)
print(definition)
sys.exit(0 if valid else 1)
"""


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_file_is_valid(name, tmp_path):
    if importlib.util.find_spec("pynxtools") is None:
        if os.environ.get("REDOX_DEV") == "1":
            pytest.fail("the NeXus validator is missing: pip install 'redox-spectra[dev]'")
        pytest.skip("the NeXus validator is not installed (extra: dev)")
    path = save(tmp_path / "sample.nxs", SAMPLES[name]())
    checked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _VALIDATE, str(path)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    promised = {"xas": "NXxas_trans", "xps": "NXxps", "raman": "NXraman"}[name.partition("_")[0]]
    assert checked.stdout.split()[-1] == promised
