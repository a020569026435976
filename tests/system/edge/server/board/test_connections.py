"""Connections that ask for nothing, or take nothing, are closed; those that look go on."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path

import pytest

from edge.server.board import connections as connection
from edge.server.board import guard as gate
from edge.server.board.fair_share import MAX_OF_SESSION
from edge.server.board.users import User, add_user, new_token
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard
from tests.system.edge.server.board.test_security import Answer, signed_in

SHORT_S = 0.3
Start = Callable[..., RunningBoard]


def port_of(board: RunningBoard) -> int:
    return int(board.url.rsplit(":", 1)[1].rstrip("/"))


def connected(board: RunningBoard, sent: bytes = b"") -> socket.socket:
    """A connection that has sent this."""
    found = socket.create_connection(("127.0.0.1", port_of(board)), timeout=PATIENCE_S)
    found.sendall(sent)
    return found


def rest_of(found: socket.socket) -> bytes:
    """What comes until the board closes the connection; it must do so."""
    parts = []
    try:
        while part := found.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def status_of(board: RunningBoard, path: str) -> int:
    """Of its answer; 0 where this machine was too slow to ask a hurried board in time."""
    try:
        return Answer(board, "GET", path).status
    except (OSError, HTTPException):
        return 0


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that waits a short time."""
    for name in ("REQUEST_S", "TAKE_S"):
        monkeypatch.setattr(connection, name, SHORT_S)
    monkeypatch.setattr(gate, "BODY_S", SHORT_S)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_connection_without_a_whole_request_is_closed(hurried: None, board: RunningBoard, sent: bytes) -> None:
    with connected(board, sent) as found:
        assert rest_of(found) == b""


def test_screens_find_room_after_as_many_idle_connections_as_there_may_be(hurried: None, board: RunningBoard) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(board)) for _ in range(260)]
        for found in idle:
            assert rest_of(found) == b""
        wait_for(lambda: status_of(board, "/") == 200, "a page")


def test_a_request_that_comes_in_pieces_is_answered_and_ends_its_connection(board: RunningBoard) -> None:
    with connected(board) as found:
        for piece in (b"GET /static/dom.js HTTP/1.1\r\nHost: 127.0.0.1\r", b"\n\r", b"\n"):
            found.sendall(piece)
        answer = rest_of(found)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()


def test_a_body_that_does_not_come_is_not_waited_for(board: RunningBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_S", SHORT_S)
    head = b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    with connected(board, head) as found:
        assert rest_of(found).startswith(b"HTTP/1.1 400")


def first_of(found: socket.socket) -> bytes:
    """The first line of an answer."""
    found.settimeout(PATIENCE_S)
    return found.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize("path", ["/api/stream", "/api/bed?site=ward-b&node=box-1&stream=bed1"])
def test_one_session_leaves_places_for_the_screens_of_others(start_board: Start, tmp_path: Path, path: str) -> None:
    tokens = {}
    for name in ("viewer", "wall"):
        tokens[name], digest = new_token()
        add_user(tmp_path / "users", User(name, "view", digest))
    board = start_board(users="users")
    requested = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {{}}\r\n\r\n"
    viewer, wall = (requested.format(signed_in(board, token=tokens[name])["cookie"]).encode() for name in tokens)
    with ExitStack() as stack:
        many = [stack.enter_context(connected(board, viewer)) for _ in range(70)]
        assert {first_of(found) for found in many} == {b"HTTP/1.1 200 OK"}
        last = stack.enter_context(connected(board, wall))
        assert first_of(last) == b"HTTP/1.1 200 OK"
        for found in many[:-MAX_OF_SESSION]:
            rest_of(found)  # it ends


def told_to_a_viewer(board: RunningBoard) -> bytes:
    """Three changes; nothing where this machine was too slow to ask in time."""
    reported = b""
    with connected(board, b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as found:
        while reported.count(b"event: change") < 3:  # a beat every 2 s
            try:
                part = found.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                assert not reported, "it was cut off"
                break
            reported += part
    return reported


def test_a_viewer_goes_on_for_longer_than_a_request_may_take(hurried: None, board: RunningBoard) -> None:
    reported: bytes = wait_for(lambda: told_to_a_viewer(board), "a stream")
    assert reported.startswith(b"HTTP/1.1 200")


def test_a_viewer_that_takes_nothing_is_cut_off(hurried: None, start_board: Start, ward: FakeWard) -> None:
    board = start_board()
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        found.settimeout(PATIENCE_S)
        found.connect(("127.0.0.1", port_of(board)))
        found.sendall(b"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        is_cut = False
        for turn in range(2000):
            for number in range(40):
                ward.publish(f"s/bed{number:02}/status", made.stream(reason=f"{turn} {'x' * 150}"))
            try:  # nothing is read; what is sent shows that the board has cut it off
                found.send(b"x")
            except (BrokenPipeError, ConnectionResetError):
                is_cut = True
                break
            status_of(board, "/api/me")  # which gives the board a turn
        assert is_cut
