"""What a run in shards is going to do, written down before it begins: the same plan gives the same numbers.

The plan knows the recipe, every input file, where the series is cut, and the options that hang on the whole series.
Any worker, today or after a crash, on this machine or another, makes the same shard of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spectra.errors import InvalidInput, ReadError
from spectra.pipeline.recipe import Recipe, Step, load_recipe, parse_recipe
from spectra.results.fields import from_json, to_json

__all__ = ["InputFile", "Plan", "Shard", "state_of"]


@dataclass(frozen=True)
class InputFile:
    """A file as it was when the run was planned."""

    path: str
    size: int
    modified: int  # ns


@dataclass(frozen=True)
class Shard:
    """A piece of the work: some files of a series, or some rows of one file."""

    number: int
    first: int  # file
    end: int  # behind the last file
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Plan:
    """All that decides what comes out of a run in shards.

    Parameters
    ----------
    recipe : mapping
        ``name`` and either ``text`` (TOML) or ``data``.
    files : tuple of InputFile
        In the order of the series.
    dim : str
        The dimension that is cut.
    shards : tuple of Shard
    settled : tuple of mapping
        For each verb that is applied to each shard, what it takes from the whole series, as a sample gave it. The
        verbs behind them take the series together.
    model : int
        Number of the file that goes through the verbs with every shard: axis, variables and all that hangs on the
        first spectrum of a series are by it.
    model_labels : tuple of str
        What its spectra are called in the series.
    model_row : int, optional
        The row of it that does so, where the rows of one file are shared out.
    length : int
        Spectra of the whole series, as far as the sample tells.
    attrs : mapping
        Attributes given to the dataset as it is read.
    """

    recipe: Mapping[str, Any]
    files: tuple[InputFile, ...]
    dim: str
    shards: tuple[Shard, ...]
    settled: tuple[Mapping[str, Any], ...]
    model: int = 0
    model_labels: tuple[str, ...] = ()
    model_row: int | None = None
    length: int = 0
    attrs: Mapping[str, str] = field(default_factory=dict)

    def load_recipe(self) -> Recipe:
        """The recipe, checked."""
        if self.recipe["text"]:
            return parse_recipe(self.recipe["text"], name=self.recipe["name"])
        return load_recipe(self.recipe["data"])

    def steps(self) -> tuple[Step, ...]:
        """Verbs that each shard goes through."""
        return self.load_recipe().steps[: len(self.settled)]

    def rest(self) -> tuple[Step, ...]:
        """Verbs that take the whole series, and those behind them."""
        return self.load_recipe().steps[len(self.settled) :]

    def to_json(self) -> str:
        """The plan as text."""
        return to_json(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that was written as ``text``."""
        try:
            said = from_json(text)
            _check_kinds(said)
            return cls(
                recipe=said["recipe"],
                files=tuple(InputFile(**one) for one in said["files"]),
                dim=said["dim"],
                shards=tuple(
                    Shard(**(one | {"rows": tuple(one["rows"]) if one["rows"] else None}))
                    for one in said["shards"]
                ),
                settled=tuple(said["settled"]),
                model=said["model"],
                model_labels=tuple(said["model_labels"]),
                model_row=said["model_row"],
                length=said["length"],
                attrs=said["attrs"],
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            raise ReadError(f"the plan of the run is damaged ({error}); begin the run anew.") from None

    def check_same(self, now: Plan) -> None:
        """Refuse to go on with this run if what is asked ``now`` is something else.

        Raises
        ------
        InvalidInput
            The recipe, the attributes or the files are not those of the run that began.
        """
        if self.recipe != now.recipe or dict(self.attrs) != dict(now.attrs):
            raise InvalidInput(
                "the run that began had another recipe or other attributes: give those, or begin anew without --resume."
            )
        begun, given = [file.path for file in self.files], [file.path for file in now.files]
        if begun != given:
            raise InvalidInput(
                f"the run that began had other files ({len(begun)}, now {len(given)}): give those, or begin anew without "
                "--resume."
            )
        changed = [a.path for a, b in zip(self.files, now.files, strict=True) if a != b]
        if changed:
            shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
            raise InvalidInput(
                f"{shown} changed since the run began: begin anew without --resume, or bring the old files back."
            )


def _check_kinds(said: Mapping[str, Any]) -> None:
    """Whatever wrote the plan, numbers in it are numbers that point into it, and names are texts."""
    files, shards = said["files"], said["shards"]
    whole = [one[key] for one in shards for key in ("number", "first", "end")]
    whole += [n for one in shards for n in one["rows"] or ()] + [said["model"], said["length"]]
    if not all(isinstance(n, int) and 0 <= n < 2**40 for n in whole):
        raise ValueError("a number that is none")
    if any(
        one["number"] != i or not one["first"] <= one["end"] <= len(files) for i, one in enumerate(shards)
    ):
        raise ValueError("shards that are not in their order or beyond the files")
    names = [said["dim"], said["recipe"]["name"], *(one["path"] for one in files), *said["attrs"].values()]
    if not all(isinstance(name, str) and "\0" not in name for name in names):
        raise ValueError("a name that is no text")
    if len(said["settled"]) > 10_000 or not all(isinstance(one, Mapping) for one in said["settled"]):
        raise ValueError("settled options that are no tables")


def state_of(files: Sequence[str | Path]) -> tuple[InputFile, ...]:
    """What tells that files have changed: size and time of the last change; -1 for one that is not there."""
    found = []
    for file in files:
        try:
            stat = Path(file).stat()
            found.append(InputFile(str(file), stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append(InputFile(str(file), -1, -1))
    return tuple(found)
