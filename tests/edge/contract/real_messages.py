"""One or more messages of every kind, made by the builders that a node uses, with known contents.

`python -m tests.edge.contract.real_messages` records them anew, where a field was added: look at what changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edge.clips.clip import Cause, Recorded, clip_message
from edge.clips.voice_mute import MutedPiece
from edge.contract.message import encode
from edge.delivery.alarm_messages import AlarmNow, alarm_body, answer_body, transition_message
from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import Sending, with_sending
from edge.delivery.messages import (
    ClockReading,
    EventTimes,
    Latency,
    Message,
    Node,
    end_after_restart,
    event_message,
    finish,
    gap_message,
    model_name,
    pause_message,
    status_body,
)
from edge.delivery.outbox import Outbox
from edge.delivery.trends import Trend, trend_body
from edge.detector.sound_check import SoundAssessment
from edge.model.adaptation import Adaptation
from edge.model.training_domain import TrainingDomain
from edge.node.breath import breath_body
from edge.node.health import health_body, info_body, stream_health_body, stream_info_body, stream_status_body
from edge.node.live_messages import ListenPermit, MelScale, MelTile, listening_body, mel_body, sound_body
from edge.node.model_comparison import ShadowBed
from edge.node.stream import NodeStream
from edge.node.stream_status import State, StreamStatus, StreamTotals
from edge.server.history.presence import Presence
from edge.settings.node import Stream, parse_config
from edge.sources.source import Vitals
from edge.types import Event, Gap
from edge.ward.alarm_records import AlarmState, Answer, BedLimit, Key, Person, Rule, Transition
from edge.ward.burden import GroupBurden, Reading, WindowBurden
from edge.ward.coverage import Covered
from edge.ward.pauses import Pause
from edge.ward.respiratory_rate import RateReading
from edge.ward.wheeze_rate import BreathTrend, BreathWindow, GroupRate, Share
from tests.edge.clips.clips import HEARING, clip
from tests.edge.fakes import Bursts, LoudnessModel
from tests.edge.streaming import Published

GOLDEN = Path(__file__).parents[2] / "golden" / "contract" / "messages.txt"
"""A line for each: its topic, a space and the message."""
PREFIX = "laennec/v1"
NODE = Node(PREFIX, "ward-b", "edge-7", "Test", "b3f1b3f1", "0a0b0c0d", f"sha256:{'0' * 64}")
WALL_S = 1_800_000_000.5  # 2027-01-15T08:00:00.500Z
ID = "01M82V69XRES0V4E6QY2DZ65JA"
NUMBERS = {"seq": 7, "seq_start": 5, "seq_before": 4}
NURSE = Person("Schwester Ö (board)", 10.0, 'seen € <asthma> & "more"')
RULE = Rule("Phy", "Me", latching=True, limit=6.0)
KNOWN = TrainingDomain(
    recordings=100,
    patients=50,
    gain_db=(-1.0, 1.0),
    level_db=(-61.0, -60.0, -59.0),
    contrast_db=(0.0, 9.5, 20.0),
    spectrum_db=((-3.0, 0.0, 3.0), (-4.0, -1.5, 2.0)),
    margin_db=(0.5, 1.0, 1.0),
)
COVERED = Covered(3600, 3500.25, {"no contact": 60.5, "not begun": 39.25})
Body = dict[str, Any]


@dataclasses.dataclass
class View:
    """A stream as the reports see it."""

    id: str
    status: StreamStatus


def wall(at_s: float) -> float:
    return WALL_S + at_s


def sent(message: Message, late: bool = False, **more: Any) -> tuple[str, bytes]:
    """A stored message as it goes out."""
    body = with_sending({**message.body, **more, **NUMBERS}, Sending(0.0012, 0.0034))
    return message.topic, finish(body, late, WALL_S + 2.25)


def events() -> Iterator[tuple[str, bytes]]:
    model = model_name(LoudnessModel())  # type: ignore[arg-type]
    onset = Event("onset", "wheeze", 8000, None, 0.93456, 0.8, 0.62, "", True)
    update = Event("update", "wheeze", 8000, 48_000, 0.95, 0.81, 0.62, "", None)
    end = Event("end", "wheeze", 8000, 60_000, 1.0, 0.0, 0.5, "quiet", False)
    latency = Latency(0.8, None, 0.005, 99.0)
    bare = dataclasses.replace(NODE, config="")
    yield sent(event_message(bare, "bed1", (ID, 1), onset, 8000, EventTimes(WALL_S, None), model))
    times = EventTimes(WALL_S, WALL_S + 5, ClockReading(True, -1.25, 12.0), Latency(0.8, 0.02, 0.005, 99.0))
    reported = event_message(NODE, "bed1", (ID, 2), update, 8000, times, model)
    yield sent(reported)
    clock = ClockReading(False, None, None)
    over = event_message(NODE, "bed1", (ID, 3), end, 8000, EventTimes(WALL_S, WALL_S + 6.5, clock, latency), model)
    yield sent(over, device="0x1a2b3c4d", clip={"id": ID, "withheld": None})
    yield sent(over, True, clip={"id": ID, "withheld": "speech"}, self_test=True)
    topic, payload = sent(over, True)
    yield topic, payload[:-1] + b',"resent":true}'
    yield sent(end_after_restart(NODE, reported.body), True)


def of_sound() -> Iterator[tuple[str, bytes]]:
    begun = Pause("onset", 3750, 4063, touches=True)
    times = EventTimes(WALL_S, None, ClockReading(True, -1.25, 12.0))
    reported = pause_message(NODE, "bed1", ID, begun, (256, 8000), times, 10.0)
    yield sent(reported)
    over = Pause("end", 3750, 4375, True, "lost sound")
    yield sent(pause_message(NODE, "bed1", ID, over, (256, 8000), EventTimes(WALL_S, WALL_S + 20), 10.0), True)
    yield sent(end_after_restart(NODE, reported.body), True)
    yield sent(gap_message(NODE, "bed1", Gap(16_000, 24_000, "overrun"), 8000))
    yield sent(gap_message(NODE, "bed1", Gap(16_000, 24_000, "31 gaps"), 8000), count=31)
    whole = dataclasses.replace(clip(WALL_S), id=ID)
    yield sent(clip_message(NODE, Recorded(whole, HEARING, WALL_S), "stored", "", False))
    of_alarm = dataclasses.replace(whole, cause=Cause("alarm", condition="continuous", episode=3), events=())
    yield sent(clip_message(NODE, Recorded(of_alarm, HEARING, WALL_S), "withheld", "speech", True))
    ordered = dataclasses.replace(whole, cause=Cause("command", by="nurse K (board)"))
    yield sent(clip_message(NODE, Recorded(ordered, HEARING, WALL_S), "dropped", "queue full", None))
    scale = MelScale(8000, 256, 71.234, 1933.5678, ("wheeze", "rhonchus"), {"wheeze": 0.62, "rhonchus": 0.123456})
    mel, scores = np.arange(12, dtype=np.uint8).reshape(3, 4), np.arange(6, dtype=np.uint8).reshape(3, 2)
    tile = MelTile(2**33, WALL_S, mel, scores)
    yield NODE.topic("s", "bed1", "mel"), encode(mel_body(NODE, "bed1", scale, tile, WALL_S + 1))
    piece = MutedPiece(
        2**33, np.arange(-3, 5, dtype=np.int16), ((0, 2, "speech"), (7, 8, "lost")), np.zeros(8, np.bool_)
    )
    yield NODE.topic("s", "bed1", "sound"), encode(sound_body(NODE, "bed1", 8000, piece, (WALL_S, WALL_S + 2)))
    nurse = ListenPermit("board-b", "nurse K", WALL_S, 60.0)
    yield NODE.topic("s", "bed1", "listening"), encode(listening_body(NODE, (nurse,), 20.0, WALL_S + 20))
    yield NODE.topic("s", "bed1", "listening"), encode(listening_body(NODE, (), 0.0, WALL_S))


def of_alarms() -> Iterator[tuple[str, bytes]]:
    seen = AlarmState(
        rev=7,
        known=True,
        presence=True,
        present_since_s=1.0,
        signal="Ack",
        since_s=10.0,
        episode=2,
        began_s=2.0,
        acknowledged=NURSE,
        escalated=True,
        limit=BedLimit(10.0, NURSE),
        paused_until_s=100.0,
        inactive_until_s=200.0,
        inactivated=NURSE,
    )
    bed, own = Key("bed1", "continuous"), Key("", "clock")
    topic = NODE.topic("s", "bed1", "alarm", "continuous")
    yield topic, encode(alarm_body(NODE, AlarmNow(bed, RULE, seen, "acknowledged", 12.3456, ID), 60.0, wall))
    first = AlarmNow(bed, dataclasses.replace(RULE, limit=None), AlarmState(), "", None, is_durable=False)
    yield topic, encode(alarm_body(NODE, first, 60.0, wall))
    rate, mine = dataclasses.replace(RULE, limit=None, rate="high"), AlarmState(limit=BedLimit(None, NURSE, 57.0))
    fast = AlarmNow(Key("bed1", "rate-high"), rate, mine, "limit set", 41.3)
    yield NODE.topic("s", "bed1", "alarm", "rate-high"), encode(alarm_body(NODE, fast, 60.0, wall))
    tec = AlarmNow(own, Rule("Tec", "Lo"), AlarmState(rev=1, known=True, signal="On", presence=True), "raised", True)
    yield NODE.topic("alarm", "clock"), encode(alarm_body(NODE, tec, 60.0, wall))
    yield sent(transition_message(NODE, Transition(3.0, bed, "acknowledged", seen, "Phy", "Hi", NURSE), wall))
    begun = AlarmState(rev=1, known=True, signal="On", presence=True)
    yield sent(transition_message(NODE, Transition(3.0, own, "raised", begun, "Tec", "Lo", None, 1.7e9), wall), True)
    answer = Answer("c1", "acknowledge", "bed1", True, "", ("continuous",), ID)
    yield NODE.topic("s", "bed1", "result", "acknowledge", "k"), encode(answer_body(NODE, answer, 1.0, wall))
    refused = Answer("", "limit", "", False, "why: Field required")
    yield NODE.topic("result", "limit", "k"), encode(answer_body(NODE, refused, 1.0, wall))


def trends() -> Iterator[tuple[str, bytes]]:
    known = GroupBurden("continuous", 2.0, 12.5, 10.0, 15.1234567), GroupBurden("discontinuous", 0.0, 0.0, 0.0, 0.5)
    unknown = GroupBurden("continuous", 0.0, None, None, None), GroupBurden("discontinuous", 0.0, None, None, None)
    windows = WindowBurden(60, 60.0, 0.0, known), WindowBurden(300, 10.5, 1.25, unknown)
    covered = Covered(60, 60.0, {}), Covered(300, 10.5, {"not begun": 280.1234, "unknown sound": 1.25})
    trend = Trend("bed1", Reading(3750, windows), covered)
    yield NODE.topic("s", "bed1", "trend"), encode(trend_body(NODE, trend, 256, 8000, WALL_S))
    share, none = Share(0.031234567, 0.02, 0.05, ""), Share(None, None, None, "too little measured")
    minute = BreathWindow(60, 59.9, 31.25, 17, 17.26, 0.75, "", (GroupRate("continuous", share, share),))
    night = BreathWindow(28_800, 59.9, 31.25, 17, None, 0.0, none.why, (GroupRate("continuous", none, none),))
    with_breath = dataclasses.replace(trend, breath=BreathTrend(3744, (minute, night)))
    yield NODE.topic("s", "bed1", "trend"), encode(trend_body(NODE, with_breath, 256, 8000, WALL_S))
    rates = RateReading(3750, 17.26, 0.81239, 0.97, "", 2.317), RateReading(3750, None, 0.1, 0.2, "lost sound")
    for rate in rates:
        yield NODE.topic("s", "bed1", "breath"), encode(breath_body(NODE, "bed1", rate, (256, 8000), WALL_S))


def of_streams() -> Iterator[tuple[str, bytes]]:
    levels = "s", "bed1", "status"
    yield NODE.topic(*levels), encode(stream_status_body(NODE, State("ok", "", WALL_S, True, 12), WALL_S + 1))
    yield NODE.topic(*levels), encode(stream_status_body(NODE, State("lost", "no sound arrives", WALL_S), WALL_S + 1))
    adaptation = Adaptation(
        device="a stethoscope",
        model="a" * 64,
        made="2027-01-01",
        recordings=3,
        measured_s=60.0,
        level_db=-40.0,
        equaliser_db=(0.0, 1.5, -3.0, 0.0, 0.0, 0.0, 0.0, 0.25),
        outside_db=(5.0, 0.0),
    )
    for name, given in (("bed1", None), ("bed2", adaptation)):
        config = parse_config({"streams": [{"id": name, "source": "b", "update_s": 7}]}, "test")
        body = stream_info_body(NODE, config.streams[0], LoudnessModel(), given)  # type: ignore[arg-type]
        yield NODE.topic("s", name, "info"), encode(body)
    totals = StreamTotals(received_s=3600.123, measurable_s=3500.0, lost_s=2.0, busy_s=36.0, gaps=3, events=12)
    vitals = Vitals(
        "0x1a2b3c4d", False, ("no contact",), 8000.1234, -12.34, 0.5, 0.01, 0.02, 0.0, 80, 3, 20, -60, "1.2"
    )
    state, verdict = State("degraded", "not measurable: faint", WALL_S, False, 3), SoundAssessment(fault="no contact")
    full = StreamStatus(
        0.0, WALL_S, state, 0.901, totals, covered=(COVERED,), verdict=verdict, vitals=vitals, is_closed=True
    )
    for status in (full, StreamStatus(0.0, WALL_S, State("unknown", "", WALL_S), is_closed=True)):
        yield NODE.topic("s", "bed1", "health"), encode(stream_health_body(NODE, View("bed1", status), WALL_S))

    live, stream = LoudnessModel(), Stream(id="bed1", source="bursts", pace=False)
    source = Bursts(0, pace=False)
    bed = NodeStream(stream, source, live, NODE, Published())  # type: ignore[arg-type]
    compared = ShadowBed(bed, stream, source, (live, LoudnessModel()), NODE)  # type: ignore[arg-type]
    body = compared.body(NODE, WALL_S)  # its groups come in any order
    yield NODE.topic("s", "bed1", "shadow"), encode({**body, "groups": dict(sorted(body["groups"].items()))})


def of_node(folder: Path) -> Iterator[tuple[str, bytes]]:
    for state in ("online", "offline", "stopped"):
        yield NODE.topic("status"), encode(status_body(NODE, state, "b3f1b3f1-0", WALL_S))
    config, model = parse_config({"streams": [{"id": "bed1", "source": "b"}]}, "test"), LoudnessModel()
    yield NODE.topic("info"), encode(_of_any_version(info_body(NODE, config, model)))  # type: ignore[arg-type]
    model.known = KNOWN
    yield NODE.topic("info"), encode(_of_any_version(info_body(NODE, config, model)))  # type: ignore[arg-type]
    outbox = Outbox(folder / "outbox.db", 1.0, 1.0)
    bed = View("bed1", StreamStatus(0.0, WALL_S, State("ok", "", WALL_S), 0.9, StreamTotals(), is_closed=True))
    body = health_body(NODE, outbox.status, Dispatch(outbox, NODE, config.mqtt), [bed], 3600.04, WALL_S)
    outbox.close()
    yield NODE.topic("health"), encode(body)
    test = {"runs": 2, "missed": 1, "passed": True, "at": None, "latency_s": 1.25, "reason": ""}
    stored = {"stored": 1, "withheld": 0, "dropped": {"queue full": 2}, "files": 1, "bytes": 1234}
    look = {"beds": 1, "sent": 20, "dropped": {"no broker": 1}}
    checks = {**body["checks"], "alarms": "ok", "clips": "warn", "self_test": "crit"}
    yield NODE.topic("health"), encode({**body, "checks": checks, "look": look, "clips": stored, "self_test": test})


def of_others() -> Iterator[tuple[str, bytes]]:
    yield f"{PREFIX}/ingest/ingest", Presence("ingest", "online", "away", 3, {"events": 4}).payload(WALL_S)
    yield f"{PREFIX}/ingest/ingest", Presence("ingest", "offline").payload(WALL_S)


def real_messages(folder: Path) -> list[tuple[str, bytes]]:
    """Topic and payload of each."""
    kinds = events(), of_sound(), of_alarms(), trends(), of_streams(), of_node(folder), of_others()
    return [each for kind in kinds for each in kind]


def _of_any_version(body: Body) -> Body:
    return {**body, "software": "laennec 0.1.0", "release": None, "config": f"sha256:{'0' * 64}"}


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        GOLDEN.write_bytes(b"".join(b"%s %s\n" % (topic.encode(), sent) for topic, sent in real_messages(Path(folder))))
