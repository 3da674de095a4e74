"""Time per spectrum of fits of bands and of lmfit's, in the same run on the same spectra.

    python benchmarks/raman_bands.py                      # a map of 10,000 spectra, 160 points in the window, two threads
    python benchmarks/raman_bands.py --spectra 2000 --peer 20

Three bands on a straight line, as Lorentzians and as pseudo-Voigt lines, positions, areas and widths scattered over the
map, noise of known size. The verb is timed whole: window, limits, flags, uncertainties and labels are in it; "engine"
is what of it is spent in the fit. lmfit fits a sample of the same spectra with its own models, the same limits, start
values and weights, one after another, which also gives the agreement in units of the stated uncertainty.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import time

import numpy as np
from lmfit.models import LinearModel, LorentzianModel, PseudoVoigtModel
from rich.console import Console
from rich.table import Table

import raman
import spectra
from spectra.fitting import fit_arrays
from spectra.fitting.spec import from_tables
from spectra.verbs import history

POSITIONS, WINDOW, NOISE = (491.0, 590.0, 633.0), (400.0, 720.0), 10.0


def simulated_map(count, shape):
    """A map of spectra whose truth is known."""
    rng = np.random.default_rng(1)
    lines = {
        f"{at:g}": {
            "shape": shape, "position": at + rng.normal(0, 1.5, count), "area": area * rng.uniform(0.5, 1.5, count),
            "fwhm": width * rng.uniform(0.8, 1.2, count), **({"fraction": 0.5} if shape == "pseudo_voigt" else {}),
        }
        for at, area, width in zip(POSITIONS, (6e3, 9e3, 3e4), (20.0, 22.0, 18.0), strict=True)
    }  # fmt: skip
    x = np.arange(400.0, 720.0, 2.0)
    made = spectra.simulate(x, lines, background=300.0, noise=NOISE, rng=2, axis="raman_shift")
    return made[["intensity", "intensity_sigma"]]


def ours(data, shape, workers):
    """The verb, timed, and the engine alone on the model that the verb made."""
    options = {
        "shape": shape,
        "window": WINDOW,
        "start": "fresh",
        "component_curves": False,
        "workers": workers,
    }
    raman.fit_bands(data.isel(scan=slice(0, 40)), POSITIONS, **options)  # compiled, or read from disk
    begin = time.perf_counter()
    found = raman.fit_bands(data, POSITIONS, **options)
    verb = time.perf_counter() - begin
    said = history(found)[-1]["resolved"]
    model = from_tables(said["model"], said["params"])
    x, y = data.raman_shift.values, data.intensity.values
    begin = time.perf_counter()
    fit_arrays(
        model, None, x, y, sigma=data.intensity_sigma.values, component_curves=False, workers=workers,
        restarts=said["restarts"],
    )  # fmt: skip
    return found, said["params"], verb, time.perf_counter() - begin


def lmfit_model(params, shape):
    """lmfit's own models with the limits and start values of ours; its sigma is half the full width."""
    kinds = {"lorentzian": LorentzianModel, "pseudo_voigt": PseudoVoigtModel}
    prefixes = [n.removesuffix("position") for n in params if n.endswith("_position")]
    model = LinearModel(prefix="line_")
    for prefix in prefixes:
        model = model + kinds[shape](prefix=prefix)
    start = model.make_params(line_slope=0.0, line_intercept=float(300))
    for prefix in prefixes:
        names = {
            "position": ("center", 1.0),
            "area": ("amplitude", 1.0),
            "fwhm": ("sigma", 0.5),
            "fraction": ("fraction", 1),
        }
        for ours_, (theirs_, factor) in names.items():
            setting = params.get(prefix + ours_)
            if setting is not None:
                limits = {k: factor * setting[k] for k in ("min", "max") if k in setting}
                value = 1e4 if ours_ == "area" else factor * setting["value"]
                start[prefix + theirs_].set(value=value, **limits)
    return model, start


def theirs(data, params, shape, count):
    """lmfit on some of the spectra: seconds per spectrum, and its results."""
    model, start = lmfit_model(params, shape)
    x = data.raman_shift.values
    chosen = np.linspace(0, data.sizes["scan"] - 1, count).astype(int)
    begin = time.perf_counter()
    results = [
        model.fit(
            data.intensity.values[i],
            start,
            x=x,
            weights=1 / data.intensity_sigma.values[i],
            scale_covar=False,
        )
        for i in chosen
    ]
    return (time.perf_counter() - begin) / count, chosen, results


def compare(found, chosen, results):
    """Share of the sample where ours is the lower chi-square or the same, the same, and the largest difference there in sigma."""
    mine = found.redchi.values[chosen] * (found.raman_shift.size - found.sizes["varied"])
    peer = np.array([r.chisqr for r in results])
    same = np.abs(mine / peer - 1) < 1e-4
    bands = [n.removesuffix("position") for n in map(str, found.varied.values) if n.endswith("_position")]
    off = []
    for quantity, name, factor in (
        ("position", "center", 1.0),
        ("area", "amplitude", 1.0),
        ("fwhm", "sigma", 2.0),
    ):
        value, sigma = (found[n].values[chosen][:, : len(bands)] for n in (quantity, f"{quantity}_sigma"))
        other = np.array([[factor * r.params[b + name].value for b in bands] for r in results])
        off.append(np.abs(value - other) / sigma)
    return (mine <= peer * (1 + 1e-4)).mean(), same.mean(), np.nanmax(np.array(off)[:, same], initial=0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=10_000)
    parser.add_argument("--peer", type=int, default=50, help="spectra that lmfit fits")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    table = Table(
        "three bands and a line",
        "verb µs",
        "engine µs",
        "lmfit µs",
        "factor",
        "lower or same",
        "same",
        "off by σ",
    )
    for shape in ("lorentzian", "pseudo_voigt"):
        data = simulated_map(chosen.spectra, shape)
        found, params, verb, engine = ours(data, shape, chosen.workers)
        peer, sample, results = theirs(data, params, shape, chosen.peer)
        lower, same, off = compare(found, sample, results)
        each = 1e6 * verb / chosen.spectra
        table.add_row(
            shape, f"{each:.0f}", f"{1e6 * engine / chosen.spectra:.0f}", f"{1e6 * peer:.0f}", f"{1e6 * peer / each:.0f}",
            f"{lower:.0%}", f"{same:.0%}", f"{off:.1e}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
