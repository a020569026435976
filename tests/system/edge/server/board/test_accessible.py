"""axe-core finds nothing in the ward's page, in any theme, size or dialog (WCAG 2.2 AA and best practices)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.delivery.messages import ulid
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.board_clips import a_clip, put
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import TABLET, WALL, RunningBoard, bed_path, every_level, shown, steady
from tests.system.edge.server.board.test_security import Answer

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Any, *themes: str) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds in these themes, or in either: theme, rule and places."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core; make dev")
    rows = []
    for theme in themes or ("dark", "light"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
        rows += [(theme, each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
    return rows


@pytest.mark.parametrize("viewport", [WALL, TABLET], ids=["wall", "tablet"])
def test_axe_finds_nothing_in_the_ward(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any], viewport: dict[str, int]
) -> None:
    every_level(ward)
    page = open_page(board.url, viewport=viewport, bypass_csp=True)
    shown(page, ".tile", 10)
    page.locator(".level-unknown").wait_for()
    assert violations(page) == []


def test_axe_finds_nothing_in_the_dialog_of_a_bed(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any]
) -> None:
    every_level(ward)
    page = open_page(board.url, bypass_csp=True)
    shown(page, ".tile", 10)
    page.locator(".level-latched").wait_for()
    steady(page)
    page.locator(".level-latched .open").click()
    page.locator("#bed[open]").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("path", ["fleet", "shift"])
def test_axe_finds_nothing_in_the_other_pages(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any], path: str
) -> None:
    every_level(ward)
    wait_for(lambda: '"bed9"' in Answer(board, "GET", "/api/shift?hours=8").text, "the last bed")  # the page asks once
    page = open_page(f"{board.url}{path}", bypass_csp=True)
    page.get_by_text("bed9").first.wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("viewport", [WALL, TABLET], ids=["wall", "tablet"])
def test_axe_finds_nothing_in_the_page_of_a_bed_and_the_dialog_of_an_event(
    start_board: Callable[..., RunningBoard],
    ward: FakeWard,
    open_page: Callable[..., Any],
    tmp_path: Path,
    viewport: dict[str, int],
) -> None:
    event = ulid(made.WALL_S)
    put(tmp_path / "clips", a_clip(event))
    every_level(ward)
    board = start_board(clips="clips")
    page = open_page(f"{board.url}{bed_path('bed0')}", viewport=viewport, bypass_csp=True)
    page.get_by_text("Waiting: the box").first.wait_for()
    ward.publish("s/bed0/event", made.event(event, 8000), retain=False)
    ward.publish("s/bed0/mel", made.tile(3), retain=False)
    page.locator("#look.is-live").wait_for()
    page.locator(".event.is-open").wait_for()
    assert violations(page) == []
    page.locator(".event").click()
    page.locator("#sound[open]").wait_for()
    assert violations(page) == []
