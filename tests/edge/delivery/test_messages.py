"""The contract: topics, ids and the JSON of every event."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge
from edge.contract.events import ModelName
from edge.contract.message import encode
from edge.delivery.messages import (
    ClockReading,
    EventTimes,
    Latency,
    Node,
    end_after_restart,
    event_message,
    finish,
    gap_message,
    model_name,
    new_boot_id,
    status_body,
    ulid,
)
from edge.types import Event, Gap
from tests.edge.fakes import LoudnessModel

MODEL = ModelName.model_construct(id="m", sha256="a", runtime="numpy 0", features="sha256:b")
SCHEMA = json.loads((Path(edge.__file__).parent / "contract" / "schema" / "event.json").read_text())
NODE = Node("laennec/v1", "ward-b", "edge-7", "Test", "b3f1b3f1")
CHECK = jsonschema.Draft202012Validator(SCHEMA)
SCORE = st.floats(0, 1)
INDEX = st.integers(0, 2**40)
REVS = {"onset": 1, "update": 2, "end": 3}


def sent(event: Event, late: bool = False) -> dict[str, object]:
    moment = EventTimes(1.8e9, None if event.end is None else 1.8e9 + 1)
    message = event_message(
        NODE, "bed1", (ulid(1.8e9), REVS[event.kind]), event, 8000, moment, model_name(LoudnessModel())
    )
    return json.loads(finish({**message.body, "seq": 7}, late, 1.8e9 + 2))  # type: ignore[no-any-return]


@given(INDEX, st.none() | st.integers(1, 10**6), SCORE, SCORE, SCORE, st.booleans())
def test_every_event_obeys_the_schema(
    onset: int, length: int | None, peak: float, mean: float, threshold: float, late: bool
) -> None:
    kind: Literal["onset", "update", "end"] = "onset" if length is None else "end" if length % 2 else "update"
    end = None if length is None else onset + length
    event = Event(kind, "wheeze", onset, end, peak, mean, threshold, "gap" if kind == "end" else "")
    body = sent(event, late)
    CHECK.validate(body)
    assert (body["late"], body["verified"]) == (late, None)
    assert len(encode(body)) < 4096


def test_an_event_that_a_kill_left_open_ends_with_its_onset_and_no_time() -> None:
    onset = sent(Event("onset", "wheeze", 5, None, 0.9, 0.8, 0.5, ""))
    now = Node("laennec/v1", "ward-c", "edge-7", "Test", "00000000")
    message = end_after_restart(now, onset)
    body = json.loads(finish(message.body, True, 1.9e9))
    CHECK.validate(body)
    assert (message.topic, message.event) == ("laennec/v1/ward-c/edge-7/s/bed1/event", (onset["id"], 2))
    assert message.expiry_s == 86_400
    assert (body["type"], body["rev"], body["end_reason"], body["boot_id"]) == ("end", 2, "restart", "b3f1b3f1")
    assert (body["sample"]["onset"], body["sample"]["end"], body["time"]["end"]) == (5, None, None)


UPDATE = Event("update", "wheeze", 8000, 12160, 0.9, 0.8, 0.5, "")


def test_an_update_says_how_far_the_sound_was_heard_and_not_that_it_is_over() -> None:
    body: dict[str, Any] = sent(UPDATE)
    CHECK.validate(body)
    assert (body["type"], body["rev"], "end_reason" in body) == ("update", 2, False)
    assert body["sample"] == {"rate": 8000, "onset": 8000, "end": None, "until": 12160}
    assert (body["time"]["end"], body["time"]["until"]) == (None, "2027-01-15T08:00:01.000Z")


@pytest.mark.parametrize(
    "change",
    [
        {"rev": 1},
        {"end_reason": "quiet"},
        {"sample": {"rate": 8000, "onset": 8000, "end": None}},
        {"sample": {"rate": 8000, "onset": 8000, "end": 9000, "until": 9000}},
    ],
)
def test_the_schema_refuses_an_update_that_is_wrong(change: dict[str, object]) -> None:
    assert not CHECK.is_valid({**sent(UPDATE), **change})


def test_a_sound_that_was_told_of_again_before_a_kill_ends_with_the_next_rev() -> None:
    update = {**sent(UPDATE), "rev": 4, "latency_ms": {}}
    message = end_after_restart(NODE, update)
    body = json.loads(finish(message.body, True, 1.9e9))
    CHECK.validate(body)
    assert (message.event, body["rev"], body["type"]) == ((update["id"], 5), 5, "end")
    assert (body["sample"]["end"], body["sample"]["until"], "latency_ms" in body) == (None, 12160, False)


def test_an_event_carries_its_latency_its_clock_and_the_hash_of_the_settings() -> None:
    node = Node("laennec/v1", "ward-b", "edge-7", "Test", "b3f1b3f1", config=f"sha256:{'0' * 64}")
    times = EventTimes(1.8e9, 1.8e9 + 0.52, ClockReading(True, -1.25, 12.0), Latency(0.8, 0.02, 0.005, 99.0))
    message = event_message(node, "bed1", (ulid(1.8e9), 2), END, 8000, times, model_name(LoudnessModel()))
    body = json.loads(finish({**message.body, "seq": 7}, True, 1.8e9 + 2))
    CHECK.validate(body)
    assert (body["config"], message.decided_s) == (f"sha256:{'0' * 64}", 99.0)
    assert body["time"]["clock"] == {"synced": True, "offset_ms": -1.25, "uncertainty_ms": 12.0}
    assert body["latency_ms"].items() >= {"sound": 800.0, "window": 20.0, "scored": 5.0, "disk": None}.items()
    assert len(encode(body)) < 4096


@pytest.mark.parametrize(
    ("reason", "end", "is_right"),
    [("restart", None, True), ("restart", 9, False), ("quiet", None, False), ("quiet", 9, True)],
)
def test_the_schema_wants_the_end_of_every_sound_but_after_a_restart(
    reason: str, end: int | None, is_right: bool
) -> None:
    body: dict[str, Any] = sent(Event("end", "wheeze", 1, 9, 0.9, 0.8, 0.5, "quiet"))
    sample = {**body["sample"], "end": end}
    time = {**body["time"], "end": None if end is None else body["time"]["end"]}
    assert CHECK.is_valid({**body, "end_reason": reason, "sample": sample, "time": time}) is is_right


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"id": "x"},
        {"type": "update"},
        {"rev": 3},
        {"stream": "Bed 1"},
        {"late": "no"},
        {"boot_id": None},
        {"end_reason": "quiet"},
        {"seq_start": 0},
        {"scores": {"peak": 1.1, "mean": 0, "threshold": 0}},
        {"time": {}},
    ],
)
def test_the_schema_refuses_what_is_wrong(change: dict[str, object]) -> None:
    body = sent(Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, ""))
    assert not CHECK.is_valid({**body, **change})


def test_the_schema_lets_a_later_version_add_fields() -> None:
    body = sent(Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, ""))
    assert CHECK.is_valid({**body, "quality": {"sqi": 0.9}})


def test_an_event_that_is_sent_again_is_marked_and_only_then() -> None:
    body = sent(Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, ""))
    assert CHECK.is_valid({**body, "resent": True})
    assert not CHECK.is_valid({**body, "resent": False})


def test_nan_is_never_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"score": float("nan")})


def test_topics_carry_site_node_and_stream() -> None:
    event = Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, "")
    message = event_message(NODE, "bed1", ("i", 1), event, 8000, EventTimes(0, None), MODEL)
    assert message.topic == "laennec/v1/ward-b/edge-7/s/bed1/event"
    assert message.event == ("i", 1)
    gap = gap_message(NODE, "bed1", Gap(8000, 12000, "device lost"), 8000)
    assert gap.topic == "laennec/v1/ward-b/edge-7/s/bed1/gap"
    assert (gap.body["from_sample"], gap.body["to_sample"], gap.body["ms"]) == (8000, 12000, 500)
    assert gap.event is None


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    assert ulid(1.0) < ulid(1.001) < ulid(1.8e9) < ulid(9e9)
    assert len({ulid(1.0) for _ in range(1000)}) == 1000
    assert ulid(1469918176.385)[:10] == "01ARYZ6S41"  # the example of github.com/ulid/spec


END = Event("end", "wheeze", 8000, 12160, 0.91237, 0.75004, 0.50006, "quiet")


def check_fields(sent: bytes, expected: str) -> None:
    """The fields are there with these values; later versions may have more."""
    assert _only(json.loads(sent), json.loads(expected)) == json.loads(expected)


def _only(found: object, expected: object) -> object:
    if isinstance(found, dict) and isinstance(expected, dict):
        return {key: _only(found[key], value) for key, value in expected.items()}
    return found


def test_an_end_says_this() -> None:
    moment = EventTimes(1.8e9, 1.8e9 + 0.52, ClockReading(True))
    message = event_message(NODE, "bed1", ("01ID", 2), END, 8000, moment, MODEL)
    check_fields(
        finish({**message.body, "seq": 7}, True, 1.8e9 + 2.0),
        '{"schema":"laennec.event/1","id":"01ID","rev":2,"seq":7,"type":"end","mode":"Test","node":"edge-7",'
        '"stream":"bed1","site":"ward-b","boot_id":"b3f1b3f1","late":true,'
        '"sample":{"rate":8000,"onset":8000,"end":12160},'
        '"time":{"onset":"2027-01-15T08:00:00.000Z","end":"2027-01-15T08:00:00.520Z",'
        '"published":"2027-01-15T08:00:02.000Z","clock":{"synced":true}},"label":"wheeze",'
        '"scores":{"peak":0.9124,"mean":0.75,"threshold":0.5001},'
        '"model":{"id":"m","sha256":"a","runtime":"numpy 0","features":"sha256:b"},"end_reason":"quiet"}',
    )
    assert (message.expiry_s, message.event) == (86_400, ("01ID", 2))
    assert (message.body["seq"], message.body["late"]) == (0, False)
    assert message.body["time"]["published"] is None


def test_an_onset_has_no_end_and_no_reason() -> None:
    onset = Event("onset", "wheeze", 8000, None, 0.9, 0.8, 0.5, "")
    message = event_message(NODE, "bed1", ("01ID", 1), onset, 8000, EventTimes(1.8e9, None), MODEL)
    assert message.body["sample"] == {"rate": 8000, "onset": 8000, "end": None}
    assert message.body["time"]["end"] is None
    assert message.body["time"]["clock"]["synced"] is None
    assert (message.event, "end_reason" in message.body) == (("01ID", 1), False)


def test_a_gap_says_this() -> None:
    message = gap_message(NODE, "bed1", Gap(8000, 48050, "device lost"), 8000)
    assert (message.body["seq"], message.body["late"]) == (0, False)
    check_fields(
        encode({**message.body, "seq": 3}),
        '{"schema":"laennec.gap/1","seq":3,"node":"edge-7","stream":"bed1","boot_id":"b3f1b3f1","late":false,'
        '"from_sample":8000,"to_sample":48050,"rate":8000,"ms":5006,"cause":"device lost","time":{"published":null}}',
    )  # 40 050 samples are 5006.25 ms
    assert message.expiry_s == 86_400


def test_a_status_says_this() -> None:
    assert json.loads(encode(status_body(NODE, "stopped", "s1", 1.8e9)))["state"] == "stopped"
    check_fields(
        encode(status_body(NODE, "online", "s1", 1.8e9)),
        '{"schema":"laennec.status/1","state":"online","boot_id":"b3f1b3f1","session":"s1","box":"",'
        '"ts":"2027-01-15T08:00:00.000Z"}',
    )


def test_text_of_other_alphabets_is_utf_8_and_infinity_is_refused() -> None:
    assert encode({"a": "Größe"}) == '{"a":"Größe"}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": float("inf")})


def test_a_boot_id_is_eight_digits_and_another_each_time() -> None:
    ids = {new_boot_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(ident) == 8 and int(ident, 16) >= 0 for ident in ids)


def test_an_id_is_48_bits_of_time_and_80_random_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbits", lambda bits: (1 << bits) - 1)
    assert ulid(0.0) == "0" * 10 + "Z" * 16
    assert ulid(0.033) == "0000000011" + "Z" * 16  # 33 ms are 1 x 32 + 1
    assert ulid(2**48 / 1000 + 0.033) == "0000000011" + "Z" * 16  # after 8900 years the 48 bits begin again
    assert ulid(2**48 / 1000 - 0.001) == "7" + "Z" * 25


def test_what_waited_under_other_names_goes_where_the_node_speaks_now() -> None:
    assert NODE.current_topic("old/tree/of/names/s/bed1/event") == "laennec/v1/ward-b/edge-7/s/bed1/event"
    assert NODE.current_topic("s/bed1/gap") == "laennec/v1/ward-b/edge-7/s/bed1/gap"


def test_so_does_the_change_of_an_alarm_of_a_bed_or_of_the_node_whatever_its_site_is_called() -> None:
    of_bed = "old/tree/s/bed1/alarm/clock/transition"
    assert NODE.current_topic(of_bed, "bed1") == "laennec/v1/ward-b/edge-7/s/bed1/alarm/clock/transition"
    of_node = "laennec/v1/s/old/alarm/clock/transition"  # the site is called `s`
    assert NODE.current_topic(of_node, None) == "laennec/v1/ward-b/edge-7/alarm/clock/transition"
