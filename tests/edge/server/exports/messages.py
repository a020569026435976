"""Messages as a node of a ward sends them, with known contents: a bed that wheezes, and one that cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from edge.contract.events import ModelName
from edge.contract.message import encode
from edge.delivery.alarm_messages import AlarmNow, alarm_body, transition_message
from edge.delivery.messages import EventTimes, Node, event_message, finish, pause_message
from edge.types import Event
from edge.ward.alarm_records import AlarmState, Key, Person, Rule, Transition
from edge.ward.pauses import Pause
from tests.edge.conftest import SCHEMAS

GOLDEN = Path(__file__).parents[3] / "golden" / "exports"
NODE = Node("laennec/v1", "ward-b", "edge-7", "Test", "b3f1b3f1")
LIVE = Node("laennec/v1", "ward-b", "edge-7", "Operational", "b3f1b3f1")
BED = "laennec/v1/ward-b/edge-7/s/bed1"
WALL_S = 1_800_000_000.0  # 2027-01-15T08:00:00Z
NURSE = Person("nurse K (board)", 20.0, "seen")
MODEL = ModelName.model_construct(id="m1", sha256="a" * 64, runtime="numpy 0", features=f"sha256:{'b' * 64}")


def wall(at_s: float) -> float:
    return WALL_S + at_s


def checked(payload: bytes) -> dict[str, Any]:
    """A message as it is on the wire, which obeys its schema."""
    body: dict[str, Any] = json.loads(payload)
    SCHEMAS[body["schema"]].validate(body)
    return body


def event(kind: str, rev: int, end_s: float | None, label: str = "wheeze", node: Node = NODE) -> dict[str, Any]:
    """One message of a wheeze that begins at `WALL_S`."""
    until = None if end_s is None else 8000 + round(end_s * 8000)
    found = Event(kind, label, 8000, until, 0.93, 0.81, 0.62, "quiet" if kind == "end" else "", True)  # type: ignore[arg-type]
    times = EventTimes(WALL_S, None if end_s is None else WALL_S + end_s)
    message = event_message(node, "bed1", ("01M82V69XRES0V4E6QY2DZ65JA", rev), found, 8000, times, MODEL)
    return checked(finish({**message.body, "seq": rev}, False, WALL_S + 2.0))


def pause(kind: Literal["onset", "end"], end_s: float | None = None, seq: int = 1) -> dict[str, Any]:
    """One message of a pause of breath that begins at `WALL_S`, without evidence of contact."""
    stop = 250 + round(31.25 * (10.0 if end_s is None else end_s))
    reported, times = Pause(kind, 250, stop, False, "breath" if kind == "end" else ""), EventTimes(WALL_S, None)
    if end_s is not None:
        times = EventTimes(WALL_S, WALL_S + end_s)
    message = pause_message(NODE, "bed1", "01M82V69XRES0V4E6QY2DZ65JB", reported, (256, 8000), times, 10.0)
    return checked(finish({**message.body, "seq": seq, "seq_start": 1}, False, WALL_S + 12.0))


def window(seconds: int, known: bool = True) -> dict[str, Any]:
    """12.5 s/min of wheezes and no crackle, all of it measured; or nothing known."""
    numbers = {"continuous": (12.5, 10.0, 15.25), "discontinuous": (0.0, 0.0, 0.5)}
    groups = {
        name: dict(zip(("s_per_min", "low", "high"), values if known else (None,) * 3, strict=True))
        for name, values in numbers.items()
    }
    share = 1.0 if known else 0.25
    missing = {} if known else {"no_contact": round(seconds * 0.75, 3)}
    return {
        "s": seconds,
        "known": known,
        "coverage": share,
        "measured_s": seconds * share,
        "unverified_s": 0.0,
        "groups": groups,
        "missing_s": missing,
    }


def trend(known: bool = True, stop: int = 480_000) -> dict[str, Any]:
    """A trend at `WALL_S`."""
    windows = [window(seconds, known) for seconds in (60, 300, 3600)]
    body = {
        "schema": "laennec.trend/1",
        "mode": "Test",
        "stream": "bed1",
        "boot_id": "b3f1b3f1",
        "ts": "2027-01-15T08:00:00.000Z",
        "sample": {"rate": 8000, "stop": stop},
        "windows": windows,
    }
    return checked(encode(body))


def breathing(known: bool = True, stop: int = 480_000) -> dict[str, Any]:
    """A trend of a bed that breathes 24.5 times a minute; a quarter of its breathing and half of its breaths wheeze."""
    why = "" if known else "too little measured"

    def share(*numbers: float) -> dict[str, Any]:
        return {**dict(zip(("share", "low", "high"), numbers if known else (None,) * 3, strict=True)), "why": why}

    wheezes = {"of_time": share(0.25, 0.2, 0.3), "of_breaths": share(0.5, 0.4, 0.6)}
    crackles = {"of_time": share(0.0, 0.0, 0.0), "of_breaths": share(0.0, 0.0, 0.0)}
    minute = {
        "s": 60,
        "measured_s": 60.0 if known else 15.0,
        "breathing_s": 30.0 if known else 7.5,
        "breaths": 24 if known else 0,
        "breaths_per_min": 24.5 if known else None,
        "answered": 0.9 if known else 0.25,
        "why": why,
        "sounds": {"continuous": wheezes, "discontinuous": crackles},
    }
    lengths = (60, 300, 3600, 28_800)
    body = {**trend(known, stop), "breath": [{**minute, "s": seconds} for seconds in lengths]}
    return checked(encode(body))


RULE = Rule("Phy", "Me", latching=True, limit=6.0)


def alarm(signal: str, node: Node = LIVE, known: bool = True, limit: float | None = 6.0) -> dict[str, Any]:
    """The alarm of continuous sounds."""
    rule = Rule("Phy", "Me", latching=True, limit=limit)
    state = AlarmState(
        rev=7, known=known, presence=signal in ("On", "Ack"), signal=signal, since_s=10.0, episode=2, acknowledged=NURSE
    )  # type: ignore[arg-type]
    return checked(
        encode(alarm_body(node, AlarmNow(Key("bed1", "continuous"), rule, state, "raised", 8.0), 60.0, wall))
    )


def transition(
    signal: str,
    cause: str,
    rev: int,
    stream: str = "bed1",
    condition: str = "continuous",
    by: Person | None = None,
    at_s: float = 10.0,
) -> dict[str, Any]:
    """One change of an alarm."""
    state = AlarmState(rev=rev, known=True, presence=signal in ("On", "Ack"), signal=signal, since_s=at_s, episode=2)  # type: ignore[arg-type]
    kind = "Phy" if condition == "continuous" else "Tec"
    change = Transition(at_s, Key(stream, condition), cause, state, kind, "Me", by)  # type: ignore[arg-type]
    message = transition_message(LIVE, change, wall)
    return checked(finish({**message.body, "seq": rev}, False, WALL_S + at_s + 1.0))
