"""Fixtures every test can use: measured data where they lie, arrays that refuse to be written."""

import os
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# the same examples in every run, and no clock: a busy machine is no fault of the code
hypothesis.settings.register_profile("redox", deadline=None, derandomize=True)
hypothesis.settings.load_profile("redox")

_DATA = Path(os.environ.get("REDOX_SPECTRA_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With REDOX_HALF, 0 or 1, only the tests whose names are of it: all long ones take too long for one run."""
    half = os.environ.get("REDOX_HALF")
    if half is None:
        return
    own = [zlib.crc32(item.nodeid.encode()) % 2 == int(half) for item in items]
    config.hook.pytest_deselected(items=[i for i, mine in zip(items, own, strict=True) if not mine])
    items[:] = [i for i, mine in zip(items, own, strict=True) if mine]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of measured spectra, beside the checkout; tests that need it are skipped without it, but not in CI."""
    if not _DATA.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"measured spectra are required in CI and not found at {_DATA}")
        pytest.skip(f"measured spectra not found at {_DATA} (set REDOX_SPECTRA_DATA)")
    return _DATA


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20240611)


@pytest.fixture(scope="session")
def frozen():
    """Make an array read-only: nothing the library is given may change."""

    def freeze(array):
        copy = np.array(array)
        copy.setflags(write=False)
        return copy

    return freeze
