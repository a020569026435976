"""The settings of a board: closed to the network by default, and every way to open it says what it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigError
from edge.settings.board import BoardSettings, load_board, parse_board
from tests.edge.settings.sections import keys_of

EXAMPLE = Path(__file__).parents[3] / "deploy" / "board.example.yaml"
TLS = {"cert": "board.pem", "key": "board.key"}


def test_by_default_it_listens_on_this_machine_alone() -> None:
    listen = parse_board({}, "test").listen
    assert (listen.host, listen.is_local) == ("127.0.0.1", True)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"listen": {"host": "0.0.0.0", **TLS}}, "users  is needed"),
        ({"listen": {"host": "10.0.0.5"}, "users": "u"}, "plain text"),
        ({"listen": {"host": "0.0.0.0", "cert": "a.pem"}, "users": "u"}, "belong together"),
        ({"listen": {"hots": "0.0.0.0"}}, "did you mean 'host'"),
        ({"listen": {"host": "evil host"}}, "listen.host"),
        ([], "expected keys"),
    ],
)
def test_what_would_be_open_or_is_wrong_is_refused_in_one_line(tree: Any, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)) as refused:
        parse_board(tree, "board.yaml")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("way", [TLS, {"plain_http": True}])
def test_with_users_and_encryption_it_may_be_reached_by_others(way: dict[str, Any]) -> None:
    assert not parse_board({"listen": {"host": "0.0.0.0", **way}, "users": "u"}, "test").listen.is_local


def test_relative_paths_begin_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "board.yaml").write_text("users: board-users\n")
    assert load_board(tmp_path / "board.yaml").users == tmp_path / "board-users"


def test_the_example_is_valid_and_shows_every_key() -> None:
    assert load_board(EXAMPLE).listen.port == 8443
    shown = set(re.findall(r"([a-z_]+):", EXAMPLE.read_text()))
    assert {key for _, key in keys_of(BoardSettings)} - shown == set()
