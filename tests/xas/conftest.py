"""Simulated absorption with known truth, and the peer."""

from types import SimpleNamespace

import numpy as np
import pytest

import spectra
import xas
from spectra.larch_guard import larch_attribute, larch_function


def grid():
    """Energies as a step scan takes them: coarse before, fine through, growing behind the Mn K edge."""
    return np.concatenate(
        [np.arange(6340.0, 6525, 5), np.arange(6525.0, 6580, 0.25), np.arange(6580.0, 7340, 2.5)]
    )


def absorption(energy, *, edge=6548.0, step=0.8, slope=-2e-4, offset=0.3, white_line=0.4, pre_edge=0.0):
    """Step of 1.5 eV width with white line, one shell at 2 Å, a line below; ``edge`` is the middle of the step."""
    edge, step = np.asarray(edge)[..., None], np.asarray(step)[..., None]
    x = energy - edge
    k = np.sqrt(0.2624684 * np.clip(x, 0, None))
    shell = 1.5 * np.sin(4.0 * k + 0.5) * np.exp(-0.01 * k**2) / (1 + k) ** 2 * k**4 / (k**4 + 16)
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
    """The peer's functions."""
    names = ("autobk", "find_e0", "ftwindow", "pre_edge", "xftf")
    functions = {name: larch_function("larch.xafs", name) for name in names}
    return SimpleNamespace(Group=larch_attribute("larch", "Group"), **functions)


@pytest.fixture(scope="session")
def measured(data_dir):
    """``measured("Cu_foil_rt_larch")``: one measured spectrum, with element and edge where the file lacks them."""

    def read(name, **options):
        scan = xas.read(data_dir / "xas" / f"{name}.xdi", **options)
        return scan.assign_attrs({"element": "Cu", "edge": "K", **scan.attrs})[["mu"]]

    return read


@pytest.fixture(scope="session")
def charge(data_dir):
    """The operando charge of LiNiO2: 58 normalised spectra of 1649 points against time."""
    return xas.read_series(data_dir / "xas" / "operando_LNO_NiK" / "*.txt", dim="time")[["mu"]]
