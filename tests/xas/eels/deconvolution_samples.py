"""Simulated low losses and core losses with plural scattering of a known thickness."""

import numpy as np

import spectra

STEP = 0.25
LOW = np.arange(-25.0, 300.0, STEP)
CORE = np.arange(600.0, 750.0, STEP)
LONG = 8 * LOW.size
RESOLUTION, WINDOW, POST = 1.0, (602.0, 636.0), (8.0, 20.0)


def _transforms(resolution):
    loss = np.arange(LONG) * STEP
    zero = np.exp(-4 * np.log(2) * ((loss + LOW[0]) / resolution) ** 2)
    single = np.where(loss > 2, loss / ((loss**2 - 22.0**2) ** 2 + (5 * loss) ** 2), 0)  # a plasmon
    return np.fft.rfft(zero / zero.sum()), np.fft.rfft(single / single.sum())


def low_truth(t, counts=1e6, resolution=RESOLUTION):
    """Mean counts of a low loss of thickness ``t`` (t/λ), and its single scattering."""
    zero, single = _transforms(resolution)
    whole = np.fft.irfft(zero * np.exp(t * (single - 1)), LONG)[: LOW.size]
    one = np.fft.irfft(zero * t * single * np.exp(-t), LONG)[: LOW.size]
    return counts * np.maximum(whole, 0), counts * one


def edge(energy):
    lines = 1.5 / (1 + ((energy - 643) / 0.7) ** 2) + 0.5 / (1 + ((energy - 654) / 0.7) ** 2)
    tail = np.exp(-(energy - 643) / 300) * np.where(energy > 1000, np.exp(-(energy - 1000) / 20), 1)
    return lines + (0.2 * (energy > 643) + 0.1 * (energy > 654)) * tail


def core_truth(t, counts=2000.0, resolution=RESOLUTION):
    """Mean of the Mn L edge behind a specimen of thickness ``t``, and what single core losses make of it."""
    zero, single = _transforms(resolution)
    zero = zero * np.exp(
        2j * np.pi * np.arange(zero.size) / LONG * round(-LOW[0] / STEP)
    )  # its middle at lag zero
    energy = CORE[0] + np.arange(LONG) * STEP
    bare = np.fft.rfft(edge(energy)) * zero * counts * np.exp(-t)
    return np.fft.irfft(bare * np.exp(t * single), LONG)[: CORE.size], np.fft.irfft(bare, LONG)[: CORE.size]


def background(counts=3000.0):
    return counts * (CORE / 600) ** -3.0


def dataset(axis, counts, dims=("x",), units="counts", **options):
    dims = dims if np.ndim(counts) > 1 else ()
    return spectra.from_arrays(
        axis, counts, axis="energy_loss", name="counts", units=units, dims=dims,
        attrs={"technique": "eels", "element": "Mn"}, **options,
    )  # fmt: skip
