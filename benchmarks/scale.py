"""Time and peak memory of a run in shards against the number of spectra.

    python benchmarks/scale.py                        # 1,000, 10,000 and 100,000 spectra of 500 points, one worker
    python benchmarks/scale.py --workers 2 --memory 2G

One HDF5 file of simulated Raman spectra; spikes, baseline (asls), one band with its uncertainties; results file with
the data as measured. Every size runs in a process of its own; the first is run twice, so that code is compiled.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from spectra.pipeline import run

SHIFT = np.arange(400.0, 800.0, 0.8)
RECIPE = {
    "read": {"verb": "raman.read"},
    "step": [
        {"verb": "spectra.despike", "width": 3},
        {"verb": "spectra.subtract_baseline", "method": "asls"},
        {
            "verb": "raman.fit_bands",
            "bands": [600.0],
            "start": "fresh",
            "restarts": 1,
            "component_curves": False,
        },
    ],
}


def write_spectra(path, count):
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        data = file.create_group("entry/data")
        file.attrs["default"], file["entry"].attrs["default"] = "entry", "data"
        data.attrs.update(NX_class="NXdata", signal="counts", axes=["spot", "raman_shift"])
        data["raman_shift"] = SHIFT
        data["raman_shift"].attrs["units"] = "1/cm"
        counts = data.create_dataset("counts", (count, SHIFT.size), "u2", chunks=(500, SHIFT.size))
        counts.attrs["units"] = "counts"
        for first in range(0, count, 500):
            spot = np.arange(first, min(first + 500, count))[:, None]
            mean = 300 + 200 * np.exp(-SHIFT / 500) + 900 / (1 + ((SHIFT - 600 - spot / count) / 12) ** 2)
            counts[first : first + len(spot)] = rng.poisson(mean)


def measure(source, out, options):
    """In a process of its own: seconds, peak memory of it and of its workers in MiB."""
    begun = time.perf_counter()
    made = run(RECIPE, source, out=out, **options)
    seconds = time.perf_counter() - begun
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    middle = float(np.median(made.position.values))
    print(json.dumps({"seconds": seconds, "peak": peaks[0], "workers": peaks[1], "position": middle}))


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--memory", default="1G")
    options.add_argument("--measure", nargs=2, metavar=("IN", "OUT"), help=argparse.SUPPRESS)
    given = options.parse_args()
    how = {"memory": given.memory, "workers": given.workers}
    if given.measure:
        measure(*given.measure, how)
        return
    print(f"{given.workers} worker(s), memory {given.memory}; {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        for number, size in enumerate([given.sizes[0], *given.sizes]):
            source, out = Path(folder, f"{size}.h5"), Path(folder, f"{number}.nxs")
            if not source.exists():
                write_spectra(source, size)
            command = [sys.executable, __file__, "--measure", str(source), str(out)]
            command += ["--workers", str(given.workers), "--memory", given.memory]
            told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            if number:
                print(
                    f"{size:>8} spectra: {told['seconds']:8.1f} s, {1e6 * told['seconds'] / size:6.0f} µs each, peak "
                    f"{told['peak']:.0f} MiB (workers {told['workers']:.0f} MiB), {out.stat().st_size / 2**20:.0f} MiB written, "
                    f"median position {told['position']:.3f}"
                )
            out.unlink()


if __name__ == "__main__":
    main()
