"""The files of a run as one dataset, those that cannot be read named and left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spectra.errors import InvalidInput, SpectraError
from spectra.pipeline.recipe import Step
from spectra.reading.series import part_of_files
from spectra.verbs import find_verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["files_left_out", "mark_left_out", "read_files"]

_LEFT_OUT = "files_left_out"


def read_files(step: Step, files: Sequence[Path], everyone: Sequence[Path] | None = None) -> xr.Dataset:
    """Dataset of ``files``; ``everyone`` are all the files of the series, where these are a part of it.

    Raises
    ------
    ReadError
        No file can be read, or the files do not fit together.
    """
    with part_of_files([str(file) for file in everyone or files]):
        if not step.verb.endswith(".read"):
            return _read_series(step, files)
        if len(files) > 1:
            raise InvalidInput(
                f"{step.verb} reads one file and {len(files)} were given; "
                f'for a series write verb = "{step.verb}_series" in [read].'
            )
        return find_verb(step.verb).function(files[0], **step.options)


def files_left_out(dataset: xr.Dataset) -> dict[str, str]:
    """Files of the series that could not be read, each with the reason."""
    return dict(json.loads(dataset.attrs.get(_LEFT_OUT, "{}")))


def mark_left_out(dataset: xr.Dataset, reasons: Mapping[str, str]) -> xr.Dataset:
    """``dataset`` that says which files are missing in it, and why."""
    marked = dataset.assign_attrs()
    marked.attrs.pop(_LEFT_OUT, None)
    return (
        marked.assign_attrs({_LEFT_OUT: json.dumps(dict(reasons), ensure_ascii=False)}) if reasons else marked
    )


def _read_series(step: Step, files: Sequence[Path]) -> xr.Dataset:
    """The series of those files that can be read; where one cannot, each is tried alone to find out which."""
    function = find_verb(step.verb).function
    try:
        return function(files, **step.options)
    except (SpectraError, OSError) as problem:
        reasons = {str(file): reason for file in files if (reason := _problem(step, file))}
        good = [file for file in files if str(file) not in reasons]
        if not good or not reasons:  # nothing to read, or it is the files together that do not fit
            raise problem
    return mark_left_out(function(good, **step.options), reasons)


def _problem(step: Step, file: Path) -> str:
    try:
        find_verb(step.verb).function([file], **step.options)
    except (SpectraError, OSError) as error:
        return str(error)
    return ""
