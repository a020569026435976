"""Events of the log once more: for a broker that lost what it had acknowledged.

Not for what still waits (the service delivers it). The log is only read and the session is one of its own, so this
works whether the service runs or not. An event is sent whole, onset before end, marked `resent`; a consumer that has it
already drops it by (id, rev), so that going back too far does no harm.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from paho.mqtt.client import MQTTv5

from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import Body, rfc3339
from edge.contract.topics import is_id
from edge.delivery.messages import Node, finish, topic_again
from edge.delivery.mqtt_client import ClientFactory
from edge.delivery.one_off_session import OneOffSession
from edge.delivery.outbox_reading import logged_events
from edge.delivery.sender import BACKLOG_PER_S
from edge.delivery.session import FIRST_FAILURE
from edge.errors import ConfigError, SourceError
from edge.settings.node import Config

NO_SUBSCRIBER = 0x10  # reason code of PUBACK: nobody has subscribed, not even somebody who is away
AGO_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
TIMES = "an RFC 3339 time such as 2026-11-21T03:00:00Z, or how long ago: 90s, 30min, 2h, 7d"


@dataclass(frozen=True)
class Span:
    """Which events: those that began or ended in it; RFC 3339 in UTC as in the events, which sorts by time."""

    since: str
    until: str


@dataclass
class Progress:
    """What became of the messages so far, counted in messages."""

    total: int
    acknowledged: int = 0
    refused: int = 0
    reason: str = ""
    """The broker's, of the last refusal."""
    without_subscriber: int = 0
    """Acknowledged, but nobody has subscribed (MQTT 5)."""
    reports_refusals: bool = True
    """Whether the broker reports a message that it throws away; a 3.1.1 broker acknowledges it."""


def parse_time(text: str, key: str, now_s: float) -> float:
    """A time as an operator writes it, seconds since 1970.

    Raises:
        ConfigError: it is no time; `key` is named.
    """
    try:
        if (ago := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|h|d)", text.strip())) is not None:
            when_s = now_s - float(ago[1]) * AGO_S[ago[2]]
        else:
            when = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text.strip()))
            when_s = when.timestamp() if when.tzinfo is not None else math.nan
        rfc3339(when_s)
        return when_s
    except (ValueError, OverflowError, OSError):  # no time, or none that a calendar or the system has
        pass
    raise ConfigError(f"{key}: expected {TIMES}; found {text!r}")


def parse_span(since: str, until: str | None, now_s: float) -> Span:
    """The span between two times as an operator writes them.

    Raises:
        ConfigError: one is no time, or they are the wrong way round.
    """
    begin_s = parse_time(since, "--since", now_s)
    end_s = now_s if until is None else parse_time(until, "--until", now_s)
    if begin_s >= end_s:
        raise ConfigError(f"--since {rfc3339(begin_s)} is not before {rfc3339(end_s)}, where it is to end")
    return Span(rfc3339(begin_s), rfc3339(end_s))


def select_events(path: Path, span: Span) -> tuple[set[str], int]:
    """Ids of the events to send, and how many messages they have.

    Raises:
        ConfigError: there is none, or the log may not be read.
        SourceError: the log cannot be read.
    """
    messages: dict[str, int] = {}
    ids: set[str] = set()
    first = ""
    for body in logged_events(path):
        when = body["time"]["end"] or body["time"]["onset"]
        first = first or when
        messages[body["id"]] = messages.get(body["id"], 0) + 1
        if span.since <= when <= span.until:
            ids.add(body["id"])
    if not ids:
        holds = f"its log begins at {first}" if first else "its log is empty"
        raise ConfigError(f"outbox {path}: no event between {span.since} and {span.until}; {holds}")
    return ids, sum(messages[ident] for ident in ids)


def resend(
    config: Config, path: Path, span: Span, on_progress: Callable[[Progress], None], stop: threading.Event
) -> Progress:
    """Publish the events of `span` once more, under the node's present names, each acknowledged.

    Args:
        config: node and broker.
        path: the outbox whose log is read.
        span: which events.
        on_progress: called after each acknowledgement.
        stop: ends it early.

    Raises:
        ConfigError: nothing to send, or a secret cannot be read.
        SourceError: the broker is not there, refuses the connection, or goes away; the message says how far it came.
    """
    node = Node(config.mqtt.prefix, config.site, config.node, config.mode, "")
    clients = ClientFactory(config.mqtt, f"{node.client_id}:resend")
    ids, total = select_events(path, span)
    progress, in_flight, began_s, sent = Progress(total), deque[int | None](), time.monotonic(), 0
    with _connect(clients, f"{config.mqtt.host}:{config.mqtt.tcp_port}") as session:
        progress.reports_refusals = session.version == MQTTv5
        for body in logged_events(path):
            if stop.is_set():
                break
            if body["id"] not in ids or not is_id(body["stream"]):  # as a damaged disk may say
                continue
            if len(in_flight) >= session.receive_maximum:
                # The oldest: a broker answers in the order in which they came (MQTT 5, 4.6).
                _await_answer(session, in_flight.popleft(), progress, config.mqtt.ack_timeout_s)
                on_progress(progress)
            in_flight.append(_publish(session, node, body))
            sent += 1
            progress.total = max(progress.total, sent)  # one that was still sounding may have ended meanwhile
            stop.wait(max(0.0, began_s + sent / BACKLOG_PER_S - time.monotonic()))  # as the service's backlog
        while in_flight:
            _await_answer(session, in_flight.popleft(), progress, config.mqtt.ack_timeout_s)
            on_progress(progress)
    return progress


def _publish(session: OneOffSession, node: Node, body: Body) -> int | None:
    return session.publish(
        topic_again(node, body), finish({**body, "resent": True}, late=True, wall_s=time.time()), EVENT_EXPIRY_S
    )


def _await_answer(session: OneOffSession, mid: int | None, progress: Progress, timeout_s: float) -> None:
    """Wait for the answer to one message."""
    answer = None if mid is None else session.wait_for_answer(mid, timeout_s)
    if answer is None:
        how_far = f"{progress.acknowledged} of {progress.total} messages were acknowledged"
        raise SourceError(f"the broker went away: {how_far}; run the same command again, copies do no harm")
    code, reason = answer
    if code >= FIRST_FAILURE:
        progress.refused, progress.reason = progress.refused + 1, reason
        return
    progress.acknowledged += 1
    progress.without_subscriber += code == NO_SUBSCRIBER


def _connect(clients: ClientFactory, where: str) -> OneOffSession:
    try:
        session = OneOffSession(clients)
    except (OSError, ValueError) as error:
        if (fault := clients.diagnose(error)) is not None:
            raise SourceError(f"broker {where}: {fault.found}; {fault.advice}") from None
        raise SourceError(f"broker {where}: cannot be reached: {error}; run this again when it is there") from None
    if session.is_accepted:
        return session
    session.close()
    if session.connack is not None:
        advice = "check mqtt.username and mqtt.password_file"
        raise SourceError(f"broker {where}: refuses: {session.connack_text}; {advice}")
    if (fault := clients.diagnose()) is not None:
        raise SourceError(f"broker {where}: {fault.found}; {fault.advice}")
    raise SourceError(f"broker {where}: takes the connection and does not answer; is it a broker?")
