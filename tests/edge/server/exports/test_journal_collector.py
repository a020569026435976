"""What is collected: each message that the contract allows, and none that could not be written or read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.delivery.consumer import ReceivedMessage
from edge.server.exports.fhir import LOCAL
from edge.server.exports.files import make
from edge.server.exports.journal import Collector, Journal, ReadCounts, journals, read
from edge.settings.broker import Mqtt
from tests.edge.server.exports.messages import BED, event, trend

LAST = event("end", 2, 1.5)


def arrived(topic: str, payload: bytes) -> ReceivedMessage:
    return ReceivedMessage(topic, payload, 1, 1, 1)


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    return Collector(Mqtt(), "test", Journal(tmp_path))


@pytest.mark.parametrize(
    "new", [b"NaN", b"-Infinity", b"1e999", rb'"\ud800"', b'{"a": [Infinity]}', b"[" * 3000 + b"]" * 3000]
)
def test_a_field_that_cannot_be_written_refuses_its_message_alone_and_it_does_not_come_again(
    new: bytes, collector: Collector, tmp_path: Path
) -> None:
    onset = json.dumps(event("onset", 1, None)).encode()[:-1] + b', "new": ' + new + b"}"
    came = [arrived(f"{BED}/event", onset), arrived(f"{BED}/event", json.dumps(LAST).encode())]
    assert collector.take(came) == came, "acknowledged"
    assert (collector.counts["refused"], collector.counts["events"]) == (1, 1)
    (path,) = tmp_path.iterdir()
    assert [record.key for record in read(path)] == [f"{LAST['id']}/2"]


@pytest.mark.parametrize(
    "change",
    [
        {"ts": "0001-01-01T00:00:00.000Z"},
        {"ts": "1969-12-31T23:59:59.999Z"},
        {"windows": [{**trend()["windows"][0], "s": 10**15}]},
        {"windows": [{**trend()["windows"][0], "s": 31 * 86_400 + 1}]},
        {"windows": [{**trend()["windows"][0], "missing_s": {"lost": 1e300}}]},
    ],
)
def test_a_trend_of_a_time_that_cannot_be_is_refused(change: dict[str, Any], collector: Collector) -> None:
    came = [arrived(f"{BED}/trend", json.dumps({**trend(), **change}).encode())]
    assert collector.take(came) == came
    assert (collector.counts["refused"], collector.counts["trends"]) == (1, 0)


def test_the_longest_window_at_the_first_moment_becomes_an_observation(collector: Collector, tmp_path: Path) -> None:
    whole = {**trend(), "ts": "1970-01-01T00:00:00.000Z", "windows": [{**trend()["windows"][0], "s": 31 * 86_400}]}
    collector.take([arrived(f"{BED}/trend", json.dumps(whole).encode())])
    ((kind, _, path),) = journals(tmp_path)
    assert make(path, kind, "fhir", LOCAL) == 1


def test_what_an_earlier_release_collected_and_no_format_can_say_is_left_out_and_counted(tmp_path: Path) -> None:
    path, met = tmp_path / "trends-2027-01-15.jsonl", ReadCounts()
    lines = [
        {"site": "ward-b", "node": "edge-7", **trend(), **change} for change in ({}, {"ts": "0001-01-01T00:00:00.000Z"})
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert make(path, "trends", "fhir", LOCAL, met) == 1
    assert met.damaged == 1


def test_a_message_that_names_no_text_is_refused_with_a_line_that_can_be_printed(
    collector: Collector, lines: pytest.LogCaptureFixture
) -> None:
    window = json.dumps({**trend()["windows"][0], "missing_s": {"X": 1.0}}).replace("X", r"\ud800")
    body = json.dumps({**trend(), "windows": []}).replace('"windows": []', f'"windows": [{window}]')
    collector.take([arrived(f"{BED}/trend", body.encode())])
    assert collector.counts["refused"] == 1
    assert lines.text.encode()
