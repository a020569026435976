"""A device without contact sends on: its time goes on, nothing of it is measured, and nothing of it waits."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edge.detector.chunks import PENDING_S, IdleFrames
from edge.settings.node import Stream
from edge.types import Block, Scores
from tests.edge.fakes import Bursts, LoudnessModel
from tests.edge.streaming import RATE_HZ, Driven, Published, Script

pytestmark = pytest.mark.usefixtures("patient")

HOP = LoudnessModel().score_hop_samples
BEGIN_S, LOOSE_S = 20, 400
LENGTH = RATE_HZ // 10


def _blocks(from_s: int, to_s: int, touches: bool) -> list[Block]:
    noise = np.random.default_rng(1)
    return [
        Block(start, noise.normal(0, 0.01, LENGTH).astype(np.float32), np.full(LENGTH, touches))
        for start in range(from_s * RATE_HZ, to_s * RATE_HZ, LENGTH)
    ]


def _bed(*blocks: Block, published: Published | None = None) -> Driven:
    bed = Driven(
        Stream(id="bed1", source="script", pace=True), Script(*blocks), Published() if published is None else published
    )
    bed.feed(*blocks)
    return bed


def test_a_burden_does_not_stand_still_while_a_sensor_is_off_the_chest() -> None:
    touching = _bed(*_blocks(0, BEGIN_S, touches=True))
    before = touching.burden.reading(0.0)
    assert before is not None
    touching.feed(*_blocks(BEGIN_S, BEGIN_S + LOOSE_S, touches=False))
    after = touching.burden.reading(0.0)
    assert after is not None
    passed_s = (after.stop - before.stop) * HOP / RATE_HZ
    assert LOOSE_S - 10 <= passed_s <= LOOSE_S + 10  # of a grid of ten seconds
    minute, five, _ = touching.burden.covered(after)
    assert (minute.measured_s, five.measured_s) == (0, 0)
    assert five.missing_s == {"masked": pytest.approx(300)}


def test_sound_that_cannot_be_heard_does_not_wait() -> None:
    bed = _bed(*_blocks(0, BEGIN_S, touches=True), *_blocks(BEGIN_S, BEGIN_S + LOOSE_S, touches=False))
    bed.due_s = None
    assert bed.assess().lag_s < 2 * PENDING_S
    bed.feed(*_blocks(BEGIN_S + LOOSE_S, BEGIN_S + LOOSE_S + 1, touches=True))  # it is put back
    assert bed.assess().lag_s < 2.0


def test_a_sensor_that_has_not_touched_yet_is_not_behind() -> None:
    bed = _bed(*_blocks(0, 60, touches=False))
    bed.due_s = None
    status = bed.assess()
    assert status.lag_s < 2 * PENDING_S
    assert (status.state.name, "behind" in status.state.reason) == ("degraded", False)


def test_what_is_heard_before_and_after_is_found_and_counted_as_without_what_is_passed_over() -> None:
    published = Published()
    bed = _bed(
        *_blocks(0, BEGIN_S, touches=True), *_blocks(BEGIN_S, BEGIN_S + LOOSE_S, touches=False), published=published
    )
    there = list(Bursts(5, pace=False).blocks(threading.Event()))
    start = (BEGIN_S + LOOSE_S) * RATE_HZ
    bed.feed(*(Block(start + b.start, b.samples, b.valid) for b in there if isinstance(b, Block)))
    bed.close()
    onsets = [body["sample"]["onset"] for body in published.events() if body["type"] == "onset"]
    assert [round(onset / RATE_HZ, 1) for onset in onsets] == [0, *(BEGIN_S + LOOSE_S + n for n in range(5))]


def test_frames_are_told_once_and_never_those_that_may_still_be_heard() -> None:
    idle = IdleFrames(LoudnessModel())  # type: ignore[arg-type]
    assert idle.until(10 * RATE_HZ) is None  # nothing was scored: the bed has not begun
    idle.scored(Scores(0, np.zeros((5, 1), np.float32), np.ones(5, np.bool_)))
    assert idle.until(5 * HOP) is None
    reported = idle.until(20 * RATE_HZ)
    assert reported is not None
    assert reported.start == 5
    assert not reported.valid.any()
    assert reported.start + len(reported.valid) == (20 * RATE_HZ - round(PENDING_S * RATE_HZ)) // HOP
    idle.scored(reported)
    assert idle.until(20 * RATE_HZ) is None


def test_a_day_costs_no_more_than_an_hour() -> None:
    idle = IdleFrames(LoudnessModel())  # type: ignore[arg-type]
    idle.scored(Scores(0, np.zeros((1, 1), np.float32), np.ones(1, np.bool_)))
    reported = idle.until(86400 * RATE_HZ)
    assert reported is not None
    assert len(reported.valid) == round(3600 * RATE_HZ / HOP)
