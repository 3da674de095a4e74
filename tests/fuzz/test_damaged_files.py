"""A corpus of damaged files: every one is read to something sane or refused in one sentence, in time and in little memory."""

import json
import shutil
from pathlib import Path

import pytest

from tests.fuzz.corpus import Corpus
from tests.fuzz.mutations import mutate
from tests.fuzz.worker import Worker

KEPT = [tuple(one) for one in json.loads(Path(__file__).with_name("kept.json").read_text())]


@pytest.fixture(scope="module")
def corpus(data_dir, tmp_path_factory):
    return Corpus(data_dir, tmp_path_factory.mktemp("corpus") / "made")


@pytest.fixture(scope="module")
def reading():
    with Worker() as one:
        yield one


def faults(corpus: Corpus, reading: Worker, name: str, seed: int, folder: Path) -> list[str]:
    """What goes wrong on one damaged file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy = corpus.damaged(name, seed, folder)
    return reading.faults(copy, corpus.ways(name, seed))


@pytest.mark.parametrize(
    ("name", "seed"), [pytest.param(n, s, id=why.replace(" ", "-")) for n, s, why in KEPT]
)
def test_damages_that_once_were_not_survived(corpus, reading, tmp_path, name, seed):
    assert faults(corpus, reading, name, seed, tmp_path / "d") == []


@pytest.mark.parametrize("count", [150, pytest.param(200, marks=pytest.mark.long)])
def test_any_damage_is_survived(corpus, reading, tmp_path, count):
    found = {}
    for seed in range(count):
        name = corpus.pick(seed)
        wrong = faults(corpus, reading, name, seed, tmp_path / "d")
        if wrong:
            found[name, seed] = wrong
    assert found == {}


def test_the_same_seed_does_the_same_damage(corpus):
    content = corpus.path("xas/MnO_rt_01_xaslib.xdi").read_bytes()
    assert mutate(content, 7) == mutate(content, 7)
    assert len({mutate(content, seed) for seed in range(50)}) > 40


@pytest.mark.long
def test_a_process_that_dies_or_never_ends_is_a_fault_and_is_replaced(corpus):
    good = corpus.path("xas/MnO_rt_01_xaslib.xdi")
    with Worker() as own:
        assert "more than 1 s" in own.faults(good, [("hang", None)], seconds=1)[0]
        assert "MemoryError" in own.faults(good, [("memory", None)])[0]
        assert own.faults(good, [("xas.read", None)]) == []
        assert own.faults(good, [("die", None)]) == ["the process ended: aborted"]
