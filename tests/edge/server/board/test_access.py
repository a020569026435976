"""Who may what, and how often."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from edge.errors import ConfigError
from edge.server.board.access import MAX_SESSIONS, ORDERS, Access, Session
from edge.server.board.guard import json_of
from edge.server.board.users import ROLES, User, Users, add_user, hash_password, new_token, read_users
from edge.ward.quotas import MAX_KEYS, Limit, Quotas


@pytest.mark.parametrize(
    ("role", "may"),
    [(role, [True] * place + [False] * (4 - place)) for place, role in enumerate(ROLES, 1)],
)
def test_a_higher_role_may_what_a_lower_one_may(role: str, may: list[bool]) -> None:
    session = Access(False, 60).begin(User("a", role, ""), 0)  # type: ignore[arg-type]
    assert [session.may(each) for each in ("view", "acknowledge", "admit", "configure")] == may


def test_a_session_ends_when_its_time_is_over_and_when_its_person_signs_out() -> None:
    access = Access(False, 60.0)
    session = access.begin(User("nurse", "view", ""), 100.0)
    assert isinstance(access.session(session.ident, 159.9), Session)
    assert access.session(session.ident, 160.0) is None
    again = access.begin(User("nurse", "view", ""), 200.0)
    access.end(again)
    assert access.session(again.ident, 200.0) is None


def test_nobody_guesses_a_session() -> None:
    access = Access(False, 60.0)
    session = access.begin(None, 0.0)
    assert (access.session("", 1.0), access.session(None, 1.0)) == (None, None)
    assert len({session.ident, session.csrf, access.begin(None, 0.0).ident}) == 3
    assert len(session.ident) >= 40


def test_each_has_a_quota_of_its_own_and_what_is_given_back_does_not_count() -> None:
    quotas = Quotas(3, 60.0)
    assert [quotas.take("10.0.0.1", 0.0) for _ in range(4)] == [True, True, True, False]
    assert quotas.take("10.0.0.2", 0.0)
    quotas.give_back("10.0.0.1")
    assert [quotas.take("10.0.0.1", 1.0) for _ in range(2)] == [True, False]
    assert quotas.take("10.0.0.1", 61.0)


def test_quotas_of_any_number_of_hosts_fit_into_memory() -> None:
    quotas = Quotas(1, 60.0)
    for number in range(MAX_KEYS + 100):
        quotas.take(str(number), number / 1000)
    assert len(quotas) <= MAX_KEYS


def test_who_signs_in_again_and_again_ends_no_session_of_another() -> None:
    access = Access(False, 60.0)
    nurse = access.begin(User("nurse", "view", ""), 0.0)
    screens = [access.begin(User("wall", "view", ""), 1.0 + number / 1000) for number in range(2 * MAX_SESSIONS)]
    assert access.session(nurse.ident, 2.0) is nurse
    assert access.session(screens[0].ident, 2.0) is None
    assert access.session(screens[-1].ident, 2.0) is screens[-1]


@given(st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_has_more_than_the_limit(steps: list[float]) -> None:
    limit, now_s, taken = Limit(ORDERS, 60.0), 0.0, list[float]()
    for step in steps:
        now_s += step / 10
        if not limit.is_reached(now_s):
            limit.count(now_s)
            taken.append(now_s)
    assert all(later - first >= 60.0 for first, later in zip(taken, taken[ORDERS:], strict=False))


@pytest.fixture(scope="module")
def nurse() -> User:
    return User("nurse", "acknowledge", hash_password("correct horse"))


def test_a_password_is_told_from_a_wrong_one_and_a_name_from_nobodys(nurse: User) -> None:
    users = Users((nurse,))
    assert users.by_password("nurse", "correct horse") == nurse
    assert users.by_password("nurse", "wrong horse") is None
    assert users.by_password("nobody", "correct horse") is None


def test_a_token_is_stored_as_its_hash_alone(tmp_path: Path) -> None:
    token, digest = new_token()
    add_user(tmp_path / "users", User("wall", "view", digest))
    assert token not in (tmp_path / "users").read_text()
    users = read_users(tmp_path / "users")
    assert (users.by_token(token) or nobody()).name == "wall"
    assert users.by_token(token[:-1]) is None
    assert users.by_password("wall", token) is None


def nobody() -> User:
    return User("", "view", "")


def test_a_name_that_is_written_again_replaces_the_one_before(tmp_path: Path, nurse: User) -> None:
    path = tmp_path / "users"
    add_user(path, nurse)
    add_user(path, User("nurse", "view", nurse.hash))
    assert path.read_text().count("nurse:") == 1
    assert os.stat(path).st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("nurse:view:plain text\n", 0o600, "expected NAME:ROLE:HASH"),
        ("nurse:chief:$argon2id$x\n", 0o600, "expected NAME:ROLE:HASH"),
        ("# nobody\n", 0o600, "is empty"),
        ("nurse:view:$argon2id$x\n", 0o644, "everybody on this machine may read"),
    ],
)
def test_a_file_of_users_that_is_wrong_is_refused_in_one_line(
    tmp_path: Path, text: str, mode: int, expected: str
) -> None:
    path = tmp_path / "users"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=expected):
        read_users(path)


def test_a_short_password_is_refused() -> None:
    with pytest.raises(ConfigError, match="8 to 256 characters"):
        hash_password("short")


def test_a_persons_orders_are_limited_over_all_browsers() -> None:
    access, nurse, chief = Access(False, 3600.0), User("nurse", "acknowledge", ""), User("chief", "configure", "")
    first = access.begin(nurse, 0.0)
    for _ in range(ORDERS):
        first.orders.count(0.0)
    access.end(first)
    assert access.begin(nurse, 1.0).orders.is_reached(1.0)
    assert not access.begin(chief, 1.0).orders.is_reached(1.0)
    assert not access.begin(None, 1.0).orders.is_reached(1.0)


def test_a_client_that_leaves_within_its_request_has_said_nothing() -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    assert asyncio.run(json_of(request)) is None
