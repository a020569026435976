"""The alarms of a running node: one thread that looks, writes the log, publishes, and carries out commands.

Not for the rules (`edge.ward`) and not for the sound: whatever the disk does here, detection goes on. The order is log,
then wire, but no alarm waits longer than a second for a disk: then it goes out from memory, marked not durable. While
this thread does not come to publish, its alarms expire at the broker and are unknown. Every change also goes through
the outbox, so that a broker that was away hears of it; what a death kept from there is found in the log by the next
process, for the outbox knows the last `rev` of each alarm that it was given.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import nsmallest

from edge.contract.alarms import ALARM_EXPIRY_S, ANSWER_EXPIRY_S, REFRESH_S
from edge.contract.commands import ClipOrder, Command, NewPatient, parse_command
from edge.delivery.alarm_log import AlarmLog
from edge.delivery.alarm_messages import (
    AlarmNow,
    CommandAddress,
    address_of,
    alarm_body,
    alarm_topic,
    answer_body,
    answer_topic,
    command_filters,
    name_of,
    transition_message,
)
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import Listening, Request
from edge.log import RateLimitedLog
from edge.node.alarm_inputs import BedReading, NodeReading, Order, OrderQueue, bed_values, node_values, refuse
from edge.node.clips import NodeClips
from edge.node.patients import Patients
from edge.settings.sections import years_of
from edge.ward.alarm_records import NOT_PUBLISHED, Answer, Key, Record, Rule, Transition, Value
from edge.ward.alarms import Alarms

LOOK_S = 0.5  # between two looks at the measurements
UNSAID_AT_ONCE = 200  # changes that are handed on at one look; the queue in front of the outbox has room for more
RETRY_S = 10.0  # a disk that refused is tried again after this long
STOPPED_S = 1.0  # how long the end may wait for a disk

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WardReading:
    """Everything that the alarms look at, now."""

    beds: Mapping[str, BedReading]
    node: NodeReading


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
        log: AlarmLog,
        node: Node,
        dispatch: Dispatch,
        clips: NodeClips | None = None,
        patients: Patients | None = None,
    ) -> None:
        """Read the log and go on from there; nothing is published before `start`.

        Args:
            rules: the alarms that there are (`edge.node.alarm_inputs.rules_of`).
            log: where transitions are written.
            node: who publishes.
            dispatch: the way to the broker; not started yet.
            clips: what keeps sound; None: nothing does.
            patients: where new ones are admitted; None: nowhere.
        """
        records = log.read()
        self._logged = [each for each in records if isinstance(each, Transition)]  # until what was told is known
        self._unsaid: list[Transition] = []  # to be handed on, and whatever comes meanwhile after it
        self._clock = AlarmClock(max((record.at_s for record in records), default=0.0))
        rev_floor = max(log.rev_floor, _told_beyond(self._logged, dispatch.told or {}))
        self._alarms = Alarms(rules, records, rev_floor, self._clock.wall_s)
        self._log, self._node, self._dispatch, self._clips = log, node, dispatch, clips
        self._patients = patients
        self._clip_of: dict[tuple[Key, int], str] = {}  # of episodes that this process has seen begin
        of_burden = [key for key, rule in rules.items() if rule.kind == "Phy" and not (rule.is_told or rule.rate)]
        self._groups = tuple({key.condition: None for key in of_burden})
        self._values: Mapping[Key, Value] = {}
        self._before: NodeReading | None = None
        self._retry_s = 0.0  # when to try a disk that refused, monotonic seconds
        self._said_s: dict[Key, float] = {}
        self._not_durable: tuple[Key, ...] = ()  # alarms that the broker has as such
        self._orders = OrderQueue()
        self._limited_log = RateLimitedLog(logger)
        self._stopping = threading.Event()
        self._looked_s = time.monotonic()
        dispatch.listen(Listening(command_filters(node), self._on_request))

    def start(self, look: Callable[[], WardReading]) -> None:
        """Begin; `look` is called from the thread of the alarms, about every `LOOK_S`."""
        self._thread = threading.Thread(target=self._run, args=(look,), name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after a last look; what is signalled now is in the log for the next start."""
        self._stopping.set()
        self._thread.join(STOPPED_S)
        self._log.close()

    @property
    def is_healthy(self) -> bool:
        """Whether the thread moves and the log is on the disk."""
        return time.monotonic() - self._looked_s < REFRESH_S and not self._log.is_behind

    @property
    def topics(self) -> list[str]:
        """The retained topics of all alarms."""
        return [alarm_topic(self._node, key) for key in self._alarms.rules]

    def _on_request(self, request: Request) -> None:
        address = address_of(self._node, request.topic)
        if address is None:
            self._limited_log.log("address", f"alarms command=dropped topic={request.topic[:128]!r}; it names nobody")
        elif reason := self._orders.put(order := Order(address, request)):
            line = f'alarms command=refused verb={address.verb} user={address.user} reason="{reason}"'
            self._limited_log.log(f"too many {address.user}", line)
            refuse(self._node, self._dispatch, order, reason)

    def _run(self, look: Callable[[], WardReading]) -> None:
        while True:
            is_last = self._stopping.is_set()
            try:
                self._step(look())
                self._looked_s = time.monotonic()
            except Exception:  # nobody else watches: this thread must outlive any one mistake
                logger.exception("alarms error; going on in %.1f s", LOOK_S)
                self._stopping.wait(LOOK_S)
            if is_last:
                return

    def _step(self, reading: WardReading) -> None:
        """One look, the commands that wait, and until the next look those that come."""
        self._say_unsaid()
        self._values = self._values_of(reading)
        self._record(self._alarms.advance(self._clock.now_s(), self._values))
        if (self._log.is_full or self._log.is_behind) and time.monotonic() >= self._retry_s:
            self._retry_s = time.monotonic() + RETRY_S
            if self._log.rewrite(self._alarms.snapshot()):
                for key in self._not_durable:  # now they are
                    self._publish(key)
        self._refresh()
        until_s = time.monotonic() + LOOK_S
        while (left_s := until_s - time.monotonic()) > 0 and not self._stopping.is_set():
            if (order := self._orders.get(left_s)) is None:
                return
            self._carry_out(order)

    def _values_of(self, reading: WardReading) -> dict[Key, Value]:
        values: dict[Key, Value] = {}
        for stream, bed in reading.beds.items():
            of_bed = bed_values(stream, bed, self._groups)
            is_before = self._patients is not None and not self._patients.is_known(stream, bed.patients)
            values |= self._without_patient(stream, of_bed) if is_before else of_bed
        is_broken = any(bed.is_broken for bed in reading.beds.values())
        values |= node_values(self._before, reading.node, is_broken, self._log.is_behind)
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
        self._dispatch.answer(topic, body, ANSWER_EXPIRY_S, request.correlation)

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

    def _record(self, records: list[Record] | list[Transition]) -> None:
        """To the disk, then to the broker, each alarm once with its last state."""
        if not records:
            return
        self._log.append(records)
        transitions = [each for each in records if isinstance(each, Transition)]
        for each in filter(_is_told, transitions):
            if self._unsaid:  # else the outbox would know of this `rev`, and after a death take those before for told
                self._unsaid.append(each)
            else:
                self._dispatch.send(transition_message(self._node, each, self._clock.wall_s))
            where, by = f"stream={each.key.stream}" if each.key.stream else "node", each.by.by if each.by else "-"
            line = 'alarm=%s %s cause="%s" signal=%s priority=%s by="%s"'
            logger.info(line, each.key.condition, where, each.cause, each.state.signal, each.priority, by)
            if each.cause == "raised" and each.kind == "Phy" and self._clips is not None:
                episode = each.state.episode
                clip = self._clips.of_alarm(each.key.stream, each.key.condition, episode)
                self._clip_of = {known: ident for known, ident in self._clip_of.items() if known[0] != each.key}
                self._clip_of[each.key, episode] = clip
        for key in {each.key: None for each in transitions}:
            self._publish(key)

    def _say_unsaid(self) -> None:
        """Hand on what an earlier process wrote to the log and died before the outbox had it."""
        if self._logged and (told := self._dispatch.told) is not None:
            logged, self._logged = filter(_is_told, self._logged), []
            self._unsaid = [each for each in logged if each.state.rev > told.get(name_of(each.key), 0)]
        for each in self._unsaid[:UNSAID_AT_ONCE]:
            self._dispatch.send(transition_message(self._node, each, self._clock.wall_s))
        self._unsaid = self._unsaid[UNSAID_AT_ONCE:]

    def _refresh(self) -> None:
        """Say again what was not said for long: the oldest first, and not all beds at one look."""
        due_s, keys = time.monotonic() - REFRESH_S, list(self._alarms.rules)
        most = math.ceil(len(keys) * 2 * LOOK_S / REFRESH_S)
        due = [key for key in keys if self._said_s.get(key, -math.inf) <= due_s]
        for key in [key for key in due if key not in self._said_s] or nsmallest(
            most, due, key=self._said_s.__getitem__
        ):
            self._publish(key)

    def _publish(self, key: Key) -> None:
        if (rule := self._alarms.rules.get(key)) is None:  # the settings do not have it; the service clears its topic
            return
        state = self._alarms.state(key)
        clip = self._clip_of.get((key, state.episode), "")
        is_durable = not self._log.is_behind
        alarm = AlarmNow(key, rule, state, self._alarms.cause(key), self._values.get(key), clip, is_durable)
        others = tuple(other for other in self._not_durable if other != key)
        self._not_durable = others if is_durable else (*others, key)
        body = alarm_body(self._node, alarm, self._clock.now_s(), self._clock.wall_s)
        self._dispatch.set_state(alarm_topic(self._node, key), body, ALARM_EXPIRY_S)
        self._said_s[key] = time.monotonic()


def _told_beyond(logged: list[Transition], told: Mapping[str, int]) -> int:
    """The highest `rev` that the outbox was given of an alarm whose log does not reach it; 0: none is behind."""
    own = {name_of(each.key): each.state.rev for each in logged}
    return max((rev for name, rev in told.items() if rev > own.get(name, 0)), default=0)


def _is_told(each: Transition) -> bool:
    """Whether a change is told of one by one; others are in the retained state alone."""
    return each.cause not in NOT_PUBLISHED
