"""A spectrum image of a Mn L edge, 128 × 128 pixels of 2048 channels: alignment, background, map of L3/L2, curve fit.

Beside HyperSpy and eXSpy in the same run and on the same core, where they are installed; they are no dependencies of this
project.

    python benchmarks/eels_image.py [--side 128] [--channels 2048] [--repeat 3]

The image is simulated. Every operation runs once for the compiler and then ``repeat`` times; medians of the processor's time
are compared, which on one core is that of the clock, less what the machine does beside. What the others take is measured on some rows of the image where the whole would take minutes, and told as extrapolated. Memory is
the peak of a fresh process above what it held with the image loaded, over the size of the image.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402
from table import add_rows_option, beside, hand_over  # noqa: E402

import spectra  # noqa: E402
import xas  # noqa: E402

WINDOW = (595.0, 635.0)  # eV, of the background
LINES = (643.0, 654.0)  # eV
REACH = (635.0, 674.0)  # eV, of the curve fit: 8 eV in front of L3 to 20 eV behind L2
OPTIONS = {"axis": "energy_loss", "name": "counts", "units": "counts"}
ALIGN = "zero-loss peaks aligned by parts of a channel"
SUBTRACT = "background fitted and subtracted, with covariance"
MAP = "map of L3/L2 with sigma, positions fitted"
GIVEN = "map of L3/L2 with sigma, positions given"
TWO = "two Gaussians on two arctangents"
VOIGTS = "two pseudo-Voigts on two arctangents, background's doubt included"


def simulated(side: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Core losses and low losses of ``side`` × ``side`` pixels; drift of some eV."""
    rng = np.random.default_rng(1)
    loss = 590 + 0.08 * np.arange(channels)
    low = -30 + 0.08 * np.arange(channels)
    drift = rng.uniform(-2, 2, (side, side, 1)).astype(np.float32)
    lines = 1.5 * np.exp(-(((loss - LINES[0]) / 1.6) ** 2)) + 0.5 * np.exp(-(((loss - LINES[1]) / 1.6) ** 2))
    steps = sum(
        h * (np.arctan(np.pi * (loss - e)) / np.pi + 0.5) for h, e in zip((0.2, 0.1), LINES, strict=True)
    )
    mean = (500 * ((loss / 640) ** -3.0 + lines + steps)).astype(np.float32)
    core = np.empty((side, side, channels), np.float32)
    zero = np.empty_like(core)
    for row in range(side):
        core[row] = rng.poisson(mean, size=(side, channels))
        peak = 2e4 * np.exp(-(((low - drift[row]) / 0.4) ** 2))
        zero[row] = rng.poisson(peak + 300 * np.exp(-(((low - drift[row] - 23) / 5) ** 2)))
    return loss, core, low, zero


def image(axis: np.ndarray, values: np.ndarray):
    return spectra.from_arrays(axis, values, dims=("y", "x"), attrs={"element": "Mn"}, **OPTIONS)


def subtract(data):
    return xas.eels.subtract_background(data, window=WINDOW)


def timed(call, repeat: int) -> tuple[list[float], object]:
    """Seconds of ``repeat`` runs after one for the compiler, and what the last one made."""
    times, made = [], call()
    for _ in range(repeat):
        made = None  # what was made before is not held while it is made again
        start = time.process_time()
        made = call()
        times.append(time.process_time() - start)
    return times, made


def ours(loss, core, low, zero, repeat: int) -> tuple[dict[str, list[float]], dict[str, object]]:
    times, made = {}, {}
    zeros, cores = image(low, zero), image(loss, core)
    times[ALIGN], made[ALIGN] = timed(lambda: xas.eels.align_zero_loss(zeros), repeat)
    times[SUBTRACT], net = timed(lambda: subtract(cores), repeat)
    times[MAP], made[MAP] = timed(lambda: xas.eels.white_line_ratio(net), repeat)
    times[GIVEN], _ = timed(lambda: xas.eels.white_line_ratio(net, positions=LINES), repeat)
    times[VOIGTS], _ = timed(lambda: xas.eels.white_line_ratio(net, method="curve_fit"), repeat)
    times[TWO], _ = timed(
        lambda: xas.eels.white_line_ratio(net, method="curve_fit", line_shape="gaussian", positions=LINES),
        repeat,
    )
    made[SUBTRACT] = net
    return times, made


def peers(loss, core, low, zero, repeat: int, rows: dict[str, int]):
    """The same with HyperSpy and eXSpy: seconds per image, rows that they are from, and what was made."""
    import warnings

    warnings.simplefilter("ignore")
    import exspy
    import hyperspy.api as hs

    hs.preferences.General.show_progressbar = False
    side = len(core)

    def signal(values, axis, kind=exspy.signals.EELSSpectrum):
        made = kind(np.array(values))
        made.axes_manager[-1].offset, made.axes_manager[-1].scale = axis[0], axis[1] - axis[0]
        return made

    times, made = {}, {}

    def run(name, call, number, again=repeat):
        seconds = []
        for _ in range(again):
            prepared = call()
            start = time.process_time()
            made[name] = prepared()
            seconds.append(time.process_time() - start)
        times[name] = ([one * side / number for one in seconds], number)

    def align():
        cut = signal(zero, low)
        cut_to = {"subpixel": True, "print_stats": False, "show_progressbar": False, "crop": False}
        return lambda: (cut.align_zero_loss_peak(**cut_to), cut)[1]

    def background(part, fast):
        edge = signal(core[:part], loss)
        how = {"signal_range": WINDOW, "background_type": "PowerLaw", "fast": fast, "show_progressbar": False}
        return lambda: lambda: edge.remove_background(**how)

    def two_lines(net, variance):
        near = (loss >= REACH[0]) & (loss < REACH[1])
        part = signal(net[:, :, near], loss[near], hs.signals.Signal1D)
        part.metadata.set_item(
            "Signal.Noise_properties.variance", signal(variance[:, :, near], loss[near], hs.signals.Signal1D)
        )
        model = part.create_model()
        for place, area in zip(LINES, (2000.0, 700.0), strict=True):
            line = hs.model.components1D.Gaussian(A=area, sigma=1.2, centre=place)
            step = exspy.components.EELSArctan(A=30.0, k=np.pi, x0=place)
            model.extend([line, step])
            step.k.free = False
            step.x0.twin = line.centre
        return lambda: (model.multifit(optimizer="lm", show_progressbar=False), model)[1]

    run(ALIGN, align, side)
    run(SUBTRACT, background(side, True), side)
    run("fitted", background(rows["fitted"], False), rows["fitted"], 1)
    net, variance = two_lines_data(loss, core, rows[TWO])
    run(TWO, lambda: two_lines(net, variance), rows[TWO], 1)
    law = hs.model.components1D.PowerLaw()
    made["power law"] = law.estimate_parameters(signal(core, loss), *WINDOW, out=True)
    return times, made


def two_lines_data(loss, core, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Some rows without background, and variances that both fits weigh with."""
    net = subtract(image(loss, core[:rows])).net.values.astype(float)
    return net, np.maximum(core[:rows].astype(float), 1.0)


def agreement(loss, core, low, made, theirs, rows: int) -> dict[str, str]:
    """What comes out, beside each other, by operation."""
    from xas.eels.channels.curves import Curve
    from xas.eels.channels.linear_variance import Noise
    from xas.eels.energy_axis.zero_loss import zero_loss_position
    from xas.eels.white_lines.fit import fit_lines

    lines = {}
    both = made[ALIGN].counts.values, theirs[ALIGN].data
    left = [zero_loss_position(low, np.nan_to_num(v.reshape(-1, low.size)), (-5, 5), 0.3)[0] for v in both]
    told = [f"{np.nanmean(v):+.4f} ± {np.nanstd(v):.4f}" for v in left]
    lines[ALIGN] = f"zero loss left at {told[0]} eV, HyperSpy's at {told[1]} eV"
    areas = xas.eels.subtract_background(image(loss, core), window=WINDOW, estimator="two_area")
    amplitude, exponent = theirs["power law"]
    own, sigma = (areas[f"background_parameter{end}"].values for end in ("", "_sigma"))
    middle = Curve.from_attrs(
        areas.background.attrs
    ).reference  # eV, where the logarithm of the amplitude is told
    off = np.abs(own[..., 1] - exponent) / sigma[..., 1]
    width = loss[1] - loss[0]  # HyperSpy's amplitude is counts per eV
    height = np.exp(own[..., 0] - np.log(amplitude * width) + exponent * np.log(middle)) - 1
    lines[SUBTRACT] = (
        f"exponents of two areas within {off.max():.2f} σ of HyperSpy's, amplitudes at {middle:.0f} eV within "
        f"{100 * np.abs(height).max():.2f} %"
    )
    net, variance = two_lines_data(loss, core, rows)
    flat = net.reshape(-1, loss.size)
    places = np.repeat(np.array(LINES)[:, None], len(flat), 1)
    found = fit_lines(
        loss, flat, places, Noise(loss, variance.reshape(flat.shape)), 1.0, gaussian=True
    )  # the same window, channel by channel
    chi2 = theirs[TWO].chisq.data.reshape(-1)
    lower = found.chi_square - chi2
    lines[TWO] = f"chi-square differs by {np.abs(lower).max():.0e} of {np.median(chi2):.0f} at most"
    return lines


def cross_sections() -> list[str]:
    import exspy

    lines = []
    for element, shell, onset in (("O", "K", 532.0), ("Mn", "L", 640.0)):
        edge = exspy.components.EELSCLEdge(
            f"{element}_{shell}{'' if shell == 'K' else '3'}", GOS="hydrogenic"
        )
        edge.set_microscope_parameters(E0=200.0, alpha=0.001, beta=30.0, energy_scale=0.1)
        edge.onset_energy.value = onset
        energy = np.linspace(onset, onset + 50, 2001)[1:]
        other = float(np.mean(edge.function(energy)) * 50)
        one = xas.eels.cross_section(
            element, shell, beam_energy=200.0, collection_angle=30.0, width=50.0, onset=onset
        ).value
        lines.append(
            f"cross-section of {element} {shell}, 50 eV, 200 kV, 30 mrad: {one:.1f} barn, eXSpy {other:.1f} ({100 * (one / other - 1):+.3f} %)"
        )
    return lines


MEMORY = {
    ALIGN: lambda loss, core, low, zero: (lambda d: xas.eels.align_zero_loss(d), image(low, zero)),
    SUBTRACT: lambda loss, core, low, zero: (subtract, image(loss, core)),
    f"{SUBTRACT}; {MAP}": lambda loss, core, low, zero: (
        lambda d: xas.eels.white_line_ratio(subtract(d)),
        image(loss, core),
    ),
}


def grown(name: str, side: int, channels: int) -> float:
    """Peak of resident memory above that with the image loaded, over the image; compiled on a small one before."""
    call, data = MEMORY[name](*simulated(4, channels))
    call(data)
    call, data = MEMORY[name](*simulated(side, channels))
    with open("/proc/self/clear_refs", "w") as control:
        control.write("5")  # the peak is counted from here

    def held(key: str) -> int:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(key)) * 1024

    before = held("VmRSS")
    result = call(data)
    size = data["counts"].values.nbytes
    del result
    return (held("VmHWM") - before) / size


def rows_of(times, theirs, said, given) -> list:
    """Rows of the table: what HyperSpy and eXSpy have a counterpart of."""
    count = given.side**2
    pairs = {
        "eels_align": (ALIGN, ALIGN, "HyperSpy"),
        "eels_background": (SUBTRACT, "fitted", "eXSpy, fitted"),
        "eels_lines": (TWO, TWO, "HyperSpy `multifit`"),
    }
    rows = []
    for claim, (mine, other, peer) in pairs.items():
        taken, number = theirs.get(other, (None, 0))
        notes = [said.get(mine, "")] if number in (0, given.side) else [
            said.get(mine, ""), f"peer extrapolated from {number} of {given.side} rows"
        ]  # fmt: skip
        each = None if taken is None else [1e6 * t / count for t in taken]
        rows.append(
            beside(
                claim, f"EELS spectra of {given.channels} channels: {mine}", [1e6 * t / count for t in times[mine]], peer, each,
                spectra=count, peer_spectra=number * given.side, agreement="; ".join(filter(None, notes)),
            )
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--channels", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=3)
    add_rows_option(parser)
    parser.add_argument(
        "--no-memory", action="store_true", help="leave out what each operation takes of memory"
    )
    parser.add_argument("--memory", choices=list(MEMORY), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        print(grown(given.memory, given.side, given.channels))
        return
    data = simulated(given.side, given.channels)
    times, made = ours(*data, given.repeat)
    rows = {"fitted": max(1, given.side // 32), TWO: max(1, given.side // 64)}
    theirs: dict[str, tuple[list[float], int]] = {}
    try:
        import exspy  # noqa: F401
    except ImportError:
        print("HyperSpy and eXSpy are not installed: nothing is measured beside.")
    else:
        theirs, results = peers(*data, given.repeat, rows)
    print(
        f"{given.side} × {given.side} × {given.channels}, float32, one core, medians of {given.repeat}; load {os.getloadavg()[0]:.1f}"
    )
    for name, repeated in times.items():
        seconds = np.median(repeated)
        print(f"{name:70s} {seconds:8.3f} s  {seconds / given.side**2 * 1e6:7.1f} µs per spectrum")
        beside = [name] + (["fitted"] if name == SUBTRACT else [])
        for other in (n for n in beside if n in theirs):
            taken, number = np.median(theirs[other][0]), theirs[other][1]
            words = {"fitted": "eXSpy, fitted", SUBTRACT: "eXSpy, two areas"}.get(other, "HyperSpy")
            part = "" if number == given.side else f", extrapolated from {number} of {given.side} rows"
            print(f"    {words:66s} {taken:8.3f} s  {taken / seconds:7.1f} times{part}")
    said = {}
    if theirs:
        said = agreement(data[0], data[1], data[2], made, results, rows[TWO])
        print("\n".join([*said.values(), *cross_sections()]))
    hand_over(rows_of(times, theirs, said, given), given.rows)
    if given.no_memory:
        return
    size = ["--side", str(given.side), "--channels", str(given.channels)]
    for name in MEMORY:
        told = subprocess.run(
            [sys.executable, __file__, "--memory", name, *size], capture_output=True, text=True, check=True
        )
        print(f"memory: {name:86s} {float(told.stdout.split()[-1]):.2f} times the image")


if __name__ == "__main__":
    main()
