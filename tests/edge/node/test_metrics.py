"""Metrics are what the health reports say, no more and no less. The reports are real, their numbers made up."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from edge.contract.fields import Body
from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import BOUNDS_S, LatencyCounts
from edge.delivery.messages import Node
from edge.delivery.outbox import Outbox
from edge.node.health import STATES, Reports, device_of, health_body, stream_health_body
from edge.node.metrics import metrics_of
from edge.node.stream import NodeStream
from edge.settings.node import parse_config
from edge.sources.source import Vitals
from edge.types import Block
from tests.edge.fakes import Bursts, LoudnessModel

NODE = Node("laennec/v1", "ward", "edge-7", "Test", "b3f1b3f1")
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
VITALS = Vitals(
    "0x1a2b3c4d",
    True,
    rate_hz=4000.1,
    ppm=25.0,
    residual_ms=0.4,
    lost=0.01,
    masked=0.02,
    dropped_s=3.0,
    battery_percent=81,
    contact=200,
    motion_mg=12,
    rssi_dbm=-60,
)


@pytest.fixture
def reports(tmp_path: Path) -> Reports:
    """What a node with two beds says, one of them heard and with a device."""
    beds = [{"id": name, "source": "file.wav"} for name in ("bed1", "bed2")]
    config, outbox = parse_config({"streams": beds}, "test"), Outbox(tmp_path / "outbox.db", 1.0, 1.0)
    dispatch = Dispatch(outbox, NODE, config.mqtt)
    streams = [NodeStream(each, Bursts(0, pace=False), LoudnessModel(), NODE, dispatch) for each in config.streams]  # type: ignore[arg-type]
    streams[0].arrive(Block(0, np.zeros(8, np.float32), np.ones(8, np.bool_)))
    streams[0].assess()
    node = health_body(NODE, outbox.status, dispatch, streams, 86_400.0, 1.8e9)
    outbox.close()
    bodies = {each.id: stream_health_body(NODE, each, 1.8e9) for each in streams}
    bodies["bed1"]["device"] = device_of(VITALS).body()
    return Reports(node, bodies)


def exposed(reports: Reports) -> Samples:
    """Every sample of the page that Prometheus reads, by its own parser."""

    class Told(Collector):
        def collect(self) -> list[Any]:
            return metrics_of(reports)

    families = text_string_to_metric_families(generate_latest(Told()).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def numbered(body: Body, numbers: Any, level: str = "") -> Body:
    """The same report with a number of its own in the place of each, and of what may be one."""
    changed: Body = {}
    for key, value in body.items():
        if isinstance(value, dict):
            changed[key] = numbered(value, numbers, key)
        else:
            is_number = isinstance(value, (bool, int, float)) or (value is None and key in ("rtf", "verified"))
            changed[key] = next(numbers) if is_number else value
    return changed


def test_every_number_of_the_reports_is_exposed_exactly_once(reports: Reports) -> None:
    numbers = count(1000)
    made_up = Reports(
        numbered(reports.node, numbers), {bed: numbered(body, numbers) for bed, body in reports.streams.items()}
    )
    values = sorted(value for value in exposed(made_up).values() if value >= 1000)
    assert values == list(range(1000, next(numbers)))


def test_nothing_is_exposed_that_no_report_says(reports: Reports) -> None:
    states = len(STATES) * len(reports.streams)
    numbers = count(1000)
    made_up = Reports(
        numbered(reports.node, numbers), {bed: numbered(body, numbers) for bed, body in reports.streams.items()}
    )
    found = [name for name, _ in exposed(made_up) if not name.startswith("laennec_chunk_latency_seconds")]
    assert len(found) == next(numbers) - 1000 + len(reports.node["checks"]) + states


def test_the_names_are_those_that_a_ward_was_told(reports: Reports) -> None:
    reports.node["outbox"] |= {"waiting": 7, "evicted": {"event": 3}}
    reports.node["dropped"] = 2
    reports.streams["bed2"].update({"heard_s": 61.5, "gaps": 4, "events": 9, "rtf": 0.007})
    found = exposed(reports)
    bed2 = ("stream", "bed2")
    assert found["laennec_outbox_depth", ()] == 7
    assert found["laennec_outbox_evicted_total", (("cause", "event"),)] == 3
    assert found["laennec_drops_total", ()] == 2
    assert found["laennec_stream_audio_seconds_total", (("state", "heard"), bed2)] == 61.5
    assert found["laennec_stream_gaps_total", (bed2,)] == 4
    assert found["laennec_stream_events_total", (bed2,)] == 9
    assert found["laennec_stream_rtf", (bed2,)] == 0.007
    assert found["laennec_sensor_ppm", (("stream", "bed1"),)] == 25.0
    assert found["laennec_stream_device_battery_percent", (("stream", "bed1"),)] == 81


@pytest.mark.parametrize(("verdict", "number"), [("ok", 0), ("warn", 1), ("crit", 2)])
def test_a_check_is_a_number_from_ok_to_crit(reports: Reports, verdict: str, number: int) -> None:
    reports.node["checks"]["broker"] = verdict
    assert exposed(reports)["laennec_check", (("check", "broker"),)] == number


def test_a_stream_is_in_exactly_one_state(reports: Reports) -> None:
    reports.streams["bed1"]["state"] = "degraded"
    found = exposed(reports)
    states = {name: found["laennec_stream_state", (("state", name), ("stream", "bed1"))] for name in STATES}
    assert states == {"ok": 0, "degraded": 1, "lost": 0, "disabled": 0, "unknown": 0}


def test_what_is_not_known_has_no_sample_and_is_never_zero(reports: Reports) -> None:
    reports.streams["bed1"]["verified"] = None
    reports.streams["bed2"]["verified"] = False
    found = exposed(reports)
    assert ("laennec_stream_verified", (("stream", "bed1"),)) not in found
    assert found["laennec_stream_verified", (("stream", "bed2"),)] == 0


def test_a_field_that_nobody_named_gets_a_name_of_its_own(reports: Reports) -> None:
    reports.streams["bed1"]["coverage"] = {"hour": 0.5, "rubbing_s": 12.0}
    found = exposed(reports)
    assert found["laennec_stream_coverage_hour", (("stream", "bed1"),)] == 0.5
    assert found["laennec_stream_coverage_rubbing_seconds", (("stream", "bed1"),)] == 12


def test_the_labels_are_the_configured_streams_and_the_words_of_the_reports(reports: Reports) -> None:
    labels: dict[str, set[str]] = {}
    for _, pairs in exposed(reports):
        for name, value in pairs:
            labels.setdefault(name, set()).add(value)
    assert labels.pop("stream") == {"bed1", "bed2"}
    assert labels.pop("check") == set(reports.node["checks"])
    assert labels.pop("cause") == set(reports.node["outbox"]["evicted"])
    assert labels.pop("state") == {*STATES, "heard", "measurable", "lost", "concealed", "left_out"}
    assert len(labels.pop("le")) == len(BOUNDS_S) + 1
    assert labels == {}


def test_latencies_are_histograms_of_events_by_stage_and_of_chunks(reports: Reports) -> None:
    wire, chunks = LatencyCounts(), LatencyCounts()
    for latency_s in (0.02, 0.3, 7200.0):
        wire.push(latency_s)
    chunks.push(0.025)
    found = exposed(replace(reports, events={"wire": wire}, chunks=chunks))
    name, stage = "laennec_latency_seconds", ("stage", "wire")
    within = {le: found[f"{name}_bucket", (("le", le), stage)] for le in ("0.01", "0.025", "0.5", "60.0", "+Inf")}
    assert within == {"0.01": 0, "0.025": 1, "0.5": 2, "60.0": 2, "+Inf": 3}
    assert (found[f"{name}_count", (stage,)], found[f"{name}_sum", (stage,)]) == (3, 7200.32)
    assert found["laennec_chunk_latency_seconds_bucket", (("le", "0.01"),)] == 0
    assert found["laennec_chunk_latency_seconds_bucket", (("le", "0.025"),)] == 1, "a bound is within"


def test_whether_the_outbox_is_on_disk_is_explained_as_the_report_means_it(reports: Reports) -> None:
    (found,) = (each for each in metrics_of(reports) if each.name == "laennec_outbox_on_disk")
    assert found.documentation == "Whether the disk took the last write"
