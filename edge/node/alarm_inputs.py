"""Which alarms a node has and what they look at; commands of people on their way to the thread that carries them out.

Not for deciding (`edge.ward.alarms`), nor for what commands mean (`edge.node.alarms`, `edge.node.live_view`). The
rules are those of the settings, and `TECHNICAL`; of measurements, whatever is not known is None.

Commands are taken fairly by user, acknowledgements first, and each is answered. Of one user `OF_USER` wait, of all
`USERS` users; who has waited longest is next, and no acknowledgement waits for anything but acknowledgements of others
and the one command that is carried out. What is refused here is answered without waiting and without a place in front
of alarms.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from edge.contract.alarms import ANSWER_EXPIRY_S
from edge.contract.commands import Acknowledge, OrderType, ident_of, read_order
from edge.delivery.alarm_messages import CommandAddress, answer_body, answer_topic
from edge.delivery.dispatch import Dispatch
from edge.delivery.entries import OutboxStatus
from edge.delivery.latency import LATE_S
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import Incoming
from edge.detector.sound_check import SoundAssessment
from edge.log import RateLimitedLog
from edge.node.stream_status import StreamStatus, StreamView
from edge.settings.names import LINK
from edge.settings.node import Config
from edge.settings.sections import (
    AlarmSettings,
    BreathAlarms,
    BurdenAlarm,
    PauseAlarm,
    RateAlarm,
    Technical,
    TechnicalAlarm,
)
from edge.sources.source import Vitals
from edge.ward.alarm_records import Answer, Key, Rule, Value
from edge.ward.quotas import Quotas

OF_USER = 16  # a person gives one at a time; a board gives those of all its viewers
USERS = 64
ORDERS, ACKNOWLEDGEMENTS, MINUTE_S = 240, 600, 60.0  # of one user; a board gives those of a whole ward
REFUSALS = 4096  # on their way at once, 1.5 MB


@dataclass(frozen=True)
class Order:
    """A command of somebody."""

    address: CommandAddress
    request: Incoming


class OrderQueue:
    """Safe to use from several threads; nobody who puts waits."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._change, self._monotonic = threading.Condition(), monotonic
        self._is_awake = False
        self._urgent: dict[str, deque[Order]] = {}
        self._others: dict[str, deque[Order]] = {}
        self._acknowledgements, self._orders = Quotas(ACKNOWLEDGEMENTS, MINUTE_S), Quotas(ORDERS, MINUTE_S)

    def put(self, order: Order) -> str:
        """Take a command; why not, for a person, or empty."""
        user, is_urgent = order.address.user, order.address.verb == Acknowledge.verb
        quotas, waiting = (self._acknowledgements, self._urgent) if is_urgent else (self._orders, self._others)
        with self._change:
            of_user = waiting.get(user, ())
            if len(of_user) >= OF_USER:
                return f"{OF_USER} commands of {user!r} wait already; try again"
            if not of_user and len(waiting) >= USERS:
                return f"commands of {USERS} users wait already; try again"
            if not quotas.take(user, self._monotonic()):
                return f"too many commands of {user!r}; wait a minute"
            waiting.setdefault(user, deque()).append(order)
            self._change.notify()
        return ""

    def wake(self) -> None:
        """Let `get` come back at once, also without a command."""
        with self._change:
            self._is_awake = True
            self._change.notify()

    def get(self, timeout_s: float) -> Order | None:
        """The next command; None if none comes within that time, or before `wake` is called."""
        with self._change:
            self._change.wait_for(lambda: self._urgent or self._others or self._is_awake, timeout_s)
            self._is_awake, waiting = False, self._urgent or self._others
            if not waiting:
                return None
            user = next(iter(waiting))
            of_user = waiting.pop(user)
            order = of_user.popleft()
            if of_user:
                waiting[user] = of_user  # behind all others
            return order


def refuse(node: Node, dispatch: Dispatch, order: Order, reason: str) -> None:
    """Answer a command that is not carried out, at once or not at all."""
    address, request, ident = order.address, order.request, ""
    with suppress(ValueError):
        ident = ident_of(request.payload)
    answer = Answer(ident, address.verb, address.stream, ok=False, reason=reason)
    topic, body = answer_topic(node, address, request.response_topic), answer_body(node, answer, time.time(), float)
    dispatch.best_effort.publish(topic, body, ANSWER_EXPIRY_S, request.correlation, REFUSALS)


def answer_to(
    node: Node,
    dispatch: Dispatch,
    log: RateLimitedLog,
    order: Order,
    kind: type[OrderType],
    carry_out: Callable[[OrderType], None],
) -> None:
    """Carry out a command that no alarm is of, and answer it.

    Args:
        node: in whose name.
        dispatch: the way to the broker.
        log: gets what is refused.
        order: as it came.
        kind: what its payload is to be.
        carry_out: does it; a ValueError says, for a person, why that cannot be.
    """
    address, request = order.address, order.request
    answer = Answer("", address.verb, address.stream, ok=False)
    try:
        found = read_order(kind, request.payload)
        answer = replace(answer, id=found.id)
        carry_out(found)
        answer = replace(answer, ok=True)
    except ValueError as error:
        answer = replace(answer, reason=str(error))
        log.log("refused", f'{address.verb} command=refused user={address.user} reason="{answer.reason}"')
    topic = answer_topic(node, address, request.response_topic)
    body = answer_body(node, answer, time.time(), float)
    dispatch.answer(topic, body, ANSWER_EXPIRY_S, request.correlation)


NODE = ""  # `Key.stream` of what belongs to no bed
TECHNICAL: dict[Technical, Rule] = {  # the delays keep a loose plug or a short outage from being a notice each
    "signal-lost": Rule("Tec", "Me", delay_s=30.0),
    "not-measurable": Rule("Tec", "Lo", delay_s=60.0),
    "contact": Rule("Tec", "Lo", delay_s=30.0),
    "battery": Rule("Tec", "Lo"),
    "outbox": Rule("Tec", "Me", latching=True),  # messages were lost: that does not end by itself
    "model": Rule("Tec", "Me"),
    "clock": Rule("Tec", "Lo", delay_s=600.0),  # a box that has just started has no answer of its time server yet
    "self-test": Rule("Tec", "Me"),
    "alarm-log": Rule("Tec", "Me"),
    "delivery": Rule("Tec", "Me", delay_s=10.0),
}
ALARM_WINDOW_S = 300  # over which the burden is compared with a limit
PAUSE, NO_BREATH, RATE_HIGH, RATE_LOW = "breath-pause", "no-breath", "rate-high", "rate-low"
OF_A_BED: tuple[Technical, ...] = ("signal-lost", "not-measurable", "contact")
OF_A_DEVICE: tuple[Technical, ...] = ("battery",)  # only a microcontroller measures it
OF_THE_NODE: tuple[Technical, ...] = ("outbox", "model", "clock", "self-test", "alarm-log", "delivery")


@dataclass(frozen=True)
class BedReading:
    """What is known of one bed now."""

    state: str
    """Of its stream, as published, or `unknown` before the first sound."""
    vitals: Vitals | None = None
    """Of its device, if that reports any."""
    burden: Mapping[str, float | None] = field(default_factory=dict)
    """By group of classes: expected seconds of sound in a measurable minute, over 5 min; None: not measurable."""
    is_broken: bool = False
    """Whether the detector failed on it."""
    verdict: SoundAssessment = field(default_factory=SoundAssessment)
    """Of its sound."""
    breath: Mapping[str, Value] = field(default_factory=dict)
    """By condition of its breath: whether it is present, or the respiratory rate; None: not known."""
    patients: int = 0
    """As in the status of its stream."""


@dataclass(frozen=True)
class NodeReading:
    """What is known of the node itself now."""

    outbox: OutboxStatus
    dropped: int
    """Messages that the outbox never saw, since the start."""
    is_synchronised: bool | None
    """Whether the wall clock follows a reference."""
    self_test: bool | None = None
    """Whether the last self-test failed; None: there was none."""
    is_stalled: bool = False
    """Whether the disk has not answered the outbox for a second."""
    lag_s: float | None = None
    """From a sound to the broker's acknowledgement, of the bed farthest behind, seconds; None: no broker is there."""


def rules_of(config: Config, groups: Iterable[str]) -> dict[Key, Rule]:
    """The alarms that there are, each with its rule.

    Args:
        config: the settings.
        groups: groups of classes of the model; each has a physiological alarm, which needs a limit to be raised.
    """
    settings, rules = config.alarms, dict[Key, Rule]()
    phy = {group: _burden_rule(settings.burden.get(group, BurdenAlarm())) for group in groups}
    for stream in config.streams:
        names = OF_A_BED + (OF_A_DEVICE if stream.source.partition(":")[0] == LINK else ())
        rules |= {Key(stream.id, group): rule for group, rule in phy.items()}
        rules |= {Key(stream.id, name): rule for name, rule in _breath_rules(settings.breath).items()}
        rules |= _technical_rules(settings, stream.id, names)
    return rules | _technical_rules(settings, NODE, OF_THE_NODE)


def bed_reading(stream: StreamView, now_s: float, breath: BreathAlarms | None = None) -> BedReading:
    """What is known of the bed of a stream now, monotonic seconds; of its breath, what these alarms watch."""
    status = stream.status
    groups = () if status.reading is None else status.reading.over(ALARM_WINDOW_S).groups
    by_group = {each.group: each.s_per_min for each in groups}
    state = status.state_at(now_s).name
    watched = breath_values(status, breath or BreathAlarms())
    if state not in ("ok", "degraded"):
        watched = dict[str, Value].fromkeys(watched)
    return BedReading(state, status.vitals, by_group, status.is_broken, status.verdict, watched, status.patients)


def bed_values(stream: str, reading: BedReading, groups: Iterable[str]) -> dict[Key, Value]:
    """The measurements of one bed's alarms."""
    state = reading.state
    is_received = state in ("ok", "degraded")
    is_lost = True if state == "lost" else False if is_received else None  # a node that stops does not know
    conditions = reading.vitals.conditions if reading.vitals is not None and is_received else None
    off_skin = _is_off_skin(reading.verdict, conditions) if is_received else None
    flat = None if conditions is None else "battery" in conditions
    unmeasured = state == "degraded" and not off_skin if is_received else None
    technical: dict[Technical, Value] = {
        "signal-lost": is_lost,
        "not-measurable": unmeasured,
        "contact": off_skin,
        "battery": flat,
    }
    burden = {Key(stream, group): reading.burden.get(group) if is_received else None for group in groups}
    of_breath = {Key(stream, name): value for name, value in reading.breath.items()}
    return {**burden, **{Key(stream, name): value for name, value in technical.items()}, **of_breath}


def breath_values(status: StreamStatus, breath: BreathAlarms) -> dict[str, Value]:
    """By condition: the rate, and what there is of the watched pauses; no breath is one of both of a pause."""
    rate = None if status.breath is None else status.breath.breaths_per_min
    values: dict[str, Value] = {RATE_HIGH: rate, RATE_LOW: rate}
    if breath.pause is not None:
        still, touches = status.is_without_breath, status.verdict.touches or status.reports_contact
        values |= {PAUSE: None if still is None else still and touches}
        values |= {NO_BREATH: None if still is None else still and not touches}
    return values


def _is_off_skin(verdict: SoundAssessment, conditions: Collection[str] | None) -> bool | None:
    """Whether the device or the sound says that the sensor does not touch; None where neither can tell."""
    if verdict.fault == "no contact" or (conditions is not None and "no contact" in conditions):
        return True
    is_judged = verdict.verified is not None and verdict.measurable  # rubbing, say, hides whether it touches
    return False if conditions is not None or is_judged else None


def node_values(before: NodeReading | None, now: NodeReading, is_broken: bool, log_failed: bool) -> dict[Key, Value]:
    """The measurements of the node's own alarms.

    Args:
        before: at the look before, for what only grows; None at the first.
        now: at this look.
        is_broken: whether the detector failed on any bed.
        log_failed: whether the log of alarms could not be written.
    """
    lost, lost_before = (sum(each.outbox.evicted.values()) + each.dropped for each in (now, before or now))
    technical: dict[Technical, Value] = {
        "outbox": now.is_stalled or not now.outbox.on_disk or now.outbox.in_memory > 0 or lost > lost_before,
        "model": is_broken,
        "clock": None if now.is_synchronised is None else not now.is_synchronised,
        "self-test": now.self_test,
        "alarm-log": log_failed,
        "delivery": None if now.lag_s is None else now.lag_s > LATE_S,
    }
    return {Key(NODE, name): value for name, value in technical.items()}


def _burden_rule(alarm: BurdenAlarm) -> Rule:
    return Rule(
        "Phy", alarm.priority, alarm.delay_s, alarm.is_latching, alarm.escalate_s, alarm.group_s, alarm.limit_s_per_min
    )


def _breath_rules(breath: BreathAlarms) -> dict[str, Rule]:
    """By condition; both of a pause have its priority. A rate has its alarms always, for a person may set a limit."""

    def rule(alarm: PauseAlarm | RateAlarm) -> Rule:
        latching = alarm.priority != "Lo" if alarm.latching is None else alarm.latching
        return Rule("Phy", alarm.priority, alarm.delay_s, latching, alarm.escalate_s)

    high, low, pause = breath.rate_high or RateAlarm(), breath.rate_low or RateAlarm(), breath.pause
    rules = {
        RATE_HIGH: replace(rule(high), limit=high.limit_per_min, rate="high"),
        RATE_LOW: replace(rule(low), limit=low.limit_per_min, rate="low"),
    }
    pauses = {} if pause is None else dict.fromkeys((PAUSE, NO_BREATH), replace(rule(pause), is_binary=True))
    return {**pauses, **rules}


def _technical_rules(settings: AlarmSettings, stream: str, names: Iterable[Technical]) -> dict[Key, Rule]:
    rules = {}
    for name in names:
        default, changed = TECHNICAL[name], settings.technical.get(name, TechnicalAlarm())
        if changed.enabled:
            rules[Key(stream, name)] = Rule(
                "Tec",
                changed.priority or default.priority,
                default.delay_s if changed.delay_s is None else changed.delay_s,
                default.latching if changed.latching is None else changed.latching,
                changed.escalate_s,
            )
    return rules
