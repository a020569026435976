"""The burden of the streams of a node: published, remembered a minute at a time, and fading where nothing comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import edge.node.trends
from edge.contract.fields import Body
from edge.contract.trend import TREND_EXPIRY_S
from edge.delivery.minutes import Minute
from edge.detector.pipeline import Pipeline
from edge.node.trends import Trends
from edge.settings.node import Stream
from edge.types import Block, Gap, Scores
from tests.edge.conftest import SCHEMAS
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import block, known_noise, noise
from tests.edge.node.test_stream_state import Time
from tests.edge.streaming import NODE, RATE_HZ, Driven, Published, Script, sound

pytestmark = pytest.mark.usefixtures("patient")

HOP = LoudnessModel.score_hop_samples


def _driven(**settings: Any) -> Driven:
    return Driven(Stream(id="bed1", source="script", pace=False, **settings), Script(), Published())


def _past() -> Time:
    """A clock long before that of the streams, however long this machine has run: no status of theirs is old by it."""
    clock = Time()
    clock.now_s = -1e6
    return clock


def _blocks(seconds: int) -> list[Block]:
    """Half of every second is loud."""
    return [sound(1.0, (0.0, 0.5), start=s * RATE_HZ) for s in range(seconds)]


def _offline(items: list[Block], stop: int, seconds: int) -> float:
    """Seconds per minute of the continuous group over a window, summed over all scores of a pipeline of its own."""
    found: list[Scores] = []
    pipeline = Pipeline(LoudnessModel(), observe=found.append)  # type: ignore[arg-type]
    for item in items:
        pipeline.push(item)
    pipeline.flush()
    stored = [
        float(value[0])
        for scores in found
        for frame, (value, valid) in enumerate(zip(scores.values, scores.valid, strict=True), scores.start)
        if valid and stop - seconds * RATE_HZ // HOP <= frame < stop
    ]
    return 60 * float(np.mean(stored))


def test_a_simulated_bed_has_the_burden_of_the_plain_sum_over_its_scores() -> None:
    bed, items = _driven(), _blocks(200)
    bed.feed(*items)
    reading = bed.burden.reading(0.0)
    assert reading is not None
    for seconds in (60, 300):
        burden = reading.over(seconds).of("continuous").s_per_min
        assert burden == pytest.approx(_offline(items, reading.stop, seconds), abs=1e-6)
        assert burden is not None
        assert 20 < burden < 40


def test_a_gap_is_elapsed_and_not_measured() -> None:
    bed, items = _driven(), _blocks(100)
    bed.feed(*items[:40], Gap(40 * RATE_HZ, 60 * RATE_HZ, "device lost", restart=True), *items[60:])
    reading = bed.burden.reading(0.0)
    assert reading is not None
    assert reading.over(60).coverage == pytest.approx(2 / 3, abs=0.03)
    assert reading.over(60).of("continuous").s_per_min == pytest.approx(_offline(items, reading.stop, 60), abs=1.0)


def test_a_source_that_gives_nothing_fades_to_unknown() -> None:
    bed = _driven()
    bed.feed(*_blocks(300))
    readings = [bed.burden.reading(silent_s) for silent_s in (4.0, 60.0, 400.0)]
    assert [[window.is_known for window in reading.windows] for reading in readings if reading is not None] == [
        [True, True, False],
        [False, True, False],
        [False, False, False],
    ]


@pytest.mark.parametrize("outside", ["unverified", "not_measurable"])
def test_sound_that_the_model_does_not_know_is_no_burden(outside: str) -> None:
    model = LoudnessModel()
    model.known = known_noise(-42.0)
    settings = Stream(id="bed1", source="script", pace=False, outside=outside)  # type: ignore[arg-type]
    bed = Driven(settings, Script(), Published(), model)
    bed.feed(*[block(noise(-80.2, 1.0, seed=s), s * RATE_HZ) for s in range(100)])
    reading = bed.burden.reading(0.0)
    assert reading is not None
    assert reading.over(60).measured_s == 0.0
    assert reading.over(60).unverified_s == (60.0 if outside == "unverified" else 0.0)
    assert reading.over(60).of("continuous").s_per_min is None


def test_each_minute_of_sound_is_remembered_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.node.trends, "time", _past())  # which stands still, however long this takes
    bed, published = _driven(), list[tuple[str, Body, int | None]]()
    rows: list[Minute] = []
    trends = Trends([bed], LoudnessModel(), NODE, lambda *answered: published.append(answered))
    bed.burden.remember = rows.extend
    trends.start()
    bed.feed(*_blocks(190))
    trends.tick()
    assert published == [], "the first is due after a minute"
    trends.finish()
    rows = [row for row in rows if row.group == "continuous"]
    assert [row.stream for row in rows] == ["bed1"] * 3
    assert np.diff([row.at_s for row in rows]) == pytest.approx([60.0, 60.0], abs=0.1)
    assert [row.measured_s for row in rows] == pytest.approx([60.0] * 3, abs=0.1)
    ((topic, body, expiry_s),) = published
    assert (topic, expiry_s) == ("laennec/v1/ward/node/s/bed1/trend", TREND_EXPIRY_S)
    SCHEMAS["laennec.trend/1"].validate(body)


def test_a_bed_that_was_never_heard_has_no_trend() -> None:
    published: list[object] = []
    trends = Trends([_driven()], LoudnessModel(), NODE, lambda *answered: published.append(answered))
    trends.start()
    trends.finish()
    assert published == []


def test_no_minute_is_told_twice_after_a_standstill_or_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = _past()
    monkeypatch.setattr(edge.node.trends, "time", clock)
    bed, stops = _driven(), list[int]()
    trends = Trends([bed], LoudnessModel(), NODE, lambda _topic, body, _expiry: stops.append(body["sample"]["stop"]))
    trends.start()
    bed.feed(*_blocks(100))
    for wait_s in (
        300.0,
        1.0,
        1.0,
        58.0,
        1.0,
    ):  # the node stood still for five minutes; the next trend is due in its sixth
        clock.now_s += wait_s
        trends.tick()
    assert len(stops) == 2, "one for the five minutes, one for the sixth"
    trends.finish()
    assert len(stops) == 2, "the last seconds would tell of the minute before again"
