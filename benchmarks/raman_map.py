"""Time per spectrum of a Raman map, from the detector to bands, beside pybaselines and lmfit in the same run.

    python benchmarks/raman_map.py                          # 10,000 spectra of 1000 points, two threads
    python benchmarks/raman_map.py --spectra 2000 --peer-fits 10 --workers 1

The map is simulated: three bands on fluorescence that differs from pixel to pixel, Poisson noise, a cosmic ray in every
fiftieth spectrum, pixels without data. Timed are the verbs a user calls: ``spectra.despike``,
``spectra.subtract_baseline`` and ``spectra.fit`` on the 160 points around the bands. pybaselines and lmfit work on a
sample, one spectrum after another as their users do, from the same start values. Baselines, positions and areas of both
are compared.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time
import warnings

import numpy as np
from table import add_rows_option, alone, beside, hand_over

import spectra
from spectra.preprocessing import whittaker_baselines

SHIFT = np.linspace(100.0, 1998.0, 1000)
WINDOW = (440.0, 744.0)  # 160 points
BANDS = ((491.0, 18.0, 0.5), (590.0, 30.0, 0.8), (633.0, 22.0, 1.0))  # position, full width, height
LAM = 1e6
METHODS = {"asls": "asls", "arpls": "arPLS", "airpls": "airPLS"}
SHAPES = {"lorentzian": "Lorentzian", "pseudo_voigt": "pseudo-Voigt"}


def simulated_map(rows, columns, rng):
    """Counts (rows, columns, 1000), and the Raman bands alone."""
    glow = rng.uniform(400, 3000, (rows, columns, 1)) * np.exp(
        -SHIFT / rng.uniform(500, 2000, (rows, columns, 1))
    )
    strength = rng.uniform(300, 1500, (rows, columns, 1))
    bands = sum(h / (1 + (2 * (SHIFT - at) / w) ** 2) for at, w, h in BANDS)
    y = rng.poisson(150 + glow + strength * bands).astype(float)
    flat = y.reshape(-1, SHIFT.size)
    hit = np.arange(0, len(flat), 50)
    flat[hit, rng.integers(10, 990, hit.size)] += rng.uniform(1000, 30000, hit.size)
    flat[7::997] = np.nan
    return y, strength * bands


def model(shape):
    """Tables of three bands and a line, as a recipe writes them, and their start values."""
    tables = [{"shape": shape, "prefix": f"b{i}_"} for i in range(3)] + [
        {"shape": "polynomial", "prefix": "l_", "degree": 1}
    ]
    params = {}
    for i, (at, width, _) in enumerate(BANDS):
        params |= {
            f"b{i}_position": {"value": at + 2, "min": at - 15, "max": at + 15},
            f"b{i}_area": {"value": 1e4, "min": 0.0},
            f"b{i}_fwhm": {"value": 1.3 * width, "min": 4.0, "max": 80.0},
        }
        if shape == "pseudo_voigt":
            params[f"b{i}_fraction"] = {"value": 0.5, "min": 0.0, "max": 1.0}
    return tuple(tables), params


def peer_model(shape):
    """The same by lmfit."""
    import lmfit

    kind = {"lorentzian": lmfit.models.LorentzianModel, "pseudo_voigt": lmfit.models.PseudoVoigtModel}[shape]
    whole = lmfit.models.LinearModel(prefix="l_")
    for i in range(3):
        whole += kind(prefix=f"b{i}_")
    params = whole.make_params(l_slope=0.0, l_intercept=0.0)
    for i, (at, width, _) in enumerate(BANDS):
        params[f"b{i}_center"].set(at + 2, min=at - 15, max=at + 15)
        params[f"b{i}_amplitude"].set(1e4, min=0.0)
        params[f"b{i}_sigma"].set(1.3 * width / 2, min=2.0, max=40.0)
        if shape == "pseudo_voigt":
            params[f"b{i}_fraction"].set(0.5, min=0.0, max=1.0)
    return whole, params


def timed(work, repeats=1):
    """Result, and seconds of wall clock of each repetition."""
    times, result = [], None
    for _ in range(repeats):
        del result  # its memory serves the next call
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return result, np.array(times)


def one_by_one(work, rows):
    """Results, and microseconds of each; the first, which warms up, does not count."""
    work(rows[0])
    made, times = zip(*(timed(lambda row=row: work(row)) for row in rows), strict=True)
    return made, 1e6 * np.concatenate(times)


def say(what, times, count, more=""):
    seconds = float(np.median(times))
    print(
        f"{what:<46}{seconds / count * 1e6:>10.1f} us/spectrum {count / seconds:>12,.0f} spectra/s  {more}",
        flush=True,
    )


def baselines(y, arguments):
    """Compiled baselines alone, beside pybaselines: rows of the table."""
    from pybaselines import Baseline

    told, rows = [], y[np.isfinite(y).all(1)]
    for method in METHODS:
        lam = LAM if method == "asls" else 1e5
        whittaker_baselines(rows[:40], method=method, lam=lam)  # compiled
        made, ours = timed(
            lambda m=method, k=lam: whittaker_baselines(rows, method=m, lam=k, workers=arguments.workers),
            arguments.repeats,
        )
        fitter, sample = Baseline(SHIFT), rows[:: max(len(rows) // arguments.peer_baselines, 1)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer, theirs = one_by_one(
                lambda one, m=method, k=lam, f=fitter: getattr(f, m)(one, lam=k)[0], sample
            )
        off = np.abs(made.baseline[:: max(len(rows) // arguments.peer_baselines, 1)] - peer).max(1) / np.ptp(
            sample, axis=1
        )
        each = 1e6 * ours / len(rows)
        told.append(
            beside(
                f"baseline_{method}", f"Raman spectra of {SHIFT.size} points, baseline {METHODS[method]}", each, "pybaselines", theirs,
                agreement=f"{off.max():.0e} of the range", spectra=len(rows), threads=arguments.workers,
            )
        )  # fmt: skip
        gain = np.median(theirs) / np.median(each)
        say(
            f"baseline {method}, compiled",
            ours,
            len(rows),
            f"{gain:.0f} times pybaselines, differ by {off.max():.0e}",
        )
        say(f"baseline {method}, pybaselines", theirs / 1e6, 1)
    return told


def fits(data, arguments):
    """Three bands and a line, beside lmfit: rows of the table."""
    told, x = [], data.raman_shift.values
    for shape in SHAPES:
        tables, params = model(shape)

        def run(part, tables=tables, params=params):
            return spectra.fit(
                part, model=tables, params=params, variable="net", weights="none", component_curves=False,
                workers=arguments.workers,
            )  # fmt: skip

        run(data.isel(y=slice(0, 1)))  # compiled
        made, ours = timed(lambda d=data, r=run: r(d), arguments.repeats)
        flat = data.net.values.reshape(-1, x.size)
        good = np.flatnonzero(np.isfinite(flat).all(1))[:: max(flat.shape[0] // arguments.peer_fits, 1)]
        whole, start = peer_model(shape)
        peer, theirs = one_by_one(lambda i, w=whole, s=start, f=flat: w.fit(f[i], s, x=x), good)
        mine = made.position.values.reshape(len(flat), -1)[good, :3]
        other = np.array([[r.params[f"b{i}_center"].value for i in range(3)] for r in peer])
        cost = made.redchi.values.ravel()[good] / np.array([r.redchi for r in peer])
        each = 1e6 * ours / len(flat)
        gain = np.median(theirs) / np.median(each)
        say(f"fit of three {shape} bands and a line", ours, len(flat), f"{gain:.0f} times lmfit")
        say(f"the same by lmfit ({np.median([r.nfev for r in peer]):.0f} evaluations)", theirs / 1e6, 1)
        same = np.abs(cost - 1) < 1e-6
        told.append(
            beside(
                f"bands_{shape}", f"Raman spectra, three {SHAPES[shape]} bands and a line on {x.size} points",
                each, "lmfit", theirs, agreement=f"same minimum to 1e-6 in {same.sum()} of {same.size}",
                spectra=len(flat), threads=arguments.workers,
            )
        )  # fmt: skip
        print(
            f"    chi-square equal in {same.mean():.0%}, lower in {(cost < 1 - 1e-6).mean():.0%}, higher in "
            f"{(cost > 1 + 1e-6).mean():.0%}; where equal, positions differ by {np.abs(mine - other)[same].max(initial=0):.0e} 1/cm"
        )
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--spectra", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peer-baselines", type=int, default=200)
    parser.add_argument("--peer-fits", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    add_rows_option(parser)
    arguments = parser.parse_args()
    columns = 100
    counts, _ = simulated_map(max(arguments.spectra // columns, 1), columns, np.random.default_rng(1))
    data = spectra.from_arrays(
        SHIFT, counts, axis="raman_shift", dims=("y", "x"), units="counts", attrs={"technique": "raman"}
    )
    total = counts.shape[0] * columns
    workers = {"workers": arguments.workers}
    print(f"{total} spectra of {SHIFT.size} points, {arguments.workers} threads")
    tables, params = model("lorentzian")
    bands = tables[:3]
    own = {k: v for k, v in params.items() if not k.startswith("l_")}

    def despiked(part):
        return spectra.despike(part, **workers)

    def subtracted(part):
        return spectra.subtract_baseline(part, method="asls", options={"lam": LAM}, **workers)

    def fitted(part):
        inside = spectra.crop(part, window=WINDOW)
        return spectra.fit(
            inside, model=bands, params=own, variable="net", weights="none", component_curves=False, **workers
        )

    small = data.isel(y=slice(0, 1))
    fitted(subtracted(despiked(small)))  # compiled
    clean, first = timed(lambda: despiked(data), arguments.repeats)
    net, second = timed(lambda: subtracted(clean), arguments.repeats)
    made, third = timed(lambda: fitted(net), arguments.repeats)
    say("spectra.despike", first, total)
    say("spectra.subtract_baseline (asls)", second, total)
    say("spectra.fit (three bands)", third, total)
    say("the three together", first + second + third, total)
    near, near_time = timed(lambda: spectra.despike(data, against="neighbours", **workers))
    say("spectra.despike, against neighbours", near_time, total)
    position = made.position.values.reshape(-1, 3)
    print(
        f"    positions off by {np.nanmedian(np.abs(position - [b[0] for b in BANDS]), axis=0).round(2)} 1/cm (median); "
        f"{int(clean.n_spikes.sum())} and {int(near.n_spikes.sum())} points of cosmic rays"
    )
    rows = [
        alone(
            "raman_map", "Raman map: cosmic rays, baseline, three bands", 1e6 * (first + second + third) / total,
            spectra=total, threads=arguments.workers,
        ),
        *baselines(counts.reshape(total, -1), arguments),
        *fits(spectra.crop(net, window=WINDOW), arguments),
    ]  # fmt: skip
    hand_over(rows, arguments.rows)


if __name__ == "__main__":
    main()
