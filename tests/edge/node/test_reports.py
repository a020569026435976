"""What a node says of itself stays small however many beds it has, and is as its schemas say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.contract.fields import Body
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node
from edge.delivery.outbox import Outbox
from edge.model.model import Model
from edge.node.health import (
    SCHEMAS,
    device_of,
    health_body,
    info_body,
    stream_health_body,
    stream_info_body,
    stream_status_body,
)
from edge.node.stream import NodeStream
from edge.node.stream_status import State
from edge.settings.node import Config, parse_config
from edge.sources.source import Vitals
from edge.types import Block
from tests.edge import conftest
from tests.edge.fakes import Bursts
from tests.edge.small_graph import small_model

SMALLEST_LIMIT = 4096  # bytes of a packet, of brokers made for small devices
NODE = Node("laennec/v1", "ward", "edge-7", "Test", "b3f1b3f1")


def _config(beds: int) -> Config:
    """A ward with names as long as they may be."""
    streams = [{"id": f"a-bed-with-a-long-name-{number:08d}", "source": "file.wav"} for number in range(beds)]
    return parse_config({"streams": streams, "site": "ward", "node": "edge-7"}, "test")


@pytest.fixture
def model() -> Model:
    """A real artefact."""
    return small_model()


def _streams(config: Config, model: Model, dispatch: Dispatch) -> list[NodeStream]:
    return [NodeStream(each, Bursts(0, pace=False), model, NODE, dispatch, 0) for each in config.streams]


def _size(body: Body) -> int:
    """Bytes of a message that is as its schema says."""
    conftest.SCHEMAS[body["schema"]].validate(body)
    return len(json.dumps(body).encode())


def test_no_message_of_a_node_grows_with_its_beds(tmp_path: Path, model: Model) -> None:
    sizes: dict[int, list[int]] = {}
    for beds in (1, 500):
        config, outbox = _config(beds), Outbox(tmp_path / f"{beds}.db", 1.0, 1.0)
        dispatch = Dispatch(outbox, NODE, config.mqtt)
        streams = _streams(config, model, dispatch)
        bodies = [
            info_body(NODE, config, model),
            health_body(NODE, outbox.status, dispatch, streams, 86_400.0, 1.8e9),
            stream_info_body(NODE, config.streams[-1], model),
            stream_health_body(NODE, streams[-1], 1.8e9),
        ]
        sizes[beds] = [_size(body) for body in bodies]
        outbox.close()
    assert max(sizes[500]) < SMALLEST_LIMIT
    assert all(many - one < 10 for one, many in zip(sizes[1], sizes[500], strict=True))


def test_health_counts_the_streams_of_each_state(tmp_path: Path, model: Model) -> None:
    config, outbox = _config(3), Outbox(tmp_path / "outbox.db", 1.0, 1.0)
    dispatch = Dispatch(outbox, NODE, config.mqtt)
    streams = _streams(config, model, dispatch)
    streams[0].arrive(Block(0, np.zeros(8, np.float32), np.ones(8, np.bool_)))
    streams[1].fail(RuntimeError("its cable was cut"))
    for stream in streams:
        stream.assess()
    body = health_body(NODE, outbox.status, dispatch, streams, 0.0, 1.8e9)
    outbox.close()
    assert body["streams"] == {"ok": 1, "degraded": 0, "lost": 1, "disabled": 0, "unknown": 1}
    assert body["checks"]["streams"] == "warn"
    assert stream_health_body(NODE, streams[1], 1.8e9)["reason"] == "internal error: RuntimeError('its cable was cut')"


def test_an_outbox_whose_disk_stalls_is_not_ok(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    config, outbox = _config(1), Outbox(tmp_path / "outbox.db", 1.0, 1.0)
    outbox.put([])
    dispatch = Dispatch(outbox, NODE, config.mqtt)

    def reported() -> tuple[str, bool]:
        body = health_body(NODE, outbox.status, dispatch, _streams(config, model, dispatch), 0.0, 1.8e9)
        return body["checks"]["outbox"], body["outbox"]["on_disk"]

    assert reported() == ("ok", True)
    monkeypatch.setattr(Dispatch, "is_stalled", True)
    assert reported() == ("crit", False)
    outbox.close()


def test_every_schema_of_a_node_has_a_file_and_every_file_is_named() -> None:
    assert sorted(SCHEMAS) == conftest.OF_A_NODE


def test_a_stream_says_what_a_sound_of_each_class_must_be_in_whole_score_frames(model: Model) -> None:
    tracking = {"wheeze": {"minimum_s": 0.3, "keep": 0.75}}
    config = parse_config({"streams": [{"id": "a", "source": "b", "tracking": tracking, "update_s": 7}]}, "test")
    body = stream_info_body(NODE, config.streams[0], model)
    conftest.SCHEMAS[body["schema"]].validate(body)
    hop_s, group = model.score_hop_samples / model.rate_hz, model.groups[0]
    usual = {
        "keep": group.keep,
        "minimum_s": round(group.confirm_frames * hop_s, 3),
        "quiet_s": round(group.quiet_frames * hop_s, 3),
    }
    found = body["tracking"].pop("wheeze")
    assert (found["keep"], body["update_s"]) == (0.75, 7)
    assert 0.3 <= found["minimum_s"] < 0.3 + hop_s
    assert found["quiet_s"] == usual["quiet_s"]
    assert all(body["tracking"][name] == usual for name in group.classes if name != "wheeze")
    assert {"wheeze", *body["tracking"]} == {name for group in model.groups for name in group.classes}


def test_the_health_of_a_device_is_rounded_and_what_is_not_known_is_null() -> None:
    known = Vitals(
        "0x1a", False, ("no contact",), 8000.12345, -12.345, 1.2345, 0.123456, 0.654321, 2.5, 80, 12, 7, -60, "1.2"
    )
    assert (
        device_of(known).body().items()
        >= {
            "id": "0x1a",
            "measurable": False,
            "conditions": ["no contact"],
            "rate_hz": 8000.123,
            "ppm": -12.3,
            "clock_ms": 1.23,
            "lost": 0.1235,
            "masked": 0.6543,
            "dropped_s": 2.5,
            "battery_percent": 80,
            "contact": 12,
            "motion_mg": 7,
            "rssi_dbm": -60,
            "firmware": "1.2",
        }.items()
    )
    nothing = device_of(Vitals("0x1a", True)).body()
    assert [nothing[key] for key in ("rate_hz", "ppm", "clock_ms", "lost", "masked", "battery_percent")] == [None] * 6


def test_the_status_of_a_stream_says_this() -> None:
    assert stream_status_body(NODE, State("lost", "no sound arrives", 1.8e9), 1.8e9 + 60) == {
        "schema": "laennec.stream/1",
        "state": "lost",
        "reason": "no sound arrives",
        "verified": None,
        "gain_db": 0,
        "since": "2027-01-15T08:00:00.000Z",
        "boot_id": "b3f1b3f1",
        "ts": "2027-01-15T08:01:00.000Z",
    }
