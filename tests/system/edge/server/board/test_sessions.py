"""A page that is open longer than its session, or than the board runs, goes on without being loaded again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.server.board.users import User, add_user, hash_password, new_token
from tests.edge.conftest import wait_for
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, steady, tile

SHORT_H = 0.001  # of a session: 3.6 s
Start = Callable[..., RunningBoard]
Open = Callable[..., Any]


def port_of(board: RunningBoard) -> int:
    return int(board.url.rsplit(":", 1)[1].rstrip("/"))


def signed_in(folder: Path, count: int) -> None:
    """Wait until somebody has signed in so many times."""
    log = folder / "audit.log"
    wait_for(lambda: log.read_text().count('"signed in"') >= count, f"{count} sign-ins")


def test_an_alarm_is_acknowledged_on_a_page_that_is_older_than_the_board(
    start_board: Start, ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    first = start_board()
    page = open_page(first.url)
    tile(page, "bed1").wait_for()
    first.close()
    page.wait_for_selector(".tile.level-unknown")
    start_board(listen={"port": port_of(first)})
    page.wait_for_selector(".tile.level-alarm")
    steady(page)  # of tiles that have just moved none is answered
    tile(page, "bed1").get_by_role("button", name="Acknowledge").click()
    page.locator("#who").fill("nurse K")
    page.locator("#do-acknowledge").click()
    page.wait_for_selector(".tile.level-seen")
    assert [body["by"] for _, body in ward.orders] == ["nurse K"]


def test_a_screen_with_a_token_enters_again_when_its_session_is_over(
    start_board: Start, ward: FakeWard, open_page: Open, tmp_path: Path
) -> None:
    token, digest = new_token()
    add_user(tmp_path / "users", User("wall", "acknowledge", digest))
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    page = open_page(f"{start_board(users='users', session_h=SHORT_H).url}#token={token}")
    tile(page, "bed1").wait_for()
    signed_in(tmp_path, 3)
    assert page.locator("#login[open]").count() == 0
    steady(page)
    tile(page, "bed1").get_by_role("button", name="Acknowledge").click()
    page.wait_for_selector(".tile.level-seen")
    assert [body["by"] for _, body in ward.orders] == ["wall"]


def test_a_person_whose_session_is_over_signs_in_and_the_order_is_given(
    start_board: Start, ward: FakeWard, open_page: Open, tmp_path: Path
) -> None:
    add_user(tmp_path / "users", User("nurse", "acknowledge", hash_password("correct horse")))
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    board = start_board(users="users")
    page = open_page(board.url)
    for number in range(2):
        page.locator("#login-name").fill("nurse")
        page.locator("#login-password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        signed_in(tmp_path, number + 1)
        if number == 0:
            tile(page, "bed1").wait_for()
            steady(page)
            page.context.clear_cookies()  # as when the board has forgotten the session
            tile(page, "bed1").get_by_role("button", name="Acknowledge").click()
    page.wait_for_selector(".tile.level-seen")
    assert [body["by"] for _, body in ward.orders] == ["nurse"]
