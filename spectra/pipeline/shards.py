"""The folder of a run in shards: the plan, and each shard as a results file with its record beside it.

A shard counts as done when its record is there and its checksum holds. Both are written in one step each, the record
last, so a process can be killed at any instant.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spectra.errors import InvalidInput, ReadError, WriteError
from spectra.pipeline.plan import Plan
from spectra.pipeline.series import mark_left_out
from spectra.results.atomic import replace_file
from spectra.results.joining import join
from spectra.results.seal import check_seal, read_seal
from spectra.results.store import load, save
from spectra.verbs import as_measured, find_verb, history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Done", "ShardFolder"]


@dataclass(frozen=True)
class Done:
    """What became of a shard."""

    number: int
    sha256: str = ""  # of its file; none where no spectrum of it could be read
    spectra: int = 0
    failed: int = 0
    left_out: Mapping[str, str] = field(default_factory=dict)


class ShardFolder:
    """Folder beside the results file that a run in shards is going to write."""

    def __init__(self, out: Path) -> None:
        self.path = out.with_name(f"{out.name}.shards")

    @property
    def exists(self) -> bool:
        """Whether a run has begun here."""
        return (self.path / "plan.json").is_file()

    def begin(self, plan: Plan) -> None:
        """Make the folder and write the plan, unless another process of the same run was first."""
        try:
            self.path.mkdir(exist_ok=True)
            own = replace_file(self.path / f"plan.{secrets.token_hex(4)}.json", plan.to_json().encode())
            with contextlib.suppress(FileExistsError):
                os.link(own, self.path / "plan.json")
            own.unlink()
        except OSError as error:
            raise WriteError(f"{self.path} cannot be made: {error.strerror or error}.") from None

    def extend(self, plan: Plan) -> None:
        """Replace the plan by one with more files and shards."""
        replace_file(self.path / "plan.json", plan.to_json().encode())

    def plan(self) -> Plan:
        """The plan of the run that began here."""
        try:
            return Plan.from_json((self.path / "plan.json").read_text(encoding="utf-8"))
        except OSError:
            raise ReadError(f"no run has begun in {self.path}: start one with spectra run.") from None

    def file(self, number: int) -> Path:
        """Results file of a shard."""
        return self.path / f"shard_{number:06d}.nxs"

    def write(self, number: int, dataset: xr.Dataset | None, left_out: Mapping[str, str]) -> Done:
        """Put a shard there; ``None`` where nothing of it could be read."""
        from spectra.dataset import failed

        done = Done(number, left_out=dict(left_out))
        if dataset is not None:
            bad = failed(dataset)
            save(self.file(number), dataset, embed_limit=0)
            done = Done(number, read_seal(self.file(number)), bad.size, int(bad.sum()), done.left_out)
        replace_file(self._record(number), json.dumps(asdict(done)).encode())
        return done

    def done(self, number: int) -> Done | None:
        """What became of the shard, if it is there and whole."""
        with contextlib.suppress(OSError, ValueError, TypeError, ReadError):
            said = Done(**json.loads(self._record(number).read_text(encoding="utf-8")))
            if not said.sha256 or check_seal(self.file(number)) == said.sha256:
                return said
        return None

    def load(self, number: int) -> xr.Dataset:
        """The shard's dataset, its large arrays left in the file."""
        loaded = load(self.file(number), lazy=True)
        assert not isinstance(loaded, dict)  # a shard holds one dataset
        return loaded

    def joined(self, plan: Plan, numbers: Sequence[int]) -> xr.Dataset:
        """Those of the shards that hold spectra, as one series.

        Raises
        ------
        InvalidInput
            Some are missing or damaged; the sentence says how many and which.
        ReadError
            None holds a spectrum; the sentence is that of the first file.
        """
        records = self._records(numbers)
        left_out: dict[str, str] = {}
        for done in records:  # a file that a later shard could read is not left out
            shard = plan.shards[done.number]
            for file in plan.files[shard.first : shard.end]:
                left_out.pop(file.path, None)
            left_out |= done.left_out
        parts = [self.load(done.number) for done in records if done.sha256]
        if not parts:
            raise ReadError(next(iter(left_out.values()), "the run has no shard that holds a spectrum."))
        return mark_left_out(_finished(_in_time(join(parts, plan.dim), plan.dim)), left_out)

    def _records(self, numbers: Sequence[int]) -> list[Done]:
        made = {number: self.done(number) for number in numbers}
        missing = [number for number, done in made.items() if done is None]
        if missing:
            shown = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
            raise InvalidInput(
                f"{len(missing)} of {len(numbers)} shards in {self.path} are missing or damaged ({shown}, from 0): make them "
                "with the same command and --resume; after the jobs of an array, merge them then."
            )
        return [done for done in made.values() if done]

    def remove(self) -> None:
        """Take the folder away, once the results file is there; the plan last, so that a kill leaves a run to resume."""
        if self.path.is_dir():
            for file in sorted(self.path.iterdir(), key=lambda path: path.name == "plan.json"):
                with contextlib.suppress(OSError):
                    file.unlink()
            shutil.rmtree(self.path, ignore_errors=True)

    def _record(self, number: int) -> Path:
        return self.path / f"shard_{number:06d}.json"


def _in_time(dataset: xr.Dataset, dim: str) -> xr.Dataset:
    """A series along the clock in its order; each shard is already in its own."""
    if dim != "time" or "time" not in dataset.coords:
        return dataset
    order = np.argsort(dataset["time"].values, kind="stable")
    if (np.diff(order) > 0).all():
        return dataset
    ordered, start = dataset.isel(time=order), as_measured(dataset)
    if start is not dataset:
        ordered.encoding = {**ordered.encoding, "as_measured": start.isel(time=order)}
    return ordered


def _finished(dataset: xr.Dataset) -> xr.Dataset:
    """``dataset`` with what its verbs say of the series as a whole."""
    steps = history(dataset)
    for step in steps:
        finish = find_verb(step["verb"]).finish
        if finish is None:
            continue
        made = finish(dataset, step["options"])
        step["added"] = [
            *step.get("added", []),
            *(str(name) for name in made.variables if name not in dataset.variables),
        ]
        made.encoding, dataset = dataset.encoding, made
    return dataset.assign_attrs(history=json.dumps(steps))
