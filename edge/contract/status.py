"""How nodes and ingesters are: status, info and health, all retained.

Split by stream, so that no message grows with the number of beds: a broker refuses one that is larger than it allows,
and some allow 4 kB. Those of streams: `edge.contract.stream_status`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edge.contract.events import ModelName
from edge.contract.fields import Absent, BootId, Count, Hash, Id, Made, Mode, Seconds, Text, Time
from edge.contract.message import Message, Part, Wire

STATUS_EXPIRY_S = 180  # how long `online` may outlive a node that died with its broker; published three times as often
HEALTH_EXPIRY_S = 90  # three missed reports, and the last one vanishes from the broker

Counts = dict[Text, Count]
Numbers = Annotated[list[float], Field(max_length=64)]
Triple = Annotated[list[float], Field(min_length=3, max_length=3)]
NodeState = Literal["online", "offline", "stopped"]


class NodeStatus(Message):
    """Whether a node is there.

    `online` counts only while the node's `health` is fresh: health comes every 30 s and expires at the broker after 90
    s (MQTT 5; with 3.1.1 nothing expires, so compare its `ts`). When node and broker die together nobody is left to
    publish `offline`: so `online` is published again every 60 s, in the same session with a newer `ts`, and expires at
    the broker after 180 s (MQTT 5). `offline` and `stopped` stay. No status, `offline`, `stopped` or an old health all
    mean that the beds of this node are unknown, never that they are quiet.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.status/1",
        ("status",),
        "online, offline; birth, will, clean stop",
        retained=True,
        expiry_s=STATUS_EXPIRY_S,
    )

    state: NodeState = Field(
        description="online: connected, published again every 60 s; offline: the connection broke, published by the "
        "broker (the will); stopped: ended in order.",
    )
    boot_id: BootId
    session: Text = Field(
        min_length=1,
        description="Of the connection to the broker. An `offline` of another session than the last `online` is late "
        "and does not count.",
    )
    box: Annotated[str, Field(pattern=r"^([0-9a-f]{8})?$")] | Absent = Field(
        None,
        description="Mark of the machine, the same after a restart and a new one on another machine: two marks that "
        "take turns are two boxes with one name.",
    )
    ts: Time = Field(description="When it was published, RFC 3339, UTC; of `offline`: when the connection began.")


class Known(Part):
    """What the model was trained on, and streams are compared with; null for a model that does not say.

    Then no stream is judged. Quantiles of 1, 50 and 99 % over recordings.
    """

    recordings: Count
    patients: Count
    gain_db: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(
        description="Least and greatest gain that training added, dB."
    )
    level_db: Triple = Field(description="Level, dBFS.")
    contrast_db: Triple = Field(description="Level above the noise floor, dB.")
    spectrum_db: list[Triple] = Field(
        description="Level of each group of bands relative to the level, dB; very low where that was at the floor."
    )
    margin_db: Triple = Field(description="How far outside level, contrast and spectrum a stream may lie, dB.")


class NodeInfo(Message):
    """What a node runs; published at each start."""

    wire: ClassVar[Wire] = Wire("laennec.info/2", ("info",), "versions, model, release", retained=True)

    software: Text = Field(description="Name and version.")
    release: Text | None = Field(
        description="Release that make deploy made, such as 0.1.0-b62dd94a; null where it was not deployed."
    )
    mode: Mode
    node: Id
    site: Id
    boot_id: BootId
    model: ModelName
    known: Known | None = None
    classes: list[Text] = Field(description="Event classes of the model.")
    config: Hash = Field(description="Hash of the settings with all defaults filled in.")
    streams: Count = Field(
        description="How many there are; what each is, stands on s/<stream>/info, so that this does not grow with "
        "their number.",
    )
    schemas: list[Annotated[str, Field(pattern=r"^laennec\.[a-z-]+/[0-9]+$")]] = Field(
        description="Schemas of the messages of this node."
    )


class Outbox(Part):
    """What waits for the broker."""

    waiting: Count = Field(description="Messages that the broker has not acknowledged yet.")
    oldest_s: Seconds = Field(description="For how long the oldest of them has waited, seconds of operating time.")
    in_memory: Count = Field(description="Messages that the disk refused; a power cut loses them.")
    on_disk: bool = Field(
        description="Whether the disk took the last write; until it takes one, messages are kept in memory."
    )
    failed_writes: Count = Field(description="Writes that the disk refused since the start.")
    evicted: Counts = Field(
        description="Messages that were dropped undelivered since the start, by cause. No room on the disk, in the "
        "order in which they go: update (of a sound that lasts), technical (gaps), event (begin or end of a sound), "
        "alarm (a change of one). expired: too old. damaged: the file was, and they could not be read.",
    )


class Broker(Part):
    """What the broker says."""

    refused: Count = Field(description="Waiting messages that the broker refuses.")
    reason: Text = Field(description="Why it refused the last of them, in its words; empty if none.")
    rival: Text = Field(
        description="What speaks for another client of the same name at the broker; empty if nothing does."
    )


class Delivery(Part):
    """How late events reach the broker in this connection: from the sound to the acknowledgement."""

    lag_s: Seconds | Absent = Field(
        None, description="Of the stream that is farthest behind, seconds; 0 where nothing is on its way."
    )
    late_streams: Count | Absent = Field(
        None, description="Streams whose events reach it after more than 5 s; they are degraded."
    )
    stages_ms: dict[Text, Seconds | None] | Absent = Field(
        None,
        description="Of the event that was acknowledged last, as its latency_ms, and ack: from sending to the "
        "acknowledgement.",
    )


class Looks(Part):
    """Only where beds may be looked at; numbers since the start."""

    beds: Count = Field(description="Beds that are looked at now.")
    sent: Count = Field(description="Messages of live spectrograms (laennec.mel/1) that were published.")
    dropped: Counts = Field(
        description="Those that were not, by cause: queue full (also commands to look), no broker, slow broker, error."
    )


class Listens(Part):
    """Only where some bed may be listened to; numbers since the start."""

    beds: Count = Field(description="Beds that somebody listens to now.")
    sent: Count = Field(description="Messages of sound (laennec.sound/1) that were published.")
    muted_s: Seconds = Field(description="Of their sound that was muted because somebody spoke, seconds.")
    dropped: Counts = Field(
        description="Those that were not, by cause: queue full (blocks of sound), no broker, slow broker, error."
    )


class Clips(Part):
    """Only where clips are kept; numbers since the start."""

    stored: Count = Field(description="Clips that were written.")
    withheld: Count = Field(description="Clips that were not, because somebody speaks in them.")
    dropped: Counts = Field(
        description="Clips that were lost, by cause: queue full, disk, quota (larger than clips.max_mb, or of an event "
        "where alarms and commands have all of it), too many open, stopped, error.",
    )
    files: Count = Field(description="Clips that are on the disk now.")
    bytes: Count = Field(description="That they take.")


class SelfTest(Part):
    """A synthetic sound through the model to the broker and back (its events are on s/self-test/event).

    Absent where it is off.
    """

    runs: Count = Field(description="Tests that came to a verdict since the start.")
    missed: Count = Field(description="Of them, those whose sound was not found, or whose event was late.")
    passed: bool | None = Field(description="Whether the last passed; null before the first.")
    at: Time | None = Field(description="When it came out, RFC 3339, UTC.")
    latency_s: float | None = Field(
        description="From the begin of the sound until its event was back, seconds; null if it was missed."
    )
    reason: Text = Field(description="Why it was missed; empty if it passed.")


class NodeHealth(Message):
    """How a node is, every 30 s.

    How each stream is, stands on s/<stream>/health, so that this does not grow with their number. With MQTT 3.1.1
    nothing expires, so compare its `ts`.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.health/2", ("health",), "counters of the node, every 30 s", retained=True, expiry_s=HEALTH_EXPIRY_S
    )

    ts: Made
    boot_id: BootId
    uptime_s: Seconds = Field(description="Since the start of the process, seconds.")
    checks: dict[Text, Literal["ok", "warn", "crit"]] = Field(
        json_schema_extra={"required": ["outbox", "inbox", "broker", "streams"]},
        description="One verdict for each part; the fields below say why. alarms: crit if their log is not on the "
        "disk, or nobody looks at them. self_test: crit if the last was missed. metrics: crit if their port cannot be "
        "had.",
    )
    outbox: Outbox
    broker: Broker
    dropped: Count = Field(description="Messages that were decided faster than they could be written, since the start.")
    streams: Counts = Field(
        json_schema_extra={"required": ["ok", "degraded", "lost", "disabled", "unknown"]},
        description="How many streams are in which state, as in laennec.stream/1; unknown before the first sound.",
    )
    lag_s: Seconds = Field(
        description="Of the stream that is farthest behind: sound that arrived and is not decided, seconds."
    )
    delivery: Delivery | Absent = None
    left_out_s: Seconds = Field(
        description="Sound of all streams that was not scored because the box was too slow, since the start, seconds."
    )
    look: Looks | Absent = None
    listen: Listens | Absent = None
    clips: Clips | Absent = None
    self_test: SelfTest | Absent = None


class IngestStatus(Message):
    """Whether a `laennec ingest` is there, and its database.

    On <prefix>/ingest/<name>, at each connection, each change of the database and every minute; offline is its will.
    One that is not online, or silent for 3 minutes, is a fault for whoever keeps the history; no alarm and no board
    reads from a history.
    """

    wire: ClassVar[Wire] = Wire("laennec.ingest/1", (), "whether an ingester of the history is there", retained=True)

    name: Id = Field(description="As in the topic.")
    state: NodeState = Field(
        description="offline: gone without a word (its time is that of the connection); stopped: ended by its operator."
    )
    ts: Made
    database: Literal["ok", "away"] = Field(description="away: nothing can be written; the broker keeps what comes.")
    waiting: Count = Field(description="Messages that came and are not in the database.")
    counts: Counts = Field(
        max_length=32,
        description="Since it started: new rows by table, copies that were left out, self-tests, refused messages.",
    )
