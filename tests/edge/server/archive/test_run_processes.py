"""Processes that die cost no recording but one that ends each of them. With real processes."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from edge.server.archive import run as run_module
from edge.server.archive.ledger import Ledger
from edge.server.archive.listing import items
from edge.server.archive.recording import Settings
from edge.server.archive.run import KILLED, MOST_DEATHS, LocalPool, Run
from edge.server.archive.shards import Shards
from tests.edge.server.archive import dying

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytestmark = pytest.mark.rest


def bodies(place: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What became of each recording of a folder; two processes score it."""
    monkeypatch.setattr(run_module, "work", dying.work)
    with Ledger(out, {}, resume=False) as ledger:
        ledger.take_listing(items([str(place)]))
        run = Run(ledger, Shards(out, ledger, "m" * 64), Settings(None, "m" * 64), lambda: LocalPool(2))
        run.go(2, threading.Event(), lambda: None)
        found = ledger.results(sorted(str(path) for path in place.glob("*.wav")))
        return {Path(each.name).stem: each.body for each in found}


def archive(folder: Path, **plans: str) -> Path:
    place = folder / "archive"
    place.mkdir()
    for name, plan in {**plans, **{f"z{number}": "" for number in range(4)}}.items():
        (place / f"{name}.wav").write_text(plan)
    return place


def test_a_recording_whose_process_is_killed_from_outside_is_scored_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = archive(tmp_path, a=f"{signal.SIGKILL.value} {MOST_DEATHS - 1}", b=f"{signal.SIGTERM.value} 2")
    found = bodies(place, tmp_path / "out", monkeypatch)
    assert {name: body["status"] for name, body in found.items()} == dict.fromkeys(
        ("a", "b", "z0", "z1", "z2", "z3"), "ok"
    )
    assert dying.tried(place / "a.wav") == MOST_DEATHS


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_one_whose_process_dies_each_time_is_a_row_and_the_others_are_scored(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = archive(tmp_path, a=f"{number.value} 99")
    found = bodies(place, tmp_path / "out", monkeypatch)
    assert found.pop("a") == {"status": "damaged", "reason": KILLED}
    assert {body["status"] for body in found.values()} == {"ok"}
    assert dying.tried(place / "a.wav") == 1 + MOST_DEATHS


def test_a_process_that_is_killed_inside_of_a_large_result_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = archive(tmp_path, a=f"{dying.IN_A_LARGE_RESULT} 1")
    found = bodies(place, tmp_path / "out", monkeypatch)
    assert {body["status"] for body in found.values()} == {"ok"}
    assert len(found["a"]["reason"]) == 1_000_000
