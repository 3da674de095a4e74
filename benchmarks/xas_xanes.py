"""Time per spectrum of the XANES verbs and of larch's nearest, in the same run on the same spectra, one thread.

    python benchmarks/xas_xanes.py                      # 10,000 spectra of 1649 points
    python benchmarks/xas_xanes.py --spectra 2000 --peer 10

The series is that of ``xas_series.py``. Larch works on a sample of it. Every time holds the uncertainties: from noise,
and from the choice of ranges.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from xas_series import E0, RANGES, make_series, ours, theirs

import xas
from spectra.larch_guard import larch_attribute, quiet_larch


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=10_000)
    options.add_argument("--peer", type=int, default=40, help="spectra that larch works on")
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    find_e0, mback, baseline = (
        larch_attribute(f"larch.xafs.{m}", n)
        for m, n in (("pre_edge", "find_e0"), ("mback", "mback"), ("prepeaks", "pre_edge_baseline"))
    )
    group_of = larch_attribute("larch", "Group")
    raw, origin = make_series(given.spectra)
    energy = raw.energy.values
    numbers = np.linspace(0, given.spectra - 1, given.peer).astype(int)
    (pre1, pre2), (norm1, norm2) = RANGES["pre"], RANGES["post"]
    table = Table(
        "step", "this library (µs)", "larch (µs)", "ratio", "larch's function",
        title=f"{given.spectra} spectra × {energy.size} points, {origin} with noise, one thread",
    )  # fmt: skip

    def row(step, mine, peer=None, function=""):
        mine, peer = np.median(mine), None if peer is None else np.median(peer)
        ratio = "" if peer is None else f"{peer / mine:.0f}×"
        table.add_row(step, f"{mine:.1f}", "" if peer is None else f"{peer:.0f}", ratio, function)

    scans = xas.normalize(raw, e0=E0, **RANGES)
    kept = ["mu", "e0", "edge_step", "noise", "flat", "norm_sigma"]
    scans = scans[kept]
    xas.edge_position(scans.isel(scan=slice(0, 50)))  # compiled, or read from the cache
    with quiet_larch():
        _, peer = theirs(lambda i: find_e0(energy, raw.mu.values[i]), numbers)
        for method in ("half_step", "integral", "derivative_maximum", "second_derivative_zero"):
            _, mine = ours(lambda d, m=method: xas.edge_position(d, method=m), scans, given.repeats)
            row(f"edge_position {method}", mine, peer, "find_e0")
        _, mine = ours(xas.white_line, scans, given.repeats)
        row("white_line", mine)

        flat = dict(zip(map(int, numbers), scans.flat.values[numbers], strict=True))

        def larch_peaks(i):
            group = group_of(energy=energy, norm=flat[i], e0=E0)
            baseline(group, emin=E0 - 30, emax=E0 - 4, elo=E0 - 15, ehi=E0 - 6)

        _, peer = theirs(larch_peaks, numbers)
        for name in ("arctan", "polynomial"):
            _, mine = ours(lambda d, b=name: xas.pre_edge_peaks(d, baseline=b), scans, given.repeats)
            row(f"pre_edge_peaks {name}", mine, peer, "pre_edge_baseline")
        del scans

        def larch_match(i):
            group = group_of(energy=energy, mu=raw.mu.values[i])
            mback(group, z=28, edge="K", e0=E0, pre1=pre1, pre2=pre2, norm1=norm1, norm2=norm2)

        _, peer = theirs(larch_match, numbers)
        few = raw.isel(scan=slice(0, given.spectra // 5))
        _, mine = ours(lambda d: xas.mback(d, e0=E0, **RANGES), few, given.repeats)
        row("mback", mine, peer, "mback")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
