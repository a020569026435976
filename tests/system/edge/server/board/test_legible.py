"""What is drawn can be seen: letters, focus rings and lines, on every tile of any size, in both themes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import (
    TABLET,
    WALL,
    RunningBoard,
    bed_path,
    every_level,
    shown,
    steady,
    tile,
)

STYLE = Path(__file__).parents[5] / "edge/server/board/static/base.css"
Open = Callable[..., Any]
WORDS = ".tile, .face, .tile .words, .tile .heard, .tile .also, .tile .detail, .tile .facts, .tile .open, .tile table"
PHONE = {"width": 390, "height": 844}
LINES = {"Hi": "high", "Me": "medium", "Lo": "low"}
LEAST = 3.0  # contrast of what is no text, WCAG 2.2, 1.4.11

TOO_SMALL = """(all) => all.filter((each) => each.offsetParent
  && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  && parseFloat(getComputedStyle(each).fontSize) < 12).map((each) => each.className + ": " + each.textContent)"""
CUT = """(all) => all.filter((face) => face.scrollHeight > face.clientHeight + 1).map((face) => face.innerText)"""
COVERED = """(all) => all.flatMap((tile) => {
  const range = document.createRange();
  const box = (name) => {
    const element = tile.querySelector(name);
    if (name === ".to-page") return element.getBoundingClientRect();
    range.selectNodeContents(element);
    return range.getBoundingClientRect();
  };
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const names = [".open", ".words", ".rank", ".to-page"];
  return names.flatMap((one, index) => names.slice(index + 1)
    .filter((other) => meet(box(one), box(other)))
    .map((other) => `${one} and ${other} of ${tile.innerText}`));
})"""
SHORTENED = """(all) => all
  .filter((each) => each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight + 2)
  .map((each) => `${each.textContent}: ${each.clientWidth} of ${each.scrollWidth}`)"""
WIDER = """(all) => all.filter((each) => each.offsetParent && each.scrollWidth > each.clientWidth)
  .map((each) => `${each.className}: ${each.textContent}: ${each.clientWidth} of ${each.scrollWidth}`)"""
LEFT_IS_FREE = "(c) => c.getContext('2d').getImageData(0, 0, 2, c.height).data.every((each) => each === 0)"
ICONS = """(root) => ({ bars: root.querySelectorAll(".shape .line").length,
  colour: getComputedStyle(root.querySelector(".shape")).color })"""
RINGS = """(all) => all.map((open) => {
  open.focus({ focusVisible: true });
  const colours = [getComputedStyle(open, "::after").outlineColor];
  const tile = open.closest(".tile");
  for (const button of tile.querySelectorAll(".acknowledge:not([hidden]), .to-page:not([hidden])")) {
    button.focus({ focusVisible: true });
    colours.push(getComputedStyle(button).outlineColor);
  }
  const { backgroundColor, backgroundImage } = getComputedStyle(tile);
  return [tile.className, colours, backgroundImage === "none" ? backgroundColor : backgroundImage];
})"""


def luminance(colour: str) -> float:
    """Of `#rrggbb` or `rgb(...)`, WCAG 2."""
    if colour.startswith("#"):
        parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    else:
        parts = [int(each) for each in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if (v := part / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_lines_of_fields_and_states_stand_out_from_what_is_behind_them_in_every_theme() -> None:
    themes = re.findall(r"--page: [^}]*?--focus: #\w+;", STYLE.read_text())
    assert len(themes) == 3, "dark, light by the system, light by hand"
    for text in themes:
        colours = dict(re.findall(r"--(\w+): (#\w{6});", text))
        for behind in ("page", "card", "field"):
            assert contrast(colours["line"], colours[behind]) >= LEAST, (behind, colours)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_focus_is_seen_on_every_tile_and_its_buttons(
    board: RunningBoard, ward: FakeWard, open_page: Open, theme: str
) -> None:
    every_level(ward)
    page = open_page(board.url, color_scheme=theme)
    shown(page, ".tile", 10)
    page.locator(".level-unknown").wait_for()
    page.keyboard.press("ArrowRight")  # keys are used: the focus is to be seen
    rings = page.locator(".open").evaluate_all(RINGS)
    assert len(rings) == 10
    for look, colours, behind in rings:
        fills = re.findall(r"rgba?\([^)]*\)", behind)
        assert len(fills) >= 1
        for colour in colours:
            assert min(contrast(colour, fill) for fill in fills) >= LEAST, (look, colour, behind)


def test_the_shape_on_the_page_of_a_bed_follows_its_priority(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    ward.alarm("bed1", priority="Lo")
    page = open_page(f"{board.url}{bed_path('bed1')}")
    page.locator(".now-state.level-alarm").wait_for()
    shown(page, ".now-state .shape .line", 1)
    ward.alarm("bed1", priority="Hi")
    shown(page, ".now-state .shape .line", 3)
    assert "level-alarm" in page.locator(".now-state").get_attribute("class"), "it was the priority alone that changed"


def crowd(ward: FakeWard, loud: int, others: int) -> int:
    """A ward of many beds, each with as much to say as there may be."""
    ward.publish_node()
    seen = {"by": "nurse K", "at": made.alarm()["ts"], "why": ""}
    for number in range(loud + others):
        bed = f"bed-{number:02}"
        ward.publish_bed(bed)
        ward.alarm(bed, "discontinuous", signal="Ack", audible=False, acknowledged=seen)
        if number >= loud:
            ward.alarm(bed, signal="Ack", audible=False, acknowledged=seen)
        else:
            ward.alarm(bed, "contact" if number % 2 else "continuous", priority="Me")
    return loud + others


@pytest.mark.parametrize(("loud", "others"), [(2, 4), (6, 10), (10, 30), (24, 40)])
def test_no_letters_are_too_small_and_none_are_cut_however_many_beds_there_are(
    board: RunningBoard, ward: FakeWard, open_page: Open, loud: int, others: int
) -> None:
    beds = crowd(ward, loud, others)
    page = open_page(board.url)
    shown(page, ".tile", beds)
    shown(page, ".level-alarm", loud)
    for viewport in (WALL, TABLET):
        page.set_viewport_size(viewport)
        steady(page)
        assert page.locator(".tile *").evaluate_all(TOO_SMALL) == [], viewport
        assert page.locator(".face").evaluate_all(CUT) == [], viewport


def test_what_is_of_a_patient_stays_in_sight_on_the_smallest_tile(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    beds = crowd(ward, 24, 40)
    page = open_page(board.url, viewport=TABLET)
    shown(page, ".tile", beds)
    shown(page, ".level-alarm", 24)
    loose = tile(page, "bed-01")
    assert loose.locator(".words").inner_text() == "Sensor loose"
    assert loose.locator(".also").is_visible()
    assert loose.locator(".also").inner_text() == "+ Crackles seen"
    ward.publish_bed("bed-50", status=made.stream(boot_id="00000001"))
    ward.alarm("bed-50", priority="Hi")
    ward.publish("s/bed-50/status", made.stream(boot_id="00000001"))
    page.wait_for_selector(".level-unknown .also:has-text('before: Wheezing')", state="visible")


@pytest.mark.parametrize("others", [6, 12, 40])
def test_name_state_the_word_test_and_the_button_do_not_cover_each_other(
    board: RunningBoard, ward: FakeWard, open_page: Open, others: int
) -> None:
    ward.publish_node()
    for number in range(others + 2):
        ward.publish_bed(f"bed-{number}", mode="Test")
    for number, condition in enumerate(("continuous", "contact")):
        ward.alarm(f"bed-{number}", condition, mode="Test")
    page = open_page(board.url)
    shown(page, ".level-alarm", 2)
    shown(page, ".rank:not(:empty)", others + 2)
    for width in (1280, 1440, 1920):
        page.set_viewport_size({"width": width, "height": width * 9 // 16})
        steady(page)
        assert page.locator(".tile").evaluate_all(COVERED) == [], width


@pytest.mark.parametrize(
    ("viewport", "beds"), [(WALL, 16), (WALL, 48), (TABLET, 16), (PHONE, 16)], ids=["wall", "many", "tablet", "phone"]
)
def test_no_word_of_a_state_is_cut(
    board: RunningBoard, ward: FakeWard, open_page: Open, viewport: dict[str, int], beds: int
) -> None:
    seen = {"by": "nurse K", "at": made.alarm()["ts"], "why": ""}
    states: list[dict[str, Any]] = [{"signal": "On"}, {"signal": "Latch"}, {"signal": "Ack", "acknowledged": seen}]
    for number in range(beds):
        ward.publish_bed(f"bed-{number:02}", mode="Test")
        state = states[number % 3]
        ward.alarm(f"bed-{number:02}", "not-measurable", mode="Test", priority="Me", audible=False, **state)
    page = open_page(board.url, viewport=viewport)
    shown(page, ".rank:not(:empty)", beds)
    shown(page, ".level-seen", beds // 3)
    steady(page)
    assert page.locator(".words").evaluate_all(SHORTENED) == []


@pytest.mark.parametrize("width", [768, 3840])
def test_the_names_beside_the_day_of_a_bed_are_whole(
    board: RunningBoard, ward: FakeWard, open_page: Open, width: int
) -> None:
    ward.publish_bed("bed1")
    first = open_page(board.url)
    shown(first, ".tile", 1)  # the board has heard of it, so the page has a day to draw at once
    page = open_page(f"{board.url}{bed_path('bed1')}", locale="de", viewport={"width": width, "height": 1200})
    page.locator("#day-words:not(:empty)").wait_for()
    assert page.locator("#day").evaluate(LEFT_IS_FREE)


def icon(page: Any, selector: str) -> Any:
    """How many bars the shape there has, and its colour; what is being drawn anew has none."""
    page.locator(f"{selector} .shape").wait_for()
    return wait_for(lambda: (found := page.locator(selector).evaluate(ICONS))["colour"] and found, selector)


@pytest.mark.parametrize(
    ("condition", "priority", "bars"),
    [("continuous", "Hi", 3), ("continuous", "Me", 2), ("continuous", "Lo", 1), ("contact", "Me", 2)],
)
def test_header_dialog_and_page_of_a_bed_show_the_priority_that_its_tile_shows(
    board: RunningBoard, ward: FakeWard, open_page: Open, condition: str, priority: str, bars: int
) -> None:
    ward.publish_bed("bed1")
    ward.alarm("bed1", condition, priority=priority)
    page = open_page(board.url, color_scheme="dark")
    page.locator(".tile.level-alarm").wait_for()
    line = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{LINES[priority]}-line')")
    steady(page)
    header = icon(page, ".count-patient" if condition == "continuous" else ".count-technical")
    tile(page, "bed1").locator(".open").click()
    dialog = icon(page, "#bed-alarms .signal-On")
    page.goto(f"{board.url}{bed_path('bed1')}")
    of_bed = icon(page, ".now-state.level-alarm")
    for shown_at in (header, dialog, of_bed):
        assert shown_at["bars"] == bars
        assert luminance(shown_at["colour"]) == pytest.approx(luminance(line.strip()))


def test_the_header_shows_the_highest_priority_of_all_beds(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    for number, priority in enumerate(("Lo", "Me")):
        ward.publish_bed(f"bed{number}")
        ward.alarm(f"bed{number}", priority=priority)
    page = open_page(board.url)
    shown(page, ".count-patient .shape .line", 2)
    ward.alarm("bed0", priority="Hi")
    shown(page, ".count-patient .shape .line", 3)
    assert icon(page, ".count-patient")["bars"] == 3
