"""The alarms of a running node, in its main loop: looks, records, publishes, and carries out commands.

Not for the rules (`edge.ward`) and not for the sound: whatever the disk does here, detection goes on. The order is log,
then wire: what changed is published when the disk has it, the record and its message in one transaction. But no alarm
waits longer than a second for a disk: then it goes out from memory, marked not durable, as it does at once where the
disk refuses. Nothing here waits for a disk, for the same loop feeds the watchdog. While it does not come to publish,
its alarms expire at the broker and are unknown.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import nsmallest

from edge.contract.alarms import ALARM_EXPIRY_S, ANSWER_EXPIRY_S, REFRESH_S
from edge.contract.commands import ClipOrder, Command, NewPatient, parse_command
from edge.delivery.alarm_messages import (
    AlarmNow,
    CommandAddress,
    address_of,
    alarm_body,
    alarm_topic,
    answer_body,
    answer_topic,
    command_filters,
    transition_message,
)
from edge.delivery.disk import STALLED_S
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.log import RateLimitedLog
from edge.node.alarm_inputs import BedReading, NodeReading, Order, OrderQueue, bed_values, node_values, refuse
from edge.node.clips import NodeClips
from edge.node.past_alarms import PastAlarms, is_published
from edge.node.patients import Patients
from edge.settings.sections import years_of
from edge.ward.alarm_records import Answer, Key, Record, Rule, Transition, Value
from edge.ward.alarms import Alarms

LOOK_S = 0.5  # between two looks at the measurements
LAST_LOOK_S = 0.01  # how long commands are taken after the last one
STOPPED_S = 1.0  # how long the end may wait for a disk

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WardReading:
    """Everything that the alarms look at, now."""

    beds: Mapping[str, BedReading]
    node: NodeReading


@dataclass(frozen=True)
class _Ticket:
    """What was given to the disk."""

    number: int
    requested_s: float
    """When, monotonic seconds; long ago where the disk has not answered what came before."""
    is_published: bool = False
    """Whether it was published before the disk had it."""


class AlarmClock:
    """Seconds that never go back, also across restarts; about those since 1970.

    A step of the wall clock changes no duration: it counts at the start alone, and not if the log was further.
    """

    def __init__(
        self, last_s: float, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        """Go on after `last_s`, the last time in the log."""
        self._monotonic, self._wall = monotonic, wall
        self._zero_s = max(wall(), last_s) - monotonic()

    def now_s(self) -> float:
        """The time."""
        return self._zero_s + self._monotonic()

    def wall_s(self, at_s: float) -> float:
        """The same moment on the wall clock as it is set now, seconds since 1970."""
        return at_s + self._wall() - self.now_s()


class AlarmService:
    """The alarms of one node; `start` and `stop` once each."""

    def __init__(
        self,
        rules: Mapping[Key, Rule],
        past: PastAlarms,
        node: Node,
        dispatch: Dispatch,
        clips: NodeClips | None = None,
        patients: Patients | None = None,
    ) -> None:
        """Go on from what was recorded; nothing is published before `start`.

        Args:
            rules: the alarms that there are (`edge.node.alarm_inputs.rules_of`).
            past: what earlier processes recorded.
            node: who publishes.
            dispatch: the way to the broker; not started yet.
            clips: what keeps sound; None: nothing does.
            patients: where new ones are admitted; None: nowhere.
        """
        self._clock = AlarmClock(max((record.at_s for record in past.records), default=0.0))
        self._alarms = Alarms(rules, past.records, past.rev_floor, self._clock.wall_s)
        self._node, self._dispatch, self._clips = node, dispatch, clips
        self._patients = patients
        self._clip_of: dict[tuple[Key, int], str] = {}  # of episodes that this process has seen begin
        of_burden = [key for key, rule in rules.items() if rule.kind == "Phy" and not (rule.is_binary or rule.rate)]
        self._groups = tuple({key.condition: None for key in of_burden})
        self._values: Mapping[Key, Value] = {}
        self._before: NodeReading | None = None
        self._unrecorded: dict[Key, _Ticket] = {}  # what the disk does not have yet of each alarm
        self._last_ticket = _Ticket(0, -math.inf)
        self._unanswered: deque[tuple[_Ticket, Callable[[], None]]] = deque()  # commands that are carried out
        self._published_s: dict[Key, float] = {}
        self._orders = OrderQueue()
        self._limited_log = RateLimitedLog(logger)
        self._looked_s, self._next_look_s = time.monotonic(), -math.inf
        dispatch.on_answer = self._orders.wake
        dispatch.subscribe(Subscription(command_filters(node), self._on_request))

    def start(self, look: Callable[[], WardReading]) -> None:
        """Begin; `look` is called by `work`, about every `LOOK_S`."""
        self._look = look

    def work(self, seconds: float) -> None:
        """For so long: look at the beds when that is due, and carry out commands as they come. Raises nothing."""
        until_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < until_s:
            try:
                if now_s >= self._next_look_s:
                    self._next_look_s = now_s + LOOK_S
                    self._step(self._look())
                    self._looked_s = time.monotonic()
                if (order := self._orders.get(min(until_s, self._next_look_s) - now_s)) is not None:
                    self._carry_out(order)
                self._publish_recorded()
            except Exception:  # nobody else watches: this must outlive any one mistake
                logger.exception("alarms error; going on")
        self._dispatch.standby.tick()

    def stop(self) -> None:
        """End after a last look; what is signalled now is on the disk for the next start."""
        self._next_look_s = -math.inf
        self.work(LAST_LOOK_S)
        self._next_look_s = math.inf
        end_s = time.monotonic() + STOPPED_S / 2
        while (self._unrecorded or self._unanswered) and (left_s := end_s - time.monotonic()) > 0:
            self.work(min(left_s, LOOK_S / 2))

    @property
    def is_healthy(self) -> bool:
        """Whether somebody looks and the log is on the disk."""
        return time.monotonic() - self._looked_s < REFRESH_S and not self._is_behind

    @property
    def _is_behind(self) -> bool:
        """Whether the disk has refused what alarms did, or has not answered for a second."""
        return not self._is_recorded(self._last_ticket) and self._is_late(self._last_ticket)

    def _is_recorded(self, ticket: _Ticket) -> bool:
        return ticket.number <= self._dispatch.records.recorded

    def _is_late(self, ticket: _Ticket) -> bool:
        """Whether the disk has refused it, or has not answered for a second."""
        records = self._dispatch.records
        return records.recorded < ticket.number <= records.answered or time.monotonic() - ticket.requested_s > STALLED_S

    @property
    def topics(self) -> list[str]:
        """The retained topics of all alarms."""
        return [alarm_topic(self._node, key) for key in self._alarms.rules]

    def _on_request(self, request: Incoming) -> None:
        address = address_of(self._node, request.topic)
        if address is None:
            self._limited_log.log("address", f"alarms command=dropped topic={request.topic[:128]!r}; it names nobody")
        elif reason := self._orders.put(order := Order(address, request)):
            line = f'alarms command=refused verb={address.verb} user={address.user} reason="{reason}"'
            self._limited_log.log(f"too many {address.user}", line)
            refuse(self._node, self._dispatch, order, reason)

    def _step(self, reading: WardReading) -> None:
        """One look."""
        self._values = self._values_of(reading)
        self._record(self._alarms.advance(self._clock.now_s(), self._values))
        self._publish_recorded()
        self._refresh()

    def _values_of(self, reading: WardReading) -> dict[Key, Value]:
        values: dict[Key, Value] = {}
        for stream, bed in reading.beds.items():
            of_bed = bed_values(stream, bed, self._groups)
            is_before = self._patients is not None and not self._patients.is_known(stream, bed.patients)
            values |= self._without_patient(stream, of_bed) if is_before else of_bed
        is_broken = any(bed.is_broken for bed in reading.beds.values())
        values |= node_values(self._before, reading.node, is_broken, self._is_behind)
        self._before = reading.node
        return values

    def _without_patient(self, stream: str, values: Mapping[Key, Value]) -> dict[Key, Value]:
        """Measurements, as long as those of this bed are of the patient before."""
        rules = self._alarms.rules
        return {k: v for k, v in values.items() if k.stream != stream or k not in rules or rules[k].kind != "Phy"}

    def _carry_out(self, order: Order) -> None:
        address, request = order.address, order.request
        now_s, records = self._clock.now_s(), list[Record]()
        try:
            command = parse_command(address.verb, request.payload)
            answer, records = self._ordered(now_s, address, command)
        except ValueError as error:
            answer = Answer("", address.verb, address.stream, ok=False, reason=str(error))
        if not answer.ok:
            line = f'alarms command=refused verb={address.verb[:32]} user={address.user[:64]} reason="{answer.reason}"'
            self._limited_log.log(f"refused {address.user}", line)
        self._record(records)
        if records:  # a limit is judged at once
            self._record(self._alarms.advance(now_s, self._values))
        topic = answer_topic(self._node, address, request.response_topic)
        body = answer_body(self._node, answer, now_s, self._clock.wall_s)
        answer_now = partial(self._dispatch.answer, topic, body, ANSWER_EXPIRY_S, request.correlation)
        # The last ticket, also of a command that changed nothing: answers go out in the order of the commands.
        self._unanswered.append((self._last_ticket, answer_now))

    def _ordered(self, now_s: float, address: CommandAddress, command: Command) -> tuple[Answer, list[Record]]:
        if isinstance(command, NewPatient):
            return self._admitted(now_s, address, command)
        if not isinstance(command, ClipOrder):
            return self._alarms.command(now_s, address.user, address.stream, command)
        clips, user = self._clips, address.user
        if clips is None:
            raise ValueError("no sound is kept here; it needs `clips` in the settings of the node")
        if not self._alarms.has_ordered(user, command.id) and (why := clips.mistake(address.stream, command.seconds)):
            raise ValueError(why)
        answer, records = self._alarms.command(now_s, user, address.stream, command, clips.new_id())
        if records:
            clips.keep_last(address.stream, command.seconds, answer.clip, f"{command.by} ({user})")
        return answer, records

    def _admitted(self, now_s: float, address: CommandAddress, command: NewPatient) -> tuple[Answer, list[Record]]:
        user, bed, patients = address.user, address.stream, self._patients
        if patients is None:
            raise ValueError("no patients are admitted here")
        if command.age is not None:
            try:
                years_of(command.age)
            except ValueError as error:
                raise ValueError(f"age: {command.age} {error}") from None
        if not self._alarms.has_ordered(user, command.id) and bed and (why := patients.mistake(bed)):
            raise ValueError(why)
        answer, records = self._alarms.command(now_s, user, bed, command)
        if records:
            patients.admit(bed, command.age)
            self._values = self._without_patient(bed, self._values)
        return answer, records

    def _record(self, records: Sequence[Record]) -> None:
        """To the disk; each alarm is published with its last state when it is there."""
        if not records:
            return
        transitions = [each for each in records if isinstance(each, Transition)]
        messages = [
            transition_message(self._node, each, self._clock.wall_s) for each in transitions if is_published(each)
        ]
        requested_s = -math.inf if self._is_behind else time.monotonic()
        self._last_ticket = _Ticket(self._dispatch.record(records, messages), requested_s)
        self._unrecorded |= dict.fromkeys([each.key for each in transitions], self._last_ticket)
        for each in filter(is_published, transitions):
            where, by = f"stream={each.key.stream}" if each.key.stream else "node", each.by.by if each.by else "-"
            line = 'alarm=%s %s cause="%s" signal=%s priority=%s by="%s"'
            logger.info(line, each.key.condition, where, each.cause, each.state.signal, each.priority, by)
            if each.cause == "raised" and each.kind == "Phy" and self._clips is not None:
                episode = each.state.episode
                clip = self._clips.of_alarm(each.key.stream, each.key.condition, episode)
                self._clip_of = {known: ident for known, ident in self._clip_of.items() if known[0] != each.key}
                self._clip_of[each.key, episode] = clip

    def _publish_recorded(self) -> None:
        """Publish and answer what the disk has now, and what it should have and has not."""
        for key, ticket in list(self._unrecorded.items()):
            if self._is_recorded(ticket):
                del self._unrecorded[key]
                self._publish(key)
            elif not ticket.is_published and self._is_late(ticket):
                self._unrecorded[key] = replace(ticket, is_published=True)
                self._publish(key)
        while self._unanswered and (self._is_recorded(self._unanswered[0][0]) or self._is_late(self._unanswered[0][0])):
            self._unanswered.popleft()[1]()

    def _refresh(self) -> None:
        """Say again what was not said for long: the oldest first, and not all beds at one look."""
        due_s, keys = time.monotonic() - REFRESH_S, list(self._alarms.rules)
        # At one look so many that all have their turn within half of REFRESH_S.
        most = math.ceil(len(keys) * 2 * LOOK_S / REFRESH_S)
        due = [key for key in keys if self._published_s.get(key, -math.inf) <= due_s]
        for key in [key for key in due if key not in self._published_s] or nsmallest(
            most, due, key=self._published_s.__getitem__
        ):
            self._publish(key)

    def _publish(self, key: Key) -> None:
        if (rule := self._alarms.rules.get(key)) is None:  # the settings do not have it; the service clears its topic
            return
        ticket = self._unrecorded.get(key)
        if ticket is not None and not ticket.is_published:
            return  # it is about to be on the disk
        state = self._alarms.state(key)
        clip = self._clip_of.get((key, state.episode), "")
        alarm = AlarmNow(key, rule, state, self._alarms.cause(key), self._values.get(key), clip, ticket is None)
        body = alarm_body(self._node, alarm, self._clock.now_s(), self._clock.wall_s)
        self._dispatch.set_state(alarm_topic(self._node, key), body, ALARM_EXPIRY_S)
        self._published_s[key] = time.monotonic()
