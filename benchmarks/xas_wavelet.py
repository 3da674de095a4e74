"""Time per spectrum of the wavelet transform, of larch's and of rexafs', in the same run on the same chi(k), one thread.

    python benchmarks/xas_wavelet.py                     # 200 spectra
    python benchmarks/xas_wavelet.py --spectra 1000 --peer 5

Processor time, so that other work on a shared machine counts as little as possible. Each peer on its own grid and
order, which this library takes over: larch's order is the number of its rows; rexafs (``pip install rexafs``; left out
where it is missing) has order 100 and rows 0.06 Å apart. Agreement: with the peer's length of the transform on all of
the map; with this library's own length, which is shorter, outside of the cone of influence.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import math
import statistics
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from table import add_rows_option, beside, hand_over

import spectra
import xas
from spectra.larch_guard import larch_attribute, quiet_larch
from xas.exafs.wavelet_filter import cone_of_influence, wavelet_filter, wavelet_magnitude
from xas.points.wavenumber import k_grid

KWEIGHT, RMAX = 2, 6.0


def fine_structure(count):
    """k and chi(k) of three shells with noise."""
    k = k_grid(17.4)
    shells = [(0.9, 1.5, 0.005), (1.2, 2.5, 0.006), (0.5, 4.4, 0.009)]
    chi = sum(a * np.sin(2 * r * k + 0.3) * np.exp(-2 * s * k**2) / (1 + k) for a, r, s in shells)
    return k, chi + 1e-3 * np.random.default_rng(1).normal(size=(count, k.size))


def microseconds(function, calls, *, each=1):
    """Result of the last call and the time of each; the first call, which warms up, does not count."""
    times, result = [], None
    for call in (calls[0], *calls):
        del result  # its memory serves the next call
        start = time.process_time()
        result = function(call)
        times.append((time.process_time() - start) / each * 1e6)
    return result, times[1:]


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=200)
    options.add_argument("--peer", type=int, default=10, help="spectra that each peer works on")
    add_rows_option(options)
    given = options.parse_args()
    k, chi = fine_structure(given.spectra)
    table = Table(
        "peer", "rows × columns", "order", "this library (µs)", "single precision kept", "peer (µs)", "ratio",
        "same length", "outside the cone", title=f"|W(k, R)| of {given.spectra} spectra, one thread",
    )  # fmt: skip

    rows = []

    def row(name, r, order, constant, theirs, times, length):
        def made(call):
            return wavelet_magnitude(chi * k**KWEIGHT, filters, call)

        filters = wavelet_filter(r, k.size, k[1], width=math.sqrt(order))
        ours, own = microseconds(made, [float] * 3, each=given.spectra)
        _, single = microseconds(made, [np.float32] * 3, each=given.spectra)
        mine, single, peer = map(statistics.median, (own, single, times))
        size = theirs.max()
        clear = ~cone_of_influence(r, k, k[0], k[-1], math.sqrt(order))
        clear_off = abs(constant * ours[given.peer - 1] - theirs)[clear].max() / size
        filters = wavelet_filter(r, k.size, k[1], width=math.sqrt(order), length=length)
        same = (
            abs(constant * wavelet_magnitude(chi[given.peer - 1] * k**KWEIGHT, filters) - theirs).max() / size
        )
        table.add_row(
            name, f"{r.size} × {k.size}", f"{order:g}", f"{mine:.0f}", f"{single:.0f}", f"{peer:.0f}",
            f"{peer / mine:.1f}×", f"{same:.1e}", f"{clear_off:.1e}",
        )  # fmt: skip
        agreement = f"{same:.0e} of the maximum with its length of the transform"
        size = {"spectra": given.spectra, "agreement": agreement, "clock": "processor"}
        rows.append(beside(f"wavelet_{name}", "wavelet map, equal rows", own, name, times, **size))

    cauchy_wavelet, group_of = (
        larch_attribute("larch.xafs", "cauchy_wavelet"),
        larch_attribute("larch", "Group"),
    )

    def by_larch(one):
        group = group_of(k=k, chi=one)
        cauchy_wavelet(group, kweight=KWEIGHT, rmax_out=RMAX)
        return group

    with quiet_larch():
        group, peer = microseconds(by_larch, chi[: given.peer])
    n = group.wcauchy_r.size
    constant = math.exp(math.log(math.pi) - math.lgamma(n + 1) + n * math.log(n) - n)
    row("larch", np.linspace(0, RMAX, n), n, constant, group.wcauchy_mag, peer, 4096)

    try:
        import rexafs
    except ImportError:
        rexafs = None
    if rexafs is not None:
        model = rexafs.Wavelet((0.0, k[-1]), kweight=KWEIGHT, order=100, rmax=RMAX)
        image, peer = microseconds(lambda one: model.calculate(k, one), chi[: given.peer])
        n, length = 100, model.estimate(k)["nfft"]
        # its constant: the published one times the step of the rows' frequencies
        unit = wavelet_magnitude(
            chi[given.peer - 1] * k**KWEIGHT, wavelet_filter(image.r, k.size, k[1], width=10.0, length=length)
        )
        constant = float((image.magnitude * unit).sum() / (unit**2).sum())
        row("rexafs", image.r, n, constant, image.magnitude, peer, length)
    Console(width=130).print(table)
    scans = spectra.from_arrays(
        np.arange(8000.0, 9000.0), np.ones((given.spectra, 1000)), name="mu", dims=("scan",),
        attrs={"technique": "xas"},
    ).assign(chi=(("scan", "k"), chi)).assign_coords(k=k)  # fmt: skip
    boxes = {"first": ((4.0, 10.0), (1.1, 1.9)), "second": ((5.0, 11.0), (2.0, 3.0))}
    _, mine = microseconds(
        lambda d: xas.wavelet(d, maps=False, regions=boxes), [scans] * 3, each=given.spectra
    )
    mine = statistics.median(mine)
    Console(width=130).print(f"areas of two boxes without keeping maps: {mine:.0f} µs per spectrum")
    hand_over(rows, given.rows)


if __name__ == "__main__":
    main()
