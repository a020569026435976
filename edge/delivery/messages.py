"""What a node publishes on MQTT of its sounds, built by pure functions with the models of `edge.contract`.

Not for sending. The contract is `laennec/v1`: fields are only ever added; readers ignore what they do not know. `seq`,
`seq_start`, `late` and `time.published` are filled in later (`edge.delivery.outbox` when a message is stored, `finish`
when it is sent). Sample indices are the truth; wall times are derived from them. Never audio, never a patient.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from edge.contract.alarms import TRANSITION
from edge.contract.events import (
    EVENT_EXPIRY_S,
    Clock,
    EventMessage,
    EventSample,
    EventScores,
    EventTime,
    GapMessage,
    ModelName,
    Published,
)
from edge.contract.events import Latency as LatencyMs
from edge.contract.fields import UNSENT, Body, Mode, rfc3339
from edge.contract.message import encode
from edge.contract.pauses import PauseMessage
from edge.contract.status import NodeState, NodeStatus
from edge.contract.topics import make_topic
from edge.types import Event, Gap
from edge.ward.pauses import BREATH, LOST, STREAM_END, Pause

PAUSE_ENDS: Mapping[str, Literal["breath", "lost_sound", "stream_end"]] = {
    BREATH: "breath",
    LOST: "lost_sound",
    STREAM_END: "stream_end",
}
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class ModelId(Protocol):
    """What events name of the model that made them."""

    id: str
    sha256: str
    runtime: str

    @property
    def features_sha256(self) -> str:
        """SHA-256 of the feature spec's canonical JSON, hex."""


@dataclass(frozen=True)
class Node:
    """The node as its messages name it."""

    prefix: str
    """First levels of its topics, such as `laennec/v1`."""
    site: str
    node: str
    mode: Mode
    """Nobody may be alarmed by `Test`."""
    boot_id: str
    """New at each start of the process: sample indices begin again with it."""
    box: str = ""
    """Fingerprint of the machine (`edge.node.health`)."""
    config: str = ""
    """Hash of its settings (`edge.settings.node`); empty where nobody needs it."""

    def topic(self, *levels: str) -> str:
        """A topic below this node's: `prefix/site/node/level/...`.

        Raises:
            ValueError: a level cannot stand in a topic (`edge.contract.topics`).
        """
        return make_topic(self.prefix, self.site, self.node, *levels)

    def filter(self, *levels: str) -> str:
        """What to subscribe to below this node's topics; `levels` are those of the program, `+` for any."""
        return "/".join((self.topic(), *levels))

    @property
    def client_id(self) -> str:
        """Its MQTT client id: its topic tree, so that no two trees share one; with '.', for '/' and '-' are in use."""
        return self.topic().replace("/", ".")

    def current_topic(self, topic: str, stream: str | None = "") -> str | None:
        """The topic of a waiting message now; prefix, site or node may have been others when it was decided.

        Args:
            topic: as it was then: s/<stream>/event, pause or gap, [s/<stream>/]alarm/<condition>/transition.
            stream: that the message names; None if it is one of the node itself.

        Returns:
            None if what is stored cannot stand in a topic.
        """
        levels = topic.split("/")
        try:
            return self.topic(*levels[-5 if levels[-1] == TRANSITION and stream is not None else -3 :])
        except ValueError:
            return None


@dataclass(frozen=True)
class Message:
    """One message; kept until the broker has it."""

    topic: str
    body: Body
    expiry_s: int
    """How long the broker may keep it for a consumer that is away, seconds."""
    event: tuple[str, int] | None = None
    """(id, rev) of an event or a pause, None for any other message."""
    transition: tuple[str, int] | None = None
    """(name of the alarm, rev) of a change of an alarm, None for any other message."""
    decided_s: float | None = None
    """When an event was decided, monotonic seconds; None for any other message."""

    def with_fields(self, **fields: object) -> Message:
        """The same message with these fields of its body, new ones behind those that it has."""
        return replace(self, body={**self.body, **fields})


@dataclass(frozen=True)
class Latency:
    """How long an event took until it was decided, seconds; None: not known."""

    sound_s: float
    """From the sound that it reports (its begin, in an `update` or an `end` what arrived of it last) to the last
    sample that the decision needed: the model's lookahead, and how long a sound must last or be quiet. In samples."""
    window_s: float | None
    """Until that sample was here, and with it the model's window complete; None for a file at full speed."""
    scored_s: float | None
    """Until the window had its turn and was scored, and the event was decided."""
    decided_s: float
    """When that was, monotonic seconds."""


@dataclass(frozen=True)
class ClockReading:
    """How good the wall clock was, as the kernel says; None where it does not."""

    is_synchronised: bool | None
    """Whether it follows a reference."""
    offset_ms: float | None = None
    """How far it was from that reference when that was measured last: what is still to be corrected, ms."""
    uncertainty_ms: float | None = None
    """How far off it may be at most, ms."""


@dataclass(frozen=True)
class EventTimes:
    """Wall times of an event, seconds since 1970, and what is known of them."""

    onset_s: float
    end_s: float | None
    """One past the sound, in an `update` one past what was received of it; None in an `onset`."""
    clock: ClockReading = ClockReading(None)
    latency: Latency | None = None


def new_boot_id() -> str:
    """Eight hexadecimal digits that differ at each start."""
    return secrets.token_hex(4)


def ulid(wall_s: float) -> str:
    """A 26-character id that sorts by time: 48 bits of milliseconds, 80 random bits (github.com/ulid/spec)."""
    number = (round(wall_s * 1000) & (1 << 48) - 1) << 80 | secrets.randbits(80)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))


def event_message(
    node: Node, stream: str, ident: tuple[str, int], event: Event, rate_hz: int, times: EventTimes, model: ModelName
) -> Message:
    """An onset, an update or an end of one sound; `ident` is its (id, rev)."""
    is_update, latency = event.kind == "update", times.latency
    made = EventMessage.model_construct(
        id=ident[0],
        rev=ident[1],
        seq=0,
        type=event.kind,
        mode=node.mode,
        node=node.node,
        stream=stream,
        site=node.site,
        boot_id=node.boot_id,
        late=False,
        sample=EventSample.model_construct(
            rate=rate_hz,
            onset=event.onset,
            end=None if is_update else event.end,
            until=event.end if is_update else None,
        ),
        time=EventTime.model_construct(
            onset=times.onset_s,
            end=None if is_update else times.end_s,
            published=UNSENT,
            clock=clock_of(times.clock),
            until=times.end_s if is_update else None,
        ),
        label=event.label,
        scores=EventScores.model_construct(
            peak=round(event.peak, 4), mean=round(event.mean, 4), threshold=round(event.threshold, 4)
        ),
        model=model,
        verified=event.verified,
        end_reason=event.end_reason or None,
        config=node.config or None,
        latency_ms=None if latency is None else latency_of(latency),
    )
    decided_s = None if latency is None else latency.decided_s
    return Message(node.topic("s", stream, "event"), made.body(), EVENT_EXPIRY_S, ident, decided_s=decided_s)


def pause_message(
    node: Node, stream: str, ident: str, pause: Pause, samples: tuple[int, int], times: EventTimes, limit_s: float
) -> Message:
    """An onset or an end of a pause of breath; `samples` are those to one score frame, and in a second."""
    rev, end = (1, None) if pause.kind == "onset" else (2, pause.stop * samples[0])
    made = PauseMessage.model_construct(
        id=ident,
        rev=rev,
        seq=0,
        type=pause.kind,
        mode=node.mode,
        node=node.node,
        stream=stream,
        site=node.site,
        boot_id=node.boot_id,
        late=False,
        sample=EventSample.model_construct(rate=samples[1], onset=pause.onset * samples[0], end=end),
        time=EventTime.model_construct(
            onset=times.onset_s, end=times.end_s, published=UNSENT, clock=clock_of(times.clock)
        ),
        limit_s=limit_s,
        contact=pause.touches,
        end_reason=PAUSE_ENDS.get(pause.why),
        config=node.config or None,
    )
    return Message(node.topic("s", stream, "pause"), made.body(), EVENT_EXPIRY_S, (ident, rev))


def clock_of(clock: ClockReading) -> Clock:
    """The clock as messages have it."""
    return Clock.model_construct(
        synced=clock.is_synchronised, offset_ms=clock.offset_ms, uncertainty_ms=clock.uncertainty_ms
    )


def end_after_restart(node: Node, last: Body) -> Message:
    """The end of an event or a pause that was open when an earlier process died; when it ended is not known.

    Args:
        node: who publishes now; the body goes on naming the process that detected the onset.
        last: the body of the onset, or of the last update, as it was stored.
    """
    known = {key: value for key, value in last.items() if key != "latency_ms"}  # that was of another message
    # No consumer has a later `rev`: updates that the disk refused were not sent.
    body = {**known, "rev": last["rev"] + 1, "type": "end", "end_reason": "restart"}
    return Message(topic_again(node, last), body, EVENT_EXPIRY_S, (last["id"], body["rev"]))


def topic_again(node: Node, body: Body) -> str:
    """The topic of the stored body of an event or a pause."""
    is_pause = body.get("schema") == PauseMessage.wire.schema
    return node.topic("s", body["stream"], "pause" if is_pause else "event")


def latency_of(latency: Latency) -> LatencyMs:
    """The stages up to the decision, ms; the others come when it is sent (`edge.delivery.latency`)."""
    return LatencyMs.model_construct(
        sound=milliseconds(latency.sound_s) or 0.0,
        window=milliseconds(latency.window_s),
        scored=milliseconds(latency.scored_s),
        disk=None,
        wire=None,
        total=None,
    )


def milliseconds(seconds: float | None) -> float | None:
    """A duration as in messages; never below zero, for one of its ends may be an estimate."""
    return None if seconds is None else round(max(0.0, seconds) * 1000, 1)


def gap_message(node: Node, stream: str, gap: Gap, rate_hz: int) -> Message:
    """Lost samples of a stream: they will never come."""
    made = GapMessage.model_construct(
        seq=0,
        node=node.node,
        stream=stream,
        boot_id=node.boot_id,
        late=False,
        from_sample=gap.start,
        to_sample=gap.stop,
        rate=rate_hz,
        ms=round((gap.stop - gap.start) * 1000 / rate_hz),
        cause=gap.cause,
        time=Published.model_construct(published=UNSENT),
    )
    return Message(node.topic("s", stream, "gap"), made.body(), EVENT_EXPIRY_S)


def status_body(node: Node, state: NodeState, session: str, wall_s: float) -> Body:
    """Birth (`online`), will (`offline`, its time is that of the connection) and clean exit (`stopped`)."""
    return NodeStatus.model_construct(
        state=state, boot_id=node.boot_id, session=session, box=node.box, ts=wall_s
    ).body()


def model_name(model: ModelId) -> ModelName:
    """The model as messages name it."""
    return ModelName.model_construct(
        id=model.id, sha256=model.sha256, runtime=model.runtime, features=f"sha256:{model.features_sha256}"
    )


def finish(body: Mapping[str, Any], late: bool, wall_s: float) -> bytes:
    """The bytes of a stored message at the moment it is sent.

    Args:
        body: what was stored.
        late: whether it was decided before the present connection to the broker was up.
        wall_s: now, seconds since 1970.
    """
    return encode({**body, "late": late, "time": {**body["time"], "published": rfc3339(wall_s)}})
