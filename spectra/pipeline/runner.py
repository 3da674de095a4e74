"""Run a recipe: read, apply the verbs in order, save."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput, SpectraError, WriteError
from spectra.pipeline.progress import Progress
from spectra.pipeline.recipe import Recipe, Step, load_recipe
from spectra.verbs import find_verb, watch_inputs

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["files_left_out", "run"]

_LEFT_OUT = "files_left_out"


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    paths: str | Path | Iterable[str | Path],
    *,
    out: str | Path | None = None,
    command: str | None = None,
    attrs: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    r"""Read files and apply the verbs of a recipe, in order; write the results file if ``out`` is given.

    A file of a series that cannot be read is left out and named in ``dataset.attrs["files_left_out"]``; a spectrum
    that a verb fails on is flagged. Neither stops the run. Nothing is written before every step has ended, and the
    file that stood at ``out`` stays until the new one is complete.

    Parameters
    ----------
    recipe : str, Path, mapping or Recipe
        Path of a recipe, name of one that ships (``spectra list recipes``), or the same data in Python.
    paths : path or iterable of paths
        Files to read, in the order of the series; a pattern is sorted with numbers by value.
    out : path, optional
        Results file to write.
    command : str, optional
        What the results file says it was made by. Default: this call.
    attrs : mapping, optional
        Attributes that the files do not say, given to the dataset as it is read: ``{"sample": "LNMO, 50 cycles"}``.
    progress : Progress, optional
        Is told what happens, for a progress bar.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    RecipeError
        If the recipe cannot be run as written.
    ReadError
        If no file can be read.
    InvalidInput
        If a verb cannot work on this kind of data, or ``out`` is one of the inputs.
    WriteError
        If ``out`` cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "scan.txt")
    >>> _ = file.write_text("raman_shift intensity\n" + "".join(f"{500 + x} {x * x}\n" for x in range(20)))
    >>> recipe = {"read": {"verb": "spectra.read"}, "step": [{"verb": "spectra.crop", "window": [505, 509]}]}
    >>> spectra.run(recipe, file).sizes["raman_shift"]
    5
    >>> folder.cleanup()
    """
    plan = load_recipe(recipe)
    files = _files(paths)
    target = _target(out, files)
    watch = progress or Progress()
    watch.reading(len(files))
    with watch_inputs(lambda file: watch.file_read(Path(file))):
        dataset = _read(plan.read, files).assign_attrs(attrs or {})
    for file, reason in files_left_out(dataset).items():
        watch.left_out(Path(file), reason)
    watch.done(plan.read.verb, dataset)
    for number, step in enumerate(plan.steps, 1):
        watch.running(step.verb, number, len(plan.steps))
        dataset = find_verb(step.verb).function(dataset, **step.options)
        watch.done(step.verb, dataset)
    if target is not None:
        from spectra.results import save

        watch.saving(target)
        said = command or f"spectra.run({plan.name!r}, {[file.name for file in files]!r})"
        save(target, dataset, recipe=plan.text or plan.resolved(), command=said)
    return dataset


def files_left_out(dataset: xr.Dataset) -> dict[str, str]:
    """Files of the series that could not be read, each with the reason."""
    return dict(json.loads(dataset.attrs.get(_LEFT_OUT, "{}")))


def _files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files to read, patterns such as ``scan_*.xdi`` written out."""
    from spectra.reading.series import expand

    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise InvalidInput("no files were given: name at least one to read.")
    return [Path(file) for file in expand(given)]


def _target(out: str | Path | None, files: Sequence[Path]) -> Path | None:
    """Output path, checked before hours of work go into what cannot be written."""
    if out is None:
        return None
    target = Path(out)
    if target.resolve() in {file.resolve() for file in files}:
        raise InvalidInput(f"{target} is one of the files to read: give the results another name.")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise WriteError(f"{target} cannot be written: there is no folder {folder}. Make it first.")
    if target.is_dir():
        raise WriteError(f"{target} is a folder: name the results file, e.g. {target / 'results.nxs'}.")
    if not os.access(folder, os.W_OK):
        raise WriteError(f"{target} cannot be written: the folder {folder} is not writable.")
    return target


def _read(step: Step, files: Sequence[Path]) -> xr.Dataset:
    function = find_verb(step.verb).function
    if step.verb.endswith(".read"):
        if len(files) > 1:
            raise InvalidInput(
                f"{step.verb} reads one file and {len(files)} were given; "
                f'for a series write verb = "{step.verb}_series" in [read].'
            )
        return function(files[0], **step.options)
    return _read_series(step, files)


def _read_series(step: Step, files: Sequence[Path]) -> xr.Dataset:
    """The series of those files that can be read; where one cannot, each is tried alone to find out which."""
    function = find_verb(step.verb).function
    try:
        return function(files, **step.options)
    except (SpectraError, OSError) as problem:
        reasons = {file: reason for file in files if (reason := _problem(step, file))}
        good = [file for file in files if file not in reasons]
        if not good or not reasons:  # nothing to read, or it is the files together that do not fit
            raise problem
    left_out = json.dumps({str(file): reason for file, reason in reasons.items()}, ensure_ascii=False)
    return function(good, **step.options).assign_attrs({_LEFT_OUT: left_out})


def _problem(step: Step, file: Path) -> str:
    try:
        find_verb(step.verb).function([file], **step.options)
    except (SpectraError, OSError) as error:
        return str(error)
    return ""
