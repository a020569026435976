"""The boxes behind the beds: what each says of itself, and what it does not."""

from __future__ import annotations

from edge.contract import parse
from edge.server.board.fleet import fleet_of
from edge.server.board.latest import Arrival
from edge.server.board.ward import Ward
from tests.edge.server.board import ward_messages as made

NOW_S = 500.0
MODEL = {**made.info()["model"], "id": "lung"}
INFO = made.info(release="0.1.0-b62d", model=MODEL)


def ward_of(messages: dict[str, made.Body]) -> Ward:
    ward = Ward()
    for levels, body in messages.items():
        topic = f"{made.PREFIX}/ward/box/{levels}"
        ward.push(parse(made.PREFIX, topic, made.bytes_of(body)), Arrival(NOW_S, made.WALL_S + 3.0))
    return ward


def test_a_box_says_what_it_runs_how_it_is_and_how_its_links_are() -> None:
    device = {"id": "x", "measurable": True, "conditions": [], "battery_percent": 43.0, "lost": 0.01, "ppm": 12.0}
    outbox = {**made.health()["outbox"], "waiting": 7, "oldest_s": 90.0}
    health = made.health(checks={"outbox": "warn", "inbox": "ok"}, outbox=outbox)
    ward = ward_of(
        {
            "status": made.status(),
            "health": health,
            "info": INFO,
            "alarm/clock": made.alarm("clock", stream=None),
            "s/bed1/status": made.stream(),
            "s/bed1/health": made.stream_health(device=device),
        }
    )
    (box,) = fleet_of(ward, NOW_S)
    assert (box.software, box.release, box.model, box.trouble) == ("laennec 0.1.0", "0.1.0-b62d", "lung", "")
    assert (box.checks, box.waiting, box.oldest_s, box.alarms) == (
        (("outbox", "warn"),),
        7,
        90.0,
        ("Clock is not set",),
    )
    assert box.clock_off_s == -3.0
    (link,) = box.links
    assert (link.stream, link.state, link.battery_percent, link.lost_share, link.ppm) == (
        "bed1",
        "ok",
        43.0,
        0.01,
        12.0,
    )


def test_what_a_box_has_not_said_is_not_known() -> None:
    (box,) = fleet_of(ward_of({"s/bed1/status": made.stream()}), NOW_S)
    assert (box.trouble, box.uptime_s, box.waiting, box.software) == ("box never reported its status", None, None, "")
    assert box.links[0].battery_percent is None
