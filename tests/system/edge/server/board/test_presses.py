"""Presses are taken where they were meant: not on a tile that has just come there, and always while others flap."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, steady, tile

Open = Callable[..., Any]

STEADY = """async () => {
  const { Steady } = await import("/static/steady.js");
  const element = document.body.appendChild(document.createElement("div"));
  Object.assign(element.style, { position: "absolute", top: "0", height: "50px" });
  const put = (left, width) => Object.assign(element.style, { left: `${left}px`, width: `${width}px` });
  let nowMs = 5000;
  performance.now = () => nowMs;
  const steady = new Steady(element);
  const press = (pageX, detail = 1) => steady.takes({ pageX, pageY: 10, detail });
  const found = {};
  put(0, 100);
  steady.note();
  found.new = press(50);
  nowMs += 700;
  found.old = [press(50), press(150)];
  put(100, 100);
  found.moved = [press(50), press(150), press(150, 0)];
  nowMs += 700;
  found.steady = [press(50), press(150)];
  put(100, 50);
  found.smaller = [press(120), press(180)];
  return found;
}"""


def test_a_press_is_taken_where_the_element_has_been_for_a_while_and_a_key_always(
    board: RunningBoard, open_page: Open
) -> None:
    assert open_page(board.url).evaluate(STEADY) == {
        "new": False,
        "old": [True, False],
        "moved": [False, False, True],
        "steady": [False, True],
        "smaller": [True, False],
    }


class Flapping:
    """A bed whose alarm comes and goes, faster than a press on a tile that moves is taken."""

    def __init__(self, ward: FakeWard, bed: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ward, bed))

    def _run(self, ward: FakeWard, bed: str) -> None:
        off = {"signal": "Off", "presence": False, "audible": False, "since": None}
        number = 0
        while not self._stop.wait(0.2):
            number += 1
            ward.alarm(bed, priority="Lo", **(off if number % 2 else {}))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_tile_is_opened_and_answered_while_another_bed_flaps(
    board: RunningBoard, ward: FakeWard, open_page: Open
) -> None:
    for bed in ("bed1", "bed2", "bed3"):
        ward.publish_bed(bed)
    ward.alarm("bed2", priority="Hi")
    page = open_page(board.url)
    page.wait_for_selector(".tile.level-alarm")
    steady(page)
    with Flapping(ward, "bed1"):
        page.wait_for_timeout(2000)
        page.mouse.click(60, page.locator(".tile").first.bounding_box()["y"] + 60)  # the first tile stays the first
        page.locator("#bed[open]").wait_for()
        assert page.locator("#bed-title").inner_text() == "bed2"
        page.keyboard.press("Escape")
        tile(page, "bed2").locator(".open").focus()
        page.keyboard.press("a")
        page.locator("#bed[open]").wait_for()


def test_a_jump_of_the_picture_begins_it_anew(board: RunningBoard, open_page: Open) -> None:
    found = open_page(board.url).evaluate("""async () => {
      const { Columns } = await import("/static/columns.js");
      const size = { columns: 2, bands: 2, classes: [], mel: btoa("\\x05".repeat(4)), scores: "" };
      const tile = (first) => ({ boot_id: "b", sample: { rate: 200, first, column: 1 }, time: 1.8e9, ...size });
      const columns = new Columns(30);
      const ends = [];
      for (const first of [0, 2, 2 ** 62, 2 ** 62 + 4096, 8]) { columns.take(tile(first)); ends.push(columns.stop); }
      return ends;
    }""")
    assert found == [2, 4, 2, 4098, 2]
