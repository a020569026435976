"""The respiratory rate on the ward's page and on a bed's: a number that counts, or two dashes and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import WALL, RunningBoard, bed_path, tile

Open = Callable[..., Any]
SIZES = [{"width": 390, "height": 844}, {"width": 768, "height": 1024}, WALL]


def tell(ward: FakeWard, **changed: Any) -> None:
    ward.say("s/bed1/breath", made.breath(time.time(), ward.boot_id, **changed))


@pytest.mark.parametrize("viewport", SIZES, ids=lambda size: str(size["width"]))
def test_the_rate_is_a_number_and_two_dashes_once_it_is_unknown(
    ward: FakeWard, board: RunningBoard, open_page: Open, viewport: dict[str, int]
) -> None:
    ward.tell_bed("bed1")
    tell(ward, per_min=31.2)
    page, bed = open_page(board.url, viewport=viewport), open_page(board.url + bed_path("bed1"), viewport=viewport)
    on_tile, on_page = tile(page, "bed1").locator(".breath .figure").first, bed.locator("#breath")
    wait_for(lambda: on_tile.is_visible() and on_tile.inner_text() == "31", "the rate on the tile")
    wait_for(lambda: on_page.inner_text() == "31 breaths/min", "the rate on the page")
    tell(ward, per_min=None, why="speech")
    wait_for(lambda: on_tile.inner_text() == "--", "no rate on the tile")
    wait_for(lambda: on_page.inner_text() == "-- breaths/min · speech", "why there is none")
    assert "31" not in tile(page, "bed1").locator(".breath").first.inner_text()
