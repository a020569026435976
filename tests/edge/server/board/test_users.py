"""The file of users: changed whole, by one at a time, and read again by a board that runs."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.server.board.access import Access
from edge.server.board.users import User, UsersFile, add_user, change_user, list_users, new_token, read_users

TOKEN, DIGEST = new_token()
WALL = User("wall", "view", DIGEST)
NURSE = User("nurse K", "acknowledge", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two users, and a remark."""
    file = tmp_path / "users"
    file.write_text("# of ward B\n")
    file.chmod(0o640)
    add_user(file, NURSE)
    add_user(file, WALL)
    return file


def test_a_change_of_one_leaves_remarks_others_order_and_mode(path: Path) -> None:
    before = path.read_text().splitlines()
    change_user(path, "nurse K", lambda user: replace(user, role="configure"))
    assert path.read_text().splitlines() == [before[0], before[1].replace("acknowledge", "configure"), before[2]]
    assert os.stat(path).st_mode & 0o777 == 0o640


def test_one_who_is_disabled_signs_in_no_more_and_comes_back_with_the_same_token(path: Path) -> None:
    change_user(path, "wall", lambda user: replace(user, is_enabled=False))
    assert list_users(path) == (NURSE, replace(WALL, is_enabled=False))
    assert read_users(path).by_token(TOKEN) is None
    assert f"\n#disabled wall:view:{DIGEST}\n" in path.read_text()  # a remark, for a board of before
    change_user(path, "wall", lambda user: replace(user, is_enabled=True))
    assert read_users(path).by_token(TOKEN) == WALL


def test_adding_one_who_is_disabled_again_replaces_that_line(path: Path) -> None:
    change_user(path, "wall", lambda user: replace(user, is_enabled=False))
    add_user(path, replace(WALL, role="configure"))
    assert list_users(path) == (NURSE, replace(WALL, role="configure"))


def test_many_who_write_at_once_lose_no_line(path: Path) -> None:
    users = [User(f"screen {number}", "view", f"sha256={number}") for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda user: add_user(path, user), users))
    assert sorted(list_users(path), key=lambda user: user.name) == sorted(
        [NURSE, WALL, *users], key=lambda user: user.name
    )


@pytest.mark.parametrize("name", ["", "a:b", "#disabled a", " a", "a ", "a\nb", "a" * 41])
def test_a_name_that_the_file_could_not_hold_is_refused(path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name"):
        add_user(path, User(name, "view", DIGEST))


def test_one_who_is_not_there_is_told_with_those_who_are(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'nurse' is not in .* it has nurse K, wall"):
        change_user(path, "nurse", lambda user: user)


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    change_user(tmp_path / "link", "wall", lambda user: replace(user, role="configure"))
    assert (tmp_path / "link").is_symlink()
    assert list_users(path)[1].role == "configure"


@pytest.mark.parametrize("change", [{"role": "view"}, {"hash": NURSE.hash + "x"}, {"is_enabled": False}])
def test_whatever_changes_of_a_user_ends_that_users_sessions_and_no_others(
    path: Path, change: dict[str, object]
) -> None:
    file, access = UsersFile(path), Access(False, 60.0)
    nurse, wall = access.begin(NURSE, 0.0), access.begin(WALL, 0.0)
    assert not file.has_changed()
    change_user(path, "nurse K", lambda user: replace(user, **change))  # type: ignore[arg-type]
    assert file.has_changed()
    assert access.end_changed(file.users) == [nurse]
    assert (access.session(nurse.ident, 1.0), access.session(wall.ident, 1.0)) == (None, wall)


def test_a_file_that_cannot_be_read_changes_nothing_and_is_logged_once(
    path: Path, lines: pytest.LogCaptureFixture
) -> None:
    lines.set_level(logging.WARNING)
    file, whole = UsersFile(path), path.read_bytes()
    path.write_bytes(whole + b"half a li")
    assert [file.has_changed(), file.has_changed()] == [False, False]
    path.unlink()
    assert [file.has_changed(), file.has_changed()] == [False, False]
    assert file.users.by_token(TOKEN) == WALL
    assert lines.text.count("board users=unchanged") == 1
    path.write_bytes(whole)
    path.chmod(0o600)
    assert file.has_changed()
