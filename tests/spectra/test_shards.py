"""A series in shards is the series in one piece: numbers, flags, attributes, history, data as measured."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import spectra
import spectra.verbs
from spectra.dataset import flag, flag_names
from spectra.errors import InvalidInput, ReadError
from spectra.pipeline import merge, run
from spectra.pipeline.memory import allowed_memory, read_size, spectra_per_shard
from spectra.pipeline.plan import Plan
from spectra.pipeline.planning import plan_run
from spectra.pipeline.progress import Progress
from spectra.pipeline.recipe import load_recipe
from spectra.pipeline.series import files_left_out
from spectra.pipeline.shards import ShardFolder
from spectra.results.joining import join
from spectra.results.rerun import rerun
from spectra.verbs import as_measured, history, verb
from tests.spectra.shard_samples import RECIPE, SHIFT, load, same_numbers, write_series

COUNT = 23


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("series"), COUNT)


@pytest.fixture(scope="module")
def in_one_piece(series, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "whole.nxs"
    run(RECIPE, series, out=out)
    return load(out)


@pytest.fixture
def faulty(monkeypatch):
    """A verb that raises what no verb should, for some spectra."""

    @verb("faulty.explode")
    def explode(dataset: xr.Dataset, *, above: float) -> xr.Dataset:
        """Raise where a spectrum as measured is higher than ``above``."""
        if float(as_measured(dataset).counts.max()) > above:
            raise ZeroDivisionError("a bug of a verb")
        return dataset.assign(passed=dataset.counts.max("raman_shift").assign_attrs(units=""))

    module = types.ModuleType("faulty")
    module.explode = explode
    monkeypatch.setitem(sys.modules, "faulty", module)
    announced = {**spectra.verbs.announced_verbs(), "faulty": ("explode",)}
    monkeypatch.setattr(spectra.verbs, "announced_verbs", lambda: announced)


class TestTheSame:
    @pytest.mark.parametrize("size", [1, 5, 22, 23])
    def test_whatever_the_size_of_a_shard(self, series, in_one_piece, tmp_path, size):
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=size)
        for one, other in zip(load(tmp_path / "out.nxs"), in_one_piece, strict=True):
            same_numbers(one, other)
        assert [f.name for f in tmp_path.iterdir()] == ["out.nxs"]

    def test_with_two_workers(self, series, in_one_piece, tmp_path):
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=4, workers=2)
        for one, other in zip(load(tmp_path / "out.nxs"), in_one_piece, strict=True):
            same_numbers(one, other)

    def test_as_the_jobs_of_an_array(self, series, in_one_piece, tmp_path):
        out = tmp_path / "out.nxs"
        parts = [run(RECIPE, series, out=out, shard_size=4, shard=(i, 3)) for i in (2, 1)]
        assert sum(part.sizes["scan"] for part in parts) == 16
        with pytest.raises(InvalidInput, match=r"2 of 6 shards .* are missing or damaged \(2, 5, from 0\)"):
            merge(out)
        assert not out.exists()
        run(RECIPE, series, out=out, shard_size=4, shard=(3, 3))
        merge(out)
        same_numbers(load(out)[0], in_one_piece[0])

    def test_the_file_computes_itself_again(self, series, tmp_path):
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=5)
        assert rerun(tmp_path / "out.nxs").identical

    def test_the_rows_of_one_file(self, tmp_path, rng):
        counts = rng.poisson(200 + 900 / (1 + ((SHIFT - 500) / 9) ** 2), size=(31, 4, SHIFT.size))
        image = spectra.from_arrays(
            SHIFT, counts, axis="raman_shift", name="counts", units="counts", dims=("y", "x")
        )
        spectra.save(tmp_path / "map.nxs", image)
        recipe = RECIPE | {"read": {"verb": "spectra.read"}}
        whole = run(recipe, tmp_path / "map.nxs", out=tmp_path / "a.nxs")
        run(recipe, tmp_path / "map.nxs", out=tmp_path / "b.nxs", shard_size=7)
        assert whole.sizes["y"] == 31
        same_numbers(load(tmp_path / "b.nxs")[0], load(tmp_path / "a.nxs")[0])

    def test_a_verb_that_takes_the_series_together_comes_after_the_shards(self, series, tmp_path):
        recipe = RECIPE | {
            "step": [
                *RECIPE["step"],
                {"verb": "spectra.denoise", "components": 3},
                {"verb": "spectra.smooth"},
            ]
        }
        plan = plan_run(load_recipe(recipe), series, memory=2**30, workers=1, spectra_each=5)
        assert [step.verb for step in plan.steps()] == [step["verb"] for step in RECIPE["step"]]
        assert [step.verb for step in plan.rest()] == ["spectra.denoise", "spectra.smooth"]
        run(recipe, series, out=tmp_path / "a.nxs")
        run(recipe, series, out=tmp_path / "b.nxs", shard_size=5)
        same_numbers(load(tmp_path / "b.nxs")[0], load(tmp_path / "a.nxs")[0], rtol=1e-9)

    def test_a_series_along_the_clock(self, tmp_path, rng):
        """Files out of order, each shard with a clock of its own."""
        files = []
        for i in (4, 0, 2, 1, 3, 6, 5):
            energy = np.arange(6400.0, 6900.0, 1.0)
            mu = (
                0.3
                + 0.8 / (1 + np.exp(-(energy - 6548 - i / 10) / 1.5))
                + 1e-3 * rng.normal(size=energy.size)
            )
            rows = "".join(f"{e} {m:.6f}\n" for e, m in zip(energy, mu, strict=True))
            head = f"# XDI/1.0\n# Element.symbol: Mn\n# Element.edge: K\n# Scan.start_time: 2022-01-01T10:0{i}:00\n"
            files.append(tmp_path / f"scan{i}.xdi")
            files[-1].write_text(f"{head}# Column.1: energy eV\n# Column.2: mutrans\n#----\n{rows}")
        recipe = {
            "read": {"verb": "xas.read_series", "dim": "time"},
            "step": [{"verb": "xas.normalize"}, {"verb": "xas.edge_position"}],
        }
        run(recipe, files, out=tmp_path / "a.nxs")
        run(recipe, files, out=tmp_path / "b.nxs", shard_size=2)
        made, _ = load(tmp_path / "b.nxs")
        assert made.time.values.tolist() == [60.0 * i for i in range(7)]
        same_numbers(made, load(tmp_path / "a.nxs")[0])

    def test_what_is_said_of_the_series_as_a_whole(self, tmp_path, rng):
        """The scatter of positions about their course needs eight scans, more than a shard has."""
        energy = np.arange(6400.0, 6900.0, 1.0)
        edges = 6548 + 0.1 * np.arange(12)[:, None] + 0.02 * (-1.0) ** np.arange(12)[:, None]
        mu = 0.3 + 0.8 / (1 + np.exp(-(energy - edges) / 1.5)) + 1e-3 * rng.normal(size=(12, energy.size))
        scans = spectra.from_arrays(
            energy, mu, name="mu", dims=("time",), attrs={"element": "Mn", "edge": "K"}
        )
        spectra.save(tmp_path / "scans.nxs", scans)
        recipe = {
            "read": {"verb": "spectra.read"},
            "step": [{"verb": "xas.normalize"}, {"verb": "xas.edge_position"}],
        }
        run(recipe, tmp_path / "scans.nxs", out=tmp_path / "a.nxs")
        run(recipe, tmp_path / "scans.nxs", out=tmp_path / "b.nxs", shard_size=3)
        made, _ = load(tmp_path / "b.nxs")
        assert np.isfinite(made.edge_position_scatter)
        same_numbers(made, load(tmp_path / "a.nxs")[0])
        assert rerun(tmp_path / "b.nxs").identical


class TestWhatFails:
    def test_unreadable_files_are_left_out_and_named(self, tmp_path):
        files = write_series(tmp_path / "series", 12)
        files[0].write_text("rubbish")  # the first would be the model
        files[7].write_text("")
        run(RECIPE, files, out=tmp_path / "a.nxs")
        run(RECIPE, files, out=tmp_path / "b.nxs", shard_size=3)
        made, _ = load(tmp_path / "b.nxs")
        assert set(files_left_out(made)) == {str(files[0]), str(files[7])}
        assert made.sizes["scan"] == 10
        same_numbers(made, load(tmp_path / "a.nxs")[0])

    def test_no_file_can_be_read(self, tmp_path):
        files = write_series(tmp_path / "series", 3)
        for file in files:
            file.write_text("rubbish")
        with pytest.raises(ReadError, match="no table of numbers was found"):
            run(RECIPE, files, out=tmp_path / "out.nxs", shard_size=1)
        assert not list(tmp_path.glob("out*"))

    def test_a_verb_that_raises_flags_its_spectrum_and_the_others_go_on(self, series, tmp_path, faulty):
        """A shard is tried twice, the second time spectrum by spectrum."""
        recipe = RECIPE | {"step": [*RECIPE["step"], {"verb": "faulty.explode", "above": 3000.0}]}
        good = run(RECIPE, series, out=tmp_path / "good.nxs")
        run(recipe, series, out=tmp_path / "out.nxs", shard_size=5)
        made, start = load(tmp_path / "out.nxs")
        bad = [i for i in range(COUNT) if i % 10 == 3]
        assert [i for i in range(COUNT) if "verb_failed" in flag_names(made, scan=i)] == bad
        assert "ZeroDivisionError: a bug of a verb" in made.status.attrs["flag_explanations"]
        assert made.net.isnull().all("raman_shift").values.tolist() == [i in bad for i in range(COUNT)]
        assert np.isfinite(start.counts).all()
        fine = [i for i in range(COUNT) if i not in bad]
        np.testing.assert_allclose(made.net[fine], good.net[fine], rtol=1e-12)

    def test_rows_that_fail_twice_are_named_by_their_numbers(self, tmp_path, rng, monkeypatch):
        import spectra.pipeline.workers as module

        usual = module.make_shard

        def fails_at_one(plan, out, number, carefully=False):
            if number == 1:
                raise RuntimeError("no luck")
            return usual(plan, out, number, carefully)

        monkeypatch.setattr(module, "make_shard", fails_at_one)
        counts = rng.poisson(200 + 900 / (1 + ((SHIFT - 500) / 9) ** 2), size=(20, SHIFT.size))
        image = spectra.from_arrays(
            SHIFT, counts, axis="raman_shift", name="counts", units="counts", dims=("x",)
        )
        source = spectra.save(tmp_path / "line.nxs", image)
        made = run(
            RECIPE | {"read": {"verb": "spectra.read"}}, source, out=tmp_path / "out.nxs", shard_size=7
        )
        assert made.sizes["x"] == 13
        ((lost, why),) = files_left_out(made).items()
        assert lost == f"{source}, spectra 7 to 13"
        assert why == "its shard failed twice (RuntimeError: no luck)"

    def test_a_shard_damaged_before_the_join_is_named(self, series, in_one_piece, tmp_path):
        out = tmp_path / "out.nxs"

        class Vandal(Progress):
            def shard_done(self, done):
                if done.number == 3:
                    ShardFolder(out).file(1).write_bytes(b"")

        with pytest.raises(InvalidInput, match=r"1 of 6 shards .* are missing or damaged \(1, from 0\)"):
            run(RECIPE, series, out=out, shard_size=4, progress=Vandal())
        assert not out.exists()
        run(RECIPE, series, out=out, resume=True)
        same_numbers(load(out)[0], in_one_piece[0])

    def test_a_pool_that_takes_nothing_more_loses_no_shard(self, series, in_one_piece, tmp_path, monkeypatch):
        import spectra.pipeline.workers as module

        class Pool:
            """Works at once; the first of all takes two shards and is dead."""

            count = 0

            def submit(self, work, *args):
                from concurrent.futures import Future
                from concurrent.futures.process import BrokenProcessPool

                Pool.count += 1
                if Pool.count == 3:
                    raise BrokenProcessPool("a worker died")
                future = Future()
                future.set_result(work(*args))
                return future

            def shutdown(self, **how):
                pass

        monkeypatch.setattr(module, "_pool", lambda workers: Pool())
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=4, workers=2)
        assert Pool.count > 6
        same_numbers(load(tmp_path / "out.nxs")[0], in_one_piece[0])

    def test_a_job_of_an_array_leaves_alone_what_another_is_writing(self, series, tmp_path):
        folder = ShardFolder(tmp_path / "out.nxs").path
        folder.mkdir()
        half = folder / "plan.12345678.json"
        half.write_text("")
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=9, shard=(1, 3))
        assert half.exists()

    def test_resume_begins_where_nothing_has_begun(self, series, in_one_piece, tmp_path):
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=9, resume=True)
        same_numbers(load(tmp_path / "out.nxs")[0], in_one_piece[0])

    def test_an_unfinished_run_is_not_overwritten(self, series, tmp_path):
        run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=9, shard=(1, 2))
        with pytest.raises(
            InvalidInput, match=r"a run that was not finished lies in .*: go on with --resume"
        ):
            run(RECIPE, series, out=tmp_path / "out.nxs", shard_size=9)


class TestJoin:
    def test_flags_keep_their_names_whatever_their_bits(self):
        def part(*names):
            data = spectra.from_arrays(np.arange(5.0), np.ones((2, 5)), dims=("scan",))
            for i, name in enumerate(names):
                data = flag(data, np.arange(2) == i % 2, name, f"about {name}", severity="warning")
            return data

        joined = join([part("a", "b"), part("b", "a", "c"), part()], "scan")
        names = [flag_names(joined, scan=i) for i in range(6)]
        assert names == [["a"], ["b"], ["b", "c"], ["a"], [], []]
        assert joined.status.attrs["flag_explanations"] == "about a\nabout b\nabout c"

    def test_what_parts_say_differently_becomes_a_value_for_each_spectrum(self):
        parts = [
            spectra.from_arrays(
                np.arange(5.0), np.ones((2, 5)), dims=("scan",), attrs={"sample": s, "beam": 8.0}
            )
            for s in ("LNMO", "LMO")
        ]
        joined = join(parts, "scan")
        assert joined["sample"].values.tolist() == ["LNMO", "LNMO", "LMO", "LMO"]
        assert joined.attrs["beam"] == 8.0

    def test_different_axes_or_units_do_not_fit(self):
        one = spectra.from_arrays(np.arange(5.0), np.ones((2, 5)), dims=("scan",), units="V")
        with pytest.raises(InvalidInput, match="energy is one for all spectra, and it differs"):
            join([one, one.assign_coords(energy=one.energy + 1)], "scan")
        other = one.copy()
        other["intensity"] = one.intensity.assign_attrs(units="A")
        with pytest.raises(InvalidInput, match="intensity has other units in some parts"):
            join([one, other], "scan")

    def test_notes_of_all_once_and_of_some_with_their_part(self):
        notes = [["n"], ["n", "odd"]]
        parts = [
            spectra.from_arrays(np.arange(5.0), np.ones((2, 5)), dims=("scan",)).assign_attrs(
                history=json.dumps([{"verb": "v", "options": {}, "notes": said}])
            )
            for said in notes
        ]
        assert history(join(parts, "scan"))[0]["notes"] == ["n", "part 2 of 2: odd"]


class TestPlan:
    def test_a_plan_survives_its_text(self, series):
        plan = plan_run(load_recipe(RECIPE), series, memory=2**30, workers=1, spectra_each=4)
        assert Plan.from_json(plan.to_json()) == plan
        assert sum(shard.end - shard.first for shard in plan.shards) == COUNT

    def test_a_damaged_plan_is_said(self):
        with pytest.raises(ReadError, match="the plan of the run is damaged"):
            Plan.from_json("{}")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"workers": 0}, "workers must be 1 or more, got 0"),
            ({"shard_size": 0}, "shard_size must be 1 or more"),
            ({"shard": (9, 8)}, "shard is the number of this job and of all, 1/8 to 8/8 for eight, got 9/8"),
            ({"memory": "lots"}, "memory must be a size of at least 1M"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, series, tmp_path, options, says):
        with pytest.raises(InvalidInput, match=says):
            run(RECIPE, series, out=tmp_path / "out.nxs", **options)

    def test_shards_need_a_file(self, series):
        with pytest.raises(InvalidInput, match="a run in shards writes a results file: give out"):
            run(RECIPE, series, workers=2)

    def test_nothing_to_merge(self, tmp_path):
        with pytest.raises(ReadError, match="no run has begun"):
            merge(tmp_path / "out.nxs")

    def test_resume_of_another_run_is_refused(self, series, tmp_path):
        out = tmp_path / "out.nxs"
        run(RECIPE, series, out=out, shard_size=9, shard=(1, 2))
        with pytest.raises(InvalidInput, match=r"had other files \(23, now 22\)"):
            run(RECIPE, series[1:], out=out, resume=True)
        with pytest.raises(InvalidInput, match="had another recipe"):
            run(RECIPE | {"title": "another"}, series, out=out, resume=True)


class TestMemory:
    def test_sizes(self):
        assert [read_size(s) for s in ("1M", "2 GiB", "1.5g", 5e6, "3MB")] == [
            2**20,
            2**31,
            3 * 2**29,
            5000000,
            3 * 2**20,
        ]

    def test_a_quarter_of_what_is_free(self):
        import psutil

        free = psutil.virtual_memory().available
        assert 2**20 <= allowed_memory(None) < 0.3 * free

    def test_shards_shrink_with_workers_and_size(self):
        assert spectra_per_shard(1e6, 400 * 10**6, 1) == 100
        assert spectra_per_shard(1e6, 400 * 10**6, 4) == 25
        assert spectra_per_shard(1e12, 10**6, 1) == 1
        assert spectra_per_shard(1, 10**12, 1) == 2000


def test_the_folder_knows_a_damaged_shard(series, tmp_path):
    out = tmp_path / "out.nxs"
    run(RECIPE, series, out=out, shard_size=9, shard=(1, 2))
    folder = ShardFolder(out)
    assert folder.done(0) is not None
    file = folder.file(0)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert folder.done(0) is None
    assert Path(folder.path).is_dir()
