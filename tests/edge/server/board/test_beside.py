"""A tile says the most urgent first, and beside it whatever else is so; no patient is hidden behind a battery."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from edge.contract import parse
from edge.server.board.latest import Arrival
from edge.server.board.shift import received_of, shifts_of
from edge.server.board.ward import Ward
from edge.server.board.ward_view import tiles_of
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import NOW_S, tile_of, ward_of
from tests.edge.server.board.test_ward_view import BEDS
from tests.edge.server.board.ward_messages import OFF, WALL_S, Body

AT = made.alarm()["ts"]
SEEN = {"by": "nurse K", "at": AT, "why": ""}
BY = {"by": "Dr. L", "at": AT, "why": "physiotherapy", "until": made.alarm()["valid_until"]}


def alarms(**changed: dict[str, Any]) -> dict[str, Body]:
    """Alarms of a bed by name, each as it differs from one that is signalled."""
    return {f"alarm/{name}": made.alarm(name, **{"priority": "Me", **each}) for name, each in changed.items()}


def off(*names: str) -> dict[str, Body]:
    return alarms(**{name: {**OFF, "activation": "Psd", "inactivated": BY} for name in names})


@pytest.mark.parametrize(
    ("bed", "level", "words", "also", "is_of_patient"),
    [
        (
            alarms(continuous={"signal": "Ack", "acknowledged": SEEN, "priority": "Hi"}, battery={"priority": "Lo"}),
            "alarm",
            "Battery low",
            "Wheezing seen",
            True,
        ),
        (
            alarms(continuous={"signal": "Latch", "priority": "Hi"}, battery={"priority": "Lo"}),
            "latched",
            "Wheezing",
            "Battery low",
            False,
        ),
        (alarms(discontinuous={"priority": "Lo"}, contact={}), "alarm", "Sensor loose", "Crackles", True),
        (alarms(discontinuous={"signal": "Latch"}, continuous={}), "alarm", "Wheezing", "Crackles over", True),
        (
            {**alarms(battery={"signal": "Ack", "acknowledged": SEEN}), **off("continuous", "discontinuous")},
            "seen",
            "Battery low",
            "Alarms off",
            True,
        ),
        (
            {**alarms(battery={}, outbox={}), **off("continuous")},
            "alarm",
            "Battery low",
            "Wheezing off · Messages lost",
            True,
        ),
        (off("continuous", "discontinuous"), "inactive", "Alarms off", "", False),
        (off("continuous", "discontinuous", "battery"), "inactive", "Alarms off", "", False),
        (off("battery"), "inactive", "Battery low off", "", False),
        (off("continuous", "battery"), "inactive", "Wheezing off", "Battery low off", False),
        ({}, "quiet", "Quiet", "", False),
    ],
)
def test_what_a_tile_says_first_and_what_beside_it(
    bed: dict[str, Body], level: str, words: str, also: str, is_of_patient: bool
) -> None:
    tile = tile_of(bed)
    assert (tile.level, tile.words, tile.also, tile.is_also_of_patient) == (level, words, also, is_of_patient)


def test_a_bed_that_is_waited_for_says_what_was_seen() -> None:
    lost = {"status": made.stream(state="lost", reason="device is silent", since_s=WALL_S)}
    tile = tile_of({**lost, **alarms(continuous={"signal": "Ack", "acknowledged": SEEN})})
    assert (tile.level, tile.also) == ("waiting", "Wheezing seen")


@given(BEDS)
def test_no_alarm_of_a_patient_that_is_signalled_or_lasts_is_out_of_sight(bed: dict[str, Body]) -> None:
    (tile,) = tiles_of(ward_of(bed), NOW_S)
    answered = f"{tile.words} · {tile.also} · {tile.before}"
    lines = [line for line in tile.alarms if line.kind == "Phy" and line.signal != "Off"]
    assert [line.words for line in lines if line.words not in answered] == []


def ward_with(*beds: tuple[str, str, str]) -> Ward:
    """Quiet beds, each (site, node, stream)."""
    ward = Ward()
    for site, node, stream in beds:
        messages = {"status": made.status(), "health": made.health()}
        messages |= {f"s/{stream}/{name}": body for name, body in made.quiet_bed().items()}
        for levels, body in messages.items():
            topic = f"{made.PREFIX}/{site}/{node}/{levels}"
            ward.push(parse(made.PREFIX, topic, made.bytes_of(body)), Arrival(NOW_S, WALL_S))
    return ward


def test_beds_of_one_name_are_told_apart_by_their_box_and_those_of_one_box_name_by_their_site() -> None:
    ward = ward_with(("a", "edge-7", "bed1"), ("a", "edge-8", "bed1"), ("b", "edge-8", "bed1"), ("a", "edge-7", "bed2"))
    tiles = tiles_of(ward, NOW_S)
    names = ["bed1 · edge-7", "bed1 · edge-8 · a", "bed1 · edge-8 · b", "bed2"]
    assert sorted(tile.name for tile in tiles) == names
    assert sorted(shift.name for shift in shifts_of(received_of(ward, tiles), 1, NOW_S)) == names


def test_a_box_that_has_the_name_of_another_sites_says_its_site() -> None:
    ward = ward_with(("a", "edge-7", "bed1"), ("b", "edge-7", "bed2"))
    for site in ("a", "b"):
        topic = f"{made.PREFIX}/{site}/edge-7/alarm/outbox"
        ward.push(parse(made.PREFIX, topic, made.bytes_of(made.alarm("outbox"))), Arrival(NOW_S, WALL_S))
    assert [tile.name for tile in tiles_of(ward, NOW_S)][:2] == ["edge-7 · a", "edge-7 · b"]
