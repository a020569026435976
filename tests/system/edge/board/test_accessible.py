"""axe-core finds nothing in the ward's page, in any theme, size or dialog (WCAG 2.2 AA and best practices)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.edge.board.fake_ward import FakeWard
from tests.system.edge.board.conftest import TABLET, WALL, RunningBoard, every_level, shown

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Any) -> list[tuple[str, list[str]]]:
    """What axe-core finds: rule and places."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core; make dev")
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("viewport", [WALL, TABLET], ids=["wall", "tablet"])
def test_axe_finds_nothing_in_the_ward(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any], theme: str, viewport: dict[str, int]
) -> None:
    every_level(ward)
    page = open_page(board.url, color_scheme=theme, viewport=viewport, bypass_csp=True)
    shown(page, ".tile", 10)
    page.locator(".level-unknown").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_the_dialog_of_a_bed(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any], theme: str
) -> None:
    every_level(ward)
    page = open_page(board.url, color_scheme=theme, bypass_csp=True)
    shown(page, ".tile", 10)
    page.wait_for_timeout(1000)
    page.locator(".level-latched .open").click()
    page.locator("#bed[open]").wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("path", ["fleet", "shift"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_the_other_pages(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any], path: str, theme: str
) -> None:
    every_level(ward)
    page = open_page(f"{board.url}{path}", color_scheme=theme, bypass_csp=True)
    page.get_by_text("bed9").first.wait_for()
    assert violations(page) == []
