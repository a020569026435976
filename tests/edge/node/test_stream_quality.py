"""Sound that cannot be judged: the stream says why, its coverage goes down by that cause, no figure is made of it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edge.node.alarm_inputs import bed_reading
from edge.node.health import stream_health_body
from edge.node.inbox import OVERLOAD
from edge.settings.node import Stream
from edge.types import Block, Gap
from edge.ward.coverage import Covered
from tests.edge.chests import RATE_HZ, ChestModel, Sound, chest, voice
from tests.edge.conftest import SCHEMAS
from tests.edge.knowing import block, noise
from tests.edge.streaming import NODE, Driven, Published, Script

pytestmark = pytest.mark.usefixtures("patient")

SPOKEN = (chest() + voice()).astype(np.float32)


def _bed(published: Published | None = None) -> Driven:
    settings = Stream(id="bed1", source="script", pace=False)
    return Driven(settings, Script(), published if published is not None else Published(), ChestModel())


def _blocks(samples: Sound, start_s: int = 0) -> list[Block]:
    """A second each."""
    seconds = len(samples) // RATE_HZ
    return [block(samples[s * RATE_HZ : (s + 1) * RATE_HZ], (start_s + s) * RATE_HZ) for s in range(seconds)]


def _hour(bed: Driven) -> Covered:
    reading = bed.burden.reading(0.0)
    assert reading is not None
    return bed.burden.covered(reading)[-1]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (SPOKEN, "not measurable: speech or cry over the chest"),
        (noise(-50.0, 24.0), "not measurable: no breath and no heart to be heard: check patient and sensor"),
    ],
)
def test_a_stream_says_in_one_line_why_it_cannot_be_measured(samples: Sound, reason: str) -> None:
    bed = _bed()
    bed.feed(*_blocks(samples))
    assert (bed.assess().state.name, bed.assess().state.reason, bed.assess().state.verified) == (
        "degraded",
        reason,
        False,
    )


def test_a_chest_is_measured_and_ok() -> None:
    bed = _bed()
    bed.feed(*_blocks(chest()))
    assert (bed.assess().state.name, bed.burden.verdict.fault) == ("ok", None)
    assert _hour(bed).missing_s.keys() == {"not begun"}


def test_speech_is_elapsed_and_not_measured_and_the_burden_becomes_unknown() -> None:
    bed = _bed()
    bed.feed(*_blocks(chest()), *_blocks(np.concatenate([SPOKEN] * 3), start_s=24))
    covered, reading = _hour(bed), bed.burden.reading(0.0)
    assert covered.missing_s["speech"] == pytest.approx(72 - 6, abs=6)  # called some seconds after its begin
    assert reading is not None
    assert reading.over(60).measured_s == pytest.approx(0.0, abs=0.1)
    assert [one.s_per_min for one in reading.over(60).groups] == [None, None]
    assert bed.assess().totals.measurable_s == pytest.approx(24 + 6, abs=6)


def test_every_second_has_its_cause() -> None:
    bed = _bed()
    bed.feed(*_blocks(chest()), Gap(24 * RATE_HZ, 34 * RATE_HZ, "device lost"))
    bed.feed(*_blocks(chest(), start_s=34), Gap(58 * RATE_HZ, 78 * RATE_HZ, OVERLOAD, restart=True))
    bed.feed(*_blocks(chest(), start_s=78))
    covered = _hour(bed)
    assert covered.missing_s["gap"] == pytest.approx(10, abs=1)
    assert covered.missing_s["overload"] == pytest.approx(20, abs=1.5)
    assert covered.measured_s + sum(covered.missing_s.values()) == pytest.approx(3600, abs=1e-6)


def test_an_event_that_lasts_ends_as_a_gap_when_its_sound_cannot_be_judged() -> None:
    published = Published()
    bed = _bed(published)
    bed.feed(*_blocks(noise(-26.0, 24.0)))
    bed.close()
    reported = [(body["type"], body.get("end_reason")) for body in published.events() if body["type"] != "update"]
    assert reported == [("onset", None), ("end", "gap")]


def test_health_tells_the_fault_and_the_coverage_of_the_hour() -> None:
    bed = _bed()
    before = stream_health_body(NODE, bed, 1.8e9)
    bed.feed(*_blocks(SPOKEN))
    body = stream_health_body(NODE, bed, 1.8e9)
    SCHEMAS["laennec.stream-health/1"].validate(before)
    SCHEMAS["laennec.stream-health/1"].validate(body)
    assert (before["fault"], "coverage" in before) == (None, False)
    assert body["fault"] == "speech"
    assert body["coverage"]["missing_s"]["speech"] == pytest.approx(12, abs=5)
    assert body["coverage"]["share"] == pytest.approx(body["coverage"]["measured_s"] / 3600, abs=1e-5)


def test_alarms_see_lost_contact_and_an_unknown_burden() -> None:
    bed = _bed()
    bed.feed(*_blocks(noise(-50.0, 24.0)))
    bed.assess()
    reading = bed_reading(bed, time.monotonic())
    assert reading.verdict.fault == "no contact"
    assert set(reading.burden.values()) == {None}
