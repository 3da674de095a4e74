"""Time per spectrum of linear combinations and of larch's, in the same run on the same spectra, one thread.

    python benchmarks/xas_lcf.py                      # 10,000 spectra of 1649 points
    python benchmarks/xas_lcf.py --spectra 2000 --peer 5

The series: mixtures with known fractions of spectra from the beginning, the middle and the end of an operando charge
of LiNiO2 (simulated ones where the measured data are not at hand), with noise of 0.1 % of the step. Larch works on a
sample of it, which also gives the agreement: of the fractions, where both take the same standards (larch ranks by reduced
chi-square, here AICc decides), and of their errors. The last column is the share of true fractions within one sigma;
where the combination was chosen from the same data, that choice is not in the sigma.
"""

# ruff: noqa: E402  the number of threads is set before NumPy is loaded
import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent))
from table import add_rows_option, beside, hand_over
from xas_series import base_spectra, ours, theirs

import spectra
import xas
from spectra.larch_guard import larch_attribute, quiet_larch

ATTRS = {"technique": "xas", "element": "Ni", "edge": "K", "normalized": "yes"}


def standards_and_mixtures(count, kinds):
    """Standards by name, a series of mixtures of the first three of them, their fractions, and what they are of."""
    energy, base, origin = base_spectra()
    if len(base) > 1:
        curves = base[np.linspace(0, len(base) - 1, kinds).round().astype(int)[_order(kinds)]]
    else:  # the one simulated spectrum, moved
        curves = np.stack([np.interp(energy, energy + 0.7 * i, base[0]) for i in range(kinds)])
    rng = np.random.default_rng(1)
    fractions = rng.dirichlet(np.ones(3), count)
    mu = fractions @ curves[:3]
    for row in mu:
        row += 1e-3 * rng.normal(size=energy.size)
    names = [f"s{i}" for i in range(1, kinds + 1)]
    known = {
        n: spectra.from_arrays(energy, y, name="mu", attrs=ATTRS) for n, y in zip(names, curves, strict=True)
    }
    series = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=ATTRS)
    return known, series, fractions, origin


def _order(kinds):
    """First, middle and last before the others."""
    first = [0, kinds // 2, kinds - 1]
    return first + [i for i in range(kinds) if i not in first]


def main():
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--spectra", type=int, default=10_000)
    options.add_argument("--peer", type=int, default=20, help="spectra that larch works on")
    options.add_argument("--repeats", type=int, default=3)
    add_rows_option(options)
    given = options.parse_args()
    fit, fit_all = (
        larch_attribute("larch.math.lincombo_fitting", n) for n in ("lincombo_fit", "lincombo_fitall")
    )
    group_of = larch_attribute("larch", "Group")
    known, series, truth, origin = standards_and_mixtures(given.spectra, 5)
    energy = series.energy.values
    numbers = np.linspace(0, given.spectra - 1, given.peer).astype(int)
    table = Table(
        "standards", "this library (µs)", "larch (µs)", "ratio", "largest difference: fraction (same standards)", "its error",
        "true within 1 sigma",
        title=f"{given.spectra} spectra × {energy.size} points, mixtures of {origin} with noise, one thread",
    )  # fmt: skip

    rows = []

    def group(name, mu):
        return group_of(energy=energy.copy(), norm=mu.copy(), filename=name)

    def compare(claim, label, names, function, **chosen):
        some = {n: known[n] for n in names}
        found, own = ours(
            lambda d: xas.linear_combination(d, standards=some, **chosen), series, given.repeats
        )
        x = energy[np.isfinite(found.best_fit.values[0])]
        groups = [group(n, s.mu.values) for n, s in some.items()]

        def larch_fit(i):
            return function(group("unknown", series.mu.values[i]), groups, xmin=x[0], xmax=x[-1])

        with quiet_larch():
            results, others = theirs(larch_fit, numbers)
        mine, peer = np.median(own), np.median(others)
        best = [r[0] if isinstance(r, list) else r for r in results]
        weights = np.array([[r.weights.get(n, 0.0) for n in names] for r in best])
        errors = np.array([[getattr(r.params.get(n), "stderr", None) or np.nan for n in names] for r in best])
        mean, sigma = (found[v].values[numbers] for v in ("fraction", "fraction_sigma"))
        relative = np.nanmax(np.abs(sigma / errors - 1))
        same = ((np.abs(weights) > 1e-6) == (mean > 0)).all(1) | (chosen.get("select") == "all")
        three = found.sel(reference=names[:3])
        inside = np.abs(three.fraction.values - truth) < three.fraction_sigma.values
        largest = np.abs(mean - weights)[same].max()
        agreement = f"{largest:.0e} in {same.sum()} of {same.size}" + (
            "" if same.all() else ", else other standards"
        )
        what = f"linear combination of absorption spectra, {label}"
        size = {"spectra": given.spectra, "agreement": agreement, "clock": "processor"}
        rows.append(beside(claim, what, own, f"larch `{function.__name__}`", others, **size))
        table.add_row(
            label, f"{mine:.0f}", f"{peer:.0f}", f"{peer / mine:.0f}×", f"{largest:.0e} ({same.sum()} of {same.size})",
            "" if "aicc" in label else f"{relative:.0e}", f"{inside.mean():.2f}",
        )  # fmt: skip

    names = list(known)
    compare("lcf_three", "three standards", names[:3], fit, nonnegative=False, select="all")
    compare(
        "lcf_five", "every combination of five standards, the best by aicc", names, fit_all, max_components=5
    )
    Console(width=120).print(table)
    hand_over(rows, given.rows)


if __name__ == "__main__":
    main()
