"""Every headline number of the README, measured beside the usual programs: one table, in one command.

    python benchmarks/headline.py                                # about ten minutes on two idle cores
    python benchmarks/headline.py --peer-python ../peers/bin/python    # with HyperSpy and eXSpy, from an environment of their own
    python benchmarks/headline.py --quick --only raman_map       # a few seconds of one script; nothing is written

Each script runs in a process of its own, so that its number of threads holds, and hands over rows: what was measured
beside what, medians and their ranges, and whether the results agree. Written are ``benchmarks/results.json``,
``benchmarks/results.md`` and, from the same rows, the block between the markers in the README. ``--render`` writes the
last two again from the first.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
README, RESULTS = HERE.parent / "README.md", HERE / "results.json"
BEGIN, END = "<!-- speed: written by benchmarks/headline.py -->\n", "<!-- /speed -->"
#: Processors that others used before a benchmark, beyond which the machine was not idle.
IDLE = 0.25


@dataclass(frozen=True)
class Script:
    """A benchmark, and how it is told to be short."""

    name: str
    options: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    beside_hyperspy: bool = False

    @property
    def path(self) -> Path:
        return HERE / f"{self.name}.py"


SCRIPTS = (
    Script(
        "fit_engine",
        ("--clear-only",),
        ("--clear-only", "--spectra", "2000", "--composite", "3", "--single", "60", "--no-compilation"),
    ),
    Script(
        "xps_depth_profile", (), ("--spectra", "1000", "--single", "20", "--draws", "200", "--repeats", "1")
    ),
    Script("xas_series", (), ("--spectra", "1000", "--peer", "9")),
    Script("xas_wavelet", (), ("--spectra", "50", "--peer", "5")),
    Script("xas_lcf", (), ("--spectra", "1000", "--peer", "6")),
    Script("xas_paths", (), ("--spectra", "200", "--peer", "12")),
    Script(
        "raman_map",
        (),
        ("--spectra", "1000", "--peer-baselines", "60", "--peer-fits", "12", "--repeats", "1"),
    ),
    Script(
        "eels_image", ("--side", "64", "--no-memory"), ("--side", "16", "--no-memory"), beside_hyperspy=True
    ),
    Script("eels_deconvolution", ("--side", "64"), ("--side", "12"), beside_hyperspy=True),
    Script("xas_stream", (), ("--spectra", "5000")),
    Script("scale", (), ("--sizes", "1000", "5000", "--repeats", "1")),
)

#: Lines of the README's table: rows in the order they are shown.
SHOWN = (
    "mn2p_composite", "mn2p_function", "depth_profile_sgl", "depth_profile_voigt", "xas_chain", "xas_chain_rexafs",
    "edge_half_step", "wavelet_larch", "lcf_three", "lcf_five", "paths_first_shell", "paths_three_shells", "baseline_asls",
    "baseline_arpls", "baseline_airpls", "bands_lorentzian", "bands_pseudo_voigt", "eels_align", "eels_background",
    "eels_lines", "eels_fourier_log", "eels_fourier_log_with_sigma", "eels_fourier_ratio_with_sigma_and_response", "eels_richardson_lucy",
)  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument(
        "--quick", action="store_true", help="few spectra, for a look; the numbers are rough"
    )
    options.add_argument("--only", nargs="+", metavar="NAME", choices=[script.name for script in SCRIPTS],
                         help="only these scripts; the table is printed and nothing is written")  # fmt: skip
    options.add_argument("--peer-python", type=Path, default=Path(sys.executable),
                         help="interpreter that has HyperSpy, eXSpy and this project")  # fmt: skip
    options.add_argument(
        "--render", action="store_true", help="measure nothing: write table and README again"
    )
    given = options.parse_args()
    if given.render:
        write(json.loads(RESULTS.read_text(encoding="utf-8")))
        return
    results = measured(given)
    if given.only:
        print(table(results))
    else:
        write(results)
    if results["failed"]:
        sys.exit(f"failed: {', '.join(results['failed'])}")


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All that the results file holds."""
    results: dict[str, Any] = {
        "quick": given.quick,
        "others": 0.0,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": {"Python": platform.python_version()},
        "installed": installed_size(),
        "seconds": {},
        "failed": [],
        "rows": [],
    }
    for script in SCRIPTS:
        if given.only and script.name not in given.only:
            continue
        results["others"] = max(results["others"], used_by_others())
        start = time.perf_counter()
        said = run(script, given)
        results["seconds"][script.name] = round(time.perf_counter() - start, 1)
        if said is None:
            results["failed"].append(script.name)
            continue
        results["rows"] += [{"script": script.name, **row} for row in said["rows"]]
        results["versions"] |= {k: v for k, v in said["versions"].items() if k not in results["versions"]}
    return results


def run(script: Script, given: argparse.Namespace) -> dict[str, Any] | None:
    """What a script hands over, in a process of its own; None where it failed."""
    python = given.peer_python if script.beside_hyperspy else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.json")
        sized = script.quick if given.quick else script.options
        print(f"--- {script.name} {' '.join(sized)}", flush=True)
        ended = subprocess.run([str(python), str(script.path), *sized, "--rows", str(rows)], check=False)
        if ended.returncode or not rows.is_file():
            return None
        return dict(json.loads(rows.read_text(encoding="utf-8")))


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory."""
    model = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.is_file():
        lines = [line for line in told.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": model, "cores": cores, "memory_gib": round(memory, 1), "system": platform.platform()}


def installed_size() -> float:
    """Gigabytes of this project's dependencies, without those of its extras, as they lie on disk."""
    from packaging.requirements import Requirement

    found: dict[str, int] = {}
    waiting = ["redox-spectra"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        paths = [Path(str(file.locate())) for file in package.files or ()]
        found[name] = sum(path.stat().st_size for path in paths if path.is_file())
        needed = [Requirement(text) for text in package.requires or ()]
        waiting += [
            one.name.lower() for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return round(sum(found.values()) / 1e9, 2)


def used_by_others() -> float:
    """Processors in use just before a script, in mean over two seconds; the load average still counts what has ended."""
    cores: int = psutil.cpu_count() or 1
    return round(float(psutil.cpu_percent(interval=2)) / 100 * cores, 2)


def write(results: dict[str, Any]) -> None:
    """Results, table, and the README's block, all from the same rows."""
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (HERE / "results.md").write_text(table(results), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}{readme_block(results)}{END}{after}", encoding="utf-8")


def circumstances(results: dict[str, Any]) -> str:
    """One sentence on the machine and on how far the numbers can be trusted."""
    at = results["machine"]
    doubts = [
        *(["with few spectra"] if results["quick"] else []),
        *(["while others used the machine"] if results["others"] > IDLE else []),
    ]
    rough = f" Measured {' and '.join(doubts)}: the numbers are rough." if doubts else ""
    return f"{at['cpu']}, {at['cores']} cores, {at['memory_gib']:.0f} GiB, {results['date'][:10]}.{rough}"


def table(results: dict[str, Any]) -> str:
    """All rows as one table of Markdown."""
    said = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [
        "# Headline numbers",
        "",
        f"Written by `benchmarks/headline.py`. {circumstances(results)} Others used {results['others']:g} processors at most, looked at before each script; "
        f"{results['machine']['system']}; {said}.",
        "",
        "Medians, in brackets the range of the repetitions; for the peer, of thirds of its sample. The range of a ratio goes "
        "from the peer's fastest third over the slowest of ours to its slowest third over the fastest of ours.",
        "",
        "| row | script | what | spectra | threads | clock | ours | peer | peer's spectra | peer's time | ratio | agreement |",
        "|---|---|---|--:|--:|---|--:|---|--:|--:|--:|---|",
    ]
    for row in results["rows"]:
        ours = f"{with_range(row['ours'], row['ours_range'])} {short_unit(row['unit'])}"
        theirs = ratio = ""
        if row["theirs"] is not None:
            theirs = f"{with_range(row['theirs'], row['theirs_range'])} {short_unit(row['unit'])}"
            ratio = with_range(row["ratio"], row["ratio_range"])
        cells = [
            row["claim"], f"`{row['script']}.py`", row["what"], f"{row['spectra']:,}", row["threads"], row["clock"], ours,
            row["peer"], row["peer_spectra"] or "", theirs, ratio, row["agreement"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    spent = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in results["seconds"].items())
    failed = f" Failed: {', '.join(results['failed'])}." if results["failed"] else ""
    return "\n".join(
        [*lines, "", f"An installation takes {results['installed']} GB. Time taken: {spent}.{failed}", ""]
    )


def readme_block(results: dict[str, Any]) -> str:
    """What the README says of speed: ratios of the rows that have one, and the figures of the runs."""
    rows = {row["claim"]: row for row in results["rows"]}
    lines = [
        f"Ratios of median times, beside the usual program in the same run on the same spectra. {circumstances(results)} Ranges, "
        "versions and all other rows: [benchmarks/results.md](benchmarks/results.md).",
        "",
        "| what | spectra | threads | beside | times faster | agreement |",
        "|---|--:|--:|---|--:|---|",
    ]
    for claim in SHOWN:
        row = rows.get(claim)
        if row is not None and row["ratio"] is not None:
            cells = [
                row["what"],
                f"{row['spectra']:,}",
                row["threads"],
                row["peer"],
                digits(row["ratio"]),
                row["agreement"],
            ]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, "", *sentences(rows, results), ""])


def sentences(rows: dict[str, Any], results: dict[str, Any]) -> list[str]:
    """Figures beside which nothing stands."""
    said = []
    if "stream" in rows:
        seconds, peak = rows["stream"], rows["stream_memory"]
        said.append(
            f"{seconds['spectra']:,} absorption spectra, streamed from disk through background and Fourier transform on one "
            f"thread, took {seconds['ours']:.0f} s and {peak['ours']:.2f} GiB of memory."
        )
    runs = [row for claim, row in rows.items() if claim.startswith("scale_") and row["unit"] != "MiB"]
    if runs:
        sizes = " or ".join(f"{row['spectra']:,}" for row in runs)
        peaks = [rows[f"{row['claim']}_memory"]["ours"] for row in runs]
        said.append(
            f"A run in shards, from a file of {sizes} Raman spectra to the results "
            f"file, took {', '.join(digits(row['ours']) for row in runs)} µs per spectrum and {', '.join(digits(p) for p in peaks)} "
            "MiB at most."
        )
    if "fit_compiling" in rows:
        said.append(
            f"The fit engine is compiled at its first use, which takes {rows['fit_compiling']['ours']:.0f} s once; after that it "
            f"is read from a cache on disk, and one fit in a new process takes {rows['fit_compiled']['ours']:.1f} s from its start."
        )
    said.append(f"An installation takes {results['installed']:.1f} GB, nearly all of it through xraylarch.")
    return [" ".join(said)]


def with_range(value: float, span: tuple[float, float]) -> str:
    shown = [digits(one) for one in (value, *span)]
    return shown[0] if shown[1] == shown[2] else f"{shown[0]} ({shown[1]} to {shown[2]})"


def digits(value: float) -> str:
    """Two digits, without a decimal point where there is none to say."""
    if value >= 100:
        return f"{round(value, 2 - len(str(round(value)))):.0f}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def short_unit(unit: str) -> str:
    return unit.removesuffix(" per spectrum")


if __name__ == "__main__":
    main()
