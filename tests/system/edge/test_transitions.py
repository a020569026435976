"""Changes of alarms through a real broker: none is lost while it is away or because the node died, none comes twice."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery.before_one_file import log_beside
from edge.delivery.dispatch import INBOX_MESSAGES
from edge.delivery.outbox_reading import alarm_log
from edge.errors import SourceError
from edge.node import alarms as alarm_service
from edge.ward.alarm_records import NOT_PUBLISHED, AlarmState, Key, Record, Transition
from tests.edge.alarm_logs import append_old
from tests.edge.conftest import Watcher, wait_for
from tests.system.edge.alarms_under_test import Ward

CHANGES = "s/bed1/alarm/continuous/transition"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at the alarms are close together."""
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.02)


def recorded(folder: Path) -> list[tuple[int, str]]:
    """What the log says of the changes of one alarm that are told."""
    path = folder / "outbox.db"
    records: list[Record] = []
    with suppress(SourceError):  # there is none yet
        records = alarm_log(path).records
    mine = [each for each in records if isinstance(each, Transition) and each.key.condition == "continuous"]
    return [(each.state.rev, each.cause) for each in mine if each.cause not in NOT_PUBLISHED]


def reported(watcher: Watcher) -> list[tuple[int, str]]:
    return [(body["rev"], body["cause"]) for body in watcher.bodies(CHANGES)]


def rings_and_ends(ward: Ward, folder: Path) -> None:
    """A burden over the limit, then none; until both are in the log."""
    before = len(recorded(folder))
    for burden in (20.0, 0.0):
        ward.burden, before = burden, before + 1
        wait_for(lambda expected=before: len(recorded(folder)) >= expected, "a change in the log")


def test_what_an_alarm_went_through_while_no_broker_was_there_comes_when_one_is(tmp_path: Path) -> None:
    alone = Ward(free_port(), tmp_path)
    alone.start()
    rings_and_ends(alone, tmp_path)
    alone.stop()
    expected = recorded(tmp_path)
    with Broker("mosquitto", port := free_port()):
        watcher = Watcher(port)
        ward = Ward(port, tmp_path)
        ward.start()
        wait_for(lambda: len(reported(watcher)) >= len(expected), "the changes")
        ward.stop()
        watcher.close()  # and each obeys its schema
    assert [cause for _, cause in expected] == ["raised", "cleared"]
    assert reported(watcher)[:2] == expected
    assert [body["late"] for body in watcher.bodies(CHANGES)[:2]] == [True, True]


def test_what_an_earlier_release_had_in_its_log_and_not_in_the_outbox_is_told_once(tmp_path: Path) -> None:
    Ward(free_port(), tmp_path).outbox.close()
    key, causes = Key("bed1", "continuous"), ("raised", "cleared")
    changes = [
        Transition(time.time() - 9 + rev, key, cause, AlarmState(rev=rev, known=True), "Phy", "Hi")  # type: ignore[arg-type]
        for rev, cause in enumerate(causes, 1)
    ]
    append_old(log_beside(tmp_path / "outbox.db", "node"), changes)
    with Broker("mosquitto", port := free_port()):
        watcher = Watcher(port)
        for _ in range(2):
            ward = Ward(port, tmp_path)
            ward.burden = 0.0
            ward.start()
            wait_for(lambda: len(reported(watcher)) >= 2, "the changes")
            wait_for(lambda box=ward.outbox: not box.status.waiting, "an empty outbox")
            ward.stop()
        watcher.close()
    assert reported(watcher) == recorded(tmp_path)
    assert [cause for _, cause in reported(watcher)] == ["raised", "cleared"]


def test_a_node_that_dies_before_it_writes_has_published_nothing_that_the_next_one_does_not_know(
    tmp_path: Path,
) -> None:
    with Broker("mosquitto", port := free_port()):
        watcher = Watcher(port)
        killed = Ward(port, tmp_path)
        killed.dispatch._persist = lambda: None  # type: ignore[method-assign]
        killed.burden = 20.0
        killed.start()
        wait_for(lambda: len(killed.dispatch._inbox), "a change that waits for the disk")
        killed.alarms.stop()
        assert [body for body in watcher.bodies("s/bed1/alarm/continuous") if body["signal"] == "On"] == []
        watcher.close()
    assert recorded(tmp_path) == []


def test_a_long_log_that_no_outbox_has_seen_is_handed_on_whole(tmp_path: Path) -> None:
    Ward(free_port(), tmp_path).outbox.close()
    key, many = Key("bed1", "continuous"), 2 * INBOX_MESSAGES
    changes = [Transition(1.0, key, "raised", AlarmState(rev=rev), "Phy", "Me") for rev in range(1, many + 1)]
    append_old(log_beside(tmp_path / "outbox.db", "node"), changes)
    ward = Ward(free_port(), tmp_path)
    ward.start()
    wait_for(lambda: ward.outbox.status.waiting >= many, "all of them in the outbox")
    ward.stop()
    assert ward.dispatch.dropped == 0
