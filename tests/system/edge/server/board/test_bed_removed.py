"""A bed that never came back stops to take the place of others, until it is heard again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import TABLET, RunningBoard, shown, steady, tile

Open = Callable[..., Any]


@pytest.mark.parametrize("viewport", [TABLET, {"width": 390, "height": 844}], ids=["tablet", "phone"])
def test_a_bed_that_is_gone_is_removed_by_pressing_twice_and_shows_again_when_it_is_heard(
    ward: FakeWard, start_board: Callable[..., RunningBoard], open_page: Open, tmp_path: Path, viewport: dict[str, int]
) -> None:
    ward.publish_bed("bed1")
    for levels in ("status", "health", "trend"):  # what the broker has of a bed that was heard an hour ago
        body = made.quiet_bed(time.time() - 3600, "00000001")[levels]
        ward.publish(f"s/bed2/{levels}", body)
    page = open_page(start_board().url, viewport=viewport)
    shown(page, ".level-unknown", 1)
    steady(page)
    tile(page, "bed2").locator(".open").click()
    page.locator("#who").fill("Dr. L")
    page.locator("#do-remove").click()
    page.get_by_text("Press again").wait_for()
    assert page.locator(".level-unknown").count() == 1
    page.locator("#do-remove").click()
    shown(page, ".level-unknown", 0)
    assert ward.orders == []
    output = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [(line["bed"], line["verb"], line["ok"], line["by"]) for line in output] == [
        ("ward-b/box-1/bed2", "remove", True, "Dr. L")
    ]
    ward.publish_bed("bed2")
    shown(page, ".level-quiet", 2)
