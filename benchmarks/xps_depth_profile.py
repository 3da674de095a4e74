"""A depth profile of Mn 2p with its Shirley background inside the fit, beside lmfit, in the same run on the same spectra.

    python benchmarks/xps_depth_profile.py                       # 10,000 spectra, two threads
    python benchmarks/xps_depth_profile.py --spectra 1000 --single 50

Simulated: Mn2+, Mn3+ and Mn4+ as Voigt doublets (six lines, 300 points), their shares changing with depth, on a constant and an
active Shirley background; Poisson counts. This library is timed as a user calls it, ``xps.deconvolve`` with
``background="active_shirley"``, with everything it adds: weights from the fitted curve, component curves, fractions and
mean valence with uncertainties. The peer is lmfit with one hand-written function of the same free parameters, the
same limits, start values and weights (those of the fitted curve, handed to it), on a sample of the spectra. Both
minima are compared; beside the verb stands the engine alone, given the weights that lmfit is given. Last come 1,000
Monte Carlo draws of one fit.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import math
import statistics
import time

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.special import wofz

import spectra
import xps

X = np.arange(632.0, 662.0, 0.1)
STATES = ("Mn2+", "Mn3+", "Mn4+")
#: Position of 2p3/2 and splitting of each state; Gaussian and natural width of 2p3/2, and factor of 2p1/2.
POSITIONS, SPLITTINGS, WIDTH, NATURAL, FACTOR = (640.4, 641.6, 642.7), (11.7, 11.65, 11.65), 1.8, 0.32, 1.1
K, LEVEL, PEAK = 0.012, 400.0, 20_000.0
OPTIONS = {
    "states": STATES,
    "positions": dict(zip(STATES, POSITIONS, strict=True)),
    "shape": "voigt",
    "background": "active_shirley",
}
#: By how much two sums of squares may differ and still be the same minimum.
SAME = 1e-6


def single(x, a0, a1, a2, p0, p1, p2, width, factor, k, c0):
    """All lines and their background as one function of the parameters, as a careful user would write it."""
    to_s, root, total = 1 / (2 * math.sqrt(math.log(2))), math.sqrt(math.pi), 0.0
    for area, position, splitting in zip((a0, a1, a2), (p0, p1, p2), SPLITTINGS, strict=True):
        for apart, wider, strength in ((0.0, 1.0, area), (splitting, factor, 0.5 * area)):
            s = width * wider * to_s
            z = (x - position - apart + 0.5j * NATURAL * wider) / s
            total = total + strength / (s * root) * wofz(z).real
    return c0 + total + k * cumulative_trapezoid(total, x, initial=0)


def profile(count, rng):
    """Spectra, and the true share of each state at each depth."""
    depth = np.linspace(0.0, 1.0, count)
    shares = np.stack([0.1 + 0.6 * depth**2, 0.25 + 0.15 * np.sin(np.pi * depth), 0.8 - 0.7 * depth], axis=-1)
    shares /= shares.sum(-1, keepdims=True)
    unit = [single(X, *row, *POSITIONS, WIDTH, FACTOR, K, 0.0) for row in np.eye(3)]
    lines = np.array(unit)
    curve = shares @ lines * (PEAK / lines.max())
    y = rng.poisson(curve + LEVEL)
    about = {"technique": "xps", "region": "Mn 2p", "element": "Mn", "title": "simulated depth profile"}
    data = spectra.from_arrays(
        X, y, axis="binding_energy", name="counts", units="counts", dims=("depth",), attrs=about
    )
    return data, shares


def ours(data, repeats, room):
    """Result, and median time per spectrum in microseconds."""
    xps.deconvolve(data.isel(depth=slice(0, 20)), **OPTIONS, position_range=room)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = xps.deconvolve(data, **OPTIONS, position_range=room)
        times.append((time.perf_counter() - start) / data.sizes["depth"] * 1e6)
    return found, statistics.median(times)


def engine(found, repeats):
    """Median time per spectrum in microseconds of the engine alone, with the weights that lmfit gets."""
    from spectra.fitting import fit_arrays
    from spectra.verbs import history

    said = history(found)[-1]["resolved"]
    y, sigma = found.counts.values.astype(float), found.fit_sigma.values
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fit_arrays(said["model"], said["params"], X, y, sigma=sigma)
        times.append((time.perf_counter() - start) / len(y) * 1e6)
    return statistics.median(times)


def peer(found):
    """lmfit's model, its parameters from the history of the fit, and their names there."""
    import lmfit

    from spectra.verbs import history

    params = history(found)[-1]["resolved"]["params"]
    model = lmfit.Model(single)
    heads = ("mn2_2p3_2_", "mn3_2p3_2_", "mn4_2p3_2_")
    names = {f"a{i}": f"{head}area" for i, head in enumerate(heads)}
    names |= {f"p{i}": f"{head}position" for i, head in enumerate(heads)}
    names |= {
        "width": f"{heads[0]}fwhm_g",
        "factor": "mn2_2p1_2_width_factor",
        "k": f"{heads[0]}shirley",
        "c0": "c0",
    }
    parameters = model.make_params()
    for mine, theirs in names.items():
        setting = params[theirs]
        limits = {"min": setting.get("min", -np.inf), "max": setting.get("max", np.inf)}
        parameters[mine].set(setting["value"], vary=setting.get("vary", True), **limits)
    return model, parameters, [n for n in names if parameters[n].vary], names


def theirs(found, numbers):
    """Sums of squares, values and median time per spectrum in microseconds."""
    model, parameters, free, names = peer(found)
    y, sigma = found.counts.values, found.fit_sigma.values
    model.fit(y[0], parameters, x=X, weights=1 / sigma[0])
    times, chi2, values, errors = [], [], [], []
    for i in numbers:
        # a careful user would not start every area at 1
        for n in range(3):
            parameters[f"a{n}"].set((y[i].max() - y[i].min()) * 2.0)
        parameters["c0"].set(float(y[i][:5].mean()))
        start = time.perf_counter()
        result = model.fit(y[i], parameters, x=X, weights=1 / sigma[i], scale_covar=False, max_nfev=1000)
        times.append((time.perf_counter() - start) * 1e6)
        chi2.append(result.chisqr)
        values.append([result.params[n].value for n in free])
        errors.append([result.params[n].stderr or np.nan for n in free])
    return (
        np.array(chi2),
        np.array(values),
        np.array(errors),
        [names[n] for n in free],
        statistics.median(times),
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=10_000)
    options.add_argument("--single", type=int, default=200, help="spectra that lmfit is timed on")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--draws", type=int, default=1000)
    options.add_argument("--free", action="store_true", help="also with positions free within 0.3 eV")
    given = options.parse_args()
    from rich.console import Console
    from rich.table import Table

    console = Console(width=120)
    table = Table("positions", "spectra", "free", "xps.deconvolve (µs)", "engine (µs)", "lmfit (µs)", "ratios", "same minimum", "values differ by", "(f - truth)/σ: rms")  # fmt: skip
    # with positions free, lines may be weak and are fitted from several starts: slow on both sides, so fewer spectra
    parts = [(0.0, given.spectra, given.single)]
    if given.free:
        parts.append((0.3, given.spectra // 20, max(given.single // 10, 5)))
    for room, count, few in parts:
        data, shares = profile(count, np.random.default_rng(4))
        sample = np.linspace(0, count - 1, few).astype(int)
        found, mine = ours(data, given.repeats, room)
        bare = engine(found, given.repeats)
        chi2, values, errors, names, slow = theirs(found, sample)
        used = found.isel(depth=sample)
        own = (((used.counts - used.best_fit) / used.fit_sigma) ** 2).sum("binding_energy").values
        same = np.abs(own / chi2 - 1) <= SAME
        lower = own < chi2 * (1 - SAME)
        apart = np.abs(used.best_value.sel(parameter=names).values - values) / errors
        pull = (found.fraction.values - shares) / found.fraction_sigma.values
        table.add_row(
            f"free within {room:g} eV" if room else "kept", str(count), str(values.shape[1]), f"{mine:.0f}", f"{bare:.0f}", f"{slow:.0f}", f"{slow / mine:.0f}, {slow / bare:.0f}",
            f"{same.mean():.1%}, ours lower {lower.mean():.1%}", f"{np.nanmedian(apart[same]):.1e} σ",
            f"{np.sqrt(np.nanmean(pull**2)):.2f}",
        )  # fmt: skip
    console.print(table)
    data, _ = profile(11, np.random.default_rng(4))
    one = xps.deconvolve(data.isel(depth=5), **OPTIONS, position_range=0.0)
    times = []
    for seed in range(given.repeats):
        start = time.perf_counter()
        drawn = spectra.monte_carlo(one, draws=given.draws, rng=seed)
        times.append(time.perf_counter() - start)
    ratio = (drawn.fraction.std("draw") / one.fraction_sigma).values
    console.print(
        f"{given.draws} Monte Carlo draws of one fit: {statistics.median(times):.2f} s; spread of the fractions over their "
        f"stated sigma {', '.join(f'{r:.2f}' for r in ratio)}."
    )


if __name__ == "__main__":
    main()
