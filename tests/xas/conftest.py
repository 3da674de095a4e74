"""Simulated absorption with known truth, and the peer."""

import logging
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import spectra


def grid():
    """Energies as a step scan takes them: coarse before, fine through, growing behind the Mn K edge."""
    return np.concatenate(
        [np.arange(6340.0, 6525, 5), np.arange(6525.0, 6580, 0.25), np.arange(6580.0, 7340, 2.5)]
    )


def absorption(energy, *, edge=6548.0, step=0.8, slope=-2e-4, offset=0.3, white_line=0.4, pre_edge=0.0):
    """Step of 1.5 eV width with white line, one shell at 2 Å, a line below; ``edge`` is the middle of the step."""
    edge = np.asarray(edge)[..., None]
    x = energy - edge
    k = np.sqrt(0.2624684 * np.clip(x, 0, None))
    shell = 0.8 * np.sin(4.0 * k + 0.5) * np.exp(-0.01 * k**2) / (1 + k) ** 2
    rise = 0.5 + np.arctan(x / 1.5) / np.pi
    bump = white_line * np.exp(-(((x - 8) / 5) ** 2)) + pre_edge * np.exp(-(((x + 12) / 1.2) ** 2))
    return offset + slope * (energy - 6540) + step * (rise * (1 + shell) + bump)


@pytest.fixture(scope="session")
def simulated():
    """``simulated(edge=..., noise=..., n=..., known=...)``: a series of spectra of Mn."""

    def make(n=None, *, noise=0.0, seed=0, known=False, attrs=None, energy=None, **truth):
        energy = grid() if energy is None else energy
        mu = absorption(energy, **truth)
        if n is not None:
            mu = np.broadcast_to(mu, (n, energy.size))
        mu = mu + noise * np.random.default_rng(seed).normal(size=mu.shape)
        mu.setflags(write=False)
        return spectra.from_arrays(
            energy,
            mu,
            name="mu",
            dims=("scan",) * (mu.ndim - 1),
            sigma=np.full(mu.shape, noise) if known else None,
            attrs={"technique": "xas", "element": "Mn", "edge": "K", **(attrs or {})},
        )

    return make


@pytest.fixture(scope="session")
def larch():
    """The peer's functions; importing it changes warning filters and the root logger, which are put back."""
    level = logging.getLogger().level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from larch import Group
        from larch.xafs import autobk, find_e0, ftwindow, pre_edge, xftf
    logging.getLogger().setLevel(level)
    return SimpleNamespace(
        Group=Group, autobk=autobk, find_e0=find_e0, ftwindow=ftwindow, pre_edge=pre_edge, xftf=xftf
    )
