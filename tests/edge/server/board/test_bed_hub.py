"""Viewers of beds: who is slow loses pieces of the picture and delays nobody; who takes nothing is let go."""

from __future__ import annotations

import json

from edge.contract.live import MelMessage
from edge.contract.topics import Address
from edge.server.board.bed_feed import MAX_TILES, BedHub, BedState
from edge.server.board.feed import MAX_VIEWERS, MAX_WAITING, Viewer
from tests.edge.server.board import ward_messages as made

BED, OTHER = Address("site", "node", "bed1"), Address("site", "node", "bed2")
STATE = BedState("Ward", None, "waiting", "waiting for the box")


def tile(number: int) -> MelMessage:
    return MelMessage.model_validate_json(made.bytes_of(made.tile(number)))


def joined(hub: BedHub, address: Address = BED) -> Viewer:
    viewer = hub.join(address, [])
    assert viewer is not None
    return viewer


def kinds(viewer: Viewer) -> list[str]:
    found = []
    while not viewer.queue.empty():
        found.append(viewer.queue.get_nowait().decode().split("\n")[0].removeprefix("event: "))
    return found


def test_tiles_go_to_the_viewers_of_their_bed_alone() -> None:
    hub = BedHub()
    mine, its = joined(hub), joined(hub, OTHER)
    hub.show_tile(BED, tile(0))
    assert (kinds(mine), kinds(its)) == (["sounds", "mel"], ["sounds"])


def test_a_slow_viewer_loses_tiles_that_are_counted_and_another_gets_all() -> None:
    hub = BedHub()
    slow, quick = joined(hub), joined(hub)
    for number in range(20):
        hub.show_tile(BED, tile(number))
        assert kinds(quick)[-1] == "mel"
    assert hub.lost == 20 - (MAX_TILES - 1)  # one place has the events that it began with
    assert kinds(slow).count("mel") == MAX_TILES - 1
    assert not slow.is_dropped


def test_who_comes_later_is_told_how_the_bed_is_at_once() -> None:
    hub = BedHub()
    first = joined(hub)
    hub.show(BED, STATE, 1.0)
    second = joined(hub)
    hub.show(BED, STATE, 1.1)
    hub.show(BED, STATE, 1.2)
    assert (kinds(first), kinds(second)) == (["sounds", "bed", "bed"], ["sounds", "bed"])


def test_a_viewer_that_takes_nothing_is_let_go() -> None:
    hub = BedHub()
    viewer = joined(hub)
    for number in range(MAX_WAITING + 1):
        if BED in hub.looked_at:
            hub.show(BED, BedState("Ward", None, "waiting", str(number)), float(number))
    assert viewer.is_dropped
    assert (hub.dropped, hub.looked_at) == (1, [])


def test_a_state_is_said_when_it_changes_and_now_and_then() -> None:
    hub = BedHub()
    viewer = joined(hub)
    for now_s in (0.0, 0.5, 1.0, 2.5):
        hub.show(BED, STATE, now_s)
    assert kinds(viewer) == ["sounds", "bed", "bed"]


def test_a_bed_that_nobody_looks_at_any_more_is_forgotten() -> None:
    hub = BedHub()
    first, second = joined(hub), joined(hub)
    hub.leave(BED, first)
    assert hub.looked_at == [BED]
    hub.leave(BED, second)
    assert hub.looked_at == []
    hub.show_tile(BED, tile(0))
    assert second.queue.qsize() == 1


def test_too_many_viewers_are_refused() -> None:
    hub = BedHub()
    assert all(hub.join(BED, []) is not None for _ in range(MAX_VIEWERS))
    assert hub.join(OTHER, []) is None
    assert hub.looked_at == [BED]


def test_a_message_is_one_line_of_json() -> None:
    hub = BedHub()
    viewer = joined(hub)
    hub.show_tile(BED, tile(7))
    viewer.queue.get_nowait()
    head, body, *rest = viewer.queue.get_nowait().decode().split("\n")
    assert (head, rest) == ("event: mel", ["", ""])
    assert json.loads(body.removeprefix("data: "))["sample"]["first"] == 7 * 15 * 256
