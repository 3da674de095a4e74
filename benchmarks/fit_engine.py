"""Time per spectrum of the fit engine and of lmfit, in the same run on the same spectra, and whether they agree.

    python benchmarks/fit_engine.py                      # 10,000 spectra, two threads
    python benchmarks/fit_engine.py --spectra 2000 --composite 5 --single 100

The spectra are simulated: Mn 2p-like, four spin-orbit doublets (eight Voigt lines) on 281 points, 12 free parameters,
all other 20 tied to them by expressions. Clear spectra have four strong doublets and counting noise. Weak ones have
three doublets of 15 % of the height of the fourth, at a signal-to-noise ratio of 5 on the highest point. Peers are
lmfit's composite model of eight ``VoigtModel`` and one hand-written function of the 12 parameters, both by lmfit's
default method, from the same start values; they work on a sample of the spectra. Of weak spectra a fifth is made.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.special import wofz
from table import add_rows_option, alone, beside, hand_over

X = np.linspace(634.0, 662.0, 281)
POSITIONS = (640.6, 641.9, 642.8, 644.3)
#: value, lower and upper bound of what all doublets share
SHARED = {"split": (11.6, 10.5, 12.5), "g": (1.2, 0.2, 4.0), "l": (0.4, 0.05, 2.0), "extra": (0.5, 0.0, 2.0)}
CLEAR, WEAK = (3000.0, 5000.0, 4000.0, 2000.0), (750.0, 5000.0, 750.0, 750.0)
AREA = 2500.0  # where every area starts
#: by how much two sums of squares may differ and still be the same minimum
SAME = 1e-6
#: flags that say a result may rest on a choice between minima
DOUBT = ("weak_component", "undetermined", "several_minima", "at_bound")


def tables():
    """The model as a recipe writes it."""
    parameters = {n: {"value": v, "min": low, "max": high} for n, (v, low, high) in SHARED.items()}
    components = []
    for i, position in enumerate(POSITIONS):
        a, b = f"a{i}_", f"b{i}_"
        components += [{"shape": "voigt", "prefix": a}, {"shape": "voigt", "prefix": b}]
        parameters[a + "position"] = {"value": position, "min": position - 1, "max": position + 1}
        parameters[a + "area"] = {"value": AREA, "min": 0.0}
        parameters |= {a + "fwhm_g": {"expr": "g"}, a + "fwhm_l": {"expr": "l"}}
        parameters |= {
            b + "position": {"expr": f"{a}position + split"},
            b + "area": {"expr": f"{a}area / 2"},
            b + "fwhm_g": {"expr": "g + extra"},
            b + "fwhm_l": {"expr": "l"},
        }
    return components, parameters


def composite():
    """The same in lmfit's own models: sigma and gamma instead of widths at half maximum."""
    import lmfit

    model, parameters = None, lmfit.Parameters()
    for name, (value, low, high) in SHARED.items():
        parameters.add(name, value, min=low, max=high)
    to_sigma = f"* {1 / (2 * math.sqrt(2 * math.log(2)))!r}"
    for i, position in enumerate(POSITIONS):
        a, b = lmfit.models.VoigtModel(prefix=f"a{i}_"), lmfit.models.VoigtModel(prefix=f"b{i}_")
        model = a + b if model is None else model + a + b
        parameters.update(a.make_params() + b.make_params())
        parameters[f"a{i}_center"].set(position, min=position - 1, max=position + 1)
        parameters[f"a{i}_amplitude"].set(AREA, min=0)
        parameters[f"a{i}_sigma"].set(expr=f"g {to_sigma}")
        parameters[f"b{i}_sigma"].set(expr=f"(g + extra) {to_sigma}")
        parameters[f"b{i}_center"].set(expr=f"a{i}_center + split")
        parameters[f"b{i}_amplitude"].set(expr=f"a{i}_amplitude / 2")
        for prefix in (f"a{i}_", f"b{i}_"):
            parameters[prefix + "gamma"].set(expr="l / 2")
    return model, parameters


def single(x, p0, p1, p2, p3, a0, a1, a2, a3, split, g, l, extra):  # noqa: E741  the width is called l above
    """The same as one function of the 12 free parameters, as a careful user would write it."""
    k, root = 1 / (2 * math.sqrt(math.log(2))), math.sqrt(math.pi)
    s1, s2, total = g * k, (g + extra) * k, 0.0
    for p, a in ((p0, a0), (p1, a1), (p2, a2), (p3, a3)):
        total = total + a / (s1 * root) * wofz((x - p + 0.5j * l) / s1).real
        total = total + a / (2 * s2 * root) * wofz((x - p - split + 0.5j * l) / s2).real
    return total


def single_model():
    import lmfit

    model = lmfit.Model(single)
    parameters = model.make_params()
    for i, position in enumerate(POSITIONS):
        parameters[f"p{i}"].set(position, min=position - 1, max=position + 1)
        parameters[f"a{i}"].set(AREA, min=0)
    for name, (value, low, high) in SHARED.items():
        parameters[name].set(value, min=low, max=high)
    return model, parameters


def simulate(count, areas, rng, *, signal_to_noise=None):
    """Spectra and their uncertainties; without a ratio the noise is that of counts on a background of 50."""
    spread = np.array([0.004, 0.05, 0.1, 0.1])
    shared = np.array([v for v, _, _ in SHARED.values()]) * (1 + spread * rng.normal(size=(count, 4)))
    positions = np.array(POSITIONS) + 0.1 * rng.normal(size=(count, 4))
    strengths = np.array(areas) * rng.uniform(0.7, 1.3, size=(count, 4))
    y = np.array([single(X, *row) for row in np.concatenate([positions, strengths, shared], axis=1)])
    if signal_to_noise is None:
        sigma = np.sqrt(np.maximum(y, 1) + 50)
    else:
        sigma = np.broadcast_to(y.max(-1, keepdims=True) / signal_to_noise, y.shape)
    return y + sigma * rng.normal(size=y.shape), sigma


def ours(y, sigma, workers, repeats):
    """Result, and times per spectrum of each repetition in microseconds."""
    from spectra.fitting import fit_arrays

    model = tables()
    fit_arrays(*model, X, y[:1], sigma=sigma[:1])
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = fit_arrays(*model, X, y, sigma=sigma, workers=workers)
        times.append((time.perf_counter() - start) / len(y) * 1e6)
    return result, times


def theirs(model, parameters, y, sigma, numbers):
    """Sums of squares and the time of each spectrum in microseconds; the first, which warms up, does not count."""
    model.fit(y[0], parameters, x=X, weights=1 / sigma[0])
    times, chi2 = [], []
    for i in numbers:
        start = time.perf_counter()
        chi2.append(model.fit(y[i], parameters, x=X, weights=1 / sigma[i]).chisqr)
        times.append((time.perf_counter() - start) * 1e6)
    return np.array(chi2), times


def fresh_process(engine, **environment):
    """Seconds that a new process needs from its start for one spectrum."""
    start = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--one", engine], check=True, env=os.environ | environment)
    return time.perf_counter() - start


def compilation():
    """Seconds that a new process needs where nothing was compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        return fresh_process("ours", NUMBA_CACHE_DIR=folder)


def one(engine):
    """Fit one spectrum; what the fresh process does, with no import that the engine does not need."""
    y, sigma = simulate(1, CLEAR, np.random.default_rng(2))
    if engine == "ours":
        from spectra.fitting import fit_arrays

        fit_arrays(*tables(), X, y, sigma=sigma)
        return
    model, parameters = composite() if engine == "composite" else single_model()
    model.fit(y[0], parameters, x=X, weights=1 / sigma[0])


def fresh_processes(repeats, console):
    """What a new process takes for one spectrum; rows of the table."""
    fresh = [[fresh_process(e) for _ in range(repeats)] for e in ("ours", "composite", "single")]
    compiling = compilation()
    console.print(
        "One spectrum in a fresh process, from its start, compiled code on disk: {:.2f} s; lmfit composite {:.2f} s, "
        "one function {:.2f} s; nothing compiled before {:.0f} s.".format(
            *map(statistics.median, fresh), compiling
        )
    )
    return [
        alone("fit_compiled", "one fit in a fresh process, compiled code on disk", fresh[0], unit="s"),
        alone("fit_compiling", "one fit in a fresh process, nothing compiled before", [compiling], unit="s"),
    ]


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=10_000)
    options.add_argument("--composite", type=int, default=20, help="spectra the composite model is fitted to")
    options.add_argument("--single", type=int, default=300, help="spectra the single function is fitted to")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--clear-only", action="store_true", help="leave the weak spectra out")
    options.add_argument(
        "--no-compilation",
        action="store_true",
        help="leave out how long a first use takes, and a fresh process",
    )
    add_rows_option(options)
    options.add_argument("--one", choices=("ours", "composite", "single"), help="fit one spectrum and end")
    given = options.parse_args()
    if given.one:
        one(given.one)
        return
    from rich.console import Console
    from rich.table import Table

    rng, console, rows = np.random.default_rng(5), Console(width=120), []
    kinds = (("clear", CLEAR, None), ("weak bands", WEAK, 5.0))
    table = Table(
        "spectra", "this library (µs)", "lmfit composite (µs)", "lmfit one function (µs)", "ratios",
        title=f"{given.spectra} simulated Mn 2p spectra × {X.size} points, 8 Voigt lines, 12 free parameters, "
        f"{given.threads} threads",
    )  # fmt: skip
    found = Table("spectra", "compared", "same minimum", "ours lower", "ours higher", "higher, no flag")
    for name, areas, ratio in kinds[: 1 if given.clear_only else 2]:
        count = given.spectra if ratio is None else max(given.spectra // 5, given.single)
        y, sigma = simulate(count, areas, rng, signal_to_noise=ratio)
        result, own = ours(y, sigma, given.threads, given.repeats)
        few = np.linspace(0, count - 1, given.composite).astype(int)
        many = np.linspace(0, count - 1, given.single).astype(int)
        chi2, by_composite = theirs(*composite(), y, sigma, few)
        few_off = result.chi2[few] / chi2 - 1
        chi2, by_function = theirs(*single_model(), y, sigma, many)
        mine, slow, quick = map(statistics.median, (own, by_composite, by_function))
        table.add_row(
            name, f"{mine:.1f}", f"{slow:.0f}", f"{quick:.0f}", f"{slow / mine:.0f}×, {quick / mine:.0f}×"
        )
        off = result.chi2[many] / chi2 - 1
        flagged = np.any([result.flags[f][many] for f in DOUBT], axis=0) | ~np.isfinite(off)
        higher = ~(off <= SAME)
        counts = (abs(off) <= SAME).mean(), (off < -SAME).mean(), higher.mean()
        found.add_row(
            name, str(len(many)), *(f"{100 * c:.1f} %" for c in counts), str(int((higher & ~flagged).sum()))
        )
        if name == "clear":
            few_same = f"same minimum to 1e-6 in {int((abs(few_off) <= SAME).sum())} of {len(few)}"
            same = f"same minimum to 1e-6 in {int((abs(off) <= SAME).sum())} of {len(many)}"
            what = "Mn 2p spectra, eight Voigt lines, 12 free parameters"
            size = {"spectra": count, "threads": given.threads}
            rows += [
                beside(
                    "mn2p_composite",
                    what,
                    own,
                    "lmfit composite model",
                    by_composite,
                    agreement=few_same,
                    **size,
                ),
                beside(
                    "mn2p_function", what, own, "one function in lmfit", by_function, agreement=same, **size
                ),
            ]
    console.print(table)
    console.print(found)
    if not given.no_compilation:
        rows += fresh_processes(given.repeats, console)
    hand_over(rows, given.rows)


if __name__ == "__main__":
    main()
