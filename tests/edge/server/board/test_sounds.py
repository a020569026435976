"""Events and pauses as they are told of: one for each id, the highest rev counts, memory is bounded."""

from __future__ import annotations

import json
from typing import Any

from edge.contract import parse
from edge.contract.pauses import PauseMessage
from edge.contract.topics import Address
from edge.delivery.messages import ulid
from edge.server.board.latest import MAX_SOUNDS, EventStore, StoredEvent
from tests.edge.server.board import ward_messages as made

BED = Address("site", "node", "bed1")
EVENT_ID = "01KB2M0000000000000000TEST"
CLIP_ID = "01KB2M0000000000000000CWWP"


def push(sounds: EventStore, kind: str, body: Any) -> list[StoredEvent]:
    received = parse(made.PREFIX, f"{made.PREFIX}/site/node/s/bed1/{kind}", json.dumps(body).encode())
    return sounds.push(received.address, received.message)  # type: ignore[arg-type]  # no tile


def test_an_onset_becomes_a_sound_with_an_end() -> None:
    sounds = EventStore()
    (begun,) = push(sounds, "event", made.event(EVENT_ID, 8000))
    assert (begun.is_open, begun.begin_s, begun.end_s) == (True, 1.0, None)
    push(sounds, "event", made.event(EVENT_ID, 8000, 20000))
    (over,) = sounds.of(BED)
    assert (over.is_open, over.begin_s, over.end_s, over.time) == (False, 1.0, 2.5, made.WALL_S + 1)


def test_copies_and_late_revs_change_nothing() -> None:
    sounds = EventStore()
    push(sounds, "event", made.event(EVENT_ID, 8000, 20000))
    assert push(sounds, "event", made.event(EVENT_ID, 8000)) == []
    assert push(sounds, "event", made.event(EVENT_ID, 8000, 99999, label="stridor")) == []
    assert [sound.end_s for sound in sounds.of(BED)] == [2.5]


def test_an_update_says_how_long_it_has_been_heard() -> None:
    sounds, body = EventStore(), made.event(EVENT_ID, 8000, rev=2, type="update")
    body["sample"]["until"] = 48000
    (sound,) = push(sounds, "event", body)
    assert (sound.is_open, sound.end_s) == (True, 6.0)


def test_a_self_test_is_no_event_of_a_bed() -> None:
    sounds = EventStore()
    assert push(sounds, "event", made.event(EVENT_ID, 8000, self_test=True)) == []
    assert sounds.of(BED) == []


def test_what_became_of_a_clip_is_said_of_its_events() -> None:
    sounds = EventStore()
    push(sounds, "event", made.event(EVENT_ID, 8000, clip={"id": CLIP_ID, "withheld": None}))
    (sound,) = push(sounds, "clip", made.clip(CLIP_ID, state="withheld", cause="speech"))
    assert (sound.clip, sound.clip_lost) == (CLIP_ID, "withheld: somebody speaks in it")
    push(sounds, "event", made.event(EVENT_ID, 8000, 20000, clip={"id": CLIP_ID, "withheld": None}))
    assert sounds.of(BED)[0].clip_lost == "withheld: somebody speaks in it"


def test_the_oldest_sounds_of_a_bed_go() -> None:
    sounds = EventStore()
    for number in range(MAX_SOUNDS + 5):
        push(sounds, "event", made.event(ulid(made.WALL_S + number), 8000 * number))
    assert [sound.begin_s for sound in sounds.of(BED)] == [float(n) for n in range(5, MAX_SOUNDS + 5)]


def push_pause(sounds: EventStore, body: Any) -> bool:
    received = parse(made.PREFIX, f"{made.PREFIX}/site/node/s/bed1/pause", json.dumps(body).encode())
    assert isinstance(received.message, PauseMessage)
    return sounds.push_pause(received.address, received.message)


def test_of_a_pause_the_end_counts_whatever_comes_after_it() -> None:
    sounds = EventStore()
    assert push_pause(sounds, made.pause(EVENT_ID, 8000))
    assert push_pause(sounds, made.pause(EVENT_ID, 8000, 120_000))
    assert not push_pause(sounds, made.pause(EVENT_ID, 8000, 120_000)), "a copy"
    assert not push_pause(sounds, made.pause(EVENT_ID, 8000)), "overtaken"
    assert [(pause.type, pause.sample.end) for pause in sounds.pauses(BED)] == [("end", 120_000)]
    assert sounds.of(BED) == [], "it is no sound: nobody labels it"


def test_the_oldest_pauses_of_a_bed_go() -> None:
    sounds = EventStore()
    for number in range(MAX_SOUNDS + 5):
        push_pause(sounds, made.pause(ulid(made.WALL_S + number), 80_000 * number))
    assert min(pause.sample.onset for pause in sounds.pauses(BED)) == 80_000 * 5
    assert len(sounds.pauses(BED)) == MAX_SOUNDS
