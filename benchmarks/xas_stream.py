"""Peak memory and time of the X-ray absorption chain on more spectra than one would keep in memory.

    python benchmarks/xas_stream.py                      # 100,000 spectra of 1649 points, in a temporary folder

A file of simulated spectra (single precision, 0.66 GB) is opened lazily in chunks of 500, normalised, given edge
positions, AUTOBK and the Fourier transform; chi(k) and |chi(R)| go to another file as they are made, the numbers of each
spectrum are kept. One spectrum in a thousand is computed again alone and compared.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import resource
import tempfile
import time
from pathlib import Path

import dask
import dask.array
import h5py
import numpy as np
from table import add_rows_option, alone, hand_over

import spectra
import xas

E0 = 8345.0
ENERGY = np.concatenate([np.arange(8060, 8300, 5), np.arange(8300, 8400, 0.2), np.arange(8400, 9501, 1)])
VERBS = (
    lambda scans: xas.normalize(scans, e0=E0, pre=(-200.0, -50.0), post=(70.0, 1100.0)),
    xas.edge_position,
    xas.autobk,
    lambda scans: xas.fourier(scans, k=(3, 12), kweight=2),
)


def write_scans(path, count):
    """Spectra of one material whose edge moves, with noise of 0.1 % of the step."""
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        mu = file.create_dataset("mu", (count, ENERGY.size), "f4", chunks=(500, ENERGY.size))
        for start in range(0, count, 500):
            rows = np.arange(start, min(start + 500, count))[:, None]
            edge = E0 + rows / count
            k = np.sqrt(0.2624684 * np.clip(ENERGY - edge, 0, None))
            shells = 0.5 * np.sin(3.0 * k) + 0.8 * np.sin(5.0 * k)
            curve = (0.5 + np.arctan((ENERGY - edge) / 1.5) / np.pi) * (
                1 + shells * np.exp(-0.012 * k**2) / (2 + k)
            )
            mu[start : start + len(rows)] = 0.8 * curve + 0.5 + 8e-4 * rng.normal(size=curve.shape)


def chain(scans):
    for verb in VERBS:
        scans = verb(scans)
    return scans


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=100_000)
    add_rows_option(options)
    given = options.parse_args()
    dask.config.set(scheduler="synchronous")  # one thread
    attrs = {"technique": "xas", "element": "Ni", "edge": "K"}
    with tempfile.TemporaryDirectory() as folder:
        write_scans(Path(folder) / "scans.h5", given.spectra)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        with (
            h5py.File(Path(folder) / "scans.h5") as source,
            h5py.File(Path(folder) / "made.h5", "w") as target,
        ):
            mu = dask.array.from_array(source["mu"], chunks=(500, ENERGY.size))
            scans = spectra.from_arrays(ENERGY, mu, name="mu", dims=("scan",), attrs=attrs)
            start = time.perf_counter()
            made = chain(scans)
            curves = {n: target.create_dataset(n, made[n].shape, "f4") for n in ("chi", "chir_mag")}
            numbers = {
                n: np.empty(given.spectra) for n in ("edge_step", "edge_position", "edge_position_sigma")
            }
            dask.array.store(
                [made[n].data for n in (*curves, *numbers)], [*curves.values(), *numbers.values()], lock=False
            )
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
            some = np.arange(0, given.spectra, 1000)
            again = chain(spectra.from_arrays(ENERGY, source["mu"][some].astype(float), name="mu", dims=("scan",), attrs=attrs))  # fmt: skip
            worst = abs(curves["chi"][some] - again.chi.values).max() / abs(again.chi.values).max()
            edges = abs(numbers["edge_position"][some] - again.edge_position.values).max()
    print(
        f"{given.spectra} spectra × {ENERGY.size} points in {seconds:.0f} s ({1e6 * seconds / given.spectra:.0f} µs each), "
        f"peak memory {peak:.2f} GiB ({before:.2f} GiB before)\n"
        f"beside the same spectra in memory: chi {worst:.1e} of its maximum (single precision), edges {edges:.1e} eV"
    )
    what = "absorption spectra read from disk, normalised, AUTOBK, Fourier transform, written"
    same = f"beside the same in memory: chi {worst:.0e}, edges {edges:.0e} eV"
    rows = [
        alone("stream", what, [seconds], unit="s", agreement=same, spectra=given.spectra),
        alone("stream_memory", f"{what}: peak memory", [peak], unit="GiB", spectra=given.spectra),
    ]
    hand_over(rows, given.rows)


if __name__ == "__main__":
    main()
