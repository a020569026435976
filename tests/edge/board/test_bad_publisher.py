"""What one publisher that may write anything can do to a board: little, and not for long."""

from __future__ import annotations

import pytest

from edge.board import sound_wire
from edge.board.day import day_of
from edge.board.kept import MAX_GROUPS
from edge.board.shift import minutes_of, shifts_of, to_csv
from edge.board.ward_view import tiles_of
from edge.board.watch import MAX_SENDERS, TOLD_S, Watch
from edge.delivery.requests import Request
from edge.settings.board import BoardSettings
from tests.edge.board import ward_messages as made
from tests.edge.board.told_ward import NOW_S, say, ward_of
from tests.edge.board.ward_messages import WALL_S


def told(watch: Watch, at_s: float, *senders: str) -> list[str]:
    """Whose messages are called unreadable, after some of these senders at a time."""
    for sender in senders:
        watch.reader.inbox.put(Request(f"{made.PREFIX}/{sender}/health", b"{"), at_s)
    watch.look(at_s)
    return [each.removeprefix("unreadable messages of ") for each in watch._refused(at_s)]


@pytest.fixture
def watch() -> Watch:
    found = Watch(BoardSettings())
    found.reader.lost_s = None
    return found


def test_unreadable_messages_are_told_of_for_five_minutes(watch: Watch) -> None:
    assert told(watch, 1000.0, "ward/box") == ["ward/box"]
    assert told(watch, 999.0 + TOLD_S) == ["ward/box"]
    assert told(watch, 1000.0 + TOLD_S) == []


def test_the_last_unreadable_messages_are_told_of_first_and_four_senders_at_most(watch: Watch) -> None:
    told(watch, 1000.0, *(f"!{number:02}/x" for number in range(8)))
    assert told(watch, 1100.0, "ward/box") == ["ward/box", "!00/x", "!01/x", "!02/x"]


def test_senders_of_unreadable_messages_are_bounded_and_make_room_for_later_ones(watch: Watch) -> None:
    told(watch, 1000.0, *(f"!{number:03}/x" for number in range(5 * MAX_SENDERS)))
    assert len(watch.malformed) == MAX_SENDERS + 1
    assert told(watch, 1001.0 + TOLD_S, "ward/box") == ["ward/box"]


def test_groups_that_change_with_every_trend_add_no_rows() -> None:
    ward, minutes = ward_of(), 60
    names = [[f"g{minute}-{number}" for number in range(8)] for minute in range(minutes)]
    for minute in range(minutes):
        trend = made.trend(WALL_S + 60.0 * minute)
        for window in trend["windows"]:
            window["groups"] = {name: {"s_per_min": 1.0} for name in ("continuous", *names[minute][:7])}
        say(ward, "s/bed/trend", trend, 60.0 * minute)
    now_s = NOW_S + 60.0 * minutes
    tiles = tiles_of(ward, now_s)
    last = ["continuous", *names[-1][:3]]
    assert [line.group for line in tiles[0].burdens] == last
    assert len(day_of(ward.nodes["ward", "box"].beds["bed"], now_s).groups) == MAX_GROUPS
    header = to_csv(shifts_of(minutes_of(ward, tiles), 8, now_s)).splitlines()[0].split(",")
    assert len(header) == 5 + MAX_GROUPS
    assert "continuous_s_per_min" in header, "what most minutes tell of stays"


@pytest.mark.parametrize("first", [1 << 62, 1 << 53, (1 << 53) - 1, -(1 << 53)])
def test_a_tile_whose_place_a_browser_cannot_count_to_is_refused(first: int) -> None:
    tile = made.tile(0, sample={"rate": made.RATE_HZ, "first": first, "column": made.COLUMN})
    with pytest.raises(ValueError, match="first"):
        sound_wire.parse(made.PREFIX, f"{made.PREFIX}/ward/box/s/bed/mel", made.bytes_of(tile))
