"""Time and peak memory of a run in shards against the number of spectra.

    python benchmarks/scale.py                        # 1,000, 10,000 and 100,000 spectra of 500 points, one worker
    python benchmarks/scale.py --workers 2 --memory 2G

One HDF5 file of simulated Raman spectra; spikes, baseline (asls), one band with its uncertainties; results file with
the data as measured. Every size runs in a process of its own, which runs a short series first: packages are imported
and compiled code is read from disk then, and that time is told apart.
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
from table import add_rows_option, alone, hand_over

from spectra.pipeline import run

SHIFT = np.arange(400.0, 800.0, 0.8)
SHORT, REPEATED = 600, 10_000
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
        counts = data.create_dataset(
            "counts", (count, SHIFT.size), "u2", chunks=(min(500, count), SHIFT.size)
        )
        counts.attrs["units"] = "counts"
        for first in range(0, count, 500):
            spot = np.arange(first, min(first + 500, count))[:, None]
            mean = 300 + 200 * np.exp(-SHIFT / 500) + 900 / (1 + ((SHIFT - 600 - spot / count) / 12) ** 2)
            counts[first : first + len(spot)] = rng.poisson(mean)


def measure(short, source, out, options):
    """In a process of its own: seconds, those of its start, peak memory of it and of its workers in MiB."""
    begun = time.perf_counter()
    run(RECIPE, short, out=out, **options)
    start = time.perf_counter() - begun
    begun = time.perf_counter()
    made = run(RECIPE, source, out=out, **options)
    seconds = time.perf_counter() - begun
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    middle = float(np.median(made.position.values))
    print(
        json.dumps(
            {"start": start, "seconds": seconds, "peak": peaks[0], "workers": peaks[1], "position": middle}
        )
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--memory", default="1G")
    options.add_argument("--repeats", type=int, default=3, help="of sizes up to 10,000; others are run once")
    add_rows_option(options)
    options.add_argument("--measure", nargs=3, metavar=("SHORT", "IN", "OUT"), help=argparse.SUPPRESS)
    given = options.parse_args()
    how = {"memory": given.memory, "workers": given.workers}
    if given.measure:
        measure(*given.measure, how)
        return
    print(f"{given.workers} worker(s), memory {given.memory}; {os.cpu_count()} cores")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        short, out = Path(folder, "short.h5"), Path(folder, "out.nxs")
        write_spectra(short, SHORT)
        fresh_run(given, short, short, out)  # compiles, where nothing was compiled before
        for size in given.sizes:
            source = Path(folder, f"{size}.h5")
            write_spectra(source, size)
            runs = [
                fresh_run(given, short, source, out) for _ in range(given.repeats if size <= REPEATED else 1)
            ]
            source.unlink()
            rows += told(size, runs, given)
    hand_over(rows, given.rows)


def fresh_run(given, short, source, out):
    """What a process of its own says of a run."""
    command = [sys.executable, __file__, "--measure", str(short), str(source), str(out)]
    command += ["--workers", str(given.workers), "--memory", given.memory]
    said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    said["written"] = out.stat().st_size / 2**20
    return said


def told(size, runs, given):
    """Print a size; its rows of the table."""
    each = [1e6 * one["seconds"] / size for one in runs]
    peaks, last = [one["peak"] for one in runs], runs[-1]
    print(
        f"{size:>8} spectra: {np.median(each):6.0f} µs each, start {last['start']:.1f} s, peak {max(peaks):.0f} MiB (workers "
        f"{last['workers']:.0f} MiB), {last['written']:.0f} MiB written, median position {last['position']:.3f}",
        flush=True,
    )
    what = f"{size:,} Raman spectra of {SHIFT.size} points, file to results file, memory {given.memory}"
    size_and_workers = {"spectra": size, "threads": given.workers}
    return [
        alone(f"scale_{size}", what, each, **size_and_workers),
        alone(f"scale_{size}_memory", f"{what}: peak memory", peaks, unit="MiB", **size_and_workers),
    ]


if __name__ == "__main__":
    main()
