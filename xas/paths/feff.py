"""Scattering paths that FEFF has computed: what a ``feffNNNN.dat`` file says."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, ReadError
from spectra.reading.source import open_source

__all__ = ["Atom", "FeffPath", "feff_paths"]

Array = npt.NDArray[np.float64]

_COLUMNS = ("k", "central_phase", "magnitude", "scattering_phase", "reduction", "mean_free_path", "real_p")
_POTENTIAL = re.compile(r"^(?:Abs|Pot\s+\d+)\s+Z\s*=\s*(\d+).*?Rnm\s*=\s*\S+\s*(\w+)?")


@dataclass(frozen=True)
class Atom:
    """One atom of a path; its place in Å."""

    symbol: str
    number: int
    potential: int
    place: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class FeffPath:
    """One scattering path: geometry, and FEFF's amplitudes and phases along k (n,).

    The absorber is the first of ``atoms``. Arrays are as in the file: the phase of the central atom, magnitude and
    phase of the scattering, reduction factor, mean free path in Å, real part of the momentum in 1/Å.
    """

    name: str  # of the file, without its ending
    title: str
    edge: str
    reff: float  # half the length of the path in Å
    degeneracy: float
    norman_radius: float  # mean over the cluster, in Å
    atoms: tuple[Atom, ...]
    k: Array = field(repr=False)
    central_phase: Array = field(repr=False)
    magnitude: Array = field(repr=False)
    scattering_phase: Array = field(repr=False)
    reduction: Array = field(repr=False)
    mean_free_path: Array = field(repr=False)
    real_p: Array = field(repr=False)

    @property
    def absorber(self) -> str:
        """Symbol of the absorbing element."""
        return self.atoms[0].symbol if self.atoms else ""

    @property
    def legs(self) -> int:
        """Number of legs: 2 for single scattering."""
        return len(self.atoms)

    @property
    def amplitude(self) -> Array:
        """Magnitude of the scattering times the reduction factor."""
        return self.magnitude * self.reduction

    @property
    def phase(self) -> Array:
        """Phase of the central atom and of the scattering."""
        return self.central_phase + self.scattering_phase

    @property
    def geometry(self) -> str:
        """The atoms that scatter, as in "Cu-O"."""
        return "-".join(a.symbol for a in self.atoms[1:])

    @functools.cached_property
    def masses(self) -> Array:
        """Mass of each atom in u."""
        import xraydb

        return np.array([xraydb.atomic_mass(a.number) for a in self.atoms])

    @property
    def reduced_mass(self) -> float:
        """Of all atoms of the path, in u."""
        return float(1 / (1 / self.masses).sum())

    def to_spec(self) -> dict[str, Any]:
        """The whole path as numbers and texts, for a results file that computes the analysis again."""
        table = asdict(self)
        return {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in table.items()}

    @classmethod
    def from_spec(cls, table: Mapping[str, Any]) -> FeffPath:
        """The path that :meth:`to_spec` described."""
        missing = sorted({f.name for f in fields(cls)} - set(table))
        if missing:
            raise InvalidInput(f"a path given by its numbers needs {missing[0]!r}, which is not there.")
        said: dict[str, Any] = {f.name: table[f.name] for f in fields(cls)}
        atoms = tuple(Atom(**{**a, "place": tuple(a["place"])}) for a in said.pop("atoms"))
        said |= {n: np.array(said[n], float) for n in _COLUMNS}
        return cls(atoms=atoms, **said)


def feff_paths(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[FeffPath, ...]:
    """Read scattering paths from FEFF's ``feffNNNN.dat`` files.

    Parameters
    ----------
    paths : path, or several
        A folder (every ``feff*.dat`` in it, by name), a file, or a list of files.

    Returns
    -------
    tuple of FeffPath

    Raises
    ------
    ReadError
        Nothing there, or a file that is none of FEFF's path files.

    Examples
    --------
    >>> import xas
    >>> xas.feff_paths("no_such_folder")
    Traceback (most recent call last):
    ...
    spectra.errors.ReadError: there is no FEFF path file or folder 'no_such_folder'.
    """
    if isinstance(paths, str | os.PathLike):
        place = Path(paths)
        if place.is_dir():
            files = sorted(place.glob("feff*.dat"))
            if not files:
                raise ReadError(f"the folder {str(place)!r} holds no feffNNNN.dat; run FEFF there first.")
            return tuple(_read(file) for file in files)
        paths = [place]
    return tuple(_read(Path(file)) for file in paths)


def _read(file: Path) -> FeffPath:
    if not file.is_file():
        raise ReadError(f"there is no FEFF path file or folder {str(file)!r}.")
    lines = [line.lstrip("#").strip() for line in open_source(file).text.splitlines()]
    rule = next((i for i, line in enumerate(lines) if line.startswith("-----")), None)
    head = next((i for i, line in enumerate(lines) if line.startswith("k ") and "mag[feff]" in line), None)
    if rule is None or head is None or head < rule + 4:
        raise ReadError(
            f"{file.name} is no feffNNNN.dat of FEFF: it has no line of dashes with a path and a table of "
            "k, mag[feff], phase[feff] below it."
        )
    try:
        return _parsed(file, lines, rule, head)
    except (ValueError, IndexError, OverflowError) as error:
        raise ReadError(f"{file.name} cannot be read as a feffNNNN.dat of FEFF: {error}.") from None


def _parsed(file: Path, lines: list[str], rule: int, head: int) -> FeffPath:
    legs, degeneracy, reff, norman = (float(word) for word in lines[rule + 1].split()[:4])
    atoms = tuple(_atom(line.split()) for line in lines[rule + 3 : rule + 3 + int(legs)])
    rows = np.array([[float(word) for word in line.split()] for line in lines[head + 1 :] if line])
    if (
        rows.ndim != 2
        or rows.shape[1] != len(_COLUMNS)
        or len(rows) < 4
        or not (np.diff(rows[:, 0]) > 0).all()
    ):
        raise ValueError("its table needs seven columns and at least four rows with ascending k")
    if not reff > 0.05:
        raise ValueError(f"its half length of {reff:g} Å is none")
    edge = next(
        (m[2] for line in lines[:rule] if line.startswith("Abs") and (m := _POTENTIAL.match(line))), None
    )
    return FeffPath(
        name=file.stem, title=lines[0][:64].strip(), edge=_edge_name(edge), reff=reff, degeneracy=degeneracy,
        norman_radius=norman * _BOHR, atoms=atoms, **dict(zip(_COLUMNS, rows.T.copy(), strict=True)),
    )  # fmt: skip


#: Radius in Å of the first orbit of hydrogen, FEFF's unit of length.
_BOHR = 0.529177210903


def _atom(words: list[str]) -> Atom:
    import xraydb

    place = (float(words[0]), float(words[1]), float(words[2]))
    potential, number = int(words[3]), int(words[4])
    return Atom(str(xraydb.atomic_symbol(number)), number, potential, place)


def _edge_name(said: str | None) -> str:
    """FEFF writes "K" or "LIII"; here edges are called K, L1, L2, L3."""
    known = {
        "LI": "L1",
        "LII": "L2",
        "LIII": "L3",
        "MI": "M1",
        "MII": "M2",
        "MIII": "M3",
        "MIV": "M4",
        "MV": "M5",
    }
    return known.get((said or "").upper(), (said or "").upper())
