"""The list of a bed's events: what was heard, what lies on the disk, what people said; each once. And its pauses."""

from __future__ import annotations

from pathlib import Path

from edge.contract.topics import Address
from edge.server.board.bed_history import EventRow, pause_rows_of, rows_of
from edge.server.board.clips import ClipIndex
from edge.server.board.labels import EventFacts, Label, Labels
from edge.server.board.latest import EventStore
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.board_clips import BEGIN, RATE_HZ, a_clip, hearing, put
from tests.edge.server.board.test_sounds import push, push_pause

BED = Address("ward-b", "box-1", "bed1")
FIRST, SECOND, THIRD = (f"01KB2M000000000000000{name}" for name in ("FRST1", "SCND2", "THRD3"))


def listed(tmp_path: Path, sounds: EventStore | None = None, folder: Path | None = None) -> list[EventRow]:
    index = ClipIndex(folder)
    index.refresh()
    received = [] if sounds is None else sounds.of(Address("site", "node", "bed1"))
    return rows_of(BED, received, index.clips, Labels(tmp_path / "labels.jsonl"), index.why_none)


def test_what_was_heard_comes_latest_first_and_says_why_there_is_no_clip(tmp_path: Path) -> None:
    sounds = EventStore()
    push(sounds, "event", made.event(FIRST, 8000, 16000))
    push(sounds, "event", made.event(SECOND, 80000))
    rows = listed(tmp_path, sounds)
    assert [(row.event.id, row.is_open, row.event.length_s) for row in rows] == [
        (SECOND, True, None),
        (FIRST, False, 1.0),
    ]
    assert {row.clip_words for row in rows} == {"no folder of clips is set for this board"}


def test_a_clip_tells_of_its_event_when_the_board_has_heard_nothing(tmp_path: Path) -> None:
    clip = put(tmp_path / "clips", a_clip(FIRST))
    put(tmp_path / "clips", a_clip(SECOND), hearing("bed2"))
    (row,) = listed(tmp_path, folder=tmp_path / "clips")
    assert (row.event.id, row.event.clip, row.has_clip, row.event.time) == (FIRST, clip.id, True, made.WALL_S + 3)


def test_an_event_that_was_heard_and_has_a_clip_is_one(tmp_path: Path) -> None:
    clip, sounds = put(tmp_path / "clips", a_clip(FIRST)), EventStore()
    onset = BEGIN + 3 * RATE_HZ
    push(sounds, "event", made.event(FIRST, onset, onset + 16000))
    (row,) = listed(tmp_path, sounds, tmp_path / "clips")
    assert (row.event.clip, row.has_clip, row.clip_words) == (clip.id, True, "")


def test_what_was_said_is_shown_also_where_nothing_else_is_left(tmp_path: Path) -> None:
    facts = EventFacts(THIRD, "wheeze", made.WALL_S, 1.0, 0.9, 0.6, "")
    for address in (BED, Address("ward-b", "box-1", "bed2")):
        Labels(tmp_path / "labels.jsonl").add(Label(facts, address, "true", "wheeze", "nurse K", 1.0))
    Labels(tmp_path / "labels.jsonl").add(Label(facts, BED, "false", "", "Dr. L", 2.0))
    (row,) = listed(tmp_path)
    assert row.said is not None
    assert (row.event, row.said.by, row.said.verdict) == (facts, "Dr. L", "false")


def test_a_pause_says_how_long_it_was_what_ended_it_and_whether_the_sensor_was_on_the_skin() -> None:
    sounds = EventStore()
    push_pause(sounds, made.pause(FIRST, 8000, 8000 + 8000 * 23))
    push_pause(sounds, made.pause(SECOND, 800_000, 1_000_000, contact=False, end_reason="lost_sound", mode="Test"))
    push_pause(sounds, made.pause(THIRD, 1_600_000))
    lasting, cut, over = pause_rows_of(sounds.pauses(Address("site", "node", "bed1")))
    assert (over.time, over.length_s, over.words) == (made.WALL_S + 1, 23.0, "Breath paused")
    assert (over.is_open, over.is_cut, over.is_test) == (False, False, False)
    assert (cut.length_s, cut.words) == (25.0, "No breath heard: check patient and sensor")
    assert (cut.is_open, cut.is_cut, cut.is_test) == (False, True, True)
    assert (lasting.length_s, lasting.is_open, lasting.words) == (None, True, "Breath paused")


def test_when_a_pause_ended_is_not_known_where_its_box_was_killed_meanwhile() -> None:
    sounds, body = EventStore(), made.pause(FIRST, 8000)
    push_pause(sounds, {**body, "rev": 2, "type": "end", "end_reason": "restart"})
    (row,) = pause_rows_of(sounds.pauses(Address("site", "node", "bed1")))
    assert (row.length_s, row.is_open, row.is_cut) == (None, False, False)
