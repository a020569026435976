"""Guessing is slow, and keeps nobody out but who guesses: asked over HTTP, from several addresses of this machine."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from edge.server.board.access import TRIES, WRONG_TOKENS
from edge.server.board.users import User, add_user, new_token
from tests.edge.conftest import PATIENCE_S
from tests.system.edge.server.board.conftest import RunningBoard

PASSWORD, WRONG = "correct horse", "wrong horse"
Start = Callable[..., RunningBoard]


def sign_in(board: RunningBoard, source: str, given: dict[str, str], **headers: str) -> tuple[int, list[str]]:
    """Status, and what cookies came."""
    port = int(board.url.rsplit(":", 1)[1].rstrip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S, source_address=(source, 0))
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/api/login", json.dumps(given), {"content-type": "application/json", **names})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, [each.split(";")[0] for each in answer.headers.get_all("set-cookie", [])]


def by_password(board: RunningBoard, source: str, password: str = PASSWORD, name: str = "nurse", **headers: str) -> int:
    """Status of a sign-in."""
    return sign_in(board, source, {"name": name, "password": password}, **headers)[0]


def audit(folder: Path) -> list[dict[str, Any]]:
    """Lines of the audit log."""
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def hashed() -> str:
    """Looked at in a moment, for it is tried hundreds of times; how long a real one takes is argon2's."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@pytest.fixture
def start_closed(start_board: Start, tmp_path: Path, hashed: str) -> Start:
    """Starts boards where people sign in."""
    for name in ("nurse", "doctor"):
        add_user(tmp_path / "users", User(name, "acknowledge", hashed))
    return lambda **changed: start_board(users="users", **changed)


@pytest.fixture
def board(start_closed: Start) -> RunningBoard:
    return start_closed()


def test_wrong_passwords_from_six_addresses_keep_nobody_else_out(board: RunningBoard) -> None:
    for number in range(1, 7):
        statuses = [by_password(board, f"127.0.0.{number}", WRONG) for _ in range(TRIES + 1)]
        assert statuses == [403] * TRIES + [429]
    assert by_password(board, "127.0.0.1") == 429
    assert [by_password(board, source) for source in ("127.0.0.7", "127.0.9.1")] == [200, 200]


def test_right_passwords_are_no_tries(board: RunningBoard) -> None:
    assert {by_password(board, "127.0.0.1") for _ in range(2 * TRIES)} == {200}


def test_a_right_password_of_ones_own_makes_no_room_for_guessing_anothers(board: RunningBoard) -> None:
    found = []
    for _ in range(TRIES + 1):
        found.append(by_password(board, "127.0.0.1", WRONG, name="doctor"))
        by_password(board, "127.0.0.1")
    assert found == [403] * TRIES + [429]


def test_many_at_once_are_no_more_tries(board: RunningBoard) -> None:
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: by_password(board, "127.0.0.1", WRONG), range(12)))
    assert sorted(found) == [403] * TRIES + [429] * (12 - TRIES)


def test_all_screens_of_a_token_come_back_at_once_after_a_restart(start_closed: Start, tmp_path: Path) -> None:
    token, digest = new_token()
    add_user(tmp_path / "users", User("wall", "view", digest))
    board = start_closed()
    for _ in range(TRIES + 1):
        by_password(board, "127.0.0.1", WRONG)
    assert [sign_in(board, "127.0.0.1", {"token": token})[0] for _ in range(64)] == [200] * 64


def test_wrong_tokens_are_refused_and_keep_no_right_one_out(start_closed: Start, tmp_path: Path) -> None:
    token, digest = new_token()
    add_user(tmp_path / "users", User("wall", "view", digest))
    board = start_closed()
    found = [sign_in(board, "127.0.0.1", {"token": "guessed"})[0] for _ in range(WRONG_TOKENS + 20)]
    assert found == [403] * WRONG_TOKENS + [429] * 20
    assert sign_in(board, "127.0.0.1", {"token": token})[0] == 200
    assert len([line for line in audit(tmp_path) if line["what"] == "sign-in refused"]) == WRONG_TOKENS + 1


def cookie_of(cookies: list[str]) -> str:
    """Of a browser in which somebody has signed in."""
    (found,) = [each for each in cookies if each.startswith("laennec_device_")]
    return found


def test_a_browser_that_signed_in_before_comes_in_while_its_address_is_flooded(start_closed: Start) -> None:
    cookie = cookie_of(sign_in(start_closed(), "127.0.0.1", {"name": "nurse", "password": PASSWORD})[1])
    board = start_closed()  # which a restart does not change
    for _ in range(TRIES + 1):
        by_password(board, "127.0.0.1", WRONG)
    assert by_password(board, "127.0.0.1") == 429
    assert by_password(board, "127.0.0.1", cookie=cookie) == 200


def test_such_a_browser_may_guess_no_more_than_another_and_nobody_elses_password(board: RunningBoard) -> None:
    cookie = cookie_of(sign_in(board, "127.0.0.1", {"name": "nurse", "password": PASSWORD})[1])
    assert [by_password(board, "127.0.0.1", WRONG, cookie=cookie) for _ in range(7)] == [403] * TRIES + [429] * 2
    of_doctor = cookie.replace(cookie.partition("=")[0], "laennec_device_" + _eight("doctor"))
    found = [by_password(board, "127.0.0.1", WRONG, "doctor", cookie=of_doctor) for _ in range(7)]
    assert found == [403] * TRIES + [429] * 2
    assert by_password(board, "127.0.0.1", cookie=of_doctor, name="doctor") == 429


def _eight(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def test_what_a_client_says_of_its_address_does_not_count(board: RunningBoard, tmp_path: Path) -> None:
    found = [by_password(board, "127.0.0.1", WRONG, x_forwarded_for=f"10.0.0.{number}") for number in range(7)]
    assert found == [403] * TRIES + [429] * 2
    assert {line["address"] for line in audit(tmp_path)} == {"127.0.0.1"}


def test_what_a_proxy_of_the_settings_says_of_it_counts(start_closed: Start, tmp_path: Path) -> None:
    board = start_closed(listen={"port": 0, "proxies": ["127.0.0.2"]})
    for number in range(7):
        assert by_password(board, "127.0.0.2", WRONG, x_forwarded_for=f"6.6.6.6, 10.0.0.{number}") == 403
    assert by_password(board, "127.0.0.1", WRONG, x_forwarded_for="10.9.9.9") == 403
    addresses = [line["address"] for line in audit(tmp_path)]
    assert addresses == [*(f"10.0.0.{number}" for number in range(7)), "127.0.0.1"]


def test_who_is_refused_does_not_fill_the_log(board: RunningBoard, tmp_path: Path) -> None:
    for _ in range(50):
        by_password(board, "127.0.0.1", WRONG)
    lines = audit(tmp_path)
    assert [line.get("reason") for line in lines] == [None] * TRIES + ["too many tries"]
