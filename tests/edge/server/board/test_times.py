"""What counts as fresh, how long a bed is waited for, and since when something is so, whatever a node's clock does."""

from __future__ import annotations

from collections import Counter

import pytest

from edge.server.board.tiles import Tile
from edge.server.board.validity import GRACE_S, RETURN_S
from edge.server.board.ward import Ward
from edge.server.board.ward_view import tiles_of
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.one_bed_ward import NOW_S, publish, publish_all, tile_of, ward_of
from tests.edge.server.board.ward_messages import OFF, WALL_S


def bed_of(ward: Ward, after_s: float) -> Tile:
    (tile,) = tiles_of(ward, NOW_S + after_s)
    return tile


def test_a_box_that_starts_again_every_four_minutes_is_not_waited_for_for_ever() -> None:
    ward, levels = Ward(), Counter[str]()
    unmeasured = made.trend(continuous=None, coverage=0.4)
    for number in range(30):
        for run_s in range(0, 240, 30):
            after_s, boot = 240.0 * number + run_s, f"{number:08x}"
            wall_s = WALL_S + after_s
            publish(ward, "status", made.status(wall_s, boot), after_s)
            publish(ward, "health", made.health(wall_s, boot, uptime_s=float(run_s)), after_s)
            bed = made.quiet_bed(wall_s, boot) | {"trend": {**unmeasured, "boot_id": boot}}
            for name, body in bed.items():
                publish(ward, f"s/bed/{name}", body, after_s)
            levels[bed_of(ward, after_s).level] += 30
    assert levels == {"waiting": RETURN_S, "unknown": 7200 - RETURN_S}
    assert bed_of(ward, after_s).since_s == NOW_S, "first told of then, and never measured"


def test_a_lost_stream_is_waited_for_from_when_the_board_was_told_whatever_its_box_says_since_when() -> None:
    for since_s in (WALL_S + 3600, WALL_S - 3600):  # a clock that is wrong, or has stepped
        ward = ward_of()
        for after_s in range(0, 120, 10):
            wall_s = WALL_S + after_s
            lost = made.stream(wall_s, state="lost", reason="device is silent", since_s=since_s)
            publish_all(ward, after_s, status=lost)
            assert bed_of(ward, after_s).level == ("waiting" if after_s < GRACE_S else "unknown")
    publish_all(ward, 130)
    assert bed_of(ward, 130).level == "quiet"


def test_nothing_began_after_it_was_said() -> None:
    ahead = made.alarm(since=made.alarm(wall_s=WALL_S + 3600)["ts"])
    assert tile_of({"alarm/continuous": ahead}).since_s == NOW_S


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_the_nodes_clock_does_not_move_since_when_an_alarm_lasts(step_s: float) -> None:
    since = made.alarm(wall_s=WALL_S)["since"]
    ward = ward_of({"alarm/continuous": made.alarm(since=since)})
    assert bed_of(ward, 0).since_s == NOW_S - 750
    publish(ward, "s/bed/alarm/continuous", made.alarm(wall_s=WALL_S + 30 + step_s, since=since, rev=2), 30)
    assert bed_of(ward, 30).since_s == NOW_S - 750
    another = made.alarm(wall_s=WALL_S + 60, since=made.alarm(wall_s=WALL_S + 800)["since"], rev=3, episode=2)
    publish(ward, "s/bed/alarm/continuous", another, 60)
    assert bed_of(ward, 60).since_s == NOW_S + 50, "of another episode its own time counts"


SEEN = {
    "signal": "Ack",
    "audible": False,
    "rev": 2,
    "since": made.alarm(wall_s=WALL_S + 750)["since"],
    "acknowledged": {"by": "nurse K", "at": made.alarm()["ts"], "why": ""},
}


def test_who_acknowledges_an_alarm_does_not_change_since_when_it_lasts() -> None:
    began = made.alarm()["since"]
    ward = ward_of({"alarm/continuous": made.alarm(began=began)})
    before = bed_of(ward, 0)
    publish(ward, "s/bed/alarm/continuous", made.alarm(began=began, **SEEN), 0)
    seen = bed_of(ward, 0)
    assert (before.level, before.since_s, seen.level, seen.since_s) == ("alarm", NOW_S - 750, "seen", NOW_S - 750)
    assert seen.alarms[0].since_s == NOW_S - 750


def test_a_board_that_was_started_later_knows_when_the_alarm_began_too() -> None:
    assert tile_of({"alarm/continuous": made.alarm(began=made.alarm()["since"], **SEEN)}).since_s == NOW_S - 750


def test_of_a_node_that_does_not_say_when_it_began_the_board_remembers_it() -> None:
    ward = ward_of({"alarm/continuous": made.alarm()})
    publish(ward, "s/bed/alarm/continuous", made.alarm(**SEEN), 0)
    assert bed_of(ward, 0).since_s == NOW_S - 750


def test_what_was_stored_with_a_time_to_come_does_not_count_until_a_live_word_comes() -> None:
    ward = ward_of(stored_s=-7200.0)  # the clock of the box is two hours ahead
    assert bed_of(ward, 0).level == "unknown"
    assert bed_of(ward, 0).detail == "clock of the box is ahead: its next word is waited for"
    publish(ward, "status", made.status(WALL_S + 7200))
    publish(ward, "health", made.health(WALL_S + 7200))
    assert bed_of(ward, 0).detail == "no word of 5 of its alarms"
    for name, body in made.quiet_bed(WALL_S + 7200).items():
        publish(ward, f"s/bed/{name}", body)
    assert bed_of(ward, 0).level == "quiet"


def test_a_trend_of_unknown_age_is_no_minute_of_the_last_hour() -> None:
    bed = ward_of(stored_s=-7200.0).nodes["ward", "box"].beds["bed"]
    assert (list(bed.minutes), bed.measured_s) == ([], None)
    assert len(ward_of(stored_s=60.0).nodes["ward", "box"].beds["bed"].minutes) == 1


def test_a_bed_that_misses_one_alarm_is_unknown_since_that_was_told_last() -> None:
    ward = ward_of()
    for after_s in range(30, 300, 30):
        publish_all(ward, after_s, alarm_contact=None)
    assert (bed_of(ward, 270).detail, bed_of(ward, 270).since_s) == ("no word of one of its alarms", NOW_S)


def test_a_pause_ends_after_the_message_that_tells_of_it() -> None:
    until = made.alarm(wall_s=WALL_S + 870)["since"]  # 120 s from now
    (line, *_) = tile_of({"alarm/continuous": made.alarm(audio_paused_until=until)}).alarms
    assert line.paused_until_s == NOW_S + 120
    assert tile_of({"alarm/continuous": made.alarm(**OFF)}).level == "quiet"
