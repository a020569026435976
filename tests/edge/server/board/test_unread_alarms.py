"""An alarm whose message the board cannot take makes its bed unknown, never quiet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.contract.topics import Address
from edge.delivery.mqtt_client import Incoming
from edge.server.board.latest import Arrival
from edge.server.board.receiver import ReceivedMessage
from edge.server.board.service import Board
from edge.server.board.tiles import Tile
from edge.server.board.validity import alarms_condition, bed_condition
from edge.server.board.ward import MAX_ALARMS, Ward
from edge.server.board.ward_view import tiles_of
from edge.settings.board import BoardSettings
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import BOX, NOW_S, publish, ward_of
from tests.edge.server.board.ward_messages import OFF, WALL_S

ON = made.alarm("continuous", priority="Hi")
QUIET = made.alarm("continuous", **OFF)


def bed_of(ward: Ward, now_s: float = NOW_S) -> Tile:
    (tile,) = [each for each in tiles_of(ward, now_s) if each.stream == "bed"]
    return tile


def feed(watch: Board, levels: str, payload: bytes) -> None:
    watch.reader.inbox.put(Incoming(f"{BOX}/{levels}", payload), NOW_S)
    watch.look(NOW_S)


@pytest.fixture
def watch() -> Board:
    """A board that has heard of a quiet bed; nothing runs."""
    found = Board(BoardSettings())
    found.reader.lost_s = None
    found.ward = ward_of()
    return found


@pytest.mark.parametrize("payload", [made.bytes_of({**ON, "signal": "Alerting"}), b"{", b"\xff", b"[" * 9000])
def test_a_bed_is_unknown_while_one_of_its_alarms_cannot_be_read(watch: Board, payload: bytes) -> None:
    feed(watch, "s/bed/alarm/continuous", payload)
    tile = bed_of(watch.ward)
    assert (tile.level, tile.detail, tile.since_s) == ("unknown", "one of its alarms cannot be read", NOW_S)
    feed(watch, "s/bed/alarm/continuous", made.bytes_of(QUIET))
    assert bed_of(watch.ward).level == "quiet"


def test_an_alarm_that_could_never_be_read_makes_its_bed_unknown_too(watch: Board) -> None:
    feed(watch, "s/bed/alarm/apnoea", made.bytes_of({**ON, "signal": "Alerting"}))
    assert bed_of(watch.ward).level == "unknown"


def test_an_alarm_that_could_never_be_read_is_none_when_it_comes_no_more() -> None:
    ward, bed = ward_of(), Address("ward", "box", "bed")
    for after_s in (0.0, 60.0, 100.0):
        ward.miss(bed, "made-up", Arrival(NOW_S + after_s, WALL_S + after_s))
    for levels in ("alarm/continuous", "alarm/discontinuous"):
        publish(ward, f"s/bed/{levels}", made.alarm(levels.removeprefix("alarm/"), WALL_S + 100, **OFF), 100.0)
    node, state = ward.nodes["ward", "box"], ward.nodes["ward", "box"].beds["bed"]
    assert bed_condition(node, state, NOW_S + 110) == ("one of its alarms cannot be read", NOW_S)
    others = {name: replace(each, made_s=NOW_S + 200) for name, each in state.alarms.items()}
    assert alarms_condition(others, state.unread, made.BOOT, NOW_S + 219)[0] == "one of its alarms cannot be read"
    assert alarms_condition(others, state.unread, made.BOOT, NOW_S + 220) == ("", None)


def test_what_was_signalled_before_an_alarm_could_not_be_read_stays_in_sight(watch: Board) -> None:
    feed(watch, "s/bed/alarm/continuous", made.bytes_of(ON))
    feed(watch, "s/bed/alarm/continuous", b"{")
    assert (bed_of(watch.ward).level, bed_of(watch.ward).before) == ("unknown", "Wheezing")


def test_an_unreadable_alarm_of_a_node_makes_the_node_unknown(watch: Board) -> None:
    feed(watch, "alarm/outbox", b"{")
    assert [(tile.stream, tile.level) for tile in watch.tiles] == [("", "unknown"), ("bed", "quiet")]
    feed(watch, "alarm/outbox", made.bytes_of(made.alarm("outbox", **OFF)))
    assert [(tile.stream, tile.level) for tile in watch.tiles] == [("bed", "quiet")]


def test_unreadable_alarms_make_no_bed_and_no_node_and_are_bounded(watch: Board) -> None:
    arrived = ReceivedMessage(Incoming("laennec/v1/other/box/s/bed/alarm/continuous", b"{"), NOW_S)
    watch.reader.inbox.put(arrived.incoming, arrived.at_s)
    feed(watch, "s/nobody/alarm/continuous", b"{")
    assert list(watch.ward.nodes) == [("ward", "box")]
    assert list(watch.ward.nodes["ward", "box"].beds) == ["bed"]
    for number in range(3 * MAX_ALARMS):
        watch.ward.miss(Address("ward", "box", "bed"), f"made-up-{number}", Arrival(NOW_S, WALL_S))
    assert len(watch.ward.nodes["ward", "box"].beds["bed"].unread) == MAX_ALARMS
    assert watch.ward.refused["more alarms than fit"] == 2 * MAX_ALARMS


def test_an_alarm_that_is_cleared_while_it_is_signalled_makes_its_bed_unknown() -> None:
    ward = ward_of({"alarm/continuous": ON})
    publish(ward, "s/bed/alarm/continuous", None, 5.0)
    tile = bed_of(ward, NOW_S + 6)
    assert (tile.level, tile.before, tile.since_s) == ("unknown", "Wheezing", NOW_S + 5)
    assert tile.detail == "one of its alarms was cleared at the broker"
    publish(ward, "s/bed/alarm/continuous", QUIET, 7.0)
    assert bed_of(ward, NOW_S + 8).level == "quiet"


def test_a_cleared_alarm_of_an_earlier_process_is_forgotten() -> None:
    ward = ward_of({"alarm/battery": made.alarm("battery", boot_id="00000001")})
    publish(ward, "s/bed/alarm/battery", None)
    assert bed_of(ward).level == "quiet"
    assert "battery" not in ward.nodes["ward", "box"].beds["bed"].alarms


def test_a_cleared_alarm_of_a_node_makes_the_node_unknown() -> None:
    ward = ward_of(node={"alarm/outbox": made.alarm("outbox", stream=None)})
    publish(ward, "alarm/outbox", None)
    assert [(tile.stream, tile.level, tile.before) for tile in tiles_of(ward, NOW_S)] == [
        ("", "unknown", "Messages lost"),
        ("bed", "quiet", ""),
    ]


def test_a_live_alarm_that_was_made_later_counts_whatever_its_number() -> None:
    ward = ward_of({"alarm/continuous": made.alarm("continuous", rev=10**30, **OFF)})
    later = made.alarm("continuous", WALL_S + 30, rev=7, priority="Hi")
    publish(ward, "s/bed/alarm/continuous", later, 30.0, stored=True)
    assert bed_of(ward, NOW_S + 30).level == "quiet"
    publish(ward, "s/bed/alarm/continuous", later, 30.0)
    assert bed_of(ward, NOW_S + 30).level == "alarm"


def test_a_live_alarm_that_was_overtaken_by_a_later_one_is_ignored() -> None:
    ward = ward_of({"alarm/continuous": made.alarm("continuous", WALL_S, rev=5, **OFF)})
    publish(ward, "s/bed/alarm/continuous", made.alarm("continuous", WALL_S - 1, rev=4))
    assert bed_of(ward).level == "quiet"
