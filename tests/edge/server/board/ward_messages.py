"""Messages of the contract as a node publishes them, made by hand: what the board's tests put on the wire."""

from __future__ import annotations

import base64
import json
from typing import Any

from edge.contract.fields import rfc3339

PREFIX = "laennec/v1"
WALL_S = 1_795_230_000.0  # of tests that have no clock
BOOT = "0badcafe"
OF_BED = {"site": "ward", "node": "box", "stream": "bed", "mode": "Operational"}
OFF = {"signal": "Off", "presence": False, "audible": False, "since": None, "episode": None}

Body = dict[str, Any]


def status(wall_s: float = WALL_S, boot_id: str = BOOT, **changed: Any) -> Body:
    """Of a node."""
    return {
        "schema": "laennec.status/1",
        "state": "online",
        "boot_id": boot_id,
        "session": f"{boot_id}-0",
        "ts": rfc3339(wall_s),
        **changed,
    }


def health(wall_s: float = WALL_S, boot_id: str = BOOT, **changed: Any) -> Body:
    """Of a node that has run for an hour."""
    outbox = {"waiting": 0, "oldest_s": 0.0, "in_memory": 0, "on_disk": True, "failed_writes": 0, "evicted": {}}
    return {
        "schema": "laennec.health/2",
        "ts": rfc3339(wall_s),
        "boot_id": boot_id,
        "uptime_s": 3600.0,
        "checks": {"outbox": "ok", "inbox": "ok", "broker": "ok", "streams": "ok"},
        "outbox": outbox,
        "broker": {"refused": 0, "reason": "", "rival": ""},
        "dropped": 0,
        "streams": {"ok": 1, "degraded": 0, "lost": 0, "disabled": 0, "unknown": 0},
        "lag_s": 0.9,
        "left_out_s": 0.0,
        **changed,
    }


def stream(wall_s: float = WALL_S, boot_id: str = BOOT, since_s: float | None = None, **changed: Any) -> Body:
    """Status of a bed."""
    return {
        "schema": "laennec.stream/1",
        "state": "ok",
        "reason": "",
        "verified": True,
        "gain_db": 0,
        "since": rfc3339(wall_s if since_s is None else since_s),
        "boot_id": boot_id,
        "ts": rfc3339(wall_s),
        **changed,
    }


def stream_health(wall_s: float = WALL_S, boot_id: str = BOOT, **changed: Any) -> Body:
    """Health of a bed."""
    return {
        "schema": "laennec.stream-health/1",
        "ts": rfc3339(wall_s),
        "boot_id": boot_id,
        "state": "ok",
        "reason": "",
        "verified": True,
        "fault": None,
        "heard_s": 3600.0,
        "measurable_s": 3500.0,
        "lost_s": 2.0,
        "concealed_s": 0.0,
        "left_out_s": 0.0,
        "lag_s": 0.9,
        "gaps": 3,
        "events": 12,
        "rtf": 0.01,
        **changed,
    }


def trend(
    wall_s: float = WALL_S,
    boot_id: str = BOOT,
    continuous: float | None = 0.4,
    discontinuous: float | None = 0.2,
    coverage: float = 0.97,
) -> Body:
    """Burden of a bed, the same over all windows; None: unknown."""

    def group(value: float | None) -> Body:
        return {"s_per_min": value, "low": value, "high": value}

    def window(seconds: int) -> Body:
        missing = {"speech": round(seconds * (1 - coverage), 3)}
        return {
            "s": seconds,
            "known": continuous is not None,
            "coverage": coverage,
            "measured_s": seconds * coverage,
            "unverified_s": 0.0,
            "missing_s": missing,
            "groups": {"continuous": group(continuous), "discontinuous": group(discontinuous)},
        }

    return {
        "schema": "laennec.trend/1",
        "stream": "bed",
        "boot_id": boot_id,
        "ts": rfc3339(wall_s),
        "sample": {"rate": 8000, "stop": 8000},
        "windows": [window(60), window(300), window(3600)],
    }


def breath(wall_s: float = WALL_S, boot_id: str = BOOT, per_min: float | None = 24.2, why: str = "") -> Body:
    """Respiratory rate of a bed; None: unknown."""
    return {
        "schema": "laennec.breath/1",
        "stream": "bed",
        "boot_id": boot_id,
        "ts": rfc3339(wall_s),
        "sample": {"rate": RATE_HZ, "stop": RATE_HZ},
        "breaths_per_min": per_min,
        "confidence": 0.9 if per_min else 0.0,
        "measurable": 1.0,
        "why": why,
    }


def alarm(condition: str = "continuous", wall_s: float = WALL_S, boot_id: str = BOOT, **changed: Any) -> Body:
    """An alarm that is signalled."""
    is_phy = condition in ("continuous", "discontinuous")
    return {
        "schema": "laennec.alarm/1",
        "rev": 1,
        **OF_BED,
        "boot_id": boot_id,
        "condition": condition,
        "kind": "Phy" if is_phy else "Tec",
        "priority": "Me",
        "escalated": False,
        "cause": "raised",
        "activation": "On",
        "presence": True,
        "validity": "Vld",
        "signal": "On",
        "audible": True,
        "since": rfc3339(wall_s - 750),
        "began": None,
        "audio_paused_until": None,
        "episode": 1,
        "latching": is_phy,
        "acknowledged": None,
        "inactivated": None,
        "value": 14.0 if is_phy else None,
        "limit": {"s_per_min": 6.0, "set": None} if is_phy else None,
        "clip": None,
        "ts": rfc3339(wall_s),
        "valid_until": rfc3339(wall_s + 120),
        **changed,
    }


CLASSES = ["wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle"]
BANDS, COLUMN, RATE_HZ = 40, 256, 8000  # of tiles: bands, samples, and those of a second
TILE_COLUMNS = 15


def tile(
    number: int,
    levels: bytes | None = None,
    scores: bytes | None = None,
    wall_s: float = WALL_S,
    boot_id: str = BOOT,
    **changed: Any,
) -> Body:
    """The tile `number` of a live picture, whose first begins at sample 0 and `wall_s`: nothing but a quiet noise."""
    first = number * TILE_COLUMNS * COLUMN
    quiet = bytes([60]) * (TILE_COLUMNS * BANDS)
    return {
        "schema": "laennec.mel/1",
        **OF_BED,
        "boot_id": boot_id,
        "ts": rfc3339(wall_s),
        "time": rfc3339(wall_s + first / RATE_HZ),
        "sample": {"rate": RATE_HZ, "first": first, "column": COLUMN},
        "columns": TILE_COLUMNS,
        "bands": BANDS,
        "lowest_hz": 80.0,
        "highest_hz": 2400.0,
        "db": {"lowest": -100.0, "step": 0.4},
        "mel": base64.b64encode(quiet if levels is None else levels).decode(),
        "classes": CLASSES,
        "scores": base64.b64encode(bytes([20]) * (TILE_COLUMNS * len(CLASSES)) if scores is None else scores).decode(),
        "thresholds": dict.fromkeys(CLASSES, 0.6),
        **changed,
    }


def event(ident: str, onset: int, end: int | None = None, wall_s: float = WALL_S, **changed: Any) -> Body:
    """An onset, or with `end` the end, of a sound in samples; the stream began at `wall_s`."""
    at = {
        name: None if index is None else rfc3339(wall_s + index / RATE_HZ)
        for name, index in (("onset", onset), ("end", end))
    }
    return {
        "schema": "laennec.event/1",
        "id": ident,
        "rev": 1 if end is None else 2,
        "seq": 1,
        "type": "onset" if end is None else "end",
        **OF_BED,
        "boot_id": BOOT,
        "late": False,
        "sample": {"rate": RATE_HZ, "onset": onset, "end": end},
        "time": {**at, "published": at["onset"], "clock": {"synced": True}},
        "label": "wheeze",
        "scores": {"peak": 0.93, "mean": 0.8, "threshold": 0.6},
        "model": {"id": "m", "sha256": "a" * 64, "runtime": "numpy 0", "features": "sha256:" + "b" * 64},
        **({} if end is None else {"end_reason": "quiet"}),
        **changed,
    }


def pause(ident: str, onset: int, end: int | None = None, wall_s: float = WALL_S, **changed: Any) -> Body:
    """The onset, or with `end` the end, of a pause of breath, its sensor on the skin; times as of `event`."""
    found = event(ident, onset, end, wall_s)
    for name in ("label", "scores", "model"):
        del found[name]
    found |= {"schema": "laennec.pause/1", "limit_s": 10.0, "contact": True}
    return {**found, **({} if end is None else {"end_reason": "breath"}), **changed}


def info(streams: int = 1, **changed: Any) -> Body:
    """What a box runs."""
    zero = "0" * 64
    return {
        "schema": "laennec.info/2",
        "software": "laennec 0.1.0",
        "release": None,
        "mode": "Operational",
        "node": "box",
        "site": "ward",
        "boot_id": BOOT,
        "classes": [],
        "config": f"sha256:{zero}",
        "streams": streams,
        "schemas": [],
        "model": {"id": "m", "sha256": zero, "runtime": "onnxruntime", "features": f"sha256:{zero}"},
        **changed,
    }


def stream_info(**changed: Any) -> Body:
    """What a bed is."""
    schema = "laennec.stream-info/1"
    return {"schema": schema, "boot_id": BOOT, "rate": 8000, "classes": [], "thresholds": {}, **changed}


def sound(number: int = 0, **changed: Any) -> Body:
    """Half a second of live sound."""
    return {
        "schema": "laennec.sound/1",
        **OF_BED,
        "boot_id": BOOT,
        "ts": rfc3339(WALL_S),
        "sample": {"rate": RATE_HZ, "first": 4096 * number, "count": 4096},
        "time": rfc3339(WALL_S),
        "pcm": base64.b64encode(bytes(2 * 4096)).decode(),
        "silent": [],
        **changed,
    }


def listening(*names: str, wall_s: float = WALL_S, until_s: float = WALL_S + 60, boot_id: str = BOOT) -> Body:
    """Who listens to a bed."""
    times = {"user": "board", "since": rfc3339(wall_s), "until": rfc3339(until_s)}
    listeners = [{"by": name, **times} for name in names]
    return {"schema": "laennec.listening/1", "boot_id": boot_id, "listeners": listeners, "ts": rfc3339(wall_s)}


def clip(ident: str, wall_s: float = WALL_S, **changed: Any) -> Body:
    """What became of a clip of two seconds."""
    at = {"from": rfc3339(wall_s), "to": rfc3339(wall_s + 2.0), "published": rfc3339(wall_s + 3.0)}
    return {
        "schema": "laennec.clip/1",
        "id": ident,
        "seq": 1,
        **OF_BED,
        "boot_id": BOOT,
        "late": False,
        "state": "stored",
        "cause": "",
        "speech": False,
        "of": "event",
        "sample": {"rate": RATE_HZ, "from": 0, "to": 2 * RATE_HZ},
        "time": at,
        "lost_s": 0.0,
        "events": [],
        "alarm": None,
        "by": None,
        **changed,
    }


def result(ident: str, verb: str, reason: str = "", **changed: Any) -> Body:
    """The answer to a command; with a reason it was not carried out."""
    return {
        "schema": "laennec.result/1",
        "id": ident,
        "verb": verb,
        "node": "box",
        "stream": "bed",
        "boot_id": BOOT,
        "ok": not reason,
        "reason": reason,
        "conditions": [],
        "clip": None,
        "ts": rfc3339(WALL_S),
        **changed,
    }


def bytes_of(body: Body) -> bytes:
    """As it is on the wire."""
    return json.dumps(body).encode()


def quiet_bed(wall_s: float = WALL_S, boot_id: str = BOOT, mode: str = "Operational") -> dict[str, Body]:
    """Everything of a bed that is measured and below its limits: last levels of the topic -> message."""
    alarms = ("continuous", "discontinuous", "signal-lost", "not-measurable", "contact")
    return {
        "status": stream(wall_s, boot_id, wall_s - 3000),
        "health": stream_health(wall_s, boot_id),
        "trend": trend(wall_s, boot_id),
        **{f"alarm/{name}": alarm(name, wall_s, boot_id, mode=mode, **OFF) for name in alarms},
    }
