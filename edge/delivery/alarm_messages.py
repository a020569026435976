"""What a node says of its alarms, and the answers to commands: topics and bodies, built by pure functions.

Not for sending (`edge.delivery.dispatch`). An alarm's topic is retained and holds the whole present state, so a reader
needs no earlier message; it is said again every `REFRESH_S` and counts until `valid_until`. An alarm that is not there,
or is older, is unknown, never over. What an alarm went through while a reader or the broker was away is in its
transitions: they are kept until the broker has them, as events are, and count nothing for the present.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge.contract.alarms import (
    ALARM_EXPIRY_S,
    TRANSITION,
    AlarmMessage,
    Limit,
    RateLimit,
    ResultMessage,
    TransitionMessage,
    TransitionTime,
)
from edge.contract.alarms import Person as PersonMessage
from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import UNSENT, Body
from edge.contract.topics import is_topic
from edge.delivery.messages import Message, Node
from edge.ward.alarm_records import AlarmState, Answer, Key, Person, Rule, Transition, Value
from edge.ward.alarm_rules import effective_limit, is_audible, is_watched, priority_of

COMMAND = re.compile(r"(s/(?P<stream>[a-z0-9-]{1,32})/)?cmd/(?P<verb>[a-z]{1,16})/(?P<user>[A-Za-z0-9._-]{1,64})")

Wall = Callable[[float], float]
"""From the clock of the alarms to seconds since 1970."""


@dataclass(frozen=True)
class CommandAddress:
    """Where a command was sent, as its topic says."""

    stream: str
    """The bed; empty for the node itself."""
    verb: str
    user: str


def alarm_topic(node: Node, key: Key) -> str:
    """Where an alarm is published."""
    return _topic(node, key.stream, "alarm", key.condition)


def command_filters(node: Node) -> tuple[str, ...]:
    """What a node subscribes to."""
    return node.filter("s", "+", "cmd", "+", "+"), node.filter("cmd", "+", "+")


def address_of(node: Node, topic: str) -> CommandAddress | None:
    """Bed, verb and user of a command's topic; None if it is none, or one of them is no name."""
    own = f"{node.topic()}/"
    found = COMMAND.fullmatch(topic[len(own) :]) if topic.startswith(own) else None
    return None if found is None else CommandAddress(found["stream"] or "", found["verb"], found["user"])


def answer_topic(node: Node, address: CommandAddress, wanted: str | None) -> str:
    """Where an answer goes: to the sender's own topic or below it, wherever else it may have been asked for.

    The broker lets a node write its whole tree; who may only acknowledge must not make it write an alarm there.

    Args:
        node: this one.
        address: of the command.
        wanted: response topic of the message (MQTT 5), if it has one.
    """
    own = _topic(node, address.stream, "result", address.verb, address.user)
    is_below = wanted is not None and wanted.startswith(f"{own}/") and is_topic(wanted)
    return wanted if is_below and wanted is not None else own


@dataclass(frozen=True)
class AlarmNow:
    """One alarm as it is published."""

    key: Key
    rule: Rule
    state: AlarmState
    cause: str
    """Of its last transition; empty before the first."""
    value: Value
    """What was measured last; None if it is not known."""
    clip: str = ""
    """Id of the clip of its present or last episode; empty if there is none."""
    is_durable: bool = True
    """Whether the log on the disk has it; a power cut would undo one that memory alone holds."""


def alarm_body(node: Node, alarm: AlarmNow, now_s: float, wall: Wall) -> Body:
    """The whole present state of one alarm.

    Args:
        node: this one.
        alarm: the alarm.
        now_s: on the clock of the alarms.
        wall: from that clock to wall time.
    """
    state, key, rule, value = alarm.state, alarm.key, alarm.rule, alarm.value
    return AlarmMessage.model_construct(
        rev=state.rev,
        mode=node.mode,
        site=node.site,
        node=node.node,
        stream=key.stream or None,
        boot_id=node.boot_id,
        condition=key.condition,
        kind=rule.kind,
        priority=priority_of(rule, state),
        escalated=state.escalated,
        cause=alarm.cause,
        activation=_activation(rule, state),
        presence=state.presence,
        validity="Vld" if state.known else "NA",
        signal=state.signal,
        audible=is_audible(state),
        since=_moment(state.since_s or None, wall),
        began=_moment(state.began_s, wall),
        audio_paused_until=_moment(state.paused_until_s, wall),
        episode=state.episode or None,
        latching=rule.latching,
        acknowledged=_person(state.acknowledged, wall) if state.signal == "Ack" else None,
        inactivated=_inactivated(state, wall),
        value=round(value, 2) if rule.kind == "Phy" and not rule.is_binary and value is not None else None,
        limit=None if rule.rate else _limit(rule, state, wall),
        rate_limit=_rate_limit(rule, state, wall) if rule.rate else None,
        clip=alarm.clip or None,
        durable=alarm.is_durable,
        ts=wall(now_s),
        valid_until=wall(now_s) + ALARM_EXPIRY_S,
    ).body()


def name_of(key: Key) -> str:
    """How an alarm is named where its last `rev` is remembered."""
    return f"{key.stream}/{key.condition}"


def transition_message(node: Node, each: Transition, wall: Wall) -> Message:
    """One change of an alarm, with what it led to; kept until the broker has it.

    Args:
        node: this one; after a restart it publishes what an earlier process could not.
        each: the change, as it is in the log.
        wall: from the clock of the alarms to wall time, for a change that does not say when it was.
    """
    state, key = each.state, each.key
    changed_s = wall(each.at_s) if each.wall_s is None else each.wall_s
    made = TransitionMessage.model_construct(
        seq=0,
        late=False,
        mode=node.mode,
        site=node.site,
        node=node.node,
        stream=key.stream or None,
        condition=key.condition,
        kind=each.kind,
        priority=each.priority,
        rev=state.rev,
        cause=each.cause,
        signal=state.signal,
        presence=state.presence,
        escalated=state.escalated,
        episode=state.episode or None,
        by=_person(each.by, wall),
        time=TransitionTime.model_construct(changed=changed_s, published=UNSENT),
    )
    topic = f"{alarm_topic(node, key)}/{TRANSITION}"
    return Message(topic, made.body(), EVENT_EXPIRY_S, transition=(name_of(key), state.rev))


def answer_body(node: Node, answer: Answer, now_s: float, wall: Wall) -> Body:
    """The answer to a command."""
    return ResultMessage.model_construct(
        id=answer.id,
        verb=answer.verb,
        node=node.node,
        stream=answer.stream or None,
        boot_id=node.boot_id,
        ok=answer.ok,
        reason=answer.reason,
        conditions=list(answer.conditions),
        clip=answer.clip or None,
        ts=wall(now_s),
    ).body()


def _topic(node: Node, stream: str, *levels: str) -> str:
    return node.topic("s", stream, *levels) if stream else node.topic(*levels)


def _activation(rule: Rule, state: AlarmState) -> Literal["On", "Psd", "Off"]:
    if not is_watched(rule, state):
        return "Off"
    return "On" if state.inactive_until_s is None else "Psd"


def _moment(at_s: float | None, wall: Wall) -> float | None:
    return None if at_s is None else wall(at_s)


def _person(person: Person | None, wall: Wall) -> PersonMessage | None:
    if person is None:
        return None
    return PersonMessage.model_construct(by=person.by, at=wall(person.at_s), why=person.why)


def _inactivated(state: AlarmState, wall: Wall) -> PersonMessage | None:
    if (person := state.inactivated) is None:
        return None
    until = _moment(state.inactive_until_s, wall)
    return PersonMessage.model_construct(by=person.by, at=wall(person.at_s), why=person.why, until=until)


def _limit(rule: Rule, state: AlarmState, wall: Wall) -> Limit | None:
    limit = effective_limit(rule, state)
    return None if limit is None else Limit.model_construct(s_per_min=limit, set=_setter(state, wall))


def _rate_limit(rule: Rule, state: AlarmState, wall: Wall) -> RateLimit | None:
    limit = effective_limit(rule, state)
    return None if limit is None else RateLimit.model_construct(per_min=limit, set=_setter(state, wall))


def _setter(state: AlarmState, wall: Wall) -> PersonMessage | None:
    return None if state.limit is None else _person(state.limit.person, wall)
