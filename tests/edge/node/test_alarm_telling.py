"""When the alarms of a node are published: when the disk has them, or when it should have them and has not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from edge.delivery.entries import OutboxStatus, RecordsStatus
from edge.delivery.messages import Message
from edge.delivery.mqtt_client import Subscription
from edge.node import alarms as alarm_service
from edge.node.alarm_inputs import BedReading, NodeReading
from edge.node.alarms import AlarmClock, AlarmService, WardReading
from edge.node.past_alarms import PastAlarms
from edge.ward.alarm_records import Key, Record, Rule, Transition
from tests.edge.dispatching import NODE, WALL, WALL_S, Time

LOST = Key("bed1", "signal-lost")
RULES = {LOST: Rule("Tec", "Me"), Key("", "alarm-log"): Rule("Tec", "Me")}
BED = "laennec/v1/ward/node/s/bed1/alarm/signal-lost"
LOG = "laennec/v1/ward/node/alarm/alarm-log"


class Disk:
    """Stands for `Dispatch`: takes records when it is told to, or as they come."""

    def __init__(self, answers: bool = True) -> None:
        self.ticket, self.records = 0, RecordsStatus()
        self.answers = answers
        self.written: list[Record] = []
        self.messages: list[Message] = []
        self.states: list[tuple[str, str, bool]] = []  # topic, signal, whether it is durable
        self.on_answer: Callable[[], None] = lambda: None

    def subscribe(self, subscription: Subscription) -> None:
        """Nobody orders anything here."""

    def record(self, records: Sequence[Record], messages: Sequence[Message]) -> int:
        self.ticket += 1
        self.written += records
        self.messages += messages
        if self.answers:
            self.take()
        return self.ticket

    def take(self) -> None:
        """Everything is on the disk."""
        self.records = RecordsStatus(self.ticket, self.ticket)
        self.on_answer()

    def refuse(self) -> None:
        """The disk refuses what has come."""
        self.records = RecordsStatus(self.records.recorded, self.ticket)
        self.on_answer()

    def set_state(self, topic: str, body: dict[str, Any], expiry_s: int) -> None:
        self.states.append((topic, body["signal"], body["durable"]))

    def of(self, topic: str) -> list[tuple[str, bool]]:
        """What was published since this was asked last: signal, and whether it is durable."""
        found = [(signal, durable) for where, signal, durable in self.states if where == topic]
        self.states = [each for each in self.states if each[0] != topic]
        return found


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Time:
    """Monotonic time of the alarms."""
    monotonic = Time()
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.0)
    monkeypatch.setattr(alarm_service.time, "monotonic", monotonic)
    return monotonic


def service(disk: Disk) -> AlarmService:
    return AlarmService(RULES, PastAlarms(), NODE, disk)  # type: ignore[arg-type]


def look(alarms: AlarmService, state: str) -> None:
    alarms._step(WardReading({"bed1": BedReading(state)}, NodeReading(OutboxStatus(), 0, True)))


def test_an_alarm_is_published_when_the_disk_has_it_and_not_before(now: Time) -> None:
    disk = Disk(answers=False)
    alarms = service(disk)
    look(alarms, "lost")
    now.now_s += 0.5
    look(alarms, "lost")
    assert disk.of(BED) == []
    disk.take()
    alarms._publish_recorded()
    assert disk.of(BED) == [("On", True)]


def test_an_alarm_that_the_disk_refuses_is_published_at_once_and_again_when_the_disk_has_it(now: Time) -> None:
    disk = Disk(answers=False)
    alarms = service(disk)
    look(alarms, "lost")
    disk.refuse()
    alarms._publish_recorded()
    assert disk.of(BED) == [("On", False)]
    look(alarms, "lost")
    disk.refuse()
    look(alarms, "lost")
    assert disk.of(LOG)[-1] == ("On", False), "that the log could not be written is an alarm, too"
    assert not alarms.is_healthy
    disk.take()
    alarms._publish_recorded()
    assert disk.of(BED) == [("On", True)]
    disk.answers = True
    look(alarms, "lost")
    assert disk.of(LOG)[-1] == ("Off", True)
    assert alarms.is_healthy


def test_an_alarm_waits_no_longer_than_a_second_and_what_follows_in_the_same_stall_not_at_all(now: Time) -> None:
    disk = Disk(answers=False)
    alarms = service(disk)
    look(alarms, "lost")
    now.now_s += 1.1
    look(alarms, "lost")
    assert disk.of(BED) == [("On", False)]
    look(alarms, "ok")
    assert disk.of(BED) == [("Off", False)]
    disk.take()
    alarms._publish_recorded()
    assert disk.of(BED) == [("Off", True)]


def test_each_change_of_a_signal_has_a_message_and_what_is_measured_alone_has_none(now: Time) -> None:
    disk = Disk()
    alarms = service(disk)
    for state in ("lost", "ok"):
        look(alarms, state)
    of_bed = [each for each in disk.written if isinstance(each, Transition) and each.key == LOST]
    assert [each.cause for each in of_bed] == ["known", "present", "raised", "cleared"]
    reported = [each.body["cause"] for each in disk.messages if each.body["condition"] == "signal-lost"]
    assert reported == ["raised", "cleared"]


def test_after_a_step_of_the_clock_a_change_is_written_and_told_with_the_time_that_it_says(
    now: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall_s, monotonic = [WALL_S - 3600.0], Time()
    monkeypatch.setattr(alarm_service, "AlarmClock", partial(AlarmClock, monotonic=monotonic, wall=lambda: wall_s[0]))
    disk = Disk()
    alarms = service(disk)
    wall_s[0] = WALL_S
    look(alarms, "lost")
    (raised,) = [each for each in disk.written if isinstance(each, Transition) and each.cause == "raised"]
    changed = [each.body["time"]["changed"] for each in disk.messages]
    assert (raised.wall_s, raised.at_s, changed) == (WALL_S, WALL_S - 3600.0, [WALL])
