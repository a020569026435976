"""The page of a bed: its sound as it comes, drawn where it is; asked for while somebody looks, and no longer."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from edge.delivery.messages import ulid
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import TABLET, RunningBoard, bed_path, shown, steady, tile
from tests.system.edge.server.board.test_ward_page import HOSTILE, level

Open = Callable[..., Any]
Pixel = tuple[int, int, int]
TONE_BAND, TONE, LOST, LAST = 20, (4, 5), 7, 9  # which band, which tiles
COLUMN_S = made.COLUMN / made.RATE_HZ
TILE_S = made.TILE_COLUMNS * COLUMN_S
PAGE, LOST_PAGE, FOCUS, OVER = (14, 19, 24), (42, 51, 61), (124, 196, 255), (255, 176, 46)  # of the dark theme
PIXEL = (
    "(c, [x, y]) => Array.from(c.getContext('2d').getImageData(Math.round(x), Math.round(y), 1, 1).data).slice(0, 3)"
)


def levels(number: int) -> bytes:
    """Quiet noise, a tone in some tiles, and one that was lost."""
    bands = [230 if number in TONE and band == TONE_BAND else 60 for band in range(made.BANDS)]
    return bytes([0] * made.BANDS if number == LOST else bands) * made.TILE_COLUMNS


def scores(number: int) -> bytes:
    """The tone is a wheeze."""
    wheeze = 0 if number == LOST else 230 if number in TONE else 20
    return bytes([wheeze, 20, 20, 20, 20]) * made.TILE_COLUMNS


def play(ward: FakeWard, first: int, stop: int, bed: str = "bed1") -> None:
    """Tiles, as a node that is looked at sends them."""
    for number in range(first, stop):
        ward.publish(f"s/{bed}/mel", made.tile(number, levels(number), scores(number)), retain=False)


def drawn(page: Any, end_s: float) -> Any:
    """Where the picture is, once it ends so many seconds after the first sample."""

    def found() -> Any:
        text = page.locator("#picture").get_attribute("data-shown")
        at = json.loads(text) if text else {"toS": 0}
        return at if abs(at["toS"] - end_s) < 0.001 else None

    return wait_for(found, f"the picture until {end_s:.2f} s")


def looking(page: Any) -> None:
    """Wait until the page looks, and the box has agreed."""
    page.get_by_text("Waiting: the box sends a picture").first.wait_for()


class Shot:
    """Pixels of the picture, by second and height."""

    def __init__(self, page: Any, at: Any) -> None:
        self._page, self._at = page, at

    def x(self, second: float) -> float:
        """Pixels from the left."""
        plot = self._at["plot"]
        return float(plot["x"] + plot["width"] * (second - self._at["fromS"]) / (self._at["toS"] - self._at["fromS"]))

    def y(self, band: float) -> float:
        """Of the middle of a band."""
        plot = self._at["plot"]
        return float(plot["y"] + plot["height"] * (1 - (band + 0.5) / made.BANDS))

    def pixel(self, second: float, y: float) -> Pixel:
        """Red, green, blue."""
        return self.at(self.x(second), y)

    def at(self, x: float, y: float) -> Pixel:
        """The same by pixels."""
        red, green, blue = self._page.locator("#picture").evaluate(PIXEL, [x, y])
        return red, green, blue


def picture(board: RunningBoard, ward: FakeWard, open_page: Open) -> tuple[Any, Shot]:
    """The page with ten tiles on it."""
    ward.publish_bed("bed1")
    page = open_page(f"{board.url}{bed_path('bed1')}", color_scheme="dark")
    looking(page)
    play(ward, 0, LAST + 1)
    return page, Shot(page, drawn(page, (LAST + 1) * TILE_S))


def test_a_tone_is_drawn_bright_in_its_band_at_its_time_and_dark_beside_it(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    _, shot = picture(board, ward, open_page)
    middle = (TONE[0] + 1) * TILE_S
    assert sum(shot.pixel(middle, shot.y(TONE_BAND))) > 500
    assert sum(shot.pixel(middle, shot.y(TONE_BAND + 2))) < 100
    assert sum(shot.pixel(middle, shot.y(TONE_BAND - 2))) < 100
    assert sum(shot.pixel(TONE[0] * TILE_S - 0.2, shot.y(TONE_BAND))) < 100
    assert sum(shot.pixel((TONE[1] + 1) * TILE_S + 0.2, shot.y(TONE_BAND))) < 100


def test_lost_sound_is_hatched_and_what_did_not_come_is_blank_neither_as_silence(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    _, shot = picture(board, ward, open_page)
    x, y = shot.x((LOST + 0.5) * TILE_S), shot.y(TONE_BAND)
    lost = {shot.at(x + step % 8, y + step // 8) for step in range(64)}
    assert LOST_PAGE in lost
    assert len(lost) > 3, "oblique lines"
    assert min(map(sum, lost)) > sum(LOST_PAGE) - 20, "and nothing dark"
    assert shot.pixel(-1.0, y) == PAGE, "before the first tile"
    assert shot.pixel(0.5 * TILE_S, y) not in {PAGE, LOST_PAGE}


def test_scores_stand_under_the_picture_and_what_is_above_the_threshold_is_filled(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    page, shot = picture(board, ward, open_page)
    at = drawn(page, (LAST + 1) * TILE_S)
    lane = at["plot"]["y"] + at["plot"]["height"], at["lane"]
    filled = lane[0] + 0.8 * lane[1]  # under the score of wheeze, 0.9
    assert shot.pixel((TONE[0] + 1) * TILE_S, filled) == OVER
    assert shot.pixel(TILE_S, filled) != OVER
    assert shot.pixel((TONE[0] + 1) * TILE_S, filled + lane[1]) != OVER, "of rhonchus"


def test_an_event_is_marked_from_its_onset_to_its_end(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    page, shot = picture(board, ward, open_page)
    ident, onset, end = ulid(made.WALL_S), round(TONE[0] * TILE_S * 8000), round((TONE[1] + 1) * TILE_S * 8000)

    def marks() -> Any:
        return json.loads(page.locator("#picture").get_attribute("data-marks"))

    ward.publish("s/bed1/event", made.event(ident, onset), retain=False)
    wait_for(marks, "the mark of the onset")
    assert marks() == [[ident, pytest.approx(shot.x(onset / 8000)), None]]
    ward.publish("s/bed1/event", made.event(ident, onset, end), retain=False)
    wait_for(lambda: marks()[0][2] is not None, "the mark of the end")
    assert marks() == [[ident, pytest.approx(shot.x(onset / 8000)), pytest.approx(shot.x(end / 8000))]]
    assert shot.at(shot.x(end / 8000) - 5, 5) == FOCUS
    assert shot.at(shot.x(end / 8000) + 5, 5) != FOCUS
    assert shot.at(shot.x(onset / 8000), shot.y(5)) == FOCUS, "a line through the picture"


def test_a_reboot_begins_a_new_picture(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    page, _ = picture(board, ward, open_page)
    ward.publish("s/bed1/mel", made.tile(2, boot_id="00000002"), retain=False)
    shot = Shot(page, drawn(page, 3 * TILE_S))
    assert shot.pixel(1.5 * TILE_S, shot.y(3)) == PAGE, "what was before is of other samples"


def test_a_device_that_begins_anew_begins_a_new_picture(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    page, _ = picture(board, ward, open_page)
    play(ward, 0, 1)  # samples are counted from its start
    shot = Shot(page, drawn(page, TILE_S))
    assert shot.pixel(-1.0, shot.y(3)) == PAGE


def test_it_is_asked_for_while_somebody_looks_once_for_all_and_no_longer(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    ward.publish_bed("bed2")
    pages = [open_page(f"{board.url}{bed_path('bed1')}") for _ in range(2)]
    for page in pages:
        looking(page)
    requested = len(ward.looks)
    wait_for(lambda: len(ward.looks) > requested, "the next look")
    assert len(ward.looks) == requested + 1, "one for both"
    pages[0].close()
    pages[1].evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    pages[1].evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # another tab is seen
    wait_for(lambda: ward.looks[-1] == ("bed1", 0.0), "the end")
    open_page(f"{board.url}{bed_path('bed2')}")
    wait_for(lambda: ward.looks.count(("bed2", 30.0)) >= 2, "two looks at another bed")
    assert ("bed1", 30.0) not in ward.looks[ward.looks.index(("bed1", 0.0)) :]


def test_it_says_in_words_why_there_is_no_picture(
    board: RunningBoard, ward: FakeWard, broker: Broker, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    ward.look_refusal = "pictures of sound are off in the settings"
    page = open_page(f"{board.url}{bed_path('bed1')}")
    page.get_by_text("No live picture: pictures of sound are off in the settings").first.wait_for()
    other = open_page(f"{board.url}{bed_path('bed1', node='nobody')}")
    other.get_by_text("No live picture: the board has received nothing of this bed").first.wait_for()
    ward.publish("status", made.status(state="stopped"))
    page.get_by_text("No live picture: box was stopped").first.wait_for()
    broker.kill()
    page.get_by_text("No live picture: the board has lost the broker").first.wait_for()
    assert page.locator("#look.is-live").count() == 0


@pytest.mark.parametrize("how", ["mouse", "touch", "keyboard", "dialog"])
def test_a_bed_is_reached_from_its_tile(board: RunningBoard, ward: FakeWard, open_page: Open, how: str) -> None:
    for number in range(1, 9):
        ward.publish_bed(f"bed{number}")
    page = open_page(board.url, has_touch=how == "touch", viewport=TABLET)
    shown(page, ".level-quiet", 8)
    level(page, "bed1", "quiet")
    steady(page)  # of tiles that have just moved none is opened
    link = tile(page, "bed1").locator(".to-page")
    if how == "keyboard":
        page.keyboard.press("ArrowRight")
        page.keyboard.press("b")
    elif how == "dialog":
        tile(page, "bed1").locator(".open").click()
        page.locator("#bed-page").click()
    else:
        link.tap() if how == "touch" else link.click()
    page.wait_for_url("**/bed?*")
    page.get_by_role("heading", name="bed1").wait_for()
    wait_for(lambda: page.locator("#state").inner_text().startswith("Quiet"), "its state")
    assert page.title() == "bed1: sound"


def test_hostile_labels_are_refused_and_hostile_tiles_are_text_and_nothing_else(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    page, _ = picture(board, ward, open_page)
    ward.publish("s/bed1/event", made.event(ulid(made.WALL_S), 8000, 16000, label=HOSTILE), retain=False)
    classes = [HOSTILE, "constructor", "__proto__", "toString", "x"]
    ward.publish("s/bed1/mel", made.tile(LAST + 1, classes=classes, thresholds={HOSTILE: 0.5}), retain=False)
    ward.publish("s/bed1/mel", b'{"mel": "\xff"}', retain=False)
    drawn(page, (LAST + 2) * TILE_S)
    assert page.get_by_role("button", name=HOSTILE).count() == 0
    assert (page.locator("img").count(), page.title()) == (0, "bed1: sound")


def test_a_viewer_that_reads_nothing_loses_pieces_and_does_not_slow_another(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    port = int(board.url.rsplit(":", 1)[1].rstrip("/"))
    with socket.create_connection(("127.0.0.1", port)) as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        requested = bed_path("bed1").removeprefix("bed?").replace("bed=", "stream=")
        lazy.sendall(f"GET /api/bed?{requested} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        page = open_page(f"{board.url}{bed_path('bed1')}")
        looking(page)
        wide = {"columns": 240, "mel": made.tile(0)["mel"] * 16, "scores": made.tile(0)["scores"] * 16}
        for number in range(0, 300 * 16, 16):  # 15 kB each, faster than anybody needs
            ward.publish("s/bed1/mel", {**made.tile(number), **wide}, retain=False)
            if number % 64 == 0:
                drawn(page, (number + 16) * TILE_S)
        page.get_by_text("pieces were lost").wait_for()
        ward.publish("s/bed1/mel", {**made.tile(300 * 16), **wide}, retain=False)  # live for 3 s behind the last
        assert wait_for(lambda: page.locator("#look.is-live").count() == 1, "a live picture")


def test_the_page_fits_the_screen(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    ward.publish_bed("bed1")
    page = open_page(f"{board.url}{bed_path('bed1')}", viewport=TABLET)
    looking(page)  # the board is at the broker: of earlier events that would have but the last
    for number in range(30):
        ward.publish("s/bed1/event", made.event(ulid(made.WALL_S + number), 8000 * number, 8000 * number + 4000))
    shown(page, ".event", 30)
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
