"""Time per spectrum of the X-ray absorption verbs, of larch and of rexafs, in the same run on the same spectra, one thread.

Processor time, so that other work on a shared machine counts as little as possible.

    python benchmarks/xas_series.py                      # 10,000 spectra of 1649 points
    python benchmarks/xas_series.py --spectra 2000 --peer 10

The series: the 58 spectra of an operando charge of LiNiO2 (Ni K edge, 8060 to 9500 eV) where the measured data are at
hand, else one simulated spectrum on the same grid, repeated with fresh noise of 0.1 % of the step. Larch and rexafs
(``pip install rexafs``; left out where it is missing) work on samples of the series, which also give the agreement.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from table import add_rows_option, beside, hand_over

import spectra
import xas
from spectra.larch_guard import larch_attribute, quiet_larch

E0, RANGES = 8345.0, {"pre": (-200.0, -50.0), "post": (70.0, 1100.0)}
DATA = Path(os.environ.get("REDOX_SPECTRA_DATA", Path(__file__).parents[2] / "shared" / "data"))


def base_spectra():
    """Energies, normalised spectra, and what they are."""
    files = sorted((DATA / "xas" / "operando_LNO_NiK").glob("*.txt"))
    if files:
        scans = xas.read_series(files, dim="time")
        return scans.energy.values, scans.mu.values, "measured LiNiO2"
    energy = np.concatenate([np.arange(8060, 8300, 5), np.arange(8300, 8400, 0.2), np.arange(8400, 9501, 1)])
    k = np.sqrt(0.2624684 * np.clip(energy - 8345, 0, None))
    shells = sum(a * np.sin(2 * r * k) for a, r in ((0.5, 1.5), (0.8, 2.5)))
    rise = 0.5 + np.arctan((energy - 8345) / 1.5) / np.pi
    mu = rise * (1 + shells * np.exp(-0.012 * k**2) / (2 + k)) + 0.6 * np.exp(-(((energy - 8352) / 3) ** 2))
    return energy, mu[None], "simulated"


def make_series(count):
    energy, base, origin = base_spectra()
    rng = np.random.default_rng(1)
    mu = 0.8 * base[np.arange(count) % len(base)]
    mu += 0.5 - 1e-4 * (energy - E0)
    for row in mu:  # row by row: the noise of all at once would double the memory
        row += 8e-4 * rng.normal(size=energy.size)
    attrs = {"technique": "xas", "element": "Ni", "edge": "K"}
    return spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=attrs), origin


def ours(verb, scans, repeats):
    """Result, and times per spectrum of each repetition in microseconds."""
    times, result = [], None
    for _ in range(repeats):
        del result  # its memory serves the next call, as larch's does
        start = time.process_time()
        result = verb(scans)
        times.append((time.process_time() - start) / scans.sizes["scan"] * 1e6)
    return result, np.array(times)


def theirs(function, numbers):
    """Results, and the time of each spectrum in microseconds; the first call, which warms up, does not count."""
    function(numbers[0])
    times, results = [], []
    for number in numbers:
        start = time.process_time()
        results.append(function(number))
        times.append((time.process_time() - start) * 1e6)
    return results, np.array(times)


def by_rexafs(energy, spectra_of_series, **background):
    """Results, and microseconds of each spectrum: normalisation, background, transform, all with its input and output."""
    import rexafs

    before, after, transform = rexafs.PrePostEdge(), rexafs.AUTOBK(**background), rexafs.XrayFFTF()
    before.e0, before.norm_polyorder = E0, 2
    (before.pre_edge_start, before.pre_edge_end), (before.norm_start, before.norm_end) = RANGES.values()
    transform.kmin, transform.kmax, transform.kweight, transform.dk = 3.0, 12.0, 2, 1.0
    transform.window = "Hanning"
    results, times = [], []
    for mu in (spectra_of_series[0], *spectra_of_series):
        marks = [time.process_time()]
        one = rexafs.Spectrum(energy, mu)
        one.set_normalization_method(before)
        one.set_background_method(after)
        one.set_fft(transform)
        marks.append(time.process_time())
        for stage in (one.normalize, one.calc_background, one.fft):
            stage()
            marks.append(time.process_time())
        one.flat(), one.chi(), one.chir_mag()  # the arrays, of which it makes copies
        results.append(one)
        times.append([*np.diff(marks)[1:], time.process_time() - marks[0]])
    return results[1:], np.array(times[1:]) * 1e6  # the first one warms up


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=10_000)
    options.add_argument("--peer", type=int, default=40, help="spectra that larch works on")
    options.add_argument("--repeats", type=int, default=3)
    add_rows_option(options)
    given = options.parse_args()
    pre_edge, find_e0, autobk, xftf = (
        larch_attribute("larch.xafs", n) for n in ("pre_edge", "find_e0", "autobk", "xftf")
    )
    group_of = larch_attribute("larch", "Group")
    raw, origin = make_series(given.spectra)
    energy = raw.energy.values
    numbers = np.linspace(0, given.spectra - 1, given.peer).astype(int)
    (pre1, pre2), (norm1, norm2) = RANGES["pre"], RANGES["post"]
    table = Table(
        "step", "this library (µs)", "larch (µs)", "ratio", "rexafs (µs)", "ratio", "largest difference to larch",
        title=f"{given.spectra} spectra × {energy.size} points, {origin} with noise, one thread",
    )  # fmt: skip
    totals = {"ours": 0.0, "larch": 0.0}  # of each repetition, and of each spectrum
    agreed, edges = {}, []

    try:
        _, fast = by_rexafs(energy, raw.mu.values[numbers])
        free, _ = by_rexafs(energy, raw.mu.values[numbers[:2]], clamp_lambda=0.0)
    except ImportError:
        fast, free = None, []

    def row(step, mine, peer, difference, *, counts=False, other=None):
        if counts:
            totals["ours"] += mine
            totals["larch"] += peer
        mine, peer = statistics.median(mine), statistics.median(peer)
        third = ("", "")
        if other is not None and fast is not None:
            theirs = statistics.median(fast[:, other])
            third = (f"{theirs:.0f}", f"{theirs / mine:.1f}×")
        table.add_row(step, f"{mine:.1f}", f"{peer:.0f}", f"{peer / mine:.0f}×", *third, difference)

    def larch_normalized(i):
        group = group_of(energy=energy, mu=raw.mu.values[i])
        pre_edge(group, e0=E0, pre1=pre1, pre2=pre2, norm1=norm1, norm2=norm2)
        return group

    with quiet_larch():
        normalized, mine = ours(lambda d: xas.normalize(d, e0=E0, **RANGES), raw, given.repeats)
        groups, peer = theirs(larch_normalized, numbers)
        flat = normalized.flat.values[numbers]
        worst = max(abs(f - g.flat).max() for f, g in zip(flat, groups, strict=True))
        row("normalize (E0 given)", mine, peer, f"flat {worst:.1e}", counts=True, other=0)
        keep = ["mu", "e0", "edge_step", "flat", "norm_sigma", "noise"]
        normalized = normalized[keep]

        _, peer = theirs(lambda i: find_e0(energy, raw.mu.values[i]), numbers)
        for method in ("half_step", "integral"):
            _, mine = ours(lambda d, m=method: xas.edge_position(d, method=m), normalized, given.repeats)
            row(f"edge_position {method} | find_e0", mine, peer, "other measures")
            edges.append((method, mine, peer))

        scaled = normalized[["mu"]] / normalized.edge_step
        scaled = normalized.assign(mu=scaled.mu, edge_step=1.0 + 0 * normalized.edge_step)
        cases = {
            "autobk, no clamps": (normalized, {"clamp": "none"}, {"nclamp": 0}),
            "autobk, larch's clamps, µ / step": (scaled, {"clamp": "larch"}, {}),
            "autobk, default": (normalized, {}, {}),
        }
        for step, (scans, mine_options, peer_options) in cases.items():

            def larch_background(i, scans=scans, options=peer_options):
                group = group_of(energy=energy, mu=scans.mu.values[i])
                autobk(group, ek0=E0, edge_step=float(scans.edge_step[i]), **options)
                return group

            chi, mine = ours(lambda d, o=mine_options: xas.autobk(d, **o), scans, given.repeats)
            groups, peer = theirs(larch_background, numbers)
            k = chi.k.values
            worst = max(
                abs((c - g.chi) * k**2).max() for c, g in zip(chi.chi.values[numbers], groups, strict=True)
            )
            text = f"k²χ {worst:.1e}" + (" (other clamp)" if step.endswith("default") else "")
            default = step.endswith("default")
            row(step, mine, peer, text, counts=default, other=1 if default else None)
            if step.endswith("no clamps"):
                both = list(zip(free, chi.chi.values[numbers[:2]], strict=False))
                agreed["rexafs"] = max(
                    (abs((f.chi()[: k.size] - c) * k**2).max() for f, c in both), default=0.0
                )
                agreed["larch"] = worst

        def larch_transformed(group):
            xftf(group, kmin=3, kmax=12, kweight=2, dk=1, window="hanning")
            return group

        transformed, mine = ours(
            lambda d: xas.fourier(d, k=(3, 12), kweight=2), chi[["mu", "chi", "chi_sigma"]], given.repeats
        )
        by_number = {
            int(i): group_of(k=k, chi=c) for i, c in zip(numbers, chi.chi.values[numbers], strict=True)
        }
        groups, peer = theirs(lambda i: larch_transformed(by_number[int(i)]), numbers)
        both = zip(transformed.chir_mag.values[numbers], groups, strict=True)
        worst = max(abs(c - g.chir_mag).max() / g.chir_mag.max() for c, g in both)
        row("fourier", mine, peer, f"|χ(R)| {worst:.1e} relative", counts=True, other=2)
    table.add_section()
    row("normalize + autobk + fourier", totals["ours"], totals["larch"], "", other=3)
    if free:
        table.caption = f"rexafs without clamps: k²χ {agreed['rexafs']:.1e}; its last line includes handing the spectrum over and the curves back"
    Console(width=120).print(table)
    size = {"spectra": given.spectra, "clock": "processor"}
    what = f"absorption spectra of {energy.size} points: normalise, AUTOBK, Fourier transform"
    same = {name: f"{value:.0e} in k²χ without clamps" for name, value in agreed.items()}
    mine, by_larch = totals["ours"], totals["larch"]
    by_other = None if fast is None else fast[:, 3]
    rows = [
        beside("xas_chain", what, mine, "larch", by_larch, agreement=same["larch"], **size),
        beside("xas_chain_rexafs", what, mine, "rexafs (Rust)", by_other, agreement=same["rexafs"], **size),
    ]
    for method, own, peer in edges:
        name = f"edge position, {method.replace('_', '-')}"
        rows.append(
            beside(f"edge_{method}", name, own, "larch `find_e0`", peer, agreement="another measure", **size)
        )
    hand_over(rows, given.rows)


if __name__ == "__main__":
    main()
