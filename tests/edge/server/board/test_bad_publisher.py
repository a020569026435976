"""What one publisher that may write anything can do to a board: little, and not for long."""

from __future__ import annotations

import random
from typing import Any

import pytest

from edge.contract import parse
from edge.delivery.mqtt_client import Incoming
from edge.server.board.bed_history import day_of
from edge.server.board.latest import MAX_BEDS, MAX_GROUPS
from edge.server.board.service import MAX_SENDERS, NAMED_S, Board
from edge.server.board.shift import received_of, shifts_of, to_csv
from edge.server.board.ward_view import tiles_of
from edge.settings.board import BoardSettings
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import NOW_S, publish, ward_of
from tests.edge.server.board.ward_messages import WALL_S


def reported(watch: Board, at_s: float, *senders: str) -> list[str]:
    """Whose messages are called unreadable, after some of these senders at a time."""
    for sender in senders:
        watch.reader.inbox.put(Incoming(f"{made.PREFIX}/{sender}/health", b"{"), at_s)
    watch.look(at_s)
    return [each.removeprefix("unreadable messages of ") for each in watch._refused(at_s)]


@pytest.fixture
def watch() -> Board:
    found = Board(BoardSettings())
    found.reader.lost_s = None
    return found


def test_unreadable_messages_are_told_of_for_five_minutes(watch: Board) -> None:
    assert reported(watch, 1000.0, "ward/box") == ["ward/box"]
    assert reported(watch, 999.0 + NAMED_S) == ["ward/box"]
    assert reported(watch, 1000.0 + NAMED_S) == []


def test_the_last_unreadable_messages_are_told_of_first_and_four_senders_at_most(watch: Board) -> None:
    reported(watch, 1000.0, *(f"!{number:02}/x" for number in range(8)))
    assert reported(watch, 1100.0, "ward/box") == ["ward/box", "!00/x", "!01/x", "!02/x"]


def test_senders_of_unreadable_messages_are_bounded_and_make_room_for_later_ones(watch: Board) -> None:
    reported(watch, 1000.0, *(f"!{number:03}/x" for number in range(5 * MAX_SENDERS)))
    assert len(watch.malformed) == MAX_SENDERS + 1
    assert reported(watch, 1001.0 + NAMED_S, "ward/box") == ["ward/box"]


def test_groups_that_change_with_every_trend_add_no_rows() -> None:
    ward, minutes = ward_of(), 60
    names = [[f"g{minute}-{number}" for number in range(8)] for minute in range(minutes)]
    for minute in range(minutes):
        trend = made.trend(WALL_S + 60.0 * minute)
        for window in trend["windows"]:
            window["groups"] = {
                name: {"s_per_min": 1.0, "low": 1.0, "high": 1.0} for name in ("continuous", *names[minute][:7])
            }
        publish(ward, "s/bed/trend", trend, 60.0 * minute)
    now_s = NOW_S + 60.0 * minutes
    tiles = tiles_of(ward, now_s)
    last = ["continuous", *names[-1][:3]]
    assert [line.group for line in tiles[0].burdens] == last
    assert len(day_of(ward.nodes["ward", "box"].beds["bed"], now_s).groups) == MAX_GROUPS
    header = to_csv(shifts_of(received_of(ward, tiles), 8, now_s), 0.0).splitlines()[0].split(",")
    assert len(header) == 8 + MAX_GROUPS
    assert "continuous_s_per_min" in header, "what most minutes tell of stays"


@pytest.mark.parametrize("first", [1 << 62, 1 << 53, (1 << 53) - 1, -(1 << 53)])
def test_a_tile_whose_place_a_browser_cannot_count_to_is_refused(first: int) -> None:
    tile = made.tile(0, sample={"rate": made.RATE_HZ, "first": first, "column": made.COLUMN})
    with pytest.raises(ValueError, match="first"):
        parse(made.PREFIX, f"{made.PREFIX}/ward/box/s/bed/mel", made.bytes_of(tile))


def output_of(watch: Board, node: str, levels: str, body: dict[str, Any], at_s: float = 1000.0) -> None:
    """One message of a node of the ward."""
    watch.reader.inbox.put(Incoming(f"{made.PREFIX}/ward/{node}/{levels}", made.bytes_of(body)), at_s)


def node_with(watch: Board, node: str, beds: list[str], streams: int | None) -> None:
    """A node whose info says so many streams, each with its info; None: it was never born."""
    if streams is not None:
        output_of(watch, node, "status", made.status())
        output_of(watch, node, "info", made.info(streams))
    for bed in beds:
        if streams is not None:
            output_of(watch, node, f"s/{bed}/info", made.stream_info())
        output_of(watch, node, f"s/{bed}/status", made.stream())


def test_beds_that_one_node_invents_hide_no_bed_of_another_and_are_told_of_once(
    watch: Board, caplog: pytest.LogCaptureFixture
) -> None:
    node_with(watch, "invents", [f"bed{number}" for number in range(700)], None)
    watch.look(1000.0)
    node_with(watch, "real", [f"bed{number}" for number in range(64)], 64)
    watch.look(1001.0)
    node_with(watch, "invents", [f"more{number}" for number in range(700)], None)
    watch.look(1002.0)
    beds = {name: len(node.beds) for (_, name), node in watch.ward.nodes.items()}
    assert beds == {"invents": MAX_BEDS - 64, "real": 64}
    assert watch._refused(1002.0) == ("beds of ward/invents: more than fit",)
    assert caplog.text.count("beds=hidden node=ward/invents") == 1


def test_a_node_keeps_the_beds_of_its_settings_where_others_are_invented_in_its_name(watch: Board) -> None:
    node_with(watch, "both", ["real1", "real2"], 2)
    for number in range(MAX_BEDS):
        output_of(watch, "both", f"s/invented{number}/status", made.stream())
    node_with(watch, "late", [f"bed{number}" for number in range(MAX_BEDS - 2)], MAX_BEDS - 2)
    watch.look(1000.0)
    assert list(watch.ward.nodes["ward", "both"].beds) == ["real1", "real2"]
    assert len(watch.ward.nodes["ward", "late"].beds) == MAX_BEDS - 2


@pytest.mark.parametrize("seed", range(5))
def test_where_all_beds_are_real_every_node_has_its_share_in_any_order_of_messages(watch: Board, seed: int) -> None:
    beds = [(node, f"bed{number}") for node, count in (("a", 700), ("b", 200), ("c", 40)) for number in range(count)]
    for node, count in (("a", 700), ("b", 200), ("c", 40)):
        node_with(watch, node, [], count)
    for each in range(3):
        for node, bed in random.Random(seed + each).sample(beds, len(beds)):
            output_of(watch, node, f"s/{bed}/status", made.stream())
        watch.look(1000.0 + each)
    found = {name: len(node.beds) for (_, name), node in watch.ward.nodes.items()}
    assert found["c"] == 40
    assert found["b"] == 200
    assert found["a"] == MAX_BEDS - 240
