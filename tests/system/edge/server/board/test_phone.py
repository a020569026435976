"""A phone of 390 x 844 in one hand: nothing is wider than it, and what is pressed is within reach of the thumb."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from edge.contract.fields import rfc3339
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, bed_path, every_level, shown, steady, tile
from tests.system.edge.server.board.test_accessible import violations

Open = Callable[..., Any]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"
CUT = """(all) => all.filter((each) => each.offsetParent
  && (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 3))
  .map((each) => each.textContent)"""
DAY_S = 86_400.0
THUMB = 0.45  # of the screen's height, from below: what a thumb reaches


@pytest.mark.parametrize("path", ["", "fleet", "shift", bed_path("bed0")], ids=["ward", "fleet", "shift", "bed"])
def test_every_page_is_as_wide_as_a_phone_and_axe_finds_nothing(
    board: RunningBoard, ward: FakeWard, open_page: Open, path: str
) -> None:
    every_level(ward)
    first = open_page(board.url)
    shown(first, ".tile", 10)
    page = open_page(f"{board.url}{path}", bypass_csp=True, **PHONE)
    page.get_by_text("bed0").first.wait_for()
    assert page.evaluate(TOO_WIDE) == 0
    assert violations(page) == []


def test_no_word_of_a_tile_is_cut_on_a_phone(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    every_level(ward)
    page = open_page(board.url, **PHONE)
    shown(page, ".tile", 10)
    page.locator(".level-unknown").wait_for()
    assert page.locator(".words, .detail, .also, .since, .open, .figure").evaluate_all(CUT) == []


def test_an_alarm_is_acknowledged_with_one_thumb(board: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    for number in range(6):
        ward.publish_bed(f"bed{number}")
    ward.alarm("bed1")
    page = open_page(board.url, **PHONE)
    page.locator(".level-alarm").wait_for()
    steady(page)
    tile(page, "bed1").get_by_role("button", name="Acknowledge").tap()
    confirm = page.locator("#do-acknowledge")
    box, high = confirm.bounding_box(), page.viewport_size["height"]
    assert (1 - THUMB) * high < box["y"], "within reach"
    assert box["y"] + box["height"] <= high, "in sight"
    page.locator("#who").fill("nurse K")
    confirm.tap()
    page.locator(".level-seen").wait_for()
    assert [verb for verb, _ in ward.orders] == ["acknowledge"]


def test_when_it_began_stays_and_when_and_by_whom_it_was_acknowledged_stands_beside_it(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    now_s = time.time()
    seen = {"by": "nurse K", "at": rfc3339(now_s - 2.5 * DAY_S), "why": ""}
    ward.publish_bed("bed1")
    began = {"began": rfc3339(now_s - 5.5 * DAY_S), "since": seen["at"]}
    ward.alarm("bed1", signal="Ack", audible=False, acknowledged=seen, **began)
    page = open_page(board.url)
    page.locator(".level-seen").wait_for()
    assert page.locator(".ago").inner_text() == "5 days"
    assert page.locator(".detail").inner_text().startswith("acknowledged 2 days ago by nurse K")
    page.goto(f"{board.url}{bed_path('bed1')}")
    page.locator("#state", has_text="for 5 days · acknowledged 2 days ago by nurse K").wait_for()
