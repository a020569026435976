"""The board's pages as they are served: whole, and nothing else of the disk."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from edge.server.board.app import PARTS, page_routes

PAGES = ("/", "/bed", "/fleet", "/shift")


def served() -> dict[str, str]:
    """What each path answers."""
    request = Request({"type": "http", "method": "GET", "headers": []})
    return {route.path: asyncio.run(route.endpoint(request)).body.decode(errors="replace") for route in page_routes()}


def test_every_page_has_its_head_and_the_dialog_to_sign_in_once_and_no_part_is_missing() -> None:
    texts, dialog = served(), (PARTS / "login.html").read_text()
    assert [texts[page].count(dialog) for page in PAGES] == [1, 1, 1, 1]
    assert all(texts[page].startswith("<!doctype html>") for page in PAGES)
    assert not any("<!-- part:" in text for text in texts.values())


def test_a_part_alone_is_no_page() -> None:
    paths = set(served())
    assert "/static/base.css" in paths
    assert not {path for path in paths if "login" in path or "parts" in path}
