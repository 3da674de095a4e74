"""The shards of a plan, made by this process, by several, or by an existing Dask cluster.

Whoever makes a shard writes it itself, so that nothing large travels. A shard whose worker fails or dies is tried once
more, alone and carefully; if that fails too, its files are left out with the reason, and the run goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

from spectra.errors import InvalidInput
from spectra.pipeline.compute import compute_shard
from spectra.pipeline.plan import Plan, Shard
from spectra.pipeline.shards import Done, ShardFolder

__all__ = ["make_shard", "make_shards"]

#: Threads of BLAS in each worker: several workers that each take all cores stand in each other's way.
_PINNED = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
#: Seconds that a scheduler may take to answer.
PATIENCE = 20


def make_shard(plan: str, out: str, number: int, carefully: bool = False) -> Done:
    """Make one shard of the plan (JSON) and write it beside ``out``: what a worker does."""
    whole = Plan.from_json(plan)
    dataset, left_out = compute_shard(whole, whole.shards[number], carefully=carefully)
    return ShardFolder(Path(out)).write(number, dataset, left_out)


def make_shards(
    plan: Plan, out: Path, todo: Sequence[Shard], *, workers: int = 1, scheduler: Any = None
) -> Iterator[Done]:
    """Make the shards ``todo``, yielding each as it is done.

    Parameters
    ----------
    plan : Plan
    out : Path
        The results file of the run; the shards lie in a folder beside it.
    todo : sequence of Shard
    workers : int
        Processes on this machine; with 1 the shards are made here, one after the other.
    scheduler : str or dask.distributed.Client, optional
        A Dask cluster that sees the same files, by the address of its scheduler or its client.
    """
    text = plan.to_json()
    if scheduler is not None:
        yield from _on_cluster(text, plan, out, todo, scheduler)
    elif workers == 1:
        for shard in todo:
            yield _here(text, plan, out, shard)
    else:
        yield from _in_processes(text, plan, out, todo, workers)


def _here(text: str, plan: Plan, out: Path, shard: Shard) -> Done:
    try:
        return make_shard(text, str(out), shard.number)
    except Exception:
        return _again(lambda: make_shard(text, str(out), shard.number, True), plan, out, shard)


def _again(attempt: Callable[[], Done], plan: Plan, out: Path, shard: Shard) -> Done:
    """The second and last attempt at a shard; where it fails, its files are left out."""
    from spectra.errors import WriteError

    try:
        return attempt()
    except WriteError:  # no room or no right to write: no shard will do better
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        lost = dict.fromkeys(_inputs(plan, shard), f"its shard failed twice ({why})")
        return ShardFolder(out).write(shard.number, None, lost)


def _inputs(plan: Plan, shard: Shard) -> list[str]:
    """What a shard is made of: its files, or its rows of a file, counted from 0."""
    files = [file.path for file in plan.files[shard.first : shard.end]]
    if shard.rows is None:
        return files
    return [f"{file}, spectra {shard.rows[0]} to {shard.rows[1] - 1}" for file in files]


def _in_processes(text: str, plan: Plan, out: Path, todo: Sequence[Shard], workers: int) -> Iterator[Done]:
    waiting, faulty = list(todo), list[Shard]()
    while waiting:
        pool = _pool(workers)
        try:
            futures: dict[Future[Done], Shard] = {}
            while waiting or futures:
                while waiting and len(futures) < 2 * workers:  # few in flight: a fault loses little
                    shard = waiting.pop(0)
                    futures[_submitted(pool, shard, text, out)] = shard
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    shard = futures.pop(future)
                    fault = future.exception()
                    if fault is None:
                        yield future.result()
                    elif _is_dead(fault):
                        raise _PoolDied(shard)
                    else:
                        faulty.append(shard)
        except _PoolDied as died:
            # a worker was killed: which shard did it is not known, so each in flight is tried alone
            faulty += [*futures.values(), died.shard]
        finally:
            pool.shutdown(wait=False, kill_workers=True)
    for shard in sorted(set(faulty), key=lambda one: one.number):
        yield _again(lambda shard=shard: _alone(text, out, shard), plan, out, shard)  # type: ignore[misc]


class _PoolDied(Exception):
    def __init__(self, shard: Shard) -> None:
        super().__init__()
        self.shard = shard


def _submitted(pool: Any, shard: Shard, text: str, out: Path) -> Future[Done]:
    try:
        future: Future[Done] = pool.submit(make_shard, text, str(out), shard.number)
    except Exception as error:  # a pool whose worker has just died takes nothing more
        if _is_dead(error):
            raise _PoolDied(shard) from None
        raise
    return future


def _is_dead(fault: BaseException) -> bool:
    from concurrent.futures.process import BrokenProcessPool

    return isinstance(fault, BrokenProcessPool)


def _alone(text: str, out: Path, shard: Shard) -> Done:
    """One shard in a process of its own, which may die without harm."""
    pool = _pool(1)
    try:
        made: Done = pool.submit(make_shard, text, str(out), shard.number, True).result()
        return made
    finally:
        pool.shutdown(wait=False, kill_workers=True)


def _pool(workers: int) -> Any:
    import loky

    threads = str(max(1, (os.cpu_count() or 1) // workers))
    pinned = {**dict.fromkeys(_PINNED, "1"), "NUMBA_NUM_THREADS": threads}
    return loky.ProcessPoolExecutor(workers, initializer=_serve, env=pinned)


def _serve() -> None:
    """Make a process a worker: deaf to the Ctrl-C of the terminal, and gone when the process that started it is."""
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when ``parent`` was killed and could not say so."""
    import time

    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _on_cluster(text: str, plan: Plan, out: Path, todo: Sequence[Shard], scheduler: Any) -> Iterator[Done]:
    try:
        from dask.distributed import Client, as_completed
    except ImportError:
        raise InvalidInput(
            "scheduler needs the package distributed: pip install 'redox-spectra[dask]'."
        ) from None
    if isinstance(scheduler, Client):
        client, own = scheduler, False
    else:
        client, own = _connect(str(scheduler)), True
    try:
        shared = client.scatter(text, hash=True)
        target = str(out.resolve())
        futures = {
            client.submit(make_shard, shared, target, shard.number, pure=False, retries=1): shard
            for shard in todo
        }
        for future in as_completed(list(futures)):
            shard = futures.pop(future)
            if future.exception() is None:
                yield future.result()
            else:
                yield _again(
                    lambda shard=shard: client.submit(  # type: ignore[misc]
                        make_shard, shared, target, shard.number, True, pure=False
                    ).result(),
                    plan, out, shard,
                )  # fmt: skip
            future.release()
    finally:
        if own:
            client.close()


def _connect(address: str) -> Any:
    from dask.distributed import Client

    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise InvalidInput(
            f"no scheduler answers at {address} ({error}): start it, or mend the address."
        ) from None
