"""The board in every language: words fit every screen, axe-core finds nothing, dialogs answer in the reader's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edge.server.board.language import LANGUAGES, TAGS, catalogue_of
from edge.settings.board import Language
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, bed_path, every_level, shown, steady
from tests.system.edge.server.board.pictures import SCREENS, report
from tests.system.edge.server.board.test_accessible import violations
from tests.system.edge.server.board.test_legible import CUT, PHONE, SHORTENED, WIDER, WORDS

OTHERS = LANGUAGES[1:]
PAGE_WIDER = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_ward_is_in_the_language_of_the_browser_and_no_word_is_cut_on_any_screen(
    board: RunningBoard, ward: FakeWard, open_page: Callable[..., Any], language: Language
) -> None:
    report(ward)
    page = open_page(board.url, viewport=PHONE, locale=language, bypass_csp=True)
    shown(page, ".tile", 8)
    page.locator(".level-unknown").wait_for()
    page.locator(".tile .heard:not([hidden])").nth(1).wait_for()
    shows = catalogue_of(language).shown()
    assert page.locator("html").get_attribute("lang") == TAGS.get(language, language)
    assert page.locator(".level-unknown .words").inner_text() == shows.get("Unknown", "Unknown")
    assert page.locator(".acknowledge").first.inner_text() == shows.get("Acknowledge", "Acknowledge")
    assert page.locator(".words, .acknowledge").evaluate_all(SHORTENED) == []
    assert violations(page, "light") == []
    for width, height in SCREENS.values():
        page.set_viewport_size({"width": width, "height": height})
        steady(page)
        assert page.locator(WORDS).evaluate_all(WIDER) == [], width
        assert page.locator(".face").evaluate_all(CUT) == [], width
        assert page.evaluate(PAGE_WIDER) <= 0, width


@pytest.mark.parametrize("language", OTHERS)
def test_dialog_and_other_pages_on_a_phone_are_in_the_language_of_the_settings(
    start_board: Callable[..., RunningBoard], ward: FakeWard, open_page: Callable[..., Any], language: Language
) -> None:
    every_level(ward)
    board = start_board(language=language)
    page = open_page(board.url, viewport=PHONE, bypass_csp=True)
    shown(page, ".tile", 10)
    page.locator(".level-latched").wait_for()
    steady(page)
    page.locator(".level-latched .open").click()
    page.locator("#bed[open]").wait_for()
    page.locator("#do-acknowledge").click()
    texts = catalogue_of(language).texts
    assert page.locator("#answer").inner_text() == texts["Say who you are."]
    assert page.locator("#bed").evaluate("(dialog) => dialog.scrollWidth - dialog.clientWidth") <= 0
    assert violations(page, "light") == []
    for path in (bed_path("bed0"), "fleet", "shift"):
        page.goto(f"{board.url}{path}")
        page.get_by_text("bed0").first.wait_for()
        assert page.evaluate(PAGE_WIDER) <= 0, path
