"""The respiratory rate of the beds of a node: published each 5 s, and no number where it is not known now."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import edge.node.breath
from edge.contract.fields import Body
from edge.contract.message import encode
from edge.contract.trend import BREATH_EXPIRY_S
from edge.delivery.messages import EventTimes, end_after_restart, finish, pause_message
from edge.delivery.trends import Trend, trend_body
from edge.detector.pipeline import Pipeline
from edge.model.model import Model, load_model
from edge.node.breath import BedBreath, BreathRates
from edge.node.stream_status import State, StreamStatus
from edge.settings.node import Stream
from edge.types import Block, Gap
from edge.ward.pauses import Pause
from edge.ward.respiratory_rate import LOST, NO_BREATH, RateReading
from edge.ward.wheeze_rate import NOT_MEASURED
from tests.edge.conftest import SCHEMAS
from tests.edge.fakes import LoudnessModel
from tests.edge.node.test_stream_state import Time
from tests.edge.streaming import NODE, Driven, Published, Script, clock_s
from training.synthetic.patient import Patient

SECONDS = 40


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def _bed(model: Any) -> tuple[Pipeline, BedBreath]:
    pipeline = Pipeline(model)
    return pipeline, BedBreath(model, pipeline)


def _breathing(per_min: float, seconds: int = SECONDS) -> Block:
    patient = Patient(seconds, 8000, np.random.default_rng(6), per_min)
    samples = patient.record(60.0, 1200.0, -35.0).samples
    return Block(0, samples, np.ones(len(samples), np.bool_))


def test_a_bed_shows_the_rate_of_its_breath_and_none_once_nothing_comes(model: Model) -> None:
    pipeline, breath = _bed(model)
    assert breath.shown(0.0, 0) is None, "nothing was heard"
    sound = _breathing(24.0)
    pipeline.push(sound)
    shown = breath.shown(0.0, sound.stop)
    assert shown is not None
    assert shown.breaths_per_min == pytest.approx(24, rel=0.1)
    for silent_s, offered in ((6.0, sound.stop), (0.0, sound.stop + 16 * 8000)):
        faded = breath.shown(silent_s, offered)
        assert faded is not None
        assert (faded.breaths_per_min, faded.confidence, faded.measurable, faded.why) == (None, 0.0, 0.0, LOST)


def test_masked_sound_leaves_no_number_behind(model: Model) -> None:
    pipeline, breath = _bed(model)
    sound = _breathing(24.0)
    pipeline.push(sound)
    shown = []
    for second in range(60):
        start = sound.stop + 8000 * second
        pipeline.push(Block(start, np.zeros(8000, np.float32), np.zeros(8000, np.bool_)))
        shown.append(breath.shown(0.0, start + 8000))
    assert all(each is not None and each.breaths_per_min is None and each.why == LOST for each in shown[14:])


def test_a_bed_that_stops_breathing_is_without_breath_and_lost_sound_is_unknown(model: Model) -> None:
    pipeline = Pipeline(model, outside="ignore")  # a made chest is called rubbing
    breath = BedBreath(model, pipeline)
    reported = list[tuple[str, str, bool]]()

    def report(pause: Pause, limit_s: float) -> None:
        reported.append((pause.kind, pause.why, pause.touches))
        assert limit_s == 10.0

    breath.watch_pauses(10.0, report, is_touching=lambda: True)
    sound = _breathing(24.0)
    assert breath.is_without(0.0, 0) is None, "nothing was heard"
    pipeline.push(sound)
    assert breath.is_without(0.0, sound.stop) is False
    still = (0.001 * np.random.default_rng(1).standard_normal(20 * 8000)).astype(np.float32)
    pipeline.push(Block(sound.stop, still, np.ones(len(still), np.bool_)))
    stop = sound.stop + len(still)
    assert breath.is_without(0.0, stop) is True
    assert breath.is_without(6.0, stop) is None, "the source gives nothing"
    masked = 20 * 8000
    pipeline.push(Block(stop, np.zeros(masked, np.float32), np.zeros(masked, np.bool_)))
    assert breath.is_without(0.0, stop + masked) is None, "masked"
    breath.look(0.0, stop)
    assert reported == [("onset", "", True)]
    breath.look(0.0, stop + masked)
    assert reported == [("onset", "", True), ("end", "lost sound", True)]


@pytest.mark.parametrize(("last", "reason"), [(Gap(0, 0, "device", restart=True), "lost_sound"), (None, "stream_end")])
def test_a_pause_is_told_with_its_onset_and_its_end_also_where_what_comes_then_is_not_known(
    model: Model, last: Gap | None, reason: str
) -> None:
    settings, published = Stream(id="bed1", source="script", pace=False, outside="ignore"), Published()
    bed = Driven(settings, Script(), published, model)  # type: ignore[arg-type]
    bed.watch_pauses(10.0)
    sound = _breathing(24.0)
    still = (0.001 * np.random.default_rng(1).standard_normal(20 * 8000)).astype(np.float32)
    blocks = [sound, Block(sound.stop, still, np.ones(len(still), np.bool_))]
    bed.feed(*blocks, *([] if last is None else [last]))
    reported = [message for message in published if message.topic.endswith("/pause")]
    assert len(reported) == (1 if last is None else 2), "a node whose source goes on has no end yet"
    bed.close()
    onset, end = (message for message in published if message.topic.endswith("/pause"))
    for rev, message in enumerate((onset, end), 1):
        assert message.event == (message.body["id"], rev)
        SCHEMAS["laennec.pause/1"].validate(json.loads(finish({**message.body, "seq": rev}, False, 0.0)))
    assert (onset.body["id"], onset.body["type"], onset.body["time"]["end"]) == (end.body["id"], "onset", None)
    assert end.body["end_reason"] == reason
    samples = end.body["sample"]
    assert samples["onset"] / 8000 == pytest.approx(SECONDS, abs=3.0), "where the last breath was over"
    length_s = (samples["end"] - samples["onset"]) / 8000
    times = end.body["time"]
    assert clock_s(times["end"]) - clock_s(times["onset"]) == pytest.approx(length_s, abs=0.002)


def test_a_trend_tells_the_breathing_of_a_bed_and_what_is_not_known_is_null(model: Model) -> None:
    settings = Stream(id="bed1", source="script", pace=False, outside="ignore")
    bed = Driven(settings, Script(), Published(), model)  # type: ignore[arg-type]
    bed.feed(_breathing(24.0, 64))
    status = bed.assess()
    assert status.reading is not None
    trend = Trend("bed1", status.reading, status.covered, status.breathing)
    body = trend_body(NODE, trend, model.score_hop_samples, model.rate_hz, 0.0)
    SCHEMAS["laennec.trend/1"].validate(json.loads(encode(body)))
    minute, *longer = body["breath"]
    assert minute["breaths_per_min"] == pytest.approx(24, rel=0.1)
    assert minute["breaths"] == pytest.approx(24, abs=4)
    assert {name: share["of_time"]["why"] for name, share in minute["sounds"].items()} == {
        "continuous": "",
        "discontinuous": "",
    }
    for window in longer:
        assert (window["breaths_per_min"], window["why"]) == (None, NOT_MEASURED)
        assert window["sounds"]["continuous"]["of_time"]["share"] is None
    faded = bed._breath.trend(60.0)
    assert faded is not None
    assert faded.windows[0].breaths_per_min is None, "nothing has come for a minute"


def test_the_minute_of_a_trend_has_no_rate_once_the_breath_is_known_to_have_stopped(model: Model) -> None:
    settings = Stream(id="bed1", source="script", pace=False, outside="ignore")
    bed, sound = Driven(settings, Script(), Published(), model), _breathing(24.0, 64)  # type: ignore[arg-type]
    bed.feed(sound)
    before = bed.assess().breathing
    assert before is not None
    assert before.windows[0].breaths_per_min == pytest.approx(24, rel=0.1)
    still = (0.001 * np.random.default_rng(1).standard_normal(30 * 8000)).astype(np.float32)
    bed.feed(Block(sound.stop, still, np.ones(len(still), np.bool_)))
    after = bed.assess().breathing
    assert after is not None
    assert (after.windows[0].breaths_per_min, after.windows[0].why) == (None, NO_BREATH)
    assert after.windows[0].answered > 0.5, "in most of the minute it was known"


def test_the_end_of_a_pause_that_a_kill_left_open_is_one_of_a_pause() -> None:
    times = EventTimes(1.0, None)
    onset = pause_message(NODE, "bed1", "A" * 26, Pause("onset", 0, 400, touches=False), (256, 8000), times, 10.0)
    end = end_after_restart(NODE, onset.body)
    assert (end.topic, end.event) == (onset.topic, ("A" * 26, 2))
    assert (end.body["schema"], end.body["end_reason"], end.body["contact"]) == ("laennec.pause/1", "restart", False)


def test_pauses_are_not_looked_for_unless_somebody_asks(model: Model) -> None:
    pipeline, breath = _bed(model)
    pipeline.push(_breathing(24.0))
    assert breath.is_without(0.0, SECONDS * 8000) is None


def test_a_model_without_breath_has_no_rate() -> None:
    class Deaf(LoudnessModel):
        classes = ("wheeze", "fine_crackle", "stridor")

    pipeline, breath = _bed(Deaf())
    pipeline.push(Block(0, np.zeros(80_000, np.float32), np.ones(80_000, np.bool_)))
    assert breath.shown(0.0, 80_000) is None


class _View:
    """Stands for a stream to those that publish."""

    id = "bed1"

    def __init__(self, clock: Time, rate: float | None, **changed: Any) -> None:
        reading = RateReading(1248, rate, 0.91234, 0.98765, "" if rate else "irregular")
        self._clock, self._fields = clock, {"breath": reading, **changed}

    @property
    def status(self) -> StreamStatus:
        return StreamStatus(self._clock.now_s, 0.0, State("ok", "", 0.0), **self._fields)


def _published(monkeypatch: pytest.MonkeyPatch, rate: float | None, seconds: int, **changed: Any) -> list[Body]:
    clock, published = Time(), list[tuple[str, Body, int | None]]()
    monkeypatch.setattr(edge.node.breath, "time", clock)
    rates = BreathRates([_View(clock, rate, **changed)], load_model(), NODE, lambda *each: published.append(each))
    for _ in range(4 * seconds):
        rates.tick()
        clock.now_s += 0.25
    assert {(topic, expiry_s) for topic, _, expiry_s in published} <= {
        ("laennec/v1/ward/node/s/bed1/breath", BREATH_EXPIRY_S)
    }
    return [body for _, body, _ in published]


@pytest.mark.parametrize("rate", [24.04, None])
def test_a_rate_is_published_each_five_seconds_and_obeys_its_schema(
    monkeypatch: pytest.MonkeyPatch, rate: float | None
) -> None:
    bodies = _published(monkeypatch, rate, 20)
    assert len(bodies) == 4
    SCHEMAS["laennec.breath/1"].validate(bodies[-1])
    reported = (bodies[-1]["breaths_per_min"], bodies[-1]["why"], bodies[-1]["sample"])
    assert reported == (24.0 if rate else None, "" if rate else "irregular", {"rate": 8000, "stop": 1248 * 256})


@pytest.mark.parametrize("changed", [{"breath": None}, {"is_closed": True}])
def test_a_bed_without_a_reading_or_at_its_end_publishes_none(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    assert _published(monkeypatch, 24.0, 20, **changed) == []
