"""`laennec board users` beside a board that runs: who is added comes in, who is disabled is out, without a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from edge.server.board.users import User, add_user, new_token
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, tile
from tests.system.edge.server.board.test_sign_in import by_password

Users = Callable[..., str]


@pytest.fixture
def users(tmp_path: Path) -> Users:
    """The command, in a process of its own, with settings that name a file which has one screen."""
    add_user(tmp_path / "users", User("wall", "view", new_token()[1]))
    (tmp_path / "board.yaml").write_text("users: users\n")

    def run(*arguments: str, password: str = "correct horse", status: int = 0) -> str:
        command = [sys.executable, "-m", "edge", "board", "users", *arguments, "--config", tmp_path / "board.yaml"]
        environment = {**os.environ, "LAENNEC_BOARD_PASSWORD": password}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=4 * PATIENCE_S)
        assert (done.returncode, done.stderr == "") == (status, status == 0), done.stderr
        return done.stdout + done.stderr

    return run


def test_a_board_that_runs_takes_over_who_is_added_changed_and_disabled(
    users: Users,
    start_board: Callable[..., RunningBoard],
    ward: FakeWard,
    open_page: Callable[..., Any],
    tmp_path: Path,
) -> None:
    ward.publish_bed("bed1")
    board = start_board(users="users")
    users("add", "nurse K", "--role", "acknowledge")
    wait_for(lambda: "users changed" in (tmp_path / "audit.log").read_text(), "the board to read the file")
    page = open_page(board.url)
    page.locator("#login-name").fill("nurse K")
    page.locator("#login-password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    tile(page, "bed1").wait_for()
    users("disable", "nurse K")
    page.locator("#login[open]").wait_for()  # the live view ends, not just the next request
    audited = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert [line["sessions_ended"] for line in audited if line["what"] == "users changed"] == [[], ["nurse K"]]
    assert by_password(board, "127.0.0.1", "correct horse", "nurse K") == 403
    users("password", "nurse K", password="another horse")
    users("enable", "nurse K")
    sources = (f"127.0.{number // 200}.{2 + number % 200}" for number in count())  # a wrong password is a try
    wait_for(lambda: by_password(board, next(sources), "another horse", "nurse K") == 200, "the new password")


def test_the_list_says_who_may_what_and_a_screen_gets_another_token(users: Users) -> None:
    users("add", "nurse K", "--role", "acknowledge")
    users("disable", "nurse K")
    users("role", "wall", "configure")
    assert "/#token=" in users("password", "wall")
    assert [line.split() for line in users("list").splitlines()] == [
        ["wall", "configure", "token"],
        ["nurse", "K", "acknowledge", "password", "disabled"],
    ]


def test_mistakes_are_one_line(users: Users) -> None:
    assert "role 'chief' is not known; use view, acknowledge, admit, configure" in users(
        "add", "a", "--role", "chief", status=2
    )
    assert "'nobody' is not in" in users("disable", "nobody", status=2)
    assert "is in" in users("add", "wall", status=2)
    assert "a password has 8 to 256 characters" in users("add", "b", password="short", status=2)
