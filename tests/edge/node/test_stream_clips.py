"""What a stream says of its clips, and that speech in one is withheld before any disk."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.clips import speech
from edge.clips.clip import Recorded
from edge.clips.speech import first_frame
from edge.node.clips import WAITING_CLIPS, ClipWriter, _not_judged
from edge.node.stream_clips import AGAIN_S, ClipSource, StreamClips
from edge.settings.sections import ClipSettings
from edge.types import Block, Event, Gap
from tests.edge.clips.clips import HEARING, clip
from tests.edge.clips.test_speech import vowel
from tests.edge.conftest import wait_for
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import RATE_HZ, Published, Script, configured, sound

HOP, SECOND = 256, 30 * 256 + 512  # of frames that are judged, and 31 of them
SECTION: dict[str, Any] = {"pre_s": 8, "post_s": 1, "longest_s": 12, "memory_s": 30}


def output_of(
    *items: Block | Gap, stream_settings: dict[str, Any] | None = None, **changed: Any
) -> tuple[list[dict[str, Any]], list[Recorded]]:
    """The events of a stream that keeps clips, and the clips."""
    published, clips = Published(), list[Recorded]()
    stream = configured(Script(*items), published, **(stream_settings or {}))
    place = ClipSource(HEARING, LoudnessModel.spec.hop_samples, stream.timeline.wall_s, clips.append)
    stream.keep_clips(StreamClips(ClipSettings(**{**SECTION, **changed}), place))
    stream.run(threading.Event())
    assert stream.failure == ""
    return published.events(), clips


def spoken(seconds: float, begin_s: float) -> Block:
    """Noise that is an event, and a vowel in it."""
    block = sound(seconds, (begin_s, begin_s + 1.0))
    first = round((begin_s + 0.2) * RATE_HZ)
    block.samples[first : first + 4000] += 8 * vowel(0.5)
    return block


def test_the_end_of_an_event_says_that_its_clip_is_withheld_for_speech() -> None:
    events, clips = output_of(spoken(4.0, 1.0))
    assert [body["clip"]["withheld"] for body in events] == [None, "speech"]
    assert [recorded.has_speech for recorded in clips] == [True]


@pytest.mark.parametrize("apart_s", [0.0, 2.0])
def test_each_end_of_an_event_judges_what_came_since_the_one_before(
    monkeypatch: pytest.MonkeyPatch, apart_s: float
) -> None:
    judged_s: list[float] = []

    def watched(samples: NDArray[np.float32], valid: NDArray[np.bool_], rate_hz: int) -> NDArray[np.bool_]:
        judged_s.append(len(samples) / rate_hz)
        return speech.spoken(samples, valid, rate_hz)

    monkeypatch.setattr("edge.node.stream_clips.spoken", watched)
    begins_s = [2.0 + k * (2.0 + apart_s) for k in range(4)]
    block = sound(20.0, *((begin_s, begin_s + 1.0) for begin_s in begins_s))
    first = round((begins_s[2] + 0.2) * RATE_HZ)
    block.samples[first : first + 4000] += 8 * vowel(0.5)
    parts = [Block(a, block.samples[a : a + 800], block.valid[a : a + 800]) for a in range(0, len(block.samples), 800)]
    events, clips = output_of(*parts)
    withheld = [body["clip"]["withheld"] for body in events if body["type"] == "end"]
    assert withheld == [None, None, "speech", "speech"], "the last one's clip has the third in it"
    assert [recorded.has_speech for recorded in clips] == [False, False, True, True]
    assert len(judged_s) == 4
    assert all(each < 2.0 + apart_s + AGAIN_S + 0.5 for each in judged_s[1:])


def test_an_event_without_speech_names_its_clip_and_nothing_speaks_against_it() -> None:
    events, clips = output_of(sound(4.0, (1.0, 2.0)))
    assert [body["clip"] for body in events] == [{"id": clips[0].clip.id, "withheld": None}] * 2
    assert not clips[0].has_speech


def test_speech_is_kept_where_the_settings_say_so_and_alarms_alone_leave_events_without() -> None:
    events, clips = output_of(spoken(4.0, 1.0), speech="keep")
    assert [body["clip"]["withheld"] for body in events] == [None, None]
    assert len(clips) == 1
    events, clips = output_of(spoken(4.0, 1.0), of=["alarm"])
    assert not clips
    assert all("clip" not in body for body in events)


@pytest.mark.parametrize("minimum_s", [0.1, 1.0, 5.0, 12.0])
@pytest.mark.parametrize("quiet_s", [0.1, 5.0])
@pytest.mark.parametrize("start", [0, 2**31 // 320 * 320 - 20 * RATE_HZ])  # on the grid of scores
def test_a_clip_holds_the_onset_however_late_a_sound_is_confirmed(minimum_s: float, quiet_s: float, start: int) -> None:
    tracking = {"wheeze": {"minimum_s": minimum_s, "quiet_s": quiet_s}}
    whole = sound(45.0, (20.0, 36.0), start=start)
    cuts = [Block(start + a, whole.samples[a : a + 777], whole.valid[a : a + 777]) for a in range(0, 45 * RATE_HZ, 777)]
    events, clips = output_of(*cuts, stream_settings={"tracking": tracking}, longest_s=30, memory_s=60)
    onset = start + 20 * RATE_HZ
    assert [body["sample"]["onset"] for body in events if body["type"] == "onset"] == [onset]
    (stored,) = (recorded.clip for recorded in clips if recorded.clip.id == events[0]["clip"]["id"])
    pre = SECTION["pre_s"] * RATE_HZ
    assert stored.start == onset - pre
    assert (stored.pcm[:pre] == 0).all(), "quiet before"
    assert (stored.pcm[pre : pre + 100] != 0).mean() > 0.9, "and then the sound, to the sample"


def test_a_device_that_begins_anew_has_a_clip_for_each_of_its_lives() -> None:
    again = sound(2.0, (0.5, 1.0))
    _, clips = output_of(sound(2.0, (0.5, 1.0)), Gap(2 * RATE_HZ, 2 * RATE_HZ, "device restarted", restart=True), again)
    assert [(each.clip.start, each.clip.stop) for each in clips] == [(0, 2 * RATE_HZ)] * 2


def test_what_was_judged_before_indices_begin_anew_says_nothing_of_the_sound_behind() -> None:
    clips = list[Recorded]()
    stream = StreamClips(ClipSettings(**SECTION), ClipSource(HEARING, HOP, float, clips.append))
    stream.on_item(sound(20.0))
    event = Event("onset", "wheeze", 10 * RATE_HZ, None, 0.9, 0.9, 0.5, "")
    stream.of_event(event, "")
    stream.of_event(replace(event, kind="end", end=11 * RATE_HZ), "")
    stream.on_item(spoken(20.0, 12.0))
    stream.keep_last(10.0, clip(1).id, "")
    assert any(_not_judged(clips[-1]))


class Folder:
    """Stands for a folder on a disk that hangs until it is told to go on."""

    path, files, bytes = "clips", 0, 0

    def __init__(self) -> None:
        self.goes_on, self.written = threading.Event(), list[str]()
        self.looks = 0  # for what is too old

    def open(self) -> None: ...

    def expire(self, now_s: float, plausible_s: float) -> None:
        self.looks += 1

    def put(self, clip: Any, hearing: Any, begin_s: float, speech: bool) -> None:
        self.goes_on.wait()
        self.written.append(clip.id)


Told = list[tuple[str, str, str]]


def writer(folder: Folder, keeps_speech: bool = False) -> tuple[ClipWriter, Told]:
    reported: Told = []
    made = ClipWriter(folder, keeps_speech, lambda each, state, cause, _: reported.append((each.clip.id, state, cause)))  # type: ignore[arg-type]
    made.start()
    return made, reported


def recorded(number: int) -> Recorded:
    return Recorded(clip(1.8e9 + number), HEARING, 1.8e9 + number)


def test_while_a_disk_hangs_clips_are_dropped_counted_and_told_and_nobody_waits() -> None:
    folder = Folder()
    some, reported = writer(folder)
    some.put(recorded(0))
    wait_for(lambda: not some._waiting, "the first to be taken")
    for number in range(1, WAITING_CLIPS + 4):
        some.put(recorded(number))
    assert some.counts == {"queue full": 3}
    assert [state for _, state, cause in reported if cause == "queue full"] == ["dropped"] * 3
    folder.goes_on.set()
    some.stop(60.0)
    assert len(folder.written) == WAITING_CLIPS + 1
    assert some.counts == {"queue full": 3, "stored": WAITING_CLIPS + 1}


def test_what_is_too_old_is_not_looked_for_after_each_clip_but_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    for every_s, looks in ((3600.0, 1), (0.0, 5)):
        monkeypatch.setattr("edge.node.clips.EXPIRE_S", every_s)
        folder = Folder()
        folder.goes_on.set()
        some, _ = writer(folder)
        for number in range(5):
            some.put(recorded(number))
        some.stop(60.0)
        assert len(folder.written) == 5
        assert folder.looks >= looks
        assert folder.looks == 1 or every_s == 0


def test_what_could_not_be_written_at_the_end_is_told() -> None:
    folder = Folder()
    some, reported = writer(folder)
    for number in range(3):
        some.put(recorded(number))
    wait_for(lambda: len(some._waiting) == 2, "the first to be taken")
    some.stop(0.0)
    assert [each[1:] for each in reported] == [("dropped", "stopped")] * 2
    folder.goes_on.set()


@pytest.mark.parametrize(("keeps", "state"), [(False, "withheld"), (True, "stored")])
def test_the_writer_listens_to_all_of_a_clip_before_it_writes(
    keeps: bool, state: Literal["withheld", "stored"]
) -> None:
    folder = Folder()
    folder.goes_on.set()
    some, reported = writer(folder, keeps)
    one = recorded(0)
    one.clip.pcm[1000:5000] += np.round(100_000 * vowel(0.5)).astype(np.int16)
    some.put(one)
    some.stop(60.0)
    assert [each[1] for each in reported] == [state]
    assert bool(folder.written) == keeps


@pytest.mark.parametrize("begin_s", [None, 1.0, 4.0, 7.5, 9.2, 10.6, 11.2])  # clip: 1.1 to 12 s, judged until 10.2 s
def test_what_is_not_judged_at_the_end_of_an_event_is_by_the_writer_and_nothing_twice(
    begin_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_s: list[float] = []

    def watched(samples: NDArray[np.float32], valid: NDArray[np.bool_], rate_hz: int) -> bool:
        judged_s.append(len(samples) / rate_hz)
        return speech.has_speech(samples, valid, rate_hz)

    monkeypatch.setattr("edge.node.clips.has_speech", watched)
    block = sound(14.0, (9.1, 10.1))
    block.samples[:] += 1e-4 * np.random.default_rng(2).standard_normal(len(block.samples)).astype(np.float32)
    if begin_s is not None:
        first = round(begin_s * RATE_HZ)
        block.samples[first : first + 4000] += (8 if 9 < begin_s < 10 else 0.02) * vowel(0.5)
    parts = [Block(a, block.samples[a : a + 800], block.valid[a : a + 800]) for a in range(0, len(block.samples), 800)]
    events, clips = output_of(*parts, post_s=2)
    folder = Folder()
    folder.goes_on.set()
    some, reported = writer(folder)
    for each in clips:
        some.put(each)
    some.stop(60.0)
    at_end = [body["clip"]["withheld"] for body in events if body["type"] == "end"]
    assert at_end == ["speech" if begin_s is not None and begin_s < 10 else None]
    assert [each[1] for each in reported] == ["stored" if begin_s is None else "withheld"]
    assert sum(judged_s) < AGAIN_S + 2.0


@given(st.integers(0, 99), st.integers(1, 60_000), st.integers(-9_000, 60_000), st.integers(0, 60_000))
def test_every_second_of_a_clip_is_judged_by_one_or_the_other(start: int, count: int, quiet: int, judged: int) -> None:
    one = clip(1.8e9)
    one = replace(one, start=start + 2**32, pcm=np.zeros(count, np.int16))
    without = one.start + quiet, one.start + quiet + judged
    parts = [*_not_judged(Recorded(one, HEARING, 1.8e9, without_speech=without)), without]
    for first in range(first_frame(one.start, RATE_HZ), one.stop - SECOND + 1, HOP):
        assert any(begin <= first and first + SECOND <= end for begin, end in parts), first
