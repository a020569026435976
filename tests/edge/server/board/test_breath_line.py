"""The respiratory rate of a tile: a number while it counts, two dashes and why at any other time."""

from __future__ import annotations

import pytest

from edge.contract.trend import BREATH_EXPIRY_S
from edge.server.board.tiles import BreathLine
from edge.server.board.ward import Ward
from edge.server.board.ward_view import tiles_of
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import NOW_S, publish, publish_all, tile_of, ward_of
from tests.edge.server.board.ward_messages import WALL_S
from tests.edge.server.exports.messages import breathing

MINUTE_S = 60.0


def breath_of(ward: Ward, now_s: float = NOW_S) -> BreathLine | None:
    (tile,) = tiles_of(ward, now_s)
    return tile.breath


def test_a_rate_that_was_just_told_is_a_whole_number() -> None:
    assert tile_of({"breath": made.breath(per_min=24.4)}).breath == BreathLine(24, "", "", ((16.67, None),))


@pytest.mark.parametrize(("spread", "why"), [(1.4, ""), (2.0, "irregular"), (5.5, "irregular")])
def test_breaths_that_were_counted_and_differ_much_are_called_irregular_beside_their_number(
    spread: float, why: str
) -> None:
    breath = tile_of({"breath": {**made.breath(per_min=24.4), "spread": spread}}).breath
    assert breath is not None
    assert (breath.per_min, breath.why) == (24, why)


def test_a_rate_that_is_unknown_says_why_and_is_no_number() -> None:
    breath = tile_of({"breath": made.breath(per_min=None, why="speech")}).breath
    assert breath is not None
    assert (breath.per_min, breath.why) == (None, "speech")


@pytest.mark.parametrize(("age_s", "per_min"), [(BREATH_EXPIRY_S - 1, 24), (BREATH_EXPIRY_S, None)])
def test_a_rate_that_nobody_says_again_is_not_shown(age_s: float, per_min: int | None) -> None:
    breath = breath_of(ward_of({"breath": made.breath()}), NOW_S + age_s)
    assert breath is not None
    assert breath.per_min == per_min


def test_a_rate_of_an_earlier_process_or_left_at_the_broker_is_not_shown() -> None:
    earlier = tile_of({"breath": made.breath(boot_id="00000001")}).breath
    stored = breath_of(ward_of({"breath": made.breath()}, stored_s=30.0))
    assert [None if each is None else each.per_min for each in (earlier, stored)] == [None, None]


def test_a_bed_that_is_unknown_has_no_rate_at_all() -> None:
    ward = ward_of({"breath": made.breath()})
    publish(ward, "status", made.status(state="offline"))
    assert breath_of(ward) is None


@pytest.mark.parametrize(("per_min", "change"), [(24.0, "steady"), (32.0, "rising"), (18.0, "falling")])
def test_a_rate_is_compared_with_those_of_the_minutes_before(per_min: float, change: str) -> None:
    ward = ward_of()
    for minute in range(1, 7):
        for second in range(0, 60, 5):
            publish(
                ward, "s/bed/breath", made.breath(WALL_S + 60 * minute + second - 60, per_min=24.0), 60 * minute - 60
            )
        publish_all(ward, minute * MINUTE_S)
    publish(ward, "s/bed/breath", made.breath(WALL_S + 360, per_min=per_min), 360)
    breath = breath_of(ward, NOW_S + 360)
    assert breath is not None
    assert (breath.per_min, breath.change) == (round(per_min), change)
    assert [value for _, value in breath.points] == [None] + 6 * [24.0]


def test_of_the_patient_before_nothing_is_shown_and_the_bed_waits_to_be_measured() -> None:
    ward = ward_of({"breath": made.breath()})
    for levels in ("s/bed/trend", "s/bed/breath"):
        publish(ward, levels, None, 1.0)
    (tile,) = tiles_of(ward, NOW_S + 2)
    assert (tile.level, tile.words, tile.detail) == (
        "waiting",
        "Not measured yet",
        "measuring has begun with a new patient",
    )
    assert (tile.breath, tile.burdens) == (BreathLine(None, "the box sends none", "", ()), ())
    assert tile.sound is None
    publish(ward, "s/bed/trend", made.trend(WALL_S + 3), 3.0)
    publish(ward, "s/bed/breath", made.breath(WALL_S + 3, per_min=18.0), 3.0)
    (tile,) = tiles_of(ward, NOW_S + 4)
    assert tile.level == "quiet"
    assert tile.breath == BreathLine(18, "", "", ((round((NOW_S + 3) / 60, 2), None),))


@pytest.mark.parametrize(("known", "boot_id"), [(True, made.BOOT), (False, made.BOOT), (True, "00000001")])
def test_the_share_of_an_hours_breathing_with_sounds_is_shown_while_its_trend_counts(known: bool, boot_id: str) -> None:
    trend = {**made.trend(boot_id=boot_id), "breath": breathing(known)["breath"]}
    shares = {line.group: line.of_breathing for line in tile_of({"trend": trend}).burdens}
    expected = {"continuous": (0.25, 0.2, 0.3), "discontinuous": (0.0, 0.0, 0.0)}
    counts = known and boot_id == made.BOOT
    assert shares == {group: value if counts else None for group, value in expected.items()}
