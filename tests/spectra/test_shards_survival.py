"""A run is killed at any instant, its disk fills, its files change: what it goes on to write is what it would have written."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import spectra
from spectra.errors import ReadError, WriteError
from spectra.pipeline import run
from spectra.pipeline.series import files_left_out
from spectra.pipeline.shards import ShardFolder
from spectra.pipeline.stop import Stopped
from spectra.results.seal import check_seal
from tests.spectra.shard_samples import RECIPE, load, same_numbers, write_series

COUNT, SIZE = 18, 3
#: What is killed a hundred times, or in workers that have to start first, is small.
KILLED = RECIPE | {"step": [{"verb": "spectra.smooth", "window": 5}]}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("series"), COUNT)


@pytest.fixture(scope="module")
def undisturbed(series, tmp_path_factory):
    """What an uninterrupted run writes, and how long it takes."""
    out = tmp_path_factory.mktemp("whole") / "whole.nxs"
    run(RECIPE, series, out=out, shard_size=SIZE)
    begun = time.perf_counter()
    run(RECIPE, series, out=out, shard_size=SIZE)
    return load(out), time.perf_counter() - begun


@pytest.fixture(scope="module")
def small(series, tmp_path_factory):
    """What an uninterrupted run of the small recipe writes."""
    out = tmp_path_factory.mktemp("small") / "whole.nxs"
    run(KILLED, series, out=out, shard_size=SIZE)
    return load(out)


def in_a_process(function, *arguments) -> multiprocessing.Process:
    """A copy of this process that does nothing but ``function``."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


FILES = 8


def begin(series, out):
    run(KILLED, series[:FILES], out=out, shard_size=2)


def resume(series, out):
    run(KILLED, series[:FILES], out=out, shard_size=2, resume=True)


def killed_and_resumed(series, folder: Path, instants) -> int:
    """Kill a run at each of the instants, resume it, compare; how many of the kills hit a run at work."""
    hit = 0
    begin(series, folder / "whole.nxs")
    (folder / "whole.nxs").unlink()
    begun = time.perf_counter()
    begin(series, folder / "whole.nxs")
    whole, seconds = load(folder / "whole.nxs"), time.perf_counter() - begun
    (folder / "whole.nxs").unlink()
    for number, instant in enumerate(instants):
        out = folder / f"out{number}.nxs"
        first = in_a_process(begin, series, out)
        time.sleep(instant * seconds)
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        hit += first.exitcode == -signal.SIGKILL
        if out.exists():
            check_seal(out)
        again = in_a_process(resume, series, out)
        again.join(120)
        assert again.exitcode == 0
        for one, other in zip(load(out), whole, strict=True):
            same_numbers(one, other)
        assert [f.name for f in folder.iterdir() if not f.name.endswith(".part")] == [out.name]
        for left in folder.iterdir():
            left.unlink()
    return hit


def test_killed_at_ten_instants_and_resumed(series, tmp_path, rng):
    assert killed_and_resumed(series, tmp_path, rng.uniform(0, 1.1, 10)) >= 4


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_ninety_more_instants_and_resumed(series, tmp_path, seed):
    assert killed_and_resumed(series, tmp_path, np.random.default_rng(seed).uniform(0, 1.1, 45)) >= 20


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced(series, small, tmp_path, monkeypatch):
    """Its shard is tried again alone; the file is the same."""
    import spectra.pipeline.workers as module

    pools = []
    usual = module._pool

    def watched(workers):
        pools.append(usual(workers))
        return pools[-1]

    monkeypatch.setattr(module, "_pool", watched)
    killed = []

    class Killer(spectra.pipeline.progress.Progress):
        def shard_done(self, done):
            if not killed:
                victim = next(iter(pools[0]._processes))
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    run(KILLED, series, out=tmp_path / "out.nxs", shard_size=SIZE, workers=2, progress=Killer())
    assert killed
    for one, other in zip(load(tmp_path / "out.nxs"), small, strict=True):
        same_numbers(one, other)


@pytest.mark.long
def test_a_shard_that_kills_its_worker_is_left_out_and_the_others_go_on(series, tmp_path, monkeypatch):
    import spectra.pipeline.workers as module

    monkeypatch.setattr(module, "make_shard", _dies_of_shard_two)
    run(KILLED, series, out=tmp_path / "out.nxs", shard_size=SIZE, workers=2)
    made, _ = load(tmp_path / "out.nxs")
    assert made.sizes["scan"] == COUNT - SIZE
    reasons = files_left_out(made)
    assert set(reasons) == {str(file) for file in series[2 * SIZE : 3 * SIZE]}
    assert all("failed twice" in reason for reason in reasons.values())


def _dies_of_shard_two(plan: str, out: str, number: int, carefully: bool = False):
    from spectra.pipeline.workers import make_shard

    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return make_shard(plan, out, number, carefully)


@pytest.mark.long
def test_workers_end_with_a_run_that_is_killed(series, tmp_path):
    recipe = tmp_path / "bands.toml"
    recipe.write_text('[read]\nverb = "raman.read_series"\n[[step]]\nverb = "spectra.smooth"\nwindow = 5\n')
    command = [
        sys.executable,
        "-m",
        "spectra",
        "run",
        str(recipe),
        *map(str, series),
        "-o",
        str(tmp_path / "out.nxs"),
    ]
    options = ["--shard-size", "1", "--workers", "2", "--json", "--no-report"]
    running = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    for line in running.stdout:
        if json.loads(line)["event"] == "shard":
            break
    workers = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert len(gone) >= 2
    assert not alive
    running.stdout.close()
    running.wait()


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "status"),
        [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.long)],
    )
    def test_the_command_stops_cleanly_and_says_how_to_go_on(
        self, series, undisturbed, tmp_path, number, status
    ):
        recipe = tmp_path / "bands.toml"
        recipe.write_text(
            '[read]\nverb = "raman.read_series"\n[[step]]\nverb = "spectra.despike"\nwidth = 3\n'
            '[[step]]\nverb = "spectra.subtract_baseline"\nmethod = "snip"\n[[step]]\nverb = "spectra.smooth"\nwindow = 5\n'
        )
        out = tmp_path / "out.nxs"
        command = [
            sys.executable,
            "-m",
            "spectra",
            "run",
            str(recipe),
            *map(str, series[:FILES]),
            "-o",
            str(out),
        ]
        options = ["--shard-size", "1", "--json", "--no-report"]
        running = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        events = []
        for line in running.stdout:
            events.append(json.loads(line))
            if [e["event"] for e in events].count("shard") == 2:
                running.send_signal(number)
                break
        said = running.communicate()[1]
        assert running.returncode == status, said
        assert "the same call with --resume goes on" in said
        assert "Traceback" not in said
        assert not out.exists()
        done = sum(ShardFolder(out).done(i) is not None for i in range(FILES))
        assert 2 <= done < FILES
        again = subprocess.run([*command, *options, "--resume"], capture_output=True, text=True, check=True)
        told = [json.loads(line) for line in again.stdout.splitlines()]
        assert [e["event"] for e in told].count("shard") == FILES
        assert told[-1] | {"seconds": 0} == {
            "event": "end", "spectra": FILES, "failed": 0, "left_out": {}, "wrote": [str(out)], "seconds": 0
        }  # fmt: skip
        made, _ = load(out)
        np.testing.assert_allclose(made.net, undisturbed[0][0].net[:FILES], rtol=1e-12)

    def test_in_python_too(self, series, tmp_path):
        class Impatient(spectra.pipeline.progress.Progress):
            def shard_done(self, done):
                raise KeyboardInterrupt

        with pytest.raises(Stopped, match="stopped with 1 of 6 shards done"):
            run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=SIZE, progress=Impatient())


class TestWhatGoesWrong:
    def test_a_file_that_changes_under_the_run_is_named(self, tmp_path):
        files = write_series(tmp_path / "series", 9)

        class Meddler(spectra.pipeline.progress.Progress):
            def shard_done(self, done):
                if done.number == 0:
                    files[5].write_text(files[4].read_text())

        run(RECIPE, files, out=tmp_path / "out.nxs", shard_size=3, progress=Meddler())
        made, _ = load(tmp_path / "out.nxs")
        assert files_left_out(made) == {str(files[5]): "it changed under the run"}
        assert made.sizes["scan"] == 8

    def test_a_file_that_is_cut_short_under_the_run_is_named(self, tmp_path):
        files = write_series(tmp_path / "series", 9)

        class Meddler(spectra.pipeline.progress.Progress):
            def shard_done(self, done):
                if done.number == 0:
                    files[7].write_bytes(files[7].read_bytes()[:100])

        run(RECIPE, files, out=tmp_path / "out.nxs", shard_size=3, progress=Meddler())
        made, _ = load(tmp_path / "out.nxs")
        assert set(files_left_out(made)) == {str(files[7])}

    def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(self, series, undisturbed, tmp_path):
        """No file may grow beyond 200 kB: shards can be written, the results file can not."""
        out = tmp_path / "out.nxs"
        first = in_a_process(_on_a_small_disk, series, out, tmp_path / "said.txt")
        first.join(120)
        said = (tmp_path / "said.txt").read_text()
        assert said.startswith(
            f"WriteError: {out} cannot be written: File too large; nothing was left behind"
        )
        assert not out.exists()
        run(RECIPE, series, out=out, shard_size=SIZE, resume=True)
        for one, other in zip(load(out), undisturbed[0], strict=True):
            same_numbers(one, other)

    def test_a_folder_that_is_not_there(self, series, tmp_path):
        with pytest.raises(WriteError, match="there is no folder"):
            run(RECIPE, series, out=tmp_path / "no" / "out.nxs", shard_size=SIZE)

    def test_a_damaged_shard_is_made_again(self, series, undisturbed, tmp_path):
        out = tmp_path / "out.nxs"
        run(RECIPE, series, out=out, shard_size=SIZE, shard=(1, 1))
        file = ShardFolder(out).file(4)
        content = bytearray(file.read_bytes())
        content[1000] ^= 0x10
        file.write_bytes(content)
        run(RECIPE, series, out=out, shard_size=SIZE, resume=True)
        same_numbers(load(out)[0], undisturbed[0][0])


def _on_a_small_disk(series, out, said):
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        run(RECIPE, series, out=out, shard_size=SIZE)
    except Exception as error:
        said.write_text(f"{type(error).__name__}: {error}")


class TestSeal:
    def test_every_flipped_byte_is_found(self, series, tmp_path, rng):
        out = tmp_path / "out.nxs"
        run(RECIPE, series[:3], out=out)
        content = out.read_bytes()
        check_seal(out)
        for place in [*rng.integers(0, len(content), 60), len(content) - 1, len(content) - 40, 0]:
            damaged = bytearray(content)
            damaged[place] ^= 1 << int(rng.integers(8))
            out.write_bytes(damaged)
            with pytest.raises(ReadError, match=r"is not what was written|bears no checksum"):
                check_seal(out)

    @pytest.mark.parametrize("end", [-1, -30, 100, 0])
    def test_a_file_cut_short_is_found(self, series, tmp_path, end):
        out = tmp_path / "out.nxs"
        run(RECIPE, series[:2], out=out)
        out.write_bytes(out.read_bytes()[:end])
        with pytest.raises(ReadError, match="bears no checksum"):
            check_seal(out)

    def test_the_command(self, series, tmp_path, capsys):
        from spectra.cli import app

        run(RECIPE, series[:2], out=tmp_path / "good.nxs")
        (tmp_path / "bad.nxs").write_bytes(b"x" + (tmp_path / "good.nxs").read_bytes()[1:])
        with pytest.raises(SystemExit) as ended:
            app(["verify", str(tmp_path / "good.nxs")])
        assert ended.value.code in (0, None)
        assert "good.nxs: whole, SHA-256" in capsys.readouterr().out
        with pytest.raises(SystemExit) as ended:
            app(["verify", str(tmp_path / "good.nxs"), str(tmp_path / "bad.nxs")])
        assert ended.value.code == 1
        assert "bad.nxs is not what was written" in capsys.readouterr().err


@pytest.mark.long
def test_a_cluster_of_two_one_of_which_is_killed(series, small, tmp_path):
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())

        class Killer(spectra.pipeline.progress.Progress):
            count = 0

            def shard_done(self, done):
                self.count += 1
                if self.count == 2:
                    os.kill(pids[0], signal.SIGKILL)

        run(
            KILLED,
            series,
            out=tmp_path / "out.nxs",
            shard_size=1,
            scheduler=cluster.scheduler_address,
            progress=Killer(),
        )
        run(KILLED, series, out=tmp_path / "own.nxs", shard_size=SIZE, scheduler=client)
    for name in ("out.nxs", "own.nxs"):
        for one, other in zip(load(tmp_path / name), small, strict=True):
            same_numbers(one, other)


def test_no_scheduler_answers(series, tmp_path, monkeypatch):
    monkeypatch.setattr("spectra.pipeline.workers.PATIENCE", 1)
    with pytest.raises(spectra.errors.InvalidInput, match=r"no scheduler answers at tcp://127\.0\.0\.1:1 "):
        run(RECIPE, series, out=tmp_path / "out.nxs", scheduler="tcp://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []
