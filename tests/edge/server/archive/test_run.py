"""A run over an archive: whatever order results come in and whatever dies, the same tables, and nothing twice."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigError, SourceError
from edge.server.archive import run as run_module
from edge.server.archive import shards as shards_module
from edge.server.archive.ledger import Ledger
from edge.server.archive.listing import items
from edge.server.archive.recording import Job, Result, Settings
from edge.server.archive.run import KILLED, MOST_DEATHS, OUT_FOR_EACH, Run
from edge.server.archive.shards import COLUMNS, Shards

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

SETTINGS = Settings(None, "m" * 64)
Score = Callable[[Job], Result]


def scored(job: Job) -> Result:
    """Stands for a worker: what it says depends on the recording alone."""
    seconds = float(len(job.name) % 7)
    event = {
        "label": "wheeze",
        "onset_s": 0.5,
        "end_s": seconds,
        "score": 0.9,
        "mean": 0.8,
        "threshold": 0.6,
        "end_reason": "quiet",
        "verified": None,
    }
    body = {"status": "ok", "reason": "", "length_s": seconds, "events": [event] * (len(job.name) % 3)}
    return Result(job.name, f"{job.name:0<64}"[-64:], json.dumps(body))


class Pool(Executor):
    """Stands for a pool of processes: gives results in any order, and breaks when a recording kills it."""

    def __init__(self, score: Score = scored, seed: int = 0) -> None:
        self.score, self.chance, self.most = score, random.Random(seed), 0
        self.waiting: list[tuple[Future[Result], Job]] = []
        self.submitted: Counter[str] = Counter()
        self.is_broken = False

    def submit(self, _work: Any, job: Job, _settings: Settings) -> Future[Result]:  # type: ignore[override]
        if self.is_broken:
            raise BrokenProcessPool
        future: Future[Result] = Future()
        self.waiting.append((future, job))
        self.submitted[job.name] += 1
        self.most = max(self.most, len(self.waiting))
        return future

    def give(self) -> None:
        """Let one of those that wait be done; if it kills, all fail."""
        if not self.waiting:
            return
        future, job = self.waiting.pop(self.chance.randrange(len(self.waiting)))
        try:
            future.set_result(self.score(job))
        except BrokenProcessPool as error:
            self.is_broken = True
            for each, _ in [(future, job), *self.waiting]:
                each.set_exception(error)
            self.waiting.clear()
        except Exception as error:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to end."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "WAIT_S", 0)
    monkeypatch.setattr(run_module, "STORED_TOGETHER", 3)


def archive(folder: Path, count: int = 23) -> Path:
    place = folder / "archive"
    place.mkdir()
    for number in range(count):
        (place / f"{'x' * (number % 5)}{number}.wav").write_bytes(b"s" * number)
    return place


def go(place: Path, out: Path, score: Score = scored, seed: int = 0, most: int | None = None) -> list[Pool]:
    """One run, to its end or until so many are done; the pools that it used."""
    pools: list[Pool] = []
    stop = threading.Event()

    def make() -> Pool:
        pools.append(Pool(score, seed))
        return pools[-1]

    with Ledger(out, {"model": SETTINGS.model_sha256}, resume=True) as ledger:
        ledger.take_listing(items([str(place)]))
        run = Run(ledger, Shards(out, ledger, SETTINGS.model_sha256, recordings=4), SETTINGS, make)

        def tick() -> None:
            pools[-1].give()
            if most is not None and run.done >= most:
                stop.set()

        run.go(2, stop, tick)
    return pools


def tables(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def test_every_recording_is_scored_once_and_stands_in_the_order_of_names(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    place = archive(tmp_path)
    (pool,) = go(place, tmp_path / "out")
    assert set(pool.submitted.values()) == {1}
    assert pool.most <= 2 * OUT_FOR_EACH
    parts = [parquet.read_table(path) for path in sorted((tmp_path / "out" / "recordings").iterdir())]
    assert [len(part) for part in parts] == [4, 4, 4, 4, 4, 3]
    found = [name for part in parts for name in part["name"].to_pylist()]
    assert found == sorted(str(path) for path in place.iterdir())


@pytest.mark.parametrize("seed", range(4))
def test_stopped_anywhere_and_gone_on_with_gives_the_same_tables_byte_for_byte(seed: int, tmp_path: Path) -> None:
    place = archive(tmp_path)
    go(place, tmp_path / "whole")
    submitted: Counter[str] = Counter()
    for most in (seed + 1, 5, 2, 7, None):
        for pool in go(place, tmp_path / "pieces", seed=seed, most=most):
            submitted += pool.submitted
    assert tables(tmp_path / "pieces") == tables(tmp_path / "whole")
    assert len(submitted) == 23
    assert sum(submitted.values()) <= 23 + 4 * 2 * OUT_FOR_EACH, "only what was out is scored again"


def test_a_second_run_scores_and_writes_nothing(tmp_path: Path) -> None:
    place = archive(tmp_path)
    go(place, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.parquet")}
    (pool,) = go(place, tmp_path / "out")
    assert not pool.submitted
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.parquet")} == before


def test_an_archive_that_grew_shrank_and_changed_gives_what_a_new_one_gives(tmp_path: Path) -> None:
    place = archive(tmp_path)
    go(place, tmp_path / "out")
    for path in sorted(place.iterdir())[3:12]:
        path.unlink()
    (place / "aaa.wav").write_bytes(b"new")
    changed = sorted(place.iterdir())[5]
    os.utime(changed, ns=(1, 1))
    (pool,) = go(place, tmp_path / "out")
    assert pool.submitted.keys() == {str(place / "aaa.wav"), str(changed)}
    go(place, tmp_path / "new")
    assert tables(tmp_path / "out") == tables(tmp_path / "new")


def test_tables_of_which_only_some_were_written_are_written_again_also_for_what_they_held_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, out = archive(tmp_path, 3), tmp_path / "out"
    go(place, out)
    before = tables(out)
    (place / "x1.wav").rename(tmp_path / "away")
    write = shards_module.write_parquet

    def dies(path: Path, *more: Any) -> int:
        if path.parent.name == "events":
            raise KeyboardInterrupt
        return write(path, *more)

    with monkeypatch.context() as patch:
        patch.setattr(shards_module, "write_parquet", dies)
        with pytest.raises(KeyboardInterrupt):
            go(place, out)
    assert tables(out) != before
    (tmp_path / "away").rename(place / "x1.wav")
    go(place, out)
    assert tables(out) == before


def test_a_recording_that_kills_is_a_row_and_costs_the_others_nothing(tmp_path: Path) -> None:
    place = archive(tmp_path)
    killer = str(sorted(place.iterdir())[7])

    def kills(job: Job) -> Result:
        if job.name == killer:
            raise BrokenProcessPool
        return scored(job)

    pools = go(place, tmp_path / "out", kills)
    assert len(pools) == 1 + 1 + MOST_DEATHS, "once it killed with others, and then alone"
    with Ledger(tmp_path / "out", {}, resume=True) as ledger:
        assert (ledger.counts(), ledger.damaged()) == ((23, 23), 1)
        (one,) = ledger.results([killer])
    assert one.body["reason"].startswith("its process died each time")


def test_a_recording_for_which_memory_was_too_small_once_is_scored_alone(tmp_path: Path) -> None:
    place = archive(tmp_path)
    large, tries = str(sorted(place.iterdir())[7]), Counter[str]()

    def fails_once(job: Job) -> Result:
        tries[job.name] += 1
        if job.name == large and tries[large] == 1:
            raise MemoryError
        return scored(job)

    go(place, tmp_path / "out", fails_once)
    go(place, tmp_path / "whole")
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


def test_what_a_cluster_says_of_dead_workers_is_no_part_of_the_tables(tmp_path: Path) -> None:
    place = archive(tmp_path, 3)

    def kills(job: Job) -> Result:
        raise type("KilledWorker", (Exception,), {})("the last worker was tcp://127.0.0.1:39049")

    go(place, tmp_path / "out", kills)
    with Ledger(tmp_path / "out", {}, resume=True) as ledger:
        (one,) = ledger.results([str(place / "0.wav")])
    assert one.body["reason"] == KILLED


def test_a_recording_on_which_a_library_fails_is_a_row_with_its_reason(tmp_path: Path) -> None:
    place = archive(tmp_path, 3)
    bad = str(place / "0.wav")

    def fails(job: Job) -> Result:
        if job.name == bad:
            raise ZeroDivisionError("division by zero")
        return scored(job)

    go(place, tmp_path / "out", fails)
    with Ledger(tmp_path / "out", {}, resume=True) as ledger:
        (one,) = ledger.results([bad])
    assert one.body["reason"] == "could not be scored (ZeroDivisionError: division by zero)"


@pytest.mark.parametrize(
    ("error", "kind", "expected"),
    [
        (ConfigError("a worker has another model"), ConfigError, "another model"),
        (OSError(28, "No space left on device"), SourceError, "mend that and run again with --resume"),
    ],
)
def test_what_is_no_fault_of_a_recording_ends_the_run(
    error: Exception, kind: type[Exception], expected: str, tmp_path: Path
) -> None:
    def fails(job: Job) -> Result:
        raise error

    with pytest.raises(kind, match=expected):
        go(archive(tmp_path, 3), tmp_path / "out", fails)
    with Ledger(tmp_path / "out", {}, resume=True) as ledger:
        assert ledger.counts() == (3, 0), "and nothing is called damaged"


def test_a_file_that_is_packed_is_a_row_with_its_reason(tmp_path: Path) -> None:
    place = archive(tmp_path, 5)
    (place / "t.zip").write_bytes(b"PK")
    go(place, tmp_path / "out")
    with Ledger(tmp_path / "out", {}, resume=True) as ledger:
        assert (ledger.counts(), ledger.damaged()) == ((6, 6), 1)
        (packed,) = ledger.results([str(place / "t.zip")])
    assert packed.body["reason"] == "is packed; unpack it, and give the folder"


def test_what_cannot_be_had_is_tried_again_and_the_tables_stay_as_they_are(tmp_path: Path) -> None:
    place = archive(tmp_path, 5)
    (place / "t.zip").write_bytes(b"PK")
    go(place, tmp_path / "out")
    before = tables(tmp_path / "out")
    (pool,) = go(place, tmp_path / "out")
    assert not pool.submitted, "nothing that was scored is scored again"
    assert tables(tmp_path / "out") == before


def test_every_table_has_a_shard_even_without_a_row(tmp_path: Path) -> None:
    go(archive(tmp_path, 1), tmp_path / "out")
    assert {path.parent.name for path in (tmp_path / "out").rglob("part-000000.parquet")} == COLUMNS.keys()
