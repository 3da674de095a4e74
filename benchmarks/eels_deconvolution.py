"""Plural scattering taken off an image of 128 × 128 pixels of 2048 channels: Fourier-log, Fourier-ratio, Richardson-Lucy.

Beside HyperSpy and eXSpy in the same run, where they are installed; they are no dependencies of this project.

    python benchmarks/eels_deconvolution.py [--side 128] [--channels 2048] [--part 4]

The image is simulated. Timings are processor time of one thread, medians of three runs (Richardson-Lucy beside: of one); that
of eXSpy's Richardson-Lucy is extrapolated from ``part`` lines of the image.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402
from table import add_rows_option, beside, hand_over  # noqa: E402

import spectra  # noqa: E402
import xas  # noqa: E402

STEP, BEFORE, END, ITERATIONS = 0.2, 25.0, 2.0, 15


def timed(call, repeat=3):
    """Seconds of each run, and what the last one made."""
    times, made = [], None
    for _ in range(repeat):
        del made
        gc.collect()
        start = time.process_time()
        made = call()
        times.append(time.process_time() - start)
    return times, made


def simulated(side: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Core losses above their background, low losses, and both axes; t/λ from 0.2 to 1.2 along the image."""
    rng = np.random.default_rng(1)
    low, loss = STEP * np.arange(channels) - BEFORE, 590 + STEP * np.arange(channels)
    e = STEP * np.arange(8 * channels)
    zero = np.exp(-4 * np.log(2) * ((e - BEFORE) / 1.0) ** 2)
    single = np.where(e > 2, e / ((e**2 - 22.0**2) ** 2 + (5 * e) ** 2), 0)
    lines = 1.5 / (1 + ((e - 53) / 0.7) ** 2) + 0.5 / (1 + ((e - 64) / 0.7) ** 2)
    edge = (lines + 0.2 * (e > 53) + 0.1 * (e > 64)) * np.exp(-np.clip(e - 53, 0, None) / 300)
    z, s, k = (np.fft.rfft(a) for a in (zero / zero.sum(), single / single.sum(), edge))
    turn = np.exp(2j * np.pi * np.arange(z.size) / e.size * round(BEFORE / STEP))
    counts = np.empty((side, side, channels), np.float32)
    image = np.empty_like(counts)
    for row, t in enumerate(np.linspace(0.2, 1.2, side)):
        plural = np.exp(t * (s - 1))
        mean = 1e6 * np.fft.irfft(z * plural, e.size)[:channels]
        core = 2e3 * np.fft.irfft(k * z * turn * plural, e.size)[:channels]
        counts[row] = rng.poisson(np.maximum(mean, 0), size=(side, channels))
        image[row] = rng.poisson(np.maximum(core, 0) + 50, size=(side, channels)) - 50.0
    return image, counts, loss, low


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--channels", type=int, default=2048)
    parser.add_argument("--part", type=int, default=4)
    add_rows_option(parser)
    given = parser.parse_args()
    image, counts, loss, low = simulated(given.side, given.channels)
    options = {"axis": "energy_loss", "name": "counts", "units": "counts", "dims": ("y", "x")}
    cores = spectra.from_arrays(loss, image, **options, attrs={"element": "Mn"})
    lows = spectra.from_arrays(low, counts, **options)
    calls = {
        "Fourier-log": lambda: xas.eels.fourier_log(lows, end=END, uncertainty=False),
        "Fourier-log with sigma": lambda: xas.eels.fourier_log(lows, end=END),
        "Fourier-ratio with sigma and response": lambda: xas.eels.fourier_ratio(cores, lows, end=END),
        "Richardson-Lucy, 15 iterations": lambda: xas.eels.richardson_lucy(
            cores, lows, iterations=ITERATIONS, end=END
        ),
    }
    ours, grown, parts = {}, {}, {}
    for name, call in calls.items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ours[name], made = timed(call)
        grown[name] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / image.nbytes
        parts[name] = made["single_scattering" if "log" in name else "net"].values.mean((0, 1), dtype=float)
        del made
    theirs = peers(image, counts, loss, low, given.part)
    rows, made = given.side**2, []
    print(f"{given.side} × {given.side} × {given.channels}, float32; peaks of memory in units of the image")
    for name, times in ours.items():
        seconds = np.median(times)
        line = f"{name:40s} {seconds:8.2f} s {seconds / rows * 1e6:8.1f} µs per spectrum, memory + {grown[name]:.1f}"
        if name in theirs:
            others, values = theirs[name]
            other = np.median(others)
            line += f"   HyperSpy/eXSpy {other:8.2f} s, {other / seconds:.1f} times"
            if values is not None:
                line += f"; {agreement(name, parts[name], values, loss, low)}"
        print(line)
        made.append(row_of(name, times, theirs.get(name), parts[name], given, loss, low, bool(theirs)))
    hand_over(made, given.rows)
    if not theirs:
        print("HyperSpy and eXSpy are not installed: nothing was measured beside.")


def row_of(name, times, theirs, mine, given, loss, low, installed):
    """Row of the table."""
    claim = f"eels_{name.split(',')[0].replace('-', '_').replace(' ', '_').lower()}"
    count = given.side**2
    others, values = theirs or (None, None)
    note = "" if values is None else agreement(name, mine, values, loss, low)
    if "Lucy" in name and others:
        note = f"peer extrapolated from {given.part} of {given.side} lines"
    if "sigma" in name and others:
        note += "; theirs without sigma"
    each = None if others is None else [1e6 * t / count for t in others]
    worked = given.part * given.side if "Lucy" in name else count
    return beside(
        claim, f"EELS spectra of {given.channels} channels: {name}", [1e6 * t / count for t in times], "HyperSpy/eXSpy", each,
        spectra=count, peer_spectra=worked, agreement=note, clock="processor",
        missing="it failed" if installed else "not installed",
    )  # fmt: skip


def agreement(name, mine, values, loss, low) -> str:
    """Largest difference of the means over pixels, away from the ends, relative to the largest value."""
    axis = low if "log" in name else loss
    inside = (axis > (4 if "log" in name else loss[0] + 30)) & (axis < axis[-1] - 60)
    mine, values = mine[inside], values[inside]
    return (
        f"means differ by up to {np.abs(mine - values).max() / np.abs(values).max():.2%} of the highest point"
    )


def peers(image, counts, loss, low, part):
    """The same with HyperSpy and eXSpy, if they are there: seconds, and means over the pixels."""
    try:
        import exspy
    except ImportError:
        return {}
    import hyperspy.api as hs

    hs.preferences.General.show_progressbar = False

    def signal(values, axis):
        made = exspy.signals.EELSSpectrum(values.copy())
        made.axes_manager[-1].offset, made.axes_manager[-1].scale = axis[0], axis[1] - axis[0]
        made.axes_manager[-1].units = "eV"
        return made

    spectrum = signal(counts, low)
    peak = spectrum.isig[: END + STEP / 2]
    times = {}
    seconds, made = timed(lambda: spectrum.fourier_log_deconvolution(peak))
    times["Fourier-log"] = seconds, np.asarray(made.data)[..., : low.size].mean((0, 1), dtype=float)
    del made
    edge = signal(image, loss)
    try:
        seconds, made = timed(lambda: edge.fourier_ratio_deconvolution(spectrum))
        times["Fourier-ratio with sigma and response"] = (
            seconds,
            np.asarray(made.data)[..., : loss.size].mean((0, 1), dtype=float),
        )
    except (TypeError, ValueError) as error:
        print(f"eXSpy, Fourier-ratio: {type(error).__name__}: {error}")
    positive, few = signal(np.maximum(image[:part], 0), loss), signal(counts[:part], low)
    seconds, _ = timed(
        lambda: positive.richardson_lucy_deconvolution(
            few, iterations=ITERATIONS, show_progressbar=False, num_workers=1
        ),
        1,
    )
    times["Richardson-Lucy, 15 iterations"] = [s * len(image) / part for s in seconds], None
    if "Fourier-log" in times:
        times["Fourier-log with sigma"] = times["Fourier-log"]
    return times


if __name__ == "__main__":
    main()
