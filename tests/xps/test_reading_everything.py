"""Every measured file of photoelectron spectra is read whole, and what is none is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from spectra.errors import SpectraError
from spectra.reading.registry import read_scans

#: Spectra in each folder, and the files there that hold none: tables of results, fragments of headers, words.
SPECTRA = {
    "battery_states": 6,
    "cheminfo": 57,
    "khervefitting": 19,
    "lg4x": 13,
    "phi_bn": 42,
    "pynxtools": 100,
    "xpsdeeplearning": 21,
}
NO_SPECTRA = {
    "FeO_analyzed_results.csv",
    "casa_process.vms",
    "casa_process_ref.json",
    "kratos.vms",
    "kratos_ref.json",
    "phi.vms",
    "phi_ref.json",
}


@pytest.mark.parametrize("folder", SPECTRA)
def test_every_file(data_dir, folder):
    found = 0
    for file in sorted(p for p in (data_dir / "xps" / folder).rglob("*") if p.is_file()):
        if file.name in NO_SPECTRA:
            with pytest.raises(SpectraError, match=file.name):
                read_scans(file, hints={"default_axis": "binding_energy"})
            continue
        for scan in read_scans(file, hints={"default_axis": "binding_energy"}):
            found += 1
            (axis,) = scan[scan.attrs["signal"]].dims
            x = scan[axis].values
            assert (np.diff(x) > 0).all(), file.name
            assert np.isfinite(scan[scan.attrs["signal"]].values).all(), file.name
            assert scan.attrs.get("photon_energy", 1.0) > 0, file.name
    assert found == SPECTRA[folder]
