"""Where a result comes from: recipe, command, environment and input files, as the results file keeps them.

Nothing here names a machine or its user.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.results.fields import to_json
from spectra.results.place import Tree

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Provenance", "gather", "inputs_of", "package_versions", "provenance_group"]

#: Packages whose versions can change a number.
_PACKAGES = (
    "redox-spectra", "numpy", "scipy", "numba", "lmfit", "xraylarch", "xarray", "pybaselines", "h5py", "pandas", "dask",
)  # fmt: skip

#: Above this many input files each is listed (name, checksum, size) and none gets a group of its own.
_NOTES = 200


@dataclass(frozen=True)
class Provenance:
    """What a results file says of its making that is not in the datasets."""

    time: str = ""
    command: str = ""
    recipe: str = ""
    recipe_type: str = "application/json"
    environment: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)  # by SHA-256
    left_out: Mapping[str, str] = field(default_factory=dict)  # by SHA-256: why the bytes are not here

    def root(self) -> Tree:
        """Attributes of the file's root."""
        packages = self.environment.get("packages", {})
        said = {
            "@creator_version": packages.get("redox-spectra", ""),
            "@h5py_version": packages.get("h5py", ""),
            "@HDF5_Version": self.environment.get("hdf5", ""),
            "@file_time": self.time,
        }
        return {key: value for key, value in said.items() if value}


def gather(
    datasets: Iterable[xr.Dataset],
    *,
    recipe: Mapping[str, Any] | str | None = None,
    command: str | None = None,
    embed_limit: float = 5e6,
) -> Provenance:
    """Provenance of a file that is about to be written, here and now.

    Parameters
    ----------
    datasets : iterable of xarray.Dataset
        Their ``attrs["inputs"]`` name the input files.
    recipe : mapping or str, optional
        The recipe as the user wrote it: a mapping, or text (TOML).
    command : str, optional
        Command line or notebook cell.
    embed_limit : float
        Bytes of input files that go into the results file, all together; files are taken in order while they fit.
    """
    files: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    room = embed_limit
    for item in (item for dataset in datasets for item in inputs_of(dataset)):
        digest = item["sha256"]
        if digest in files or digest in left_out:
            continue
        content, reason = _content(item, room)
        if content is None:
            left_out[digest] = reason
        else:
            files[digest] = content
            room -= len(content)
    return Provenance(
        time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command or "",
        recipe=recipe if isinstance(recipe, str) else to_json(recipe, indent=1) if recipe else "",
        recipe_type="application/toml" if isinstance(recipe, str) else "application/json",
        environment=_environment(),
        files=files,
        left_out=left_out,
    )


def inputs_of(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Input files of a dataset: ``file``, ``sha256``, ``size`` of each; none where nobody said."""
    try:
        listed = json.loads(dataset.attrs.get("inputs", "[]"))
    except (TypeError, ValueError):
        return []
    return [item for item in listed if isinstance(item, dict) and _is_input(item)]


def _is_input(item: dict[str, Any]) -> bool:
    kinds = {"file": str, "sha256": str, "size": int | float}
    return all(isinstance(item.get(key), kind) and "\0" not in str(item[key]) for key, kind in kinds.items())


def _content(item: Mapping[str, Any], room: float) -> tuple[bytes | None, str]:
    """Bytes of an input file, or why they cannot be kept."""
    if item["size"] > room:
        return None, "over the limit for embedded files"
    try:
        path = Path(item["file"])
        if not path.is_file():  # and no device or pipe, whose end would never come
            return None, "no longer where it was read"
        if path.stat().st_size != item["size"]:
            return None, "changed since it was read"
        content = path.read_bytes()
    except OSError:
        return None, "no longer where it was read"
    if hashlib.sha256(content).hexdigest() != item["sha256"]:
        return None, "changed since it was read"
    return content, ""


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that can change a number."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache  # the same for every shard of a run
def _environment() -> dict[str, Any]:
    import h5py

    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": platform.processor() or platform.machine(),
        "blas": f"{blas.get('name', '')} {blas.get('version', '')}".strip(),
        "hdf5": h5py.version.hdf5_version,
        "packages": package_versions(),
    }


def provenance_group(
    said: Provenance,
    start: xr.Dataset,
    steps: Sequence[Mapping[str, Any]],
    first: int,
    record: str,
    log: Sequence[str],
) -> Tree:
    """NXcollection with all that is needed to load and to re-run an entry.

    Parameters
    ----------
    said : Provenance
    start : xarray.Dataset
        As measured.
    steps : sequence of mapping
        The whole history.
    first : int
        Number of entries of the history that had happened before the data as measured.
    record : str
        JSON: where each variable lies.
    log : sequence of str
        What was noted on the way, a line each.
    """
    recipe = to_json({"spectra_schema": "1", "measured_after": first, "steps": steps}, indent=1)
    group: Tree = {
        "@NX_class": "NXcollection",
        "recipe": _note(recipe, "application/json", "every verb with its options, defaults resolved"),
        "layout": _note(record, "application/json", "where each variable of the dataset lies in this entry"),
    }
    if said.recipe:
        group["recipe_as_written"] = _note(said.recipe, said.recipe_type, "the recipe as it was given")
    if said.command:
        group["command"] = _note(said.command, "text/plain", "what made this file")
    if said.environment:
        group["environment"] = _note(to_json(said.environment, indent=1), "application/json", "versions")
    inputs = inputs_of(start)
    if len(inputs) <= _NOTES:
        group |= {f"input_{i}": _input(item, said) for i, item in enumerate(inputs, 1)}
    else:
        group["inputs"] = _note(to_json(inputs), "application/json", "input files with their SHA-256")
    group["log"] = _note(
        "\n".join([*log, *_left_out(inputs, said)]), "text/plain", "what was noted on the way"
    )
    return group


def _left_out(inputs: Sequence[Mapping[str, Any]], said: Provenance) -> list[str]:
    """A line for each reason why bytes of inputs are not in the file."""
    if len(inputs) > _NOTES:
        return [f"bytes of the {len(inputs)} input files not kept, they are more than {_NOTES}"]
    files: dict[str, list[str]] = {}
    for item in inputs:
        if item["sha256"] in said.left_out:
            files.setdefault(said.left_out[item["sha256"]], []).append(Path(item["file"]).name)
    return [
        f"bytes of {len(names)} of {len(inputs)} input files not kept, {reason}: {', '.join(names[:5])}"
        + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        for reason, names in files.items()
    ]


def _note(text: str, kind: str, description: str) -> Tree:
    return {"@NX_class": "NXnote", "type": kind, "description": description, "data": text}


def _input(item: Mapping[str, Any], said: Provenance) -> Tree:
    note: Tree = {
        "@NX_class": "NXnote",
        "file_name": str(item["file"]),
        "checksum": str(item["sha256"]),
        "algorithm": "sha256",
        "description": f"input file of {item['size']} bytes",
    }
    if item["sha256"] in said.files:
        note["type"] = "application/octet-stream"
        note["data"] = np.frombuffer(said.files[item["sha256"]], np.uint8)
    return note
