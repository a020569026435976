"""Which sound becomes a clip: onsets lie in it, neighbours share one, and nothing depends on how the sound is cut."""

from __future__ import annotations

import base64
from typing import Literal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.clips.clip import Cause, Clip
from edge.clips.pcm_ring import gaps_in
from edge.clips.recorder import MOST_OPEN, Lengths, Recorder
from edge.types import Block, Chunk, Event

LENGTHS = Lengths(pre=100, post=50, longest=400, memory=800, between_states=80)
HOP = 8


def recorder() -> Recorder:
    ids = iter(range(10**6))
    return Recorder(LENGTHS, HOP, lambda _: f"clip{next(ids)}")


def sound(start: int, stop: int) -> Block:
    return Block(start, (np.arange(start, stop) % 1000 / 32768).astype(np.float32), np.ones(stop - start, np.bool_))


def event(kind: Literal["onset", "update", "end"], onset: int, end: int | None = None, label: str = "wheeze") -> Event:
    return Event(kind, label, onset, end, 0.9, 0.8, 0.5, "quiet" if end else "")


def spans(clips: list[Clip]) -> list[tuple[int, int]]:
    return [(clip.start, clip.stop) for clip in clips]


def test_a_clip_goes_from_before_the_onset_to_behind_the_end() -> None:
    some = recorder()
    assert some.push(sound(0, 500)) == []
    assert some.on_event(event("onset", 300), "e1") == "clip0"
    assert some.push(sound(500, 590)) == [], "the sound lasts"
    assert some.on_event(event("end", 300, 530), "e1") == "clip0"
    (clip,) = some.push(sound(590, 700))
    assert (clip.start, clip.stop, [each.id for each in clip.events]) == (200, 580, ["e1"])
    assert (clip.pcm == np.arange(200, 580) % 1000).all()
    assert (clip.events[0].onset, clip.events[0].end, clip.cause) == (300, 530, Cause("event"))


def test_events_that_follow_closely_share_a_clip_and_a_later_one_has_its_own() -> None:
    some, found = recorder(), list[Clip]()
    some.push(sound(0, 320))
    ids = []
    for onset, end in ((300, 310), (330, 340), (700, 720)):
        found += some.push(sound(some.stop, onset + 20))
        ids.append(some.on_event(event("onset", onset), f"e{onset}"))
        found += some.push(sound(some.stop, end + 20))
        some.on_event(event("end", onset, end), f"e{onset}")
    found += some.push(sound(some.stop, 1000))
    assert ids == ["clip0", "clip0", "clip1"]
    assert spans(found) == [(200, 390), (600, 770)]


def test_a_sound_that_lasts_longer_than_a_clip_is_kept_as_far_as_it_may() -> None:
    some = recorder()
    some.push(sound(0, 320))
    some.on_event(event("onset", 300), "e1")
    (clip,) = some.push(sound(320, 1100))
    assert (clip.start, clip.stop, clip.events[0].end) == (200, 600, None)
    assert some.on_event(event("end", 300, 1050), "e1") == "clip0", "its end still names the clip"


def test_an_update_names_the_clip_of_its_onset_and_ends_nothing() -> None:
    some = recorder()
    some.push(sound(0, 500))
    some.on_event(event("onset", 300), "e1")
    assert some.on_event(event("update", 300), "e1") == "clip0"
    assert some.push(sound(500, 590)) == [], "the sound lasts"
    assert some.on_event(event("end", 300, 530), "e1") == "clip0"
    (clip,) = some.push(sound(590, 700))
    assert (clip.stop, clip.events[0].end) == (580, 530)


def test_gaps_are_in_the_clip_where_they_were() -> None:
    some = recorder()
    some.push(sound(0, 280))
    some.push(sound(290, 330))
    some.on_event(event("onset", 300), "e1")
    some.on_event(event("end", 300, 320), "e1")
    (clip,) = some.push(sound(330, 400))
    assert gaps_in(clip.pcm) == [(80, 90)]


def test_before_a_long_gap_a_clip_ends_where_the_sound_does() -> None:
    some = recorder()
    some.push(sound(0, 320))
    some.on_event(event("onset", 300), "e1")
    assert spans(some.push(sound(2**40, 2**40 + 10))) == [(200, 320)]


def test_a_device_that_counts_anew_ends_what_is_open_and_nothing_is_joined() -> None:
    some = recorder()
    some.push(sound(1000, 1320))
    some.record_gain(100, 3.0)
    some.on_event(event("onset", 1300), "e1")
    assert spans(some.push(sound(0, 20))) == [(1200, 1320)]
    clip = some.last(1000, "c", Cause("command"))
    assert (clip.start, clip.stop, clip.gains) == (0, 20, ())


def test_an_alarm_keeps_what_led_to_it_and_an_order_what_is_there() -> None:
    some = recorder()
    some.push(sound(0, 1000))
    assert some.on_alarm("a", Cause("alarm", condition="continuous", episode=2))
    assert spans(some.push(sound(1000, 1060))) == [(650, 1050)]
    assert spans([some.last(10_000, "c", Cause("command")), some.last(30, "d", Cause("command"))]) == [
        (260, 1060),
        (1030, 1060),
    ]


def test_no_more_clips_are_open_than_there_is_room_for_and_the_others_are_counted() -> None:
    some = recorder()
    some.push(sound(0, 1000))
    begun = [some.on_alarm(str(number), Cause("alarm")) for number in range(MOST_OPEN + 2)]
    assert (begun.count(True), some.refused) == (MOST_OPEN, 2)
    assert some.on_event(event("onset", 990), "e") == ""
    assert some.on_event(event("end", 990, 999), "e") == ""
    assert len(some.finish()) == MOST_OPEN


def chunk(start: int, restart: bool = False, is_valid: bool = True) -> Chunk:
    valid = np.full(5, is_valid)
    return Chunk(start, np.zeros((5, 1), np.float32), valid, valid, restart)


def test_a_clip_holds_the_first_state_of_the_model_within_it_and_its_gains() -> None:
    some, state = recorder(), np.array([1.5, -2.0], np.float32)
    some.push(sound(0, 320))
    for frame in range(0, 40, 5):
        some.record_state(chunk(frame, restart=frame == 0), state)
    for frame, gain_db in ((0, 0.0), (20, 1.5), (30, 2.5), (39, 9.0)):
        some.record_gain(frame, gain_db)
    clip = some.last(150, "c", Cause("command"))
    assert clip.start == 170
    assert clip.resume is not None
    assert (clip.resume.frame, clip.gains) == (30, ((20, 1.5), (30, 2.5), (39, 9.0)))
    assert np.frombuffer(base64.b64decode(clip.resume.state), "<f4").tolist() == [1.5, -2.0]
    whole = some.last(320, "d", Cause("command")).resume
    assert whole is not None
    assert (whole.frame, whole.state) == (0, "")


def test_a_chunk_that_begins_with_lost_sound_is_no_place_to_resume() -> None:
    some = recorder()
    some.push(sound(0, 320))
    some.record_state(chunk(10, is_valid=False), np.zeros(2, np.float32))
    assert some.last(320, "c", Cause("command")).resume is None


def test_where_the_detector_began_anew_a_clip_resumes_behind_it() -> None:
    some, state = recorder(), np.zeros(2, np.float32)
    some.push(sound(0, 320))
    some.record_state(chunk(5), state)
    some.record_gain(20, 1.0)
    some.finish()
    some.record_gain(15, 0.0)
    some.record_state(chunk(15, restart=True), state)
    clip = some.last(320, "c", Cause("command"))
    assert clip.resume is not None
    assert (clip.resume.frame, clip.gains) == (15, ((15, 0.0),))


@given(
    st.sampled_from([0, 2**31 - 600, 2**32 - 600]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(1, 200), st.integers(1, 250)), min_size=1, max_size=8),
    st.lists(st.integers(1, 90), min_size=1, max_size=30),
)
def test_every_onset_lies_in_its_clip_with_its_pre_roll_however_the_sound_is_cut(
    start: int, events: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    some, clips, named, at = recorder(), dict[str, Clip](), list[tuple[str, int]](), start
    todo: list[tuple[int, Event]] = []  # when it is decided, and what
    for number, (quiet, length, late) in enumerate(events):
        onset, end = at + quiet, at + quiet + length
        todo += [(onset + late // 2, event("onset", onset, label=f"w{number}"))]
        todo += [(end + late, event("end", onset, end, label=f"w{number}"))]
        at = end
    todo.sort(key=lambda pair: pair[0])
    place, turn = start, 0
    while place < at + 1000:
        stop = place + cuts[turn % len(cuts)]
        clips |= {clip.id: clip for clip in some.push(sound(place, stop))}
        place, turn = stop, turn + 1
        while todo and todo[0][0] <= place:
            _, found = todo.pop(0)
            clip = some.on_event(found, found.label)
            if found.kind == "onset":
                named.append((clip, found.onset))
    for ident, onset in named:
        clip = clips[ident]
        assert max(start, onset - LENGTHS.pre) >= clip.start
        assert onset < clip.stop <= clip.start + LENGTHS.longest
        assert onset in [each.onset for each in clip.events]
        assert (clip.pcm == np.arange(clip.start, clip.stop) % 1000).all()
