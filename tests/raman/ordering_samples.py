"""Simulated spectra of ordered, disordered and mixed LiNi0.5Mn1.5O4: the answer is known."""

import numpy as np

import spectra

SHIFT = np.arange(540.0, 691.0)


def pseudo_voigt(x, position, fwhm, fraction):
    u = (x - np.asarray(position)[..., None]) / np.asarray(fwhm)[..., None]
    share = np.asarray(fraction)[..., None]
    return share / (1 + 4 * u**2) + (1 - share) * np.exp(-4 * np.log(2) * u**2)


def draw(n, rng, *, splitting=(10.0, 30.0), shift=0.0, snr=(3.0, 100.0), kinds=(0, 1, 2)):
    """Spectra (n, points), their noise, and the truth: 0 disordered, 1 ordered, 2 mixed; with the A1g positions."""
    kind = rng.choice(kinds, n)
    width, between = rng.uniform(*splitting, n), np.clip(rng.normal(0.5, 0.13, (2, n)), 0.1, 0.9)
    noise = np.exp(-rng.uniform(*np.log(snr), n))
    fwhm = np.clip(rng.normal(20, 5, (3, n)), 8, 40)
    fraction = rng.uniform(0.3, 1, (2, n))
    off = rng.normal(0, shift, n)
    a1g, f2g = rng.normal(634, 4, n) + off, rng.normal(594, 3, n) + off
    ordered = np.select([kind == 0, kind == 1], [0.0, 1.0], between[0])
    share = np.where(kind == 2, 0.5, between[1])
    single = np.where(kind == 2, fwhm[2], fwhm[1])
    aside = np.where(kind == 2, rng.normal(0, 3, n), 0.0)
    height = rng.uniform(0.25, 0.7, n)[:, None]
    y = pseudo_voigt(SHIFT, a1g, fwhm[0], fraction[0])
    y += (
        height
        * ((1 - ordered) * fwhm[1] / single)[:, None]
        * pseudo_voigt(SHIFT, f2g + aside, single, fraction[1])
    )
    for part, side in ((share, -1), (1 - share, 1)):
        y += (
            height
            * (ordered * part)[:, None]
            * pseudo_voigt(SHIFT, f2g + side * width / 2, fwhm[1], fraction[1])
        )
    y += rng.uniform(-0.1, 0.1, n)[:, None] * (SHIFT - 615) / 75 + 0.3
    truth = {"kind": kind, "a1g": a1g, "splitting": width, "noise": noise}
    return y + rng.normal(size=y.shape) * noise[:, None], np.repeat(noise[:, None], SHIFT.size, 1), truth


def lnmo(kind, *, noise=0.01, n=None, rng=1, first=100.0):
    """A labelled Raman spectrum of 100 to 750 1/cm, simulated."""
    line = {"shape": "lorentzian"}
    bands = {
        "A1g": line | {"position": 633.0, "area": 30.0, "fwhm": 18.0},
        "Ni–O": line | {"position": 491.0, "area": 12.0, "fwhm": 18.0},
    }
    if kind != "ordered":
        bands["F2g"] = line | {"position": 592.0, "area": 12.0, "fwhm": 18.0}
    if kind != "disordered":
        bands |= {p: line | {"position": float(p), "area": 8.0, "fwhm": 16.0} for p in ("584", "608")}
        bands |= {p: line | {"position": float(p), "area": 1.5, "fwhm": 8.0} for p in ("161", "221", "239")}
    return spectra.simulate(np.arange(first, 750.0), bands, noise=noise, n=n, rng=rng, axis="raman_shift")


def infrared(ratio, *, extra=0.0, noise=0.01, rng=2, first=400.0):
    """A labelled infrared spectrum, I(587)/I(621) = ratio."""
    line = {"shape": "lorentzian", "fwhm": 26.0}
    area = 26.0 * np.pi / 2
    bands = {
        "Ni": line | {"position": 587.0, "area": ratio * area},
        "Mn": line | {"position": 621.0, "area": area},
    }
    if extra:
        bands |= {p: line | {"position": float(p), "area": extra * area} for p in ("646", "464", "430")}
    data = spectra.simulate(
        np.arange(first, 720.0), bands, noise=noise, rng=rng, axis="wavenumber", name="absorbance"
    )
    return data.assign_attrs(technique="ftir")


def draw_infrared(n, rng):
    """Absorbance (n, points) along 400 to 720 1/cm, its noise, and the truth as in :func:`draw`."""
    x = np.arange(400.0, 720.0)
    kind = rng.integers(0, 3, n)
    part = np.select([kind == 0, kind == 1], [0.0, 1.0], 0.7)  # of the height of what only order shows
    either = np.abs(rng.normal(0, 0.3, n))
    log_ratio = np.select([kind == 0, kind == 1], [-either, either], rng.normal(0, 0.1, n))
    extra = np.abs(rng.normal(0, 0.2, (3, n))) * part
    fwhm = rng.uniform(20, 35, (2, n))
    places = 587 + rng.normal(0, 2, n), 621 + rng.normal(0, 2, n)
    y = 0.2 + np.exp(log_ratio)[:, None] * pseudo_voigt(x, places[0], fwhm[0], np.ones(n))
    y += pseudo_voigt(x, places[1], fwhm[1], np.ones(n))
    y += extra[0][:, None] * pseudo_voigt(x, np.full(n, 646.0), fwhm[1], np.ones(n))
    for height, place in zip(extra[1:], (464, 430), strict=True):
        at, width = place + rng.uniform(-4, 4, n), rng.uniform(10, 24, n)
        y += height[:, None] * pseudo_voigt(x, at, width, np.ones(n))
    noise = np.exp(-rng.uniform(*np.log((3.0, 100.0)), n))[:, None]
    return x, y + rng.normal(size=y.shape) * noise, np.repeat(noise, x.size, 1), kind
