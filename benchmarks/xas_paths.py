"""Time per spectrum of fits of scattering paths, here and with larch's feffit, in the same run, and whether they agree.

    python benchmarks/xas_paths.py                      # 2000 spectra, one thread
    python benchmarks/xas_paths.py --data FOLDER --spectra 500 --peer 20

The spectra are chi(k) of a copper foil at room temperature with noise added, 350 points. Fits: the first shell (4
parameters, k 3-17, R 1.4-3.0, Kaiser window), and three shells with a triangle of multiple scattering (6 parameters, R
1.5-4.2). Both sides start at the same values and keep chi(k) and chi(R) of fit and paths. Times are of the processor,
here with noise propagated; sigmas are compared as larch defines them.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
from pathlib import Path

import numpy as np
from table import add_rows_option, beside, hand_over
from xas_series import DATA

import xas
from spectra.larch_guard import larch_attribute, larch_function, quiet_larch

SHELLS = ("feff0001", "feff0002", "feff0003")
FITS = {
    "first shell": (1, {"s02": 0.9, "e0": 0.0, "alpha": 0.0, "ss1": 0.005}, (1.4, 3.0)),
    "three shells": (
        3,
        {"s02": 0.9, "e0": 0.0, "alpha": 0.0, "ss1": 0.005, "ss2": 0.005, "ss3": 0.005},
        (1.5, 4.2),
    ),
}


def foil(data, count):
    """``count`` noisy copies of the foil, chi(k) and all."""
    scan = xas.read(data / "xas" / "Cu_foil_rt_larch.xdi").assign_attrs(element="Cu", edge="K")[["mu"]]
    scan = xas.autobk(xas.normalize(scan, e0=8980.5), rbkg=1.0, kweight=1.0)
    noise = np.random.default_rng(1).normal(0, 2e-3, (count, scan.k.size))
    return scan.expand_dims(scan=count).copy().assign(chi=(("scan", "k"), scan.chi.values + noise))


def ours(scans, files, parameters, r, repeats):
    """Result with sigmas as larch defines them, and seconds per spectrum of each repetition."""
    tables = tuple(
        {"file": str(f), "deltar": "alpha*reff", "sigma2": f"ss{i + 1}"} for i, f in enumerate(files)
    )

    def fit(some, uncertainty):
        return xas.fit_paths(
            some, paths=tables, parameters=parameters, k=(3.0, 17.0), r=r, dk=4.0, window="kaiser",
            uncertainty=uncertainty, workers=1,
        )  # fmt: skip

    fit(scans.isel(scan=slice(2)), "propagated")  # compiled, or read from disk
    times = []
    for _ in range(repeats):
        start = time.process_time()
        fit(scans, "propagated")
        times.append((time.process_time() - start) / scans.sizes["scan"])
    return fit(scans, "independent"), times


def theirs(k, chis, files, parameters, r):
    feffpath, feffit, transform, data_set = (
        larch_function("larch.xafs", n) for n in ("feffpath", "feffit", "feffit_transform", "feffit_dataset")
    )
    group, param = larch_attribute("larch.fitting", "param_group"), larch_attribute("larch.fitting", "param")
    Group = larch_attribute("larch", "Group")
    values, sigmas, times = [], [], []
    paths = [
        feffpath(str(f), s02="s02", e0="e0", deltar="alpha*reff", sigma2=f"ss{i + 1}")
        for i, f in enumerate(files)
    ]
    ranges = transform(kmin=3, kmax=17, kweight=2, dk=4, window="kaiser", rmin=r[0], rmax=r[1])
    with quiet_larch():
        for chi in chis:
            start = time.process_time()
            sets = data_set(data=Group(k=k, chi=chi), pathlist=paths, transform=ranges)
            found = feffit(group(**{n: param(v, vary=True) for n, v in parameters.items()}), [sets])
            times.append(time.process_time() - start)
            values.append([found.params[n].value for n in parameters])
            sigmas.append([found.params[n].stderr for n in parameters])
    return np.array(values), np.array(sigmas), times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of measured spectra")
    parser.add_argument("--spectra", type=int, default=2000)
    parser.add_argument("--peer", type=int, default=60, help="spectra that larch fits")
    parser.add_argument("--repeats", type=int, default=3)
    add_rows_option(parser)
    options = parser.parse_args()
    scans = foil(options.data, options.spectra)
    some = np.arange(0, options.spectra, max(1, options.spectra // options.peer))[: options.peer]
    rows = []
    for name, (count, parameters, r) in FITS.items():
        files = [options.data / "xas" / "feff_Cu_larch" / f"{shell}.dat" for shell in SHELLS[:count]]
        value, sigma, by_larch = theirs(scans.k.values, scans.chi.values[some], files, parameters, r)
        fitted, own = ours(scans, files, parameters, r, options.repeats)
        slow, fast = np.median(by_larch), np.median(own)
        mine, mine_sigma = fitted.exafs_value.values[some], fitted.exafs_value_sigma.values[some]
        print(f"{name} ({len(parameters)} parameters)")
        print(f"  larch feffit    {1e3 * slow:9.2f} ms per spectrum ({len(some)} spectra)")
        print(
            f"  xas.fit_paths   {1e3 * fast:9.3f} ms per spectrum ({options.spectra} spectra), {slow / fast:.0f} times faster"
        )
        largest = np.abs((mine - value) / sigma).max()
        rows.append(
            beside(
                f"paths_{name.replace(' ', '_')}", f"FEFF paths fitted to chi(k), {name}, {len(parameters)} parameters",
                [1e6 * t for t in own], "larch `feffit`", [1e6 * t for t in by_larch],
                agreement=f"{largest:.0e} σ", spectra=options.spectra, clock="processor",
            )
        )  # fmt: skip
        print(f"  largest difference {largest:.1e} sigma, "
              f"of the sigmas {np.abs(mine_sigma / sigma - 1).max():.1e}")  # fmt: skip
    hand_over(rows, options.rows)


if __name__ == "__main__":
    main()
