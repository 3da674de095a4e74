"""A process that reads damaged files within limits of memory and computing time; whoever asks outlives its death.

It takes lines of JSON, ``{"path": ..., "ways": [[way, reader], ...]}``, and answers each with the list of faults.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import selectors
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["SECONDS", "Worker"]

#: Seconds of computing that one file may take, and how long to wait for them on a busy machine.
SECONDS, PATIENCE = 20, 240
#: Bytes that a process may take beyond what it has before the first file.
MEMORY = 1 << 30


class Worker:
    """Hands files to a process; one that hangs or dies is a fault, and a new process takes its place."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def faults(
        self, path: Path, ways: Sequence[tuple[str, str | None]], *, seconds: int = SECONDS
    ) -> list[str]:
        """What went wrong on ``path``, in a line each."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(
            json.dumps({"path": str(path), "ways": list(ways), "seconds": seconds}).encode() + b"\n"
        )
        process.stdin.flush()
        answer = self._line(process)
        if answer:
            return json.loads(answer)
        self.close()
        how = {
            -9: "killed",
            -24: f"more than {seconds} s of computing",
            -11: "crashed (SIGSEGV)",
            -6: "aborted",
        }
        return [f"the process ended: {how.get(process.returncode, process.returncode)}"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root,
            env=os.environ | {"PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
        )  # fmt: skip
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[bytes]) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE):
                return b""
        line = process.stdout.readline()
        if not line:
            process.wait(10)
        return line


def _limit_time(allowed: int) -> None:
    """The kernel ends this process once it has computed for so long from now, wherever it is."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + allowed + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)


def _main() -> None:
    import spectra
    from spectra.reading.registry import readers
    from tests.fuzz.judge import faults

    out, sys.stdout = sys.stdout, sys.stderr
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    readers()
    spectra.from_arrays([1.0, 2, 3], [1.0, 2, 3], axis="raman_shift")
    _limit_memory()
    for line in sys.stdin:
        job = json.loads(line)
        found = faults(
            Path(job["path"]),
            [tuple(way) for way in job["ways"]],
            functools.partial(_limit_time, job["seconds"]),
        )
        print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    _main()
