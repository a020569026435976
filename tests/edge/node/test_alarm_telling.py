"""What the alarms of a node hand on after a death: all that nobody was told of, in order, and nothing twice."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.delivery.alarm_log import AlarmLog
from edge.delivery.entries import OutboxStatus
from edge.delivery.messages import Message
from edge.delivery.mqtt_client import Listening
from edge.node import alarms as alarm_service
from edge.node.alarm_inputs import BedReading, NodeReading
from edge.node.alarms import AlarmClock, AlarmService, WardReading
from edge.ward.alarm_records import AlarmState, Key, Rule, Transition
from tests.edge.dispatching import NODE, WALL, WALL_S, Time

LOST = Key("bed1", "signal-lost")
NAME = "bed1/signal-lost"
RULES = {LOST: Rule("Tec", "Me")}


class Told:
    """Stands for `Dispatch`: keeps the changes that it is given, and knows which `rev` earlier ones were given."""

    def __init__(self, told: dict[str, int] | None) -> None:
        self.told = told
        self.revs: list[int] = []
        self.changed: list[str] = []

    def listen(self, listening: Listening) -> None:
        """Nobody orders anything here."""

    def send(self, message: Message) -> None:
        self.revs.append(message.body["rev"])
        self.changed.append(message.body["time"]["changed"])

    def set_state(self, topic: str, body: dict[str, Any], expiry_s: int) -> None:
        """Not looked at here."""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.0)
    return tmp_path / "alarms.log"


def service(path: Path, told: Told) -> AlarmService:
    return AlarmService(RULES, AlarmLog(path), NODE, told)  # type: ignore[arg-type]


def look(alarms: AlarmService, state: str) -> None:
    alarms._step(WardReading({"bed1": BedReading(state)}, NodeReading(OutboxStatus(), 0, True)))


def logged(path: Path, revs: range) -> None:
    log = AlarmLog(path)
    log.read()
    log.append([Transition(1.0, LOST, "raised", AlarmState(rev=rev), "Tec", "Me") for rev in revs])


def test_a_change_that_comes_meanwhile_waits_behind_what_an_earlier_process_did_not_tell(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_service, "UNSAID_AT_ONCE", 3)
    logged(path, range(1, 9))
    told = Told({NAME: 1})
    alarms = service(path, told)
    for state in ("lost", "ok", "lost", "lost"):
        look(alarms, state)
    assert told.revs == sorted(told.revs)
    assert told.revs[:7] == [2, 3, 4, 5, 6, 7, 8]
    assert told.revs[-1] > 8


def test_while_nobody_knows_what_was_told_a_change_goes_at_once(path: Path) -> None:
    logged(path, range(1, 4))
    told = Told(None)
    alarms = service(path, told)
    look(alarms, "lost")
    assert min(told.revs) > 3
    told.told = {NAME: 1}
    look(alarms, "lost")
    assert told.revs[-2:] == [2, 3]


def test_after_a_log_that_was_behind_an_alarm_goes_on_above_what_was_told(path: Path) -> None:
    logged(path, range(1, 4))
    told = Told({NAME: 90})
    look(service(path, told), "lost")
    assert min(told.revs) > 90


def test_an_outbox_that_knows_no_more_than_the_log_changes_no_rev(path: Path) -> None:
    logged(path, range(1, 4))
    told = Told({NAME: 3})
    alarms = service(path, told)
    for state in ("lost", "ok"):
        look(alarms, state)
    assert told.revs == list(range(min(told.revs), min(told.revs) + len(told.revs)))
    assert 3 < min(told.revs) < 8


def test_after_a_step_of_the_clock_a_change_is_written_and_told_with_the_time_that_it_says(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall_s, monotonic = [WALL_S - 3600.0], Time()
    monkeypatch.setattr(alarm_service, "AlarmClock", partial(AlarmClock, monotonic=monotonic, wall=lambda: wall_s[0]))
    first = Told(None)
    alarms = service(path, first)
    wall_s[0] = WALL_S
    look(alarms, "lost")
    (raised,) = [each for each in AlarmLog(path).read() if isinstance(each, Transition) and each.cause == "raised"]
    assert (raised.wall_s, raised.at_s, first.changed) == (WALL_S, WALL_S - 3600.0, [WALL])
    wall_s[0] = WALL_S + 86_400.0
    again = Told({})
    look(service(path, again), "lost")
    assert again.changed == [WALL], "also where the next process tells of it"
