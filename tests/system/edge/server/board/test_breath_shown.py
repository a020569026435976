"""Breath on the pages: its rate, a number that counts or two dashes and why; its pauses among a bed's events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from edge.delivery.messages import ulid
from edge.server.board.language import LANGUAGES, catalogue_of
from edge.settings.board import Language
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import WALL, RunningBoard, bed_path, shown, tile
from tests.system.edge.server.board.test_legible import SHORTENED

Open = Callable[..., Any]
NO_BREATH = "No breath heard: check patient and sensor"
SIZES = [{"width": 390, "height": 844}, {"width": 768, "height": 1024}, WALL]


def report(ward: FakeWard, **changed: Any) -> None:
    ward.publish("s/bed1/breath", made.breath(time.time(), ward.boot_id, **changed))


@pytest.mark.parametrize("viewport", SIZES, ids=lambda size: str(size["width"]))
def test_the_rate_is_a_number_and_two_dashes_once_it_is_unknown(
    ward: FakeWard, board: RunningBoard, open_page: Open, viewport: dict[str, int]
) -> None:
    ward.publish_bed("bed1")
    report(ward, per_min=31.2)
    page, bed = open_page(board.url, viewport=viewport), open_page(board.url + bed_path("bed1"), viewport=viewport)
    on_tile, on_page = tile(page, "bed1").locator(".breath .figure").first, bed.locator("#breath")
    wait_for(lambda: on_tile.is_visible() and on_tile.inner_text() == "31", "the rate on the tile")
    wait_for(lambda: on_page.inner_text() == "31 breaths/min", "the rate on the page")
    report(ward, per_min=None, why="speech")
    wait_for(lambda: on_tile.inner_text() == "--", "no rate on the tile")
    wait_for(lambda: on_page.inner_text() == "-- breaths/min · speech", "why there is none")
    assert "31" not in tile(page, "bed1").locator(".breath").first.inner_text()


def pause(ward: FakeWard, ago_s: float, length_s: float | None = None, **changed: Any) -> None:
    """A pause of bed1 that began so long ago; None: it lasts."""
    wall_s = float(int(time.time() - ago_s))
    body = made.pause(ulid(wall_s), 0, None if length_s is None else round(8000 * length_s), wall_s, **changed)
    ward.publish("s/bed1/pause", body, retain=False)


@pytest.mark.parametrize("viewport", SIZES, ids=lambda size: str(size["width"]))
def test_pauses_of_breath_stand_among_the_events_of_a_bed_by_time(
    ward: FakeWard, board: RunningBoard, open_page: Open, viewport: dict[str, int]
) -> None:
    ward.publish_bed("bed1")
    page = open_page(board.url + bed_path("bed1"), viewport=viewport)
    page.get_by_text("Waiting: the box sends a picture").first.wait_for()  # the board is at the broker
    now_s = float(int(time.time()))
    ward.publish("s/bed1/event", made.event(ulid(now_s), 0, 16_000, now_s - 60), retain=False)
    pause(ward, 90, 23.4, contact=False, end_reason="lost_sound")
    pause(ward, 20)
    shown(page, "#events li", 3)
    rows = [each.split("\n", 1)[1].split("\n") for each in page.locator("#events li").all_inner_texts()]
    assert [[text for text in row if text] for row in rows] == [
        ["Breath paused", "begun, no end yet"],
        ["Wheeze", "2.0 s · score 0.93, threshold 0.60"],
        ["No breath heard: check patient and sensor", "at least 23.4 s: no sound came then"],
    ]
    assert page.locator("#events button").count() == 1, "a pause has nothing to open: nobody can label it"
    assert page.locator("#events .what, #events .more").evaluate_all(SHORTENED) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pause_is_told_in_every_language_on_a_phone(
    ward: FakeWard, board: RunningBoard, open_page: Open, language: Language
) -> None:
    ward.publish_bed("bed1")
    page = open_page(board.url + bed_path("bed1"), viewport=SIZES[0], locale=language)
    page.locator("#look.is-waiting").wait_for()
    wait_for(lambda: ward.looks, "the board is at the broker")
    pause(ward, 20, 12.0, contact=False)
    shown(page, "#events li", 1)
    words = catalogue_of(language).shown().get(NO_BREATH, NO_BREATH)
    assert page.locator("#events .what").inner_text() == words
    assert page.locator("#events .more").inner_text() == f"12{'.' if language in ('en', 'zh', 'ja') else ','}0 s"
    assert page.locator("#events .what, #events .more").evaluate_all(SHORTENED) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
