"""What a static and an active Shirley background make of the fractions of states, where the truth is known.

    python benchmarks/xps_backgrounds.py                    # 2,500 spectra for each row
    python benchmarks/xps_backgrounds.py --spectra 500

Simulated: lines from the tables of states on a constant of 300 counts and, behind each line, 0.01 of its area per eV;
Poisson counts. Positions are kept. The active background is fitted with the lines, the static one is iterated and
subtracted before. Beside every fraction that is looked at: its mean deviation from the truth in sigma (the worst of
the region's states), and the share of spectra whose one sigma holds the truth. The truth is an active Shirley
background, so this measures what the static one costs where the active one is right; it does not say which is right
for a sample.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse

import numpy as np
from scipy.integrate import cumulative_trapezoid

import spectra
import xps
from spectra.fitting.lineshapes import sgl
from xps.tables import load_table, number

LEVEL, K = 300.0, 0.01
COUNTS = (500.0, 2000.0, 10_000.0, 100_000.0)
#: Window; states with their areas; true fractions of the level that is looked at.
REGIONS = {
    "Mn 2p": ((630, 668), {"Mn3+": 0.4, "Mn4+": 0.6}, (0.4, 0.6)),
    "V 2p, O 1s": ((507, 542), {"V3+": 0.3, "V5+": 0.7, "O 1s lattice": 2.0}, (0.3, 0.7)),
    "O 1s": ((520, 545), {"O 1s lattice": 0.5, "O 1s hydroxyl": 0.3, "O 1s water": 0.2}, (0.5, 0.3, 0.2)),
    "Mn 3s": ((74, 100), {"Mn 3s Mn2+": 0.4, "Mn 3s Mn4+": 0.6}, (0.4, 0.6)),
}
_ROWS = {row["name"]: row for row in load_table("states")["state"]}
_LEVELS = {row["name"]: row for kind in ("level", "assumed") for row in load_table("levels")[kind]}


def state(x, name, area):
    """Line or doublet of a state, as the tables have it."""
    row = _ROWS[name]
    level = _LEVELS[row["level"]]
    ratio = number(level["area_ratio"]) if len(level["lines"]) == 2 else 0.0
    position, width = number(row["position"]), number(level["fwhm"])
    curve = sgl(x, position, area / (1 + ratio), width, 0.3)
    if ratio:
        apart = number(row.get("splitting", level["splitting"]))
        wider = width * number(level["width_factor"])
        curve = curve + sgl(x, position + apart, area * ratio / (1 + ratio), wider, 0.3)
    return curve


def simulate(region, peak, count, rng):
    """Counts of ``count`` spectra with about ``peak`` counts at the maximum of the lines."""
    (low, high), states, truth = REGIONS[region]
    x = np.arange(low, high, 0.1)
    lines = sum(state(x, name, area) for name, area in states.items())
    lines = peak * lines / lines.max()
    expected = LEVEL + lines + K * cumulative_trapezoid(lines, x, initial=0)
    y = rng.poisson(np.broadcast_to(expected, (count, x.size)))
    data = spectra.from_arrays(x, y, axis="binding_energy", name="counts", units="counts", dims=("scan",))
    return data, tuple(states), np.array(truth)


def pulls(data, states, truth, background):
    """(fraction - truth) / sigma, and (fraction - truth), of each spectrum that has them."""
    found = xps.deconvolve(data, states=states, background=background, position_range=0.0)
    off = found.fraction.values[:, : truth.size] - truth
    pull = off / found.fraction_sigma.values[:, : truth.size]
    good = np.isfinite(pull).all(1)
    return pull[good], off[good]


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=2500)
    given = options.parse_args()
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "region", "counts", "known", "bias (σ)", "bias (fraction)", "σ holds the truth (%)", "background"
    )
    for region in REGIONS:
        for peak in COUNTS:
            data, states, truth = simulate(region, peak, given.spectra, np.random.default_rng(11))
            for background in ("active_shirley", "shirley"):
                pull, off = pulls(data, states, truth, background)
                bias, share = pull.mean(0), (np.abs(pull) < 1).mean(0)
                worst = np.abs(bias).round(6).argmax()
                known = f"{len(pull) / given.spectra:.1%}"
                held = " to ".join(dict.fromkeys(f"{100 * s:.0f}" for s in (share.min(), share.max())))
                table.add_row(
                    region, f"{peak:,.0f}", known, f"{bias[worst]:+.2f}", f"{off.mean(0)[worst]:+.4f}", held, background
                )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
