"""A folder that fills while it is watched: every file once, half-written ones waited for, a crash survived."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import spectra
from spectra.dataset import flag
from spectra.errors import InvalidInput, RecipeError
from spectra.pipeline import run
from spectra.pipeline.series import files_left_out
from spectra.pipeline.watching import Arrivals, watch
from spectra.report.live import LivePage, LiveState
from tests.spectra.shard_samples import RECIPE, load, write_series

QUICK = {"settle": 0.2, "every": 0.05, "until_idle": 1.5}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("series"), 24)


def arriving(files, folder, every=0.02) -> threading.Thread:
    """The files appear in the folder, one after the other."""

    def copy():
        for file in files:
            shutil.copy(file, folder / file.name)
            time.sleep(every)

    thread = threading.Thread(target=copy)
    thread.start()
    return thread


def by_label(dataset):
    return dataset.isel(scan=np.argsort(dataset.label.values))


class TestArrivals:
    def test_a_file_is_complete_when_it_rests(self, tmp_path):
        arrivals = Arrivals(tmp_path, "*.txt", settle=2.0)
        (tmp_path / "a10.txt").write_text("x")
        (tmp_path / "a9.txt").write_text("x")
        (tmp_path / ".hidden.txt").write_text("x")
        (tmp_path / "other.dat").write_text("x")
        assert arrivals.complete(lambda _: True, 0.0) == []
        (tmp_path / "a9.txt").write_text("more")
        os.utime(tmp_path / "a9.txt", (1, 1))
        assert arrivals.complete(lambda _: True, 1.5) == []
        assert [f.name for f in arrivals.complete(lambda _: True, 2.0)] == ["a10.txt"]
        assert [f.name for f in arrivals.complete(lambda _: True, 3.5)] == ["a9.txt", "a10.txt"]

    def test_an_empty_file_is_waited_for_and_a_known_one_is_not_taken_again(self, tmp_path):
        arrivals = Arrivals(tmp_path, settle=0.0)
        (tmp_path / "empty").touch()
        (tmp_path / "known").write_text("x")
        assert arrivals.complete(lambda state: not state.path.endswith("known"), 0.0) == []

    def test_folders_inside(self, tmp_path):
        (tmp_path / "day").mkdir()
        (tmp_path / "day" / "a.txt").write_text("x")
        assert Arrivals(tmp_path, "*", 0.0).complete(lambda _: True, 0.0) == []
        assert len(Arrivals(tmp_path, "**/*.txt", 0.0).complete(lambda _: True, 0.0)) == 1


class TestWatch:
    def test_every_file_once_and_the_numbers_of_a_run(self, series, tmp_path):
        (tmp_path / "in").mkdir()
        writer = arriving(series, tmp_path / "in")
        shown = []
        watch(RECIPE, tmp_path / "in", out=tmp_path / "out.nxs", told=shown.append, **QUICK)
        writer.join()
        run(RECIPE, series, out=tmp_path / "run.nxs")
        made, want = by_label(load(tmp_path / "out.nxs")[0]), by_label(load(tmp_path / "run.nxs")[0])
        assert made.label.values.tolist() == want.label.values.tolist()
        np.testing.assert_allclose(made.net, want.net, rtol=1e-12)
        assert sum(part.sizes["scan"] for part in shown) == len(series)

    def test_a_half_written_file_is_read_when_it_is_whole(self, series, tmp_path):
        (tmp_path / "in").mkdir()
        late = tmp_path / "in" / series[3].name
        late.write_bytes(series[3].read_bytes()[:15])
        (tmp_path / "in" / "broken.txt").write_text("<script>alert(1)</script>")
        writer = arriving([f for i, f in enumerate(series[:10]) if i != 3], tmp_path / "in")

        def finish():
            time.sleep(1.2)
            late.write_bytes(series[3].read_bytes())

        finisher = threading.Thread(target=finish)
        finisher.start()
        watch(RECIPE, tmp_path / "in", out=tmp_path / "out.nxs", **QUICK | {"until_idle": 3.0})
        writer.join()
        finisher.join()
        made, _ = load(tmp_path / "out.nxs")
        assert made.sizes["scan"] == 10
        assert set(files_left_out(made)) == {str(tmp_path / "in" / "broken.txt")}

    def test_after_a_crash_the_same_call_goes_on(self, series, tmp_path):
        (tmp_path / "in").mkdir()
        for file in series[:12]:
            shutil.copy(file, tmp_path / "in" / file.name)
        first = multiprocessing.get_context("fork").Process(
            target=watch,
            args=(RECIPE, tmp_path / "in"),
            kwargs={"out": tmp_path / "out.nxs", "settle": 0.1, "every": 0.05},
        )
        first.start()
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("out.nxs.shards/plan.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        for file in series[12:]:
            shutil.copy(file, tmp_path / "in" / file.name)
        watch(RECIPE, tmp_path / "in", out=tmp_path / "out.nxs", **QUICK)
        made, _ = load(tmp_path / "out.nxs")
        assert sorted(made.label.values) == sorted(f.stem for f in series)

    def test_what_cannot_be_watched_is_said(self, series, tmp_path):
        with pytest.raises(InvalidInput, match="is no folder: name the one that the files appear in"):
            watch(RECIPE, tmp_path / "nowhere", out=tmp_path / "out.nxs")
        shutil.copy(series[0], tmp_path / series[0].name)
        one = RECIPE | {"read": {"verb": "raman.read"}}
        with pytest.raises(RecipeError, match="does not read a series file by file"):
            watch(one, tmp_path, out=tmp_path / "out.nxs", pattern="*.txt", settle=0.0)
        watch(RECIPE, tmp_path, out=tmp_path / "out.nxs", pattern="*.txt", **QUICK)
        with pytest.raises(InvalidInput, match="belongs to another recipe"):
            watch(RECIPE | {"title": "other"}, tmp_path, out=tmp_path / "out.nxs", pattern="*.txt", **QUICK)

    def test_the_command(self, series, tmp_path, capsys):
        from spectra.cli import app

        recipe = tmp_path / "bands.toml"
        recipe.write_text(
            '[read]\nverb = "raman.read_series"\n[[step]]\nverb = "spectra.smooth"\nwindow = 5\n'
        )
        (tmp_path / "in").mkdir()
        for file in series[:4]:
            shutil.copy(file, tmp_path / "in" / file.name)
        with pytest.raises(SystemExit) as ended:
            app(
                ["watch", str(tmp_path / "in"), "-r", str(recipe), "-o", str(tmp_path / "out.nxs"), "--settle", "0.1",
                 "--until-idle", "1.5"]
            )  # fmt: skip
        said = capsys.readouterr().out
        assert ended.value.code in (0, None), said
        assert "newest spectra and trends: http://127.0.0.1:" in said
        assert "4 spectra in" in said

    @pytest.mark.long
    def test_two_hundred_files_in_ten_seconds(self, tmp_path):
        """Twelve times the pace of a thousand in ten minutes: the last is analysed seconds after it came."""
        (tmp_path / "in").mkdir()
        files = write_series(tmp_path / "series", 200)
        writer = arriving(files, tmp_path / "in", every=0.05)
        begun, last = time.monotonic(), []
        watch(
            RECIPE,
            tmp_path / "in",
            out=tmp_path / "out.nxs",
            told=lambda _: last.append(time.monotonic()),
            **QUICK,
        )
        writer.join()
        assert load(tmp_path / "out.nxs")[0].sizes["scan"] == 200
        assert last[-1] - begun < 60


class TestPage:
    @pytest.fixture
    def state(self):
        return LiveState("Bands <b>&")

    def dataset(self, count=5, name="net"):
        x = np.arange(300.0, 400.0)
        data = spectra.from_arrays(
            x, np.ones((count, 100)), axis="raman_shift", dims=("scan",), units="counts"
        )
        numbers = ("scan", np.arange(count, dtype=float), {"units": "eV"})
        return data.assign({"shift": numbers, "shift_sigma": numbers, name: data.intensity * 2})

    def test_newest_spectrum_and_trends(self, state):
        state.show(self.dataset())
        told = json.loads(state.to_json())
        assert [c["name"] for c in told["newest"]["curves"]] == ["intensity", "net"]
        assert told["newest"]["label"] == "spectrum 4"
        assert told["trends"] == [{"name": "shift", "units": "eV", "values": [0.0, 1.0, 2.0, 3.0, 4.0]}]

    def test_the_newest_good_one_is_shown_and_nan_is_null(self, state):
        data = self.dataset()
        data["shift"][3] = np.nan
        state.show(flag(data, np.arange(5) == 4, "bad", "it is bad"))
        told = json.loads(state.to_json())
        assert told["newest"]["label"] == "spectrum 3"
        assert told["trends"][0]["values"][3] is None

    def test_it_does_not_grow(self, state):
        for _ in range(60):
            state.show(self.dataset(100))
        assert len(state.to_json()) < 60_000

    def test_maps_too(self, state):
        data = self.dataset(6)
        state.show(data.drop_vars("scan", errors="ignore").expand_dims(y=2))
        assert json.loads(state.to_json())["newest"] is not None

    def test_it_is_served_to_this_machine_only(self, state):
        state.show(self.dataset())
        with LivePage(state) as page:
            assert page.address.startswith("http://127.0.0.1:")
            html = urllib.request.urlopen(page.address, timeout=5).read().decode()
            assert "innerHTML" not in html
            assert "<h1" in html
            answer = urllib.request.urlopen(page.address + "state.json", timeout=5)
            assert json.loads(answer.read())["title"] == "Bands <b>&"
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(page.address + "../../etc/passwd", timeout=5)

    def test_a_port_that_is_taken(self, state):
        with LivePage(state) as page:
            port = int(page.address.rpartition(":")[2].strip("/"))
            with pytest.raises(InvalidInput, match="cannot be served at 127"):
                LivePage(state, port=port)
