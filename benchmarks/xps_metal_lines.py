"""Lines of nickel, cobalt and iron metal from their measured 2p regions: the numbers of the table of states.

    python benchmarks/xps_metal_lines.py FOLDER    # with Ni_references.vms, Co_references.vms and Fe_references.vms

Counts above an iterated Shirley background are fitted by one doublet: a line whose tail ends (``lf``, the exponent of
the tail grows from a to 3 over 10 eV) and broad Gaussian losses that share its splitting and area ratio. Points weigh
by the root of their counts; the area ratio stays within 7 % of 1/2. Printed: the numbers as
``xps/tables/states.toml`` has them, and what is left in shares of the height. Widths of natural lines (Krause and
Oliver, 10.1063/1.555595) are the lower limit of the Lorentzian.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

import xps
from spectra.fitting.asymmetric import lf
from spectra.fitting.lineshapes import gaussian
from xps.background.shirley import shirley

REACH = 10.0  # eV
#: Window (eV), natural width (eV), splitting to start from (eV), losses to start from (distance and width, eV).
METALS = {
    "Ni": ((846.0, 888.0), 0.48, 17.2, ((3.0, 4.0), (5.9, 3.0), (9.5, 6.0))),
    "Co": ((774.0, 812.0), 0.43, 15.0, ((2.5, 4.0), (6.0, 6.0))),
    "Fe": ((700.0, 735.0), 0.36, 13.0, ((1.8, 3.0), (5.0, 6.0))),
}
#: Lorentzian and Gaussian width, exponents: where the fit starts, the best end counts.
STARTS = ((0.6, 0.6, 0.8, 1.5), (1.0, 0.4, 1.0, 2.0), (0.8, 0.5, 0.6, 1.2))
NAMES = (
    "position",
    "area",
    "fwhm_l",
    "fwhm_g",
    "a",
    "b",
    "splitting",
    "area_ratio",
    "width_factor",
    "loss_width_factor",
)


def net_counts(folder, element, window):
    """Energies, counts and counts above the background, inside the window; iron was written with every point twice."""
    file = Path(folder) / f"{element}_references.vms"
    one = xps.read_series(file, select=f"{element} 2p").isel(scan=0).dropna("binding_energy")
    x, y = one.binding_energy.values, one.counts.values
    if element == "Fe":
        x, y = (x[1:-1:2] + x[2::2]) / 2, (y[1:-1:2] + y[2::2]) / 2
    inside = (x >= window[0]) & (x <= window[1])
    x, y = x[inside], y[inside]
    return x, y, y - shirley(x, y, n_end=5).background


def doublet(x, p):
    """Both lines with their losses."""
    at, area, width, gauss, a, b, splitting, ratio, wider, of_loss = p[:10]
    y = np.zeros(x.size)
    for apart, part, w, wl in ((0.0, 1.0, 1.0, 1.0), (splitting, ratio, wider, of_loss)):
        y += lf(x, at + apart, area * part, width * w, a, b, REACH / width, gauss * w)
        for distance, loss, share in np.reshape(p[10:], (-1, 3)):
            y += gaussian(x, at + apart + distance, area * share * part, loss * wl)
    return y


def fitted(x, y, net, natural, splitting, losses):
    """Parameters of the best of three fits."""
    top, area = x[net.argmax()], np.trapezoid(net, x) / 1.5
    found = []
    for width, gauss, a, b in STARTS:
        start = [top, 0.6 * area, width, gauss, a, b, splitting, 0.5, 1.6, 1.2]
        low = [top - 0.5, 0, natural, 0.2, 0.55, 0.7, splitting - 0.4, 0.465, 1.0, 0.9]
        high = [top + 0.5, 3 * area, 2.0, 1.5, 3.0, 8.0, splitting + 0.4, 0.535, 2.4, 1.8]
        for distance, loss in losses:
            start += [distance, loss, 0.3]
            low += [max(distance - 1.5, 0.8), 1.0, 0.0]
            high += [distance + 1.5, 8.0, 2.0]
        found.append(
            least_squares(
                lambda p: (doublet(x, p) - net) / np.sqrt(y), start, bounds=(low, high),
                x_scale=np.maximum(np.abs(start), 0.1), max_nfev=60,
            )
        )  # fmt: skip
    return min(found, key=lambda one: one.cost).x


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", help="folder of the VAMAS files")
    folder = parser.parse_args().folder
    for element, (window, natural, splitting, losses) in METALS.items():
        x, y, net = net_counts(folder, element, window)
        p = fitted(x, y, net, natural, splitting, losses)
        left = (doublet(x, p) - net) / net.max()
        print(f"{element}: left {left.std():.2%} of the height, at most {np.abs(left).max():.2%}")
        print("   " + ", ".join(f"{name} {value:.3f}" for name, value in zip(NAMES, p, strict=False)))
        for distance, loss, share in np.reshape(p[10:], (-1, 3)):
            print(f"   loss {distance:.2f} eV on, {loss:.2f} eV wide, {share:.3f} of the line")


if __name__ == "__main__":
    main()
