"""A spectrum image of a Mn L edge, 128 × 128 pixels of 2048 channels: alignment, background, map of L3/L2.

Beside HyperSpy and eXSpy in the same run, where they are installed; they are no dependencies of this project.

    OMP_NUM_THREADS=1 python benchmarks/eels_image.py [--side 128] [--channels 2048]

The image is simulated. Timings are wall clock, the least of three runs.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import spectra
import xas


def timed(call, repeat=3):
    best, made = np.inf, None
    for _ in range(repeat):
        start = time.perf_counter()
        made = call()
        best = min(best, time.perf_counter() - start)
    return best, made


def simulated(side: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Core losses and low losses of ``side`` × ``side`` pixels; drift of some eV."""
    rng = np.random.default_rng(1)
    loss = 590 + 0.08 * np.arange(channels)
    low = -30 + 0.08 * np.arange(channels)
    drift = rng.uniform(-2, 2, (side, side, 1)).astype(np.float32)
    lines = 1.5 / (1 + ((loss - 643) / 1.4) ** 2) + 0.5 / (1 + ((loss - 654) / 1.4) ** 2)
    mean = (500 * ((loss / 640) ** -3.0 + lines + 0.2 * (loss > 643) + 0.1 * (loss > 654))).astype(np.float32)
    core = np.empty((side, side, channels), np.float32)
    zero = np.empty_like(core)
    for row in range(side):
        core[row] = rng.poisson(mean, size=(side, channels))
        peak = 2e4 * np.exp(-(((low - drift[row]) / 0.4) ** 2)) + 300 * np.exp(
            -(((low - drift[row] - 23) / 5) ** 2)
        )
        zero[row] = rng.poisson(peak)
    return loss, core, low, zero


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--channels", type=int, default=2048)
    given = parser.parse_args()
    loss, core, low, zero = simulated(given.side, given.channels)
    options = {"axis": "energy_loss", "name": "counts", "units": "counts", "dims": ("y", "x")}
    image = spectra.from_arrays(loss, core, **options, attrs={"element": "Mn"})
    zeros = spectra.from_arrays(low, zero, **options)
    window, rows = (595.0, 635.0), given.side**2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours: dict[str, float] = {}
    ours["align zero loss, parts of a channel"], _ = timed(lambda: xas.eels.align_zero_loss(zeros))
    ours["background, fit and subtract with covariance"], net = timed(
        lambda: xas.eels.subtract_background(image, window=window)
    )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / core.nbytes
    ours["map of L3/L2 with sigma"], _ = timed(lambda: xas.eels.white_line_ratio(net, post=(15, 25)))
    ours["map of L3/L2 with sigma, positions given"], _ = timed(
        lambda: xas.eels.white_line_ratio(net, positions=(643.0, 654.0))
    )
    part = net.isel(y=slice(0, 4))
    fit, _ = timed(lambda: xas.eels.white_line_ratio(part, method="curve_fit"), 2)
    ours["two lines on two arctangents, background's doubt included"] = fit / part.sizes["y"] * given.side
    theirs = beside(loss, core, low, zero, window)
    print(
        f"{given.side} × {given.side} × {given.channels}, float32; memory grew by {grown:.1f} times the input"
    )
    for name, seconds in ours.items():
        other = theirs.get(name)
        line = f"{name:60s} {seconds:8.3f} s  {seconds / rows * 1e6:8.1f} µs per spectrum"
        print(line + (f"   HyperSpy/eXSpy {other:8.3f} s, {other / seconds:.0f} times" if other else ""))
    if not theirs:
        print("HyperSpy and eXSpy are not installed: nothing was measured beside.")


def beside(loss, core, low, zero, window) -> dict[str, float]:
    """The same with HyperSpy and eXSpy, if they are there."""
    try:
        import exspy
    except ImportError:
        return {}
    import hyperspy.api as hs

    hs.preferences.General.show_progressbar = False

    def signal(values, axis):
        made = exspy.signals.EELSSpectrum(values.copy())
        made.axes_manager[-1].offset, made.axes_manager[-1].scale = axis[0], axis[1] - axis[0]
        return made

    times = {}
    cut = signal(zero, low)
    times["align zero loss, parts of a channel"], _ = timed(
        lambda: cut.deepcopy().align_zero_loss_peak(subpixel=True, print_stats=False, show_progressbar=False),
        1,
    )
    edge = signal(core, loss)
    times["background, fit and subtract with covariance"], _ = timed(
        lambda: edge.remove_background(
            signal_range=window, background_type="PowerLaw", fast=True, show_progressbar=False
        )
    )
    return times


if __name__ == "__main__":
    main()
