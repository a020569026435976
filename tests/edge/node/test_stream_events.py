"""What a stream says of sound whose events are known: samples, wall times, restarts, names, log lines."""

from __future__ import annotations

import logging
import threading
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.class_rules import CAREFUL_FRAMES
from edge.log import LINES
from edge.node.clock import is_synchronised
from edge.sources.source import Vitals
from edge.types import Chunk, Gap
from tests.edge.fakes import Answer, LoudnessModel
from tests.edge.streaming import (
    RATE_HZ,
    Device,
    Published,
    Script,
    clock_s,
    configured,
    samples_of,
    sound,
    spoken,
)


def test_wall_times_lie_as_far_apart_as_the_samples() -> None:
    begin_s = time.time()
    events = spoken(sound(3.0, (1.0, 1.5), (2.0, 2.6)))
    assert samples_of(events)[1::2] == [("end", 8000, 12160), ("end", 16000, 20800)]  # score frames of 320 samples
    onsets, ends = ([clock_s(body["time"][key]) for body in events[1::2]] for key in ("onset", "end"))
    assert ends[0] - onsets[0] == pytest.approx(4160 / 8000, abs=0.0011)  # told in milliseconds
    assert ends[1] - onsets[1] == pytest.approx(4800 / 8000, abs=0.0011)
    assert onsets[1] - onsets[0] == pytest.approx(1.0, abs=0.0011)
    assert begin_s - 2 - 0.001 <= onsets[0] <= time.time() - 2 + 0.001  # of 3 s that arrive now
    assert [body["time"]["clock"]["synced"] for body in events] == [is_synchronised()] * 4


@pytest.mark.parametrize("start", [0, 3 * RATE_HZ, 9 * RATE_HZ])
def test_after_a_restart_the_stream_is_as_new(start: int) -> None:
    again = sound(2.0, (0.0, 0.5), (1.0, 1.5), start=start)
    thresholds = {"wheeze": 0.85}  # a score of 0.9 is not enough behind a gap, and it is at the begin of a stream
    before = [sound(1.0, (0.5, 1.0)), Gap(RATE_HZ, 3 * RATE_HZ, "device restarted", restart=True)]
    events = spoken(*before, again, thresholds=thresholds)
    assert [body["type"] for body in events] == ["onset", "end"] * 3
    assert samples_of(events)[2:] == samples_of(spoken(again, thresholds=thresholds))
    assert samples_of(events)[2] == ("onset", start, None)


def test_after_a_restart_with_a_jump_a_sound_begins_where_it_would_in_a_new_stream() -> None:
    # Score frames 0.9, 0.02, 0.9, ...: at the begin of a stream the median of two is 0.46, behind a gap of three 0.02
    again = sound(1.0, (0.0, 0.04), (0.08, 0.5), start=9 * RATE_HZ)
    events = spoken(
        sound(1.0), Gap(RATE_HZ, 9 * RATE_HZ, "device restarted", restart=True), again, thresholds={"wheeze": 0.4}
    )
    assert samples_of(events)[0] == ("onset", 9 * RATE_HZ, None)
    assert samples_of(events) == samples_of(spoken(again, thresholds={"wheeze": 0.4}))


def test_a_gap_without_a_restart_is_no_new_beginning() -> None:
    after = sound(2.0, (0.0, 2.0), start=3 * RATE_HZ)
    gap = Gap(RATE_HZ, 3 * RATE_HZ, "overflow")
    events = spoken(sound(1.0), gap, after, thresholds={"wheeze": 0.895})
    assert samples_of(events)[0] == ("onset", 3 * RATE_HZ + CAREFUL_FRAMES * LoudnessModel.score_hop_samples, None)


def test_a_stream_has_its_own_thresholds_and_classes() -> None:
    assert spoken(sound(1.0, (0.2, 0.8)), thresholds={"wheeze": 0.95}) == []
    assert spoken(sound(1.0, (0.2, 0.8)), classes=("fine_crackle",)) == []
    (onset, end) = spoken(sound(1.0, (0.2, 0.8)), thresholds={"wheeze": 0.75}, classes=("wheeze",))
    assert onset["scores"] == end["scores"] == {"peak": 0.9, "mean": 0.9, "threshold": 0.75}


def test_a_device_is_named_and_its_clock_is_asked() -> None:
    published, begin_s = Published(), time.time()
    configured(Device(sound(1.0, (0.2, 0.8))), published).run(threading.Event())
    assert [body["device"] for body in published.events()] == ["0x1a2b3c4d"] * 2
    assert begin_s - 10 - 0.01 <= clock_s(published.events()[0]["time"]["onset"]) <= time.time() - 10 + 0.01
    assert "device" not in spoken(sound(1.0, (0.2, 0.8)))[0]


def test_the_health_of_a_device_is_told_where_there_is_one() -> None:
    assert configured(Device(), Published()).assess().vitals == Vitals("0x1a2b3c4d", True)
    assert configured(Script(), Published()).assess().vitals is None


def test_the_log_has_one_line_for_each_onset_end_and_gap(lines: pytest.LogCaptureFixture) -> None:
    with lines.at_level(logging.INFO, "edge.node"):
        spoken(sound(2.0, (1.0, 1.5)), Gap(16_000, 17_000, "device lost"))
    assert lines.messages == [
        "stream=bed1 onset=wheeze at_s=1.00 score=0.90",
        "stream=bed1 end=wheeze at_s=1.52 score=0.90",
        'stream=bed1 gap_s=0.125 cause="device lost"',
    ]


def test_a_device_that_restarts_all_the_time_does_not_fill_the_log(lines: pytest.LogCaptureFixture) -> None:
    with lines.at_level(logging.INFO, "edge.node"):
        spoken(*(Gap(k, k + 1, "device restarted", restart=True) for k in range(1000)), Gap(1000, 1001, "packets lost"))
    assert len(lines.messages) == LINES + 2
    assert lines.messages[-1] == 'stream=bed1 gap_s=0.000 cause="packets lost"'


def test_two_sounds_at_once_are_two_events_and_each_end_has_the_id_of_its_onset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score = LoudnessModel.score

    def both(self: LoudnessModel, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        scores, after = score(self, chunk, state)
        scores.values[:, 1] = scores.values[:, 0]
        return scores, after

    monkeypatch.setattr(LoudnessModel, "score", both)
    events = spoken(sound(1.0, (0.2, 0.8)))
    ids = {body["label"]: body["id"] for body in events if body["type"] == "onset"}
    assert len(set(ids.values())) == len(ids) == 2
    assert {body["label"]: body["id"] for body in events if body["type"] == "end"} == ids
    assert len(events) == 4


def test_an_event_names_the_model_and_the_rate() -> None:
    (onset, _) = spoken(sound(1.0, (0.2, 0.8)))
    assert onset["model"]["id"] == "loudness"
    assert onset["model"]["features"] == f"sha256:{'b' * 64}"
    assert onset["sample"]["rate"] == 8000


def test_a_closed_stream_says_nothing_more() -> None:
    published = Published()
    stream = configured(Script(sound(2.0, (1.0, 2.0)), sound(2.0, (0.0, 1.0), start=2 * RATE_HZ)), published)
    stream.close()
    stream.run(threading.Event())
    assert (published, stream.assess().totals.received_s) == ([], 0.0)
    stream.look()
    assert (stream.assess().state.name, stream.assess().state.reason) == ("disabled", "stopped")
