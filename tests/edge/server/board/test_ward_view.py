"""What the screen shows of a ward: answers known by hand, and laws that hold for any messages and any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import parse
from edge.server.board.latest import Arrival, Minute
from edge.server.board.ward import Ward
from edge.server.board.ward_view import summary_of, tiles_of
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import BOX, NOW_S, tile_of, ward_of
from tests.edge.server.board.ward_messages import OFF, WALL_S, Body

PATIENTS = ("continuous", "discontinuous")
LOUD = ("alarm", "unknown", "latched")


def test_a_bed_that_is_measured_and_below_its_limits_is_quiet() -> None:
    tile = tile_of()
    assert (tile.level, tile.words, tile.sound, tile.coverage, tile.contact) == ("quiet", "Quiet", None, 0.97, "yes")
    assert [(line.words, line.minutes_5, line.limit) for line in tile.burdens] == [
        ("Wheezing", 0.4, 6.0),
        ("Crackles", 0.2, 6.0),
    ]


def test_an_alarm_says_what_and_since_when_and_sounds() -> None:
    tile = tile_of({"alarm/continuous": made.alarm(priority="Hi")})
    assert (tile.level, tile.kind, tile.priority, tile.words, tile.sound) == ("alarm", "Phy", "Hi", "Wheezing", "Hi")
    assert tile.since_s == NOW_S - 750


def test_nothing_is_heard_of_mode_test() -> None:
    tile = tile_of({"alarm/continuous": made.alarm(priority="Hi", mode="Test")})
    assert (tile.level, tile.is_test, tile.sound) == ("alarm", True, None)


def test_an_acknowledged_alarm_is_seen_and_says_by_whom() -> None:
    seen = {"by": "nurse K (board)", "at": made.alarm()["ts"], "why": ""}
    tile = tile_of({"alarm/continuous": made.alarm(signal="Ack", audible=False, acknowledged=seen)})
    assert (tile.level, tile.alarms[0].condition, tile.sound) == ("seen", "continuous", None)
    assert tile.alarms[0].seen_by is not None
    assert tile.alarms[0].seen_by.by == "nurse K (board)"


def test_alarms_that_a_person_switched_off_are_shown_with_who_and_why() -> None:
    who = {"by": "Dr. L", "at": made.alarm()["ts"], "why": "physiotherapy", "until": made.alarm()["valid_until"]}
    off = {f"alarm/{each}": made.alarm(each, activation="Psd", inactivated=who, **OFF) for each in PATIENTS}
    tile = tile_of(off)
    assert (tile.level, tile.words, tile.detail) == ("inactive", "Alarms off", "by Dr. L: physiotherapy")


def test_a_bed_without_a_limit_is_not_called_quiet() -> None:
    off = {name: made.alarm(name, activation="Off", limit=None, **OFF) for name in ("continuous", "discontinuous")}
    assert tile_of({f"alarm/{name}": body for name, body in off.items()}).words == "No limit set"


@pytest.mark.parametrize(
    ("node", "bed", "after_s", "reason"),
    [
        ({"status": made.status(state="offline")}, {}, 0.0, "box is offline"),
        ({"status": made.status(state="stopped")}, {}, 0.0, "box was stopped"),
        ({}, {}, 90.0, "box does not report its health"),
        ({}, {}, 180.0, "box is silent"),
        ({"health": made.health(boot_id="00000001")}, {}, 0.0, "box is starting"),
        ({}, {"status": made.stream(boot_id="00000001")}, 0.0, "box says nothing of this bed"),
        ({}, {"status": made.stream(state="disabled", reason="end of source")}, 0.0, "end of source"),
        ({}, {"trend": made.trend(continuous=None, coverage=0.2)}, 0.0, "too little was measured"),
        ({}, {"trend": made.trend(boot_id="00000001")}, 0.0, "too little was measured"),
    ],
)
def test_what_nobody_can_say_is_unknown_with_its_reason(
    node: dict[str, Body], bed: dict[str, Body], after_s: float, reason: str
) -> None:
    tile = tile_of(bed, NOW_S + after_s, node=node)
    assert (tile.level, tile.words, tile.detail) == ("unknown", "Unknown", reason)


def test_an_alarm_that_is_not_said_again_makes_its_bed_unknown_and_stays_in_sight() -> None:
    ward = ward_of({"alarm/continuous": made.alarm(priority="Hi")})
    later = Arrival(NOW_S + 119, WALL_S + 119)
    for levels, body in (("status", made.status(WALL_S + 119)), ("health", made.health(WALL_S + 119))):
        ward.push(parse(made.PREFIX, f"{BOX}/{levels}", made.bytes_of(body)), later)
    assert tiles_of(ward, NOW_S + 119)[0].level == "alarm"
    (tile,) = tiles_of(ward, NOW_S + 120)
    assert (tile.level, tile.before, tile.sound) == ("unknown", "Wheezing", "Me")


def test_a_box_that_starts_again_is_unknown_at_once_and_heard_only_where_that_lasts() -> None:
    ward = ward_of(node={"status": made.status(boot_id="00000001")})
    assert [tiles_of(ward, NOW_S + after_s)[0].sound for after_s in (0.0, 9.0, 10.0)] == [None, None, "Me"]


def test_the_loss_of_the_broker_makes_every_bed_unknown() -> None:
    (tile,) = tiles_of(ward_of(), NOW_S, lost_s=NOW_S - 5)
    assert (tile.level, tile.detail, tile.since_s) == ("unknown", "the board has lost the broker", NOW_S - 5)
    assert [line.minutes_5 for line in tile.burdens] == [None, None]


def test_what_the_broker_had_stored_is_as_old_as_it_says_and_what_comes_live_is_new() -> None:
    assert tile_of(stored_s=89.0).level == "quiet"
    assert tile_of(stored_s=90.0).level == "unknown"
    assert tile_of(stored_s=-4.0).level == "quiet"


def test_a_late_will_of_an_earlier_session_does_not_end_the_present_one() -> None:
    ward = ward_of()
    will = made.status(state="offline", session="earlier")
    ward.push(parse(made.PREFIX, f"{BOX}/status", made.bytes_of(will)), Arrival(NOW_S, WALL_S))
    assert tiles_of(ward, NOW_S)[0].level == "quiet"


def test_a_node_that_has_just_started_is_waited_for_and_then_unknown() -> None:
    node = {"health": made.health(uptime_s=10.0)}
    bed = {"trend": made.trend(continuous=None, coverage=0.1)}
    assert tile_of(bed, node=node).level == "waiting"
    assert tile_of(bed, node={"health": made.health(uptime_s=600.0)}).level == "unknown"


def test_a_lost_stream_is_waited_for_as_long_as_its_alarm_takes() -> None:
    lost = {"status": made.stream(state="lost", reason="device is silent", since_s=WALL_S)}
    assert (tile_of(lost).level, tile_of(lost, NOW_S + 89).level) == ("waiting", "waiting")
    seen = made.alarm("signal-lost", signal="On")
    assert tile_of({**lost, "alarm/signal-lost": seen}).words == "No signal"


def test_a_bed_that_was_taken_out_of_the_settings_is_gone() -> None:
    ward = ward_of()
    ward.push(parse(made.PREFIX, f"{BOX}/s/bed/status", b""), Arrival(NOW_S, WALL_S))
    assert tiles_of(ward, NOW_S) == []


def test_leftovers_at_the_broker_alone_make_no_bed() -> None:
    ward = Ward()
    ward.push(parse(made.PREFIX, f"{BOX}/s/bed/trend", made.bytes_of(made.trend())), Arrival(NOW_S, WALL_S, True))
    assert [tile.stream for tile in tiles_of(ward, NOW_S)] == [""]  # the node itself, which never said that it is there


def test_an_alarm_of_the_node_itself_is_a_tile_of_its_own() -> None:
    tiles = tiles_of(ward_of(node={"alarm/outbox": made.alarm("outbox", stream=None)}), NOW_S)
    assert [(tile.stream, tile.level, tile.words) for tile in tiles] == [
        ("", "alarm", "Messages lost"),
        ("bed", "quiet", "Quiet"),
    ]


def test_patients_come_before_the_unknown_and_those_before_equipment_and_quiet_beds_last() -> None:
    ward = Ward()
    beds = {
        "quiet": {},
        "seen": {"alarm/continuous": made.alarm(signal="Ack", audible=False)},
        "loose": {"alarm/contact": made.alarm("contact", priority="Lo")},
        "high": {"alarm/continuous": made.alarm(priority="Hi")},
        "medium": {"alarm/continuous": made.alarm()},
        "lost": {"alarm/signal-lost": made.alarm("signal-lost")},
        "unknown": {"status": made.stream(boot_id="00000001")},
    }
    messages = {"status": made.status(), "health": made.health()}
    for name, changed in beds.items():
        messages |= {f"s/{name}/{levels}": body for levels, body in {**made.quiet_bed(), **changed}.items()}
    for levels, body in messages.items():
        ward.push(parse(made.PREFIX, f"{BOX}/{levels}", made.bytes_of(body)), Arrival(NOW_S, WALL_S))
    tiles = tiles_of(ward, NOW_S)
    assert [tile.stream for tile in tiles] == ["high", "medium", "unknown", "lost", "loose", "seen", "quiet"]
    assert summary_of(tiles) == {
        "patient": 2,
        "unknown": 1,
        "technical": 2,
        "waiting": 0,
        "seen": 1,
        "inactive": 0,
        "quiet": 1,
    }


class LastOnly(deque[Minute]):
    """A day of minutes that can be read from the last on, and counts how many are."""

    read = 0

    def __iter__(self) -> Iterator[Minute]:
        raise AssertionError("a tile looks at the last hour alone, ten times a second for each bed")

    def __reversed__(self) -> Iterator[Minute]:
        for minute in super().__reversed__():
            self.read += 1
            yield minute


def test_a_tile_looks_at_the_last_hour_of_a_day_alone() -> None:
    ward = ward_of()
    groups: dict[str, float | None] = {"continuous": 1.0}
    minutes = LastOnly(Minute(NOW_S - 60.0 * ago - 1, 1.0, groups) for ago in reversed(range(1440)))
    ward.nodes["ward", "box"].beds["bed"].minutes = minutes
    (tile,) = tiles_of(ward, NOW_S)
    assert [len(line.points) for line in tile.burdens] == [60, 60]
    assert tile.burdens[0].points[-1] == (round((NOW_S - 1) / 60, 2), 1.0)
    assert minutes.read == 61


ALARMS = st.fixed_dictionaries(
    {
        "signal": st.sampled_from(["Off", "On", "Latch", "Ack"]),
        "priority": st.sampled_from(["Lo", "Me", "Hi"]),
        "activation": st.sampled_from(["On", "Psd", "Off"]),
        "validity": st.sampled_from(["Vld", "NA"]),
        "presence": st.booleans(),
        "audible": st.booleans(),
        "boot_id": st.sampled_from([made.BOOT, "00000001"]),
    }
)
CONDITIONS = st.sampled_from(["continuous", "discontinuous", "signal-lost", "not-measurable", "contact", "new-one"])
BEDS = st.builds(
    lambda alarms, state, burden, boot: {
        **{f"alarm/{name}": made.alarm(name, **changed) for name, changed in alarms.items()},
        "status": made.stream(state=state, boot_id=boot),
        "trend": made.trend(continuous=burden, coverage=0.3 if burden is None else 0.9),
    },
    st.dictionaries(CONDITIONS, ALARMS),
    st.sampled_from(["ok", "degraded", "lost", "disabled"]),
    st.one_of(st.none(), st.floats(0, 60)),
    st.sampled_from([made.BOOT, "00000001"]),
)


@given(BEDS, st.floats(0, 400), st.booleans())
def test_a_bed_is_quiet_only_where_everything_that_must_say_so_is_fresh(
    bed: dict[str, Body], after_s: float, is_lost: bool
) -> None:
    (tile, *_) = tiles_of(ward_of(bed), NOW_S + after_s, NOW_S if is_lost else None)
    if tile.level == "quiet":
        assert not is_lost
        assert after_s < 90
        assert bed["status"]["state"] in ("ok", "degraded")
        assert bed["status"]["boot_id"] == made.BOOT
        assert bed["trend"]["windows"][1]["known"]
        assert all(line.signal == "Off" for line in tile.alarms)


@given(BEDS, st.floats(0, 60))
def test_a_patients_alarm_that_is_signalled_is_never_hidden(bed: dict[str, Body], after_s: float) -> None:
    (tile,) = tiles_of(ward_of(bed), NOW_S + after_s)
    signalled = [
        body
        for body in bed.values()
        if body.get("kind") == "Phy" and body["signal"] in ("On", "Latch") and body["boot_id"] == made.BOOT
    ]
    if signalled:
        assert tile.level in LOUD
        assert tile.level != "unknown" or tile.before


@given(BEDS, st.floats(0, 400))
def test_a_tile_is_the_same_for_any_order_of_the_messages(bed: dict[str, Body], after_s: float) -> None:
    backwards = dict(reversed([*{**made.quiet_bed(), **bed}.items()]))
    ward = Ward()
    for levels, body in {f"s/bed/{name}": body for name, body in backwards.items()}.items():
        ward.push(parse(made.PREFIX, f"{BOX}/{levels}", made.bytes_of(body)), Arrival(NOW_S, WALL_S))
    for levels, body in (("health", made.health()), ("status", made.status())):
        ward.push(parse(made.PREFIX, f"{BOX}/{levels}", made.bytes_of(body)), Arrival(NOW_S, WALL_S))
    assert tiles_of(ward, NOW_S + after_s) == tiles_of(ward_of(bed), NOW_S + after_s)
