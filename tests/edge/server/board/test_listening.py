"""Listening through the board: sound goes to who asked and nobody else, and the end comes by itself, in words."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from edge.contract.live import SoundMessage
from edge.contract.topics import Address
from edge.server.board.feed import Viewer
from edge.server.board.listening import MAX_LISTENERS, MAX_PIECES, NO_SOUND, OVER, SILENT_S, ListeningHub
from tests.edge.conftest import SCHEMAS
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import NOW_S, publish, tile_of, ward_of

BED, OTHER = Address("site", "node", "bed1"), Address("site", "node", "bed2")


def sound(number: int = 0, **changed: Any) -> SoundMessage:
    body = made.sound(number, **changed)
    SCHEMAS["laennec.sound/1"].validate(body)
    return SoundMessage.model_validate_json(made.bytes_of(body))


def joined(hub: ListeningHub, address: Address = BED, until_s: float = 60.0) -> Viewer:
    viewer = hub.join(address, until_s, 0.0)
    assert viewer is not None
    return viewer


def reported(viewer: Viewer) -> list[tuple[str, Any]]:
    found = []
    while not viewer.queue.empty():
        kind, body = viewer.queue.get_nowait().decode().rstrip("\n").split("\n")
        found.append((kind.removeprefix("event: "), json.loads(body.removeprefix("data: "))))
    return found


def well(_: Address) -> str:
    return ""


def test_sound_goes_to_those_who_listen_to_its_bed_alone() -> None:
    hub = ListeningHub()
    mine, its = joined(hub), joined(hub, OTHER)
    hub.pass_on(BED, sound(3), 1.0)
    began, (kind, body) = reported(mine)
    assert began == ("began", {"left_s": 60})
    assert (kind, body["sample"]["first"], body["silent"]) == ("sound", 3 * 4096, [])
    assert [kind for kind, _ in reported(its)] == ["began"]


def test_the_end_comes_once_with_the_minute_and_no_sound_behind_it() -> None:
    hub = ListeningHub()
    viewer = joined(hub)
    for second in range(62):
        hub.pass_on(BED, sound(second), float(second))
        hub.end_those_over(float(second), well)
        kinds = [kind for kind, _ in reported(viewer)]
        assert ("sound" in kinds) == (second <= 60)
        assert ("over" in kinds) == (second == 60)
    assert hub.leave(viewer) == OVER
    assert not hub.is_used


def test_a_lost_box_and_a_bed_without_sound_end_it_with_the_reason() -> None:
    hub = ListeningHub()
    lost, silent = joined(hub), joined(hub, OTHER)
    hub.end_those_over(5.0, lambda bed: "box is offline" if bed == BED else "")
    assert reported(lost)[-1] == ("over", {"why": "box is offline"})
    hub.end_those_over(SILENT_S - 0.1, well)
    assert [kind for kind, _ in reported(silent)] == ["began"]
    hub.end_those_over(SILENT_S, well)
    assert reported(silent) == [("over", {"why": NO_SOUND})]


def test_who_stops_has_no_reason_and_who_is_slow_misses_pieces_and_still_hears_the_end() -> None:
    hub = ListeningHub()
    viewer, slow = joined(hub), joined(hub)
    assert hub.leave(viewer) == ""
    for number in range(100):
        hub.pass_on(BED, sound(number), 1.0)
    hub.end_those_over(60.0, well)
    kinds = [kind for kind, _ in reported(slow)]
    assert kinds == ["began"] + ["sound"] * (MAX_PIECES - 1) + ["over"]


def test_a_board_has_few_listeners() -> None:
    hub = ListeningHub()
    for _ in range(MAX_LISTENERS):
        joined(hub)
    assert hub.join(BED, 60.0, 0.0) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"pcm": b64encode(bytes(8190)).decode()},
        {"pcm": "?" * 10_924},
        {"sample": {"rate": 8000, "first": 0, "count": 10**9}},
        {"sample": {"rate": 0, "first": 0, "count": 4096}},
        {"silent": [{"from": 0, "to": 10**9, "why": "speech"}]},
        {"silent": [{"from": 0, "to": 10, "why": "<b>"}]},
        {"silent": [{"from": 0, "to": 1, "why": "lost"}] * 1000},
    ],
)
def test_sound_that_is_not_whole_is_refused(changed: made.Body) -> None:
    with pytest.raises(ValueError, match=r"pcm|sample|silent"):
        SoundMessage.model_validate_json(made.bytes_of(made.sound(0, **changed)))


def test_a_tile_says_who_listens_until_their_time_is_over_or_the_box_starts_anew() -> None:
    def names(message: made.Body, after_s: float = 1.0) -> list[str]:
        return [each.by for each in tile_of({"listening": message}, NOW_S + after_s).heard_by]

    assert names(made.listening("nurse K", "Dr. L")) == ["nurse K", "Dr. L"]
    assert names(made.listening("nurse K"), after_s=61.0) == []
    assert names(made.listening()) == []
    assert names(made.listening("nurse K", boot_id="00000009")) == []
    assert tile_of().heard_by == ()


def test_a_bed_may_be_listened_to_where_its_box_says_so() -> None:
    ward = ward_of()
    bed = ward.nodes["ward", "box"].beds["bed"]
    assert not bed.may_listen
    for listen in (True, False):
        publish(ward, "s/bed/info", made.stream_info(listen=listen))
        assert bed.may_listen is listen
    publish(ward, "s/bed/info", made.stream_info())
    assert not bed.may_listen, "a box of an earlier version"
