"""What a running recipe tells whoever watches it; this one keeps silent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from spectra.pipeline.shards import Done

__all__ = ["Progress"]


class Progress:
    """Silent observer of a run; a progress bar overrides what it shows."""

    def reading(self, files: int) -> None:
        """``files`` files are about to be read."""

    def file_read(self, path: Path) -> None:
        """A file has been opened."""

    def left_out(self, path: Path, reason: str) -> None:
        """A file of a series could not be read and is left out."""

    def running(self, verb: str, number: int, of: int) -> None:
        """Step ``number`` (from 1) of ``of`` begins."""

    def done(self, verb: str, dataset: xr.Dataset) -> None:
        """A verb, the reading one included, has made ``dataset``."""

    def sharing(self, shards: int, spectra: int) -> None:
        """The run goes in ``shards`` pieces, of about so many ``spectra`` together."""

    def shard_done(self, done: Done) -> None:
        """A shard is written, now or by the run that was interrupted."""

    def saving(self, path: Path) -> None:
        """The results file is about to be written."""
