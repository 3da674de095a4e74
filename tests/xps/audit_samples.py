"""Evidence for the rules of the audit, made up so that a rule fires or has no reason to."""

from __future__ import annotations

import numpy as np

from xps.rules.evidence import Component, Evidence, Setting, named


def line(name, position, *, region=None, **numbers):
    """One component; numbers become arrays over the spectra of a series."""
    level, j, label = named(name, region, region.split()[0] if region else None)
    kept = {
        k: numbers.pop(k) for k in ("shape", "settings", "rsf", "curve", "numbers", "sigmas") if k in numbers
    }
    arrays = {k: np.atleast_1d(np.asarray(v, float)) for k, v in numbers.items()}
    if "numbers" in kept:
        kept["numbers"] = {k: np.atleast_1d(np.asarray(v, float)) for k, v in kept["numbers"].items()}
    if "sigmas" in kept:
        kept["sigmas"] = {k: np.atleast_1d(np.asarray(v, float)) for k, v in kept["sigmas"].items()}
    return Component(
        name, level, j, label, position=np.atleast_1d(np.asarray(position, float)), **kept, **arrays
    )


def given(*components, origin="fit", **more):
    """Evidence of a fit with these components."""
    return Evidence(origin, tuple(components), **more)


def doublet(level, label, position, split, ratio, *, fwhm=(1.5, 1.6), **more):
    """Two lines of a level of an element, their j in the name."""
    orbital = level.split()[1]
    high, low = {"p": ("3/2", "1/2"), "d": ("5/2", "3/2"), "f": ("7/2", "5/2")}[orbital[1]]
    return (
        line(f"{level}{high} {label}", position, area=900.0, fwhm=fwhm[0], **more),
        line(f"{level}{low} {label}", position + split, area=900.0 * ratio, fwhm=fwhm[1], **more),
    )


X = np.arange(520.0, 540.0, 0.1)


def counted(rng, components=(), *, lines=((529.8, 800.0, 1.3),), level=100.0, missing=0.0, **more):
    """Evidence with a spectrum: Gaussian lines on a flat level, its residual noise, but for ``missing`` at 533 eV."""

    def gauss(p, h, w):
        return h * np.exp(-4 * np.log(2) * ((X - p) / w) ** 2)

    curve = sum(gauss(*one) for one in lines)
    sigma = np.sqrt(level + curve)[None]
    residual = rng.normal(size=(1, X.size)) * sigma + gauss(533.0, missing, 1.5)
    known = {
        "x": X,
        "counts": level + curve + residual,
        "net": curve + residual,
        "sigma": sigma,
        "residual": residual,
        "window": (float(X[0]), float(X[-1])),
        "background": {"method": "linear", "n_end": 5},
    }
    return Evidence("fit", tuple(components), **(known | more))


FREE = Setting(0.0, 10.0)
TIED = Setting(free=False, tied_to=0)
