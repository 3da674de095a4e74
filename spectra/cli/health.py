"""``doctor``: whether this installation can do its work."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spectra.cli.app import ERROR, app, fail

_PACKAGE = "redox-spectra"


@dataclass(frozen=True)
class _Finding:
    what: str
    found: str
    problem: str = ""


@app.command()
def doctor() -> None:
    """Check Python, the packages and their versions, the cache folder, and what techniques are announced."""
    from spectra.cli.tables import show_rows

    findings = [_python(), *_packages(), _cache(), *_announced()]
    show_rows(
        ("", "what", "found"), [("!!" if f.problem else "ok", f.what, f.problem or f.found) for f in findings]
    )
    problems = [f for f in findings if f.problem]
    if problems:
        fail(f"found {len(problems)} problems: {'; '.join(f.problem for f in problems)}.", ERROR)


def _python() -> _Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    return _Finding(
        "Python",
        text,
        "" if sys.version_info >= (3, 11) else f"Python 3.11 or later is needed, this is {text}",
    )


def _packages() -> list[_Finding]:
    findings = [_Finding(_PACKAGE, importlib.metadata.version(_PACKAGE))]
    for requirement in importlib.metadata.requires(_PACKAGE) or []:
        needed, _, extra = requirement.partition(";")
        name = re.split(r"[\s<>=!~\[]", needed.strip(), maxsplit=1)[0]
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if not extra:
                findings.append(
                    _Finding(name, "", f"{name} is not installed: pip install '{needed.strip()}'")
                )
            continue
        if not extra:
            findings.append(_Finding(name, version, _too_old(name, version, needed)))
    return findings


def _too_old(name: str, version: str, needed: str) -> str:
    minimum = re.search(r">=\s*([\d.]+)", needed)
    if minimum is None or _numbers(version) >= _numbers(minimum.group(1)):
        return ""
    return f"{name} {version} is older than {minimum.group(1)}: pip install -U '{needed.strip()}'"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def _cache() -> _Finding:
    """The folder of compiled code: without one, every process compiles the fit engine again."""
    own = os.environ.get("NUMBA_CACHE_DIR")
    beside = Path(__file__).parents[1] / "fitting" / "__pycache__"
    folders = [Path(own)] if own else [beside, Path.home() / ".cache" / "numba"]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return _Finding("compiled code", f"cached in {folder}")
        except OSError:
            continue
    tried = " and ".join(map(str, folders))
    return _Finding(
        "compiled code", "", f"{tried} cannot be written: set NUMBA_CACHE_DIR to a folder that can"
    )


def _announced() -> list[_Finding]:
    """What installed packages announce, each thing loaded."""
    from spectra.verbs import find_verb

    findings = []
    for group in ("readers", "steps", "recipes", "demos"):
        names = []
        for entry in importlib.metadata.entry_points(group=f"spectra.{group}"):
            try:
                found = entry.load()
                for verb in found if group == "steps" else ():
                    find_verb(f"{entry.value.partition(':')[0]}.{verb}")
                names.append(entry.name)
            except Exception as error:  # whatever a third party's package does, the others are still checked
                findings.append(_Finding(group, "", f"{group} of {entry.value} cannot be loaded: {error}"))
        findings.append(_Finding(group, ", ".join(sorted(names))))
    return findings
