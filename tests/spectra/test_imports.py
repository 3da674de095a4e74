"""Importing the packages is quick and quiet; larch leaves the user's settings alone."""

import json
import pickle
import subprocess
import sys

import pytest

import spectra

HEAVY = ["scipy", "lmfit", "larch", "matplotlib", "numba", "pandas", "xarray", "h5py", "pydantic"]


def _fresh(code: str) -> dict:
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("package", ["spectra", "xas", "xas.eels", "xps", "raman"])
def test_import_loads_nothing_heavy(package):
    code = f"import {package}, sys, json; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    assert _fresh(code) == []


@pytest.mark.parametrize("package", ["spectra", "xas", "xas.eels", "xps", "raman"])
def test_every_public_name_resolves(package):
    code = (
        f"import {package} as p, json; bad = [n for n in p.__all__ if getattr(p, n, None) is None];"
        "print(json.dumps(bad))"
    )
    assert _fresh(code) == []


def test_a_dataset_that_another_process_pickled(tmp_path):
    """It is plain xarray there until something of the library is called, as docs/running.md says."""
    file = tmp_path / "data.pickle"
    file.write_bytes(pickle.dumps(spectra.crop(spectra.from_arrays([1, 2, 3], [4.0, 5, 6]), window=(1, 2))))
    code = (
        f"import json, pickle, spectra; data = pickle.load(open({str(file)!r}, 'rb')); "
        "before = hasattr(data, 'spectra'); again = spectra.crop(data, window=(1, 2)); "
        "print(json.dumps([before, data.spectra.history == again.spectra.history[:-1]]))"
    )
    assert _fresh(code) == [False, True]
    assert _fresh(f"import xarray; {code}") == [True, True]


def test_no_technique_is_imported_by_the_core():
    code = (
        "import spectra, sys, json; [getattr(spectra, n) for n in spectra.__all__];"
        "print(json.dumps([m for m in ('xas', 'xps', 'raman') if m in sys.modules]))"
    )
    assert _fresh(code) == []
