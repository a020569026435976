"""The ward's page: what happens at the broker is seen, what cannot be known is unknown, people answer."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import TABLET, WALL, RunningBoard, every_level, shown, steady, tile

Open = Callable[..., Any]
Tell = Callable[[FakeWard], None]
HOSTILE = "<img src=x onerror=alert(1)><script>document.title='owned'</script>"


def level(page: Any, bed: str, required: str) -> None:
    """Wait until a bed is shown so."""
    page.wait_for_selector(f".tile.level-{required} .open[aria-label^='{bed},']")


def test_a_bed_appears_and_its_alarm_says_what_and_since_when(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    page = open_page(board.url)
    page.get_by_text("Waiting for the first bed.").wait_for()
    ward.publish_bed("bed1")
    level(page, "bed1", "quiet")
    ward.alarm("bed1", priority="Hi")
    level(page, "bed1", "alarm")
    assert tile(page, "bed1").locator(".words").inner_text() == "Wheezing"
    assert tile(page, "bed1").locator(".ago").inner_text() == "12 min"
    assert page.locator(".summary").inner_text().split() == ["1", "patient"]


def test_an_alarm_is_acknowledged_by_keyboard_alone(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    ward.publish_bed("bed1")
    ward.publish_bed("bed2")
    ward.alarm("bed1")
    page = open_page(board.url)
    level(page, "bed1", "alarm")
    steady(page)  # of tiles that have just moved none is answered
    page.keyboard.press("ArrowRight")  # the first tile gets the focus
    page.keyboard.press("a")  # nobody has said who they are yet
    page.locator("#bed[open]").wait_for()
    page.keyboard.type("nurse K")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    level(page, "bed1", "seen")
    (order,) = ward.orders
    assert order == ("acknowledge", {**order[1], "by": "nurse K", "condition": "continuous", "episode": 1})
    page.keyboard.press("Escape")
    ward.alarm("bed2")
    level(page, "bed2", "alarm")
    steady(page)
    tile(page, "bed2").locator(".open").focus()
    page.keyboard.press("a")
    level(page, "bed2", "seen")
    assert ward.orders[-1][1]["by"] == "nurse K"


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_an_alarm_is_acknowledged_by_mouse_and_by_touch(
    board: RunningBoard, ward: FakeWard, open_page: Open, how: str
) -> None:
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    page = open_page(board.url, has_touch=how == "touch", viewport=TABLET)
    level(page, "bed1", "alarm")
    steady(page)
    button = tile(page, "bed1").get_by_role("button", name="Acknowledge")
    button.tap() if how == "touch" else button.click()
    page.locator("#who").fill("nurse K")
    confirm = page.locator("#do-acknowledge")
    confirm.tap() if how == "touch" else confirm.click()
    level(page, "bed1", "seen")
    assert [verb for verb, _ in ward.orders] == ["acknowledge"]


def test_pause_switch_off_and_limit_are_sent_with_who_and_why(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    page = open_page(board.url)
    level(page, "bed1", "quiet")
    steady(page)
    tile(page, "bed1").locator(".open").click()
    page.locator("#who").fill("Dr. L")
    page.locator("#do-pause").click()
    page.get_by_text("Done.").wait_for()
    page.locator("#do-off").click()  # without a reason nothing is sent
    assert page.locator("#answer").inner_text().startswith("Say why")
    page.locator("#off-why").fill("physiotherapy")
    page.locator("#do-off").click()
    page.locator("#limit-value").fill("4.5")
    page.locator("#limit-why").fill("asthma")
    page.locator("#do-limit").click()
    wait_for(lambda: len(ward.orders) == 3, "three orders")
    reported = {verb: {key: value for key, value in body.items() if key != "id"} for verb, body in ward.orders}
    assert reported == {
        "pause": {"by": "Dr. L", "duration_s": 120},
        "inactivate": {"by": "Dr. L", "condition": None, "duration_s": 900, "why": "physiotherapy"},
        "limit": {"by": "Dr. L", "condition": "continuous", "limit_s_per_min": 4.5, "why": "asthma"},
    }


def test_every_tile_is_unknown_when_the_broker_dies_and_known_again_when_it_is_back(
    board: RunningBoard, ward: FakeWard, broker: Broker, open_page: Open
) -> None:
    for number in range(4):
        ward.publish_bed(f"bed{number}")
    page = open_page(board.url)
    shown(page, ".level-quiet", 4)
    broker.kill()
    shown(page, ".level-unknown", 4)
    assert page.locator("#banner").inner_text().startswith("The board has lost the broker since ")
    broker.stop()
    with Broker("mosquitto", broker.port):
        wait_for(ward.client.is_connected, "the ward at the new broker")
        ward.publish_node()
        for number in range(4):
            ward.publish_bed(f"bed{number}")
        shown(page, ".level-quiet", 4)
        assert page.locator("#banner").is_hidden()


def test_every_tile_is_unknown_when_the_board_dies_and_known_again_when_it_is_back(
    start_board: Callable[..., RunningBoard], ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    first = start_board()
    page = open_page(first.url)
    level(page, "bed1", "quiet")
    port = int(first.url.rsplit(":", 1)[1].rstrip("/"))
    first.close()
    level(page, "bed1", "unknown")
    assert "This screen has lost the board" in page.locator("#banner").inner_text()
    start_board(listen={"port": port})
    level(page, "bed1", "quiet")


def test_hostile_names_reasons_and_payloads_are_text_and_nothing_else(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    name = HOSTILE.replace("/", "")[:60]  # no id, so the board shows no bed of that name
    ward.publish_bed(name)
    ward.client.publish(f"{made.PREFIX}/ward-b/<img src=x>/status", b"{}", 1, retain=True)
    ward.publish("s/bed1/alarm/<b>new<b>", made.alarm("x", time.time(), kind="Tec"))
    who = {"by": HOSTILE, "at": made.alarm(wall_s=time.time())["ts"], "why": HOSTILE}
    ward.publish_bed("bed1")
    ward.alarm("bed1", signal="Ack", audible=False, acknowledged=who)
    ward.publish_bed("bed2", status=made.stream(time.time(), state="disabled", reason=HOSTILE))
    page = open_page(board.url)
    level(page, "bed2", "unknown")
    for rubbish in (
        b"",
        b"{",
        b"[" * 50_000,
        b"null",
        b'{"boot_id": 1e999}',
        b"\xff\xfe",
        b'{"ts":"0000-01-01T00:00:00Z"}',
    ):
        ward.publish("s/bed3/trend", rubbish, retain=False)
    for node in ("box-1", "<img src=x>"):
        page.locator("#banner", has_text=f"unreadable messages of ward-b/{node}").wait_for()
    level(page, "bed1", "seen")
    page.locator(".detail", has_text=HOSTILE).first.wait_for()
    assert tile(page, "bed2").locator(".detail").filter(has_text=HOSTILE).count() == 1
    steady(page)
    tile(page, "bed1").locator(".open").click()
    page.locator("#bed-alarms li", has_text=HOSTILE).wait_for()
    assert (page.locator(".tile").count(), page.get_by_text("<b>new<b>").count()) == (2, 0)
    assert (page.locator("img").count(), page.locator("main script").count(), page.title()) == (0, 0, "Ward")


def sixteen_quiet(ward: FakeWard) -> None:
    for number in range(14):
        ward.publish_bed(f"bed{number:02d}-rul")
    ward.publish_bed("bed-a-rul")
    ward.publish_bed("bed-b-rul")
    ward.alarm("bed-a-rul")
    ward.alarm("bed-b-rul", "contact", priority="Lo")


@pytest.mark.parametrize("viewport", [WALL, TABLET], ids=["wall", "tablet"])
@pytest.mark.parametrize(("report", "beds"), [(sixteen_quiet, 16), (every_level, 10)], ids=["quiet", "every level"])
def test_the_ward_fits_the_screen_and_nothing_is_cut_off(
    board: RunningBoard, ward: FakeWard, open_page: Open, viewport: dict[str, int], report: Tell, beds: int
) -> None:
    report(ward)
    page = open_page(board.url, viewport=viewport)
    shown(page, ".tile", beds)
    steady(page)
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    cut = "(all) => all.filter((face) => face.scrollHeight > face.clientHeight + 1).map((face) => face.innerText)"
    assert page.locator(".face").evaluate_all(cut) == []
    assert page.locator(".open").evaluate_all("(all) => all.every((each) => each.scrollWidth <= each.clientWidth)")


def test_a_viewer_that_reads_nothing_does_not_slow_another(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    port = int(board.url.rsplit(":", 1)[1].rstrip("/"))
    with socket.create_connection(("127.0.0.1", port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(f"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        for number in range(40):
            ward.publish_bed(f"bed{number:02d}")
        page = open_page(board.url)
        shown(page, ".level-quiet", 40)
        for turn in range(30):
            for number in range(40):
                ward.publish(f"s/bed{number:02d}/trend", made.trend(time.time(), coverage=0.6 + turn / 100))
            page.get_by_text(f"measured {60 + turn} %").first.wait_for(state="attached")
        ward.alarm("bed07")
        level(page, "bed07", "alarm")
        assert page.locator(".level-alarm").count() == 1


def test_sound_is_off_until_a_person_allows_it(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    ward.publish_bed("bed1")
    ward.alarm("bed1", priority="Hi")
    page = open_page(board.url)
    level(page, "bed1", "alarm")
    assert page.locator("#sound").inner_text() == "Sound is off"
    page.locator("#sound").click()
    page.get_by_role("button", name="Sound is on").wait_for()
    page.locator("#pause").click()
    page.get_by_role("button", name="Silent for").wait_for()


def test_bursts_have_the_pulses_that_iec_60601_1_8_asks_for(board: RunningBoard, open_page: Open) -> None:
    page = open_page(board.url)
    found = page.evaluate(
        "import('/static/sound.js').then((m) => Object.fromEntries(['Hi', 'Me', 'Lo'].map((p) => [p, m.pulses(p)])))"
    )
    gaps = {
        name: [round(b["start"] - a["start"] - a["duration"], 3) for a, b in itertools.pairwise(each)]
        for name, each in found.items()
    }
    assert {name: len(each) for name, each in found.items()} == {"Hi": 10, "Me": 3, "Lo": 2}
    assert gaps == {
        "Hi": [0.1, 0.1, 0.35, 0.1, 0.6, 0.1, 0.1, 0.35, 0.1],  # x, x, 2x + pulse, x, 0.35 to 1.3 s, and again
        "Me": [0.2, 0.2],  # y, 0.125 to 0.25 s
        "Lo": [0.2],
    }
