"""Scattering paths computed from a crystal structure, by the FEFF8L that larch brings along."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from spectra.errors import InvalidInput, ReadError, SpectraError
from spectra.larch_guard import larch_attribute, larch_function
from spectra.reading.source import open_source
from xas.paths.feff import FeffPath, feff_paths

__all__ = ["feff_paths_from_cif"]

#: Programs of FEFF8L in the order in which they run, and seconds after which one has failed.
MODULES = ("rdinp", "pot", "xsph", "pathfinder", "genfmt", "ff2x")
PATIENCE = 900
#: Sites of mixed occupancy are filled by lot; always the same one.
LOT = 1


def feff_paths_from_cif(
    cif: str | os.PathLike[str],
    *,
    absorber: str,
    edge: str = "K",
    site: int = 1,
    radius: float = 5.0,
    folder: str | os.PathLike[str] | None = None,
) -> tuple[FeffPath, ...]:
    """Compute the scattering paths around one site of a crystal.

    Parameters
    ----------
    cif : path
        File of the structure.
    absorber : str
        Symbol of the absorbing element.
    edge : str
        Its edge: ``"K"``, ``"L3"``, ...
    site : int
        Which of the sites of the absorber, in the order of the file, from 1.
    radius : float
        Half length in Å up to which paths are computed, and the size of the cluster.
    folder : path, optional
        Where the input and the files of FEFF are kept. Default: nowhere.

    Returns
    -------
    tuple of FeffPath
        From the shortest on. Those of little weight are left out by FEFF.

    Raises
    ------
    ReadError
        No such file, or none that holds a structure.
    InvalidInput
        An element or a site that the structure does not have.
    SpectraError
        FEFF8L is missing, or has failed.

    Examples
    --------
    >>> import xas
    >>> xas.feff_paths_from_cif("missing.cif", absorber="Ni")
    Traceback (most recent call last):
    ...
    spectra.errors.ReadError: there is no file 'missing.cif'.
    """
    if not Path(cif).is_file():
        raise ReadError(f"there is no file {os.fspath(cif)!r}.")
    if not radius >= 2:
        raise InvalidInput(f"radius = {radius:g} Å holds no neighbour; give 2 Å or more.")
    text = _feff_input(open_source(cif).text, Path(cif).name, absorber, edge, site, radius)
    if folder is not None:
        return _run(text, Path(folder))
    with tempfile.TemporaryDirectory() as place:
        return _run(text, Path(place))


def _feff_input(structure: str, name: str, absorber: str, edge: str, site: int, radius: float) -> str:
    write = larch_function("larch.xrd.structure2feff", "structure2feffinp")
    sites = larch_function("larch.xrd.structure2feff", "structure_sites")
    try:
        found = sites(structure, absorber=absorber)
    except Exception as error:
        raise ReadError(f"{name} cannot be read as a crystal structure: {error}.") from None
    if not isinstance(found, list | tuple) or not found:
        raise InvalidInput(f"{name} has no {absorber!r}; give an element of the structure as absorber.")
    if not 1 <= site <= len(found):
        raise InvalidInput(
            f"{name} has {len(found)} sites of {absorber}, got site = {site}: give 1 to {len(found)}."
        )
    import xraydb

    if xraydb.xray_edge(absorber, edge) is None:
        raise InvalidInput(f"edge = {edge!r}: {absorber} has none of this name; give K, L3, ...")
    try:
        return str(
            write(structure, absorber, edge=edge, cluster_size=radius, absorber_site=site, rng_seed=LOT)
        )
    except Exception as error:
        raise InvalidInput(
            f"no input for FEFF can be made for {absorber} {edge} in {name}: {error}."
        ) from None


def _run(text: str, folder: Path) -> tuple[FeffPath, ...]:
    """Every program of FEFF8L in ``folder``; the paths that they leave there."""
    find = larch_attribute("larch.xafs.feffrunner", "find_exe")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("feff*.dat"):
        raise InvalidInput(
            f"the folder {str(folder)!r} holds {old.name} of an earlier run; give an empty one."
        )
    (folder / "feff.inp").write_text(text, encoding="ascii", errors="replace")
    for module in MODULES:
        program = find(f"feff8l_{module}")
        if program is None:
            raise SpectraError(
                "this installation of larch has no FEFF8L for this machine; run FEFF elsewhere and give its feffNNNN.dat."
            )
        try:
            done = subprocess.run(
                [str(program)], cwd=folder, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise SpectraError(f"FEFF8L ({module}) was stopped after {PATIENCE} s: lower radius.") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise SpectraError(f"FEFF8L ({module}) has failed: {said[-1] if said else 'without a word'}.")
    if not any(folder.glob("feff0*.dat")):
        raise SpectraError("FEFF8L has run and left no path: raise radius.")
    return tuple(sorted(feff_paths(folder), key=lambda path: path.reff))
