"""A depth profile of Mn 2p with its Shirley background inside the fit, beside lmfit, in the same run on the same spectra.

    python benchmarks/xps_depth_profile.py                       # 10,000 spectra, two threads
    python benchmarks/xps_depth_profile.py --spectra 1000 --single 50

Simulated: Mn2+, Mn3+ and Mn4+ as doublets (six lines, 300 points), their shares changing with depth, on a constant and an
active Shirley background; Poisson counts. Once with SGL lines, the shape of ``xps.deconvolve`` unless told, once with
Voigt lines. This library is timed as a user calls it, ``background="active_shirley"``, with everything it adds:
weights from the fitted curve, component curves, fractions and mean valence with uncertainties. The peer is lmfit with
one hand-written function of the same free parameters, the same limits and start values and its own default limit of
evaluations, given the weights of the fitted curve, on a sample of the spectra; its areas and its constant start near
their values. Minima are compared, and times also over the spectra alone in which both ended in the same one.

Times are medians of wall time, and of processor time (all threads together), which other work on the machine hardly
changes. Beside the verb stands the engine alone, given the weights that lmfit is given. Last come 1,000 Monte Carlo
draws of one fit.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import math
import time

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.special import wofz
from table import add_rows_option, alone, beside, hand_over

import spectra
import xps

X = np.arange(632.0, 662.0, 0.1)
STATES = ("Mn2+", "Mn3+", "Mn4+")
#: Position of 2p3/2 and splitting of each state; Gaussian and natural width of 2p3/2, and factor of 2p1/2.
POSITIONS, SPLITTINGS, WIDTH, NATURAL, FACTOR = (640.4, 641.6, 642.7), (11.7, 11.65, 11.65), 1.8, 0.32, 1.1
K, LEVEL, PEAK = 0.012, 400.0, 20_000.0
FRACTION = 0.3  # Lorentzian share of an SGL line
OPTIONS = {
    "states": STATES,
    "positions": dict(zip(STATES, POSITIONS, strict=True)),
    "background": "active_shirley",
    "position_range": 0.0,
}
#: By how much two sums of squares may differ and still be the same minimum.
SAME = 1e-6


def sgl(d, width, wider):
    """SGL of unit area, for the distances ``d`` from its middle."""
    t2 = (d / (width * wider)) ** 2
    mixed = (1 - FRACTION) * np.exp(-4 * math.log(2) * t2) + FRACTION / (1 + 4 * t2)
    area = (1 - FRACTION) * 0.5 * math.sqrt(math.pi / math.log(2)) + FRACTION * 0.5 * math.pi
    return mixed / (width * wider * area)


def voigt(d, width, wider):
    """Voigt of unit area with the natural width."""
    s = width * wider / (2 * math.sqrt(math.log(2)))
    return wofz((d + 0.5j * NATURAL * wider) / s).real / (s * math.sqrt(math.pi))


SHAPES = {"sgl": sgl, "voigt": voigt}
LINES = {"sgl": "SGL", "voigt": "Voigt"}


def single(line):
    """All lines and their background as one function of the parameters, as a careful user would write it."""

    def curve(x, a0, a1, a2, p0, p1, p2, width, factor, k, c0):
        total = 0.0
        for area, position, splitting in zip((a0, a1, a2), (p0, p1, p2), SPLITTINGS, strict=True):
            total = total + area * line(x - position, width, 1.0)
            total = total + 0.5 * area * line(x - position - splitting, width, factor)
        return c0 + total + k * cumulative_trapezoid(total, x, initial=0)

    return curve


def profile(count, rng, shape="sgl"):
    """Spectra, and the true share of each state at each depth."""
    depth = np.linspace(0.0, 1.0, count)
    shares = np.stack([0.1 + 0.6 * depth**2, 0.25 + 0.15 * np.sin(np.pi * depth), 0.8 - 0.7 * depth], axis=-1)
    shares /= shares.sum(-1, keepdims=True)
    draw = single(SHAPES[shape])
    lines = np.array([draw(X, *row, *POSITIONS, WIDTH, FACTOR, K, 0.0) for row in np.eye(3)])
    curve = shares @ lines * (PEAK / lines.max())
    y = rng.poisson(curve + LEVEL)
    about = {"technique": "xps", "region": "Mn 2p", "element": "Mn", "title": "simulated depth profile"}
    data = spectra.from_arrays(
        X, y, axis="binding_energy", name="counts", units="counts", dims=("depth",), attrs=about
    )
    return data, shares


def timed(call, repeats, count):
    """Result, and wall and processor times per spectrum in microseconds, a row for each repetition."""
    call()
    found, wall, processor = None, [], []
    for _ in range(repeats):
        start, busy = time.perf_counter(), time.process_time()
        found = call()
        processor.append((time.process_time() - busy) / count * 1e6)
        wall.append((time.perf_counter() - start) / count * 1e6)
    return found, np.stack([wall, processor], axis=1)


def threads():
    """As many as the machine has; what the verb takes unless told."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def engine(found, repeats):
    """Times of the engine alone, with the weights that lmfit gets."""
    from spectra.fitting import fit_arrays
    from spectra.verbs import history

    said = history(found)[-1]["resolved"]
    y, sigma = found.counts.values.astype(float), found.fit_sigma.values
    return timed(lambda: fit_arrays(said["model"], said["params"], X, y, sigma=sigma), repeats, len(y))[1]


def peer(found, shape):
    """lmfit's model, its parameters from the history of the fit, and their names there."""
    import lmfit

    from spectra.verbs import history

    params = history(found)[-1]["resolved"]["params"]
    model = lmfit.Model(single(SHAPES[shape]))
    heads = ("mn2_2p3_2_", "mn3_2p3_2_", "mn4_2p3_2_")
    names = {f"a{i}": f"{head}area" for i, head in enumerate(heads)}
    names |= {f"p{i}": f"{head}position" for i, head in enumerate(heads)}
    names |= {
        "width": f"{heads[0]}{'fwhm_g' if shape == 'voigt' else 'fwhm'}",
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


def theirs(found, numbers, shape):
    """Sums of squares, values, errors, names, and wall and processor time of each spectrum in microseconds."""
    model, parameters, free, names = peer(found, shape)
    y, sigma = found.counts.values, found.fit_sigma.values
    model.fit(y[0], parameters, x=X, weights=1 / sigma[0])
    times, chi2, values, errors = [], [], [], []
    for i in numbers:
        # a careful user would not start every area at 1
        for n in range(3):
            parameters[f"a{n}"].set((y[i].max() - y[i].min()) * 2.0)
        parameters["c0"].set(float(y[i][:5].mean()))
        start, busy = time.perf_counter(), time.process_time()
        result = model.fit(y[i], parameters, x=X, weights=1 / sigma[i], scale_covar=False)
        times.append(((time.perf_counter() - start) * 1e6, (time.process_time() - busy) * 1e6))
        chi2.append(result.chisqr)
        values.append([result.params[n].value for n in free])
        errors.append([result.params[n].stderr or np.nan for n in free])
    return np.array(chi2), np.array(values), np.array(errors), [names[n] for n in free], np.array(times)


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=10_000)
    options.add_argument("--single", type=int, default=100, help="spectra that lmfit is timed on")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--draws", type=int, default=1000)
    options.add_argument("--shapes", nargs="+", default=list(SHAPES))
    add_rows_option(options)
    given = options.parse_args()
    from rich.console import Console
    from rich.table import Table

    console = Console(width=150)
    table = Table(
        "µs per spectrum: wall, processor", "free", "xps.deconvolve", "engine", "lmfit", "lmfit, same minimum", "times faster",
        "engine", "same minimum", "values differ by", "(f - truth)/σ: rms",
    )  # fmt: skip
    rows = []
    for shape in given.shapes:
        data, shares = profile(given.spectra, np.random.default_rng(4), shape)
        sample = np.linspace(0, given.spectra - 1, given.single).astype(int)

        def verb(data=data, shape=shape):
            return xps.deconvolve(data, **OPTIONS, shape=shape)

        found, verbs = timed(verb, given.repeats, given.spectra)
        mine, bare = np.median(verbs, axis=0), np.median(engine(found, given.repeats), axis=0)
        chi2, values, errors, names, slow = theirs(found, sample, shape)
        used = found.isel(depth=sample)
        own = (((used.counts - used.best_fit) / used.fit_sigma) ** 2).sum("binding_energy").values
        same = np.abs(own / chi2 - 1) <= SAME
        lower = own < chi2 * (1 - SAME)
        apart = np.abs(used.best_value.sel(parameter=names).values - values) / errors
        pull = (found.fraction.values - shares) / found.fraction_sigma.values
        every, agreeing = np.median(slow, axis=0), np.median(slow[same], axis=0)
        table.add_row(
            shape, str(values.shape[1]), *(", ".join(f"{v:.0f}" for v in pair) for pair in (mine, bare, every, agreeing)),
            *(", ".join(f"{v:.0f}" for v in every / pair) for pair in (mine, bare)),
            f"{same.mean():.1%}, ours lower {lower.mean():.1%}", f"{np.nanmedian(apart[same]):.1e} σ", f"{np.sqrt(np.nanmean(pull**2)):.2f}",
        )  # fmt: skip
        rows.append(
            beside(
                f"depth_profile_{shape}", f"Mn 2p spectra of a depth profile, active Shirley in the fit, {LINES[shape]} lines",
                verbs[:, 0], "one function in lmfit", slow[:, 0], spectra=given.spectra, threads=threads(),
                agreement=f"{np.nanmedian(apart[same]):.0e} σ; same minimum in {same.sum()} of {same.size}, ours lower in {lower.sum()}",
            )
        )  # fmt: skip
    console.print(table)
    data, _ = profile(11, np.random.default_rng(4))
    one = xps.deconvolve(data.isel(depth=5), **OPTIONS)
    drawn, times = timed(lambda: spectra.monte_carlo(one, draws=given.draws), given.repeats, 1)
    draws = alone(
        "monte_carlo",
        f"{given.draws} Monte Carlo draws of one fit",
        times[:, 0] / 1e6,
        unit="s",
        threads=threads(),
    )
    hand_over([*rows, draws], given.rows)
    times = np.median(times, axis=0)
    ratio = (drawn.fraction.std("draw") / one.fraction_sigma).values
    console.print(
        f"{given.draws} Monte Carlo draws of one fit: {times[0] / 1e6:.2f} s, {times[1] / 1e6:.2f} s of processors; spread of "
        f"the fractions over their stated sigma {', '.join(f'{r:.2f}' for r in ratio)}."
    )


if __name__ == "__main__":
    main()
