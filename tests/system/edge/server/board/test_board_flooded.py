"""A board in a process of its own, with TLS, under attack from one address: everybody else looks and signs in."""

from __future__ import annotations

import http.client
import json
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.commands.demo_broker import free_port
from edge.server.board.users import User, add_user, hash_password, new_token
from tests.edge.certificates import Authority
from tests.edge.conftest import PATIENCE_S

PASSWORD = "correct horse"
DESCRIPTORS = 1024  # what a process may open where nobody says more
MANY = 1300
ATTACKER, OTHER = "127.0.0.1", "127.0.0.2"
HALF = b"POST /api/login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
TRY_S = 60.0  # how long a browser waits for an answer before it is tried again
TRIES = 5  # of a person; on a busy machine a handshake may take longer than the board grants it


class ChildBoard:
    """`laennec board` as people start it; its broker is not there."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        pair = authority.sign("board")
        self.token, digest = new_token()
        self._log = folder / "log"
        add_user(folder / "users", User("nurse", "acknowledge", hash_password(PASSWORD)))
        add_user(folder / "users", User("wall", "view", digest))
        tree = {
            "mqtt": {"port": free_port()},
            "users": "users",
            "audit": "audit.log",
            "labels": "labels.jsonl",
            "listen": {"port": 0, "cert": str(pair.cert), "key": str(pair.key)},
        }
        (folder / "board.yaml").write_text(yaml.safe_dump(tree))
        self._tls = ssl.create_default_context(cafile=str(authority.file))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edge", "board", "--config", str(folder / "board.yaml")],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
            )
        assert self._process.stdout is not None
        found = re.search(r":(\d+)/", self._process.stdout.readline())
        assert found is not None, self._log.read_text()
        self.port = int(found[1])

    def request(self, source: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and headers of an answer; 0 where none came, however often it was asked for."""
        for _ in range(TRIES):
            status, reported = self._ask_once(source, method, path, body, **headers)
            if status:
                break
        return status, reported

    def _ask_once(self, source: str, method: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=TRY_S, source_address=(source, 0), context=self._tls
        )
        names = {"content-type": "application/json"} if body is not None else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {**names, **headers})
            answer = connection.getresponse()
            answer.read()
        except OSError:
            return 0, {}
        finally:
            connection.close()
        return answer.status, answer.headers

    def sign_in(self, source: str, **given: str) -> int:
        """Status of a sign-in."""
        return self.request(source, "POST", "/api/login", given)[0]

    def lines(self) -> list[str]:
        """What it has logged."""
        return self._log.read_text().splitlines()

    def memory_mb(self) -> float:
        """What it takes now."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        assert self._process.wait(PATIENCE_S) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()


class Attack:
    """So many connections from one address, opened again when the board closes them, until it is over."""

    def __init__(self, port: int, count: int, begin: Callable[[socket.socket], socket.socket]) -> None:
        self._port, self._count, self._begin = port, count, begin
        self._is_over = threading.Event()
        self._has_begun = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Attack:
        self._thread.start()
        assert self._has_begun.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        held: list[socket.socket] = []
        while not self._is_over.is_set():
            held = [each for each in held if not _is_closed(each)]
            try:
                while len(held) < self._count and not self._is_over.is_set():
                    held.append(self._opened())
            except OSError:
                pass
            self._has_begun.set()
            time.sleep(0.2)
        for each in held:
            each.close()

    def _opened(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self._port), TRY_S, source_address=(ATTACKER, 0))
        begun = self._begin(found)
        begun.setblocking(False)
        return begun


def _is_closed(found: socket.socket) -> bool:
    try:
        is_closed = found.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        is_closed = True
    if is_closed:
        found.close()
    return is_closed


@pytest.fixture
def board(tmp_path: Path) -> Iterator[ChildBoard]:
    running = ChildBoard(tmp_path, Authority(tmp_path, "ca"))
    yield running
    running.close()


def test_thirteen_hundred_connections_without_a_handshake_keep_nobody_out(board: ChildBoard) -> None:
    with Attack(board.port, MANY, lambda found: found):
        answers = [
            (board.request(each, "GET", "/")[0], board.sign_in(each, name="nurse", password=PASSWORD))
            for each in (OTHER, ATTACKER)
        ]
        lines = board.lines()
    assert answers == [(200, 200), (200, 200)]
    assert len(lines) < 20, lines[:5]


def test_five_hundred_half_requests_keep_nobody_out_and_take_little_memory(board: ChildBoard) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def half_a_request(found: socket.socket) -> socket.socket:
        encrypted = context.wrap_socket(found)
        encrypted.sendall(HALF)
        return encrypted

    board.request(OTHER, "GET", "/")
    before_mb = board.memory_mb()
    with Attack(board.port, 500, half_a_request):
        answers = [
            (board.request(each, "GET", "/")[0], board.sign_in(each, name="nurse", password=PASSWORD))
            for each in (OTHER, ATTACKER)
        ]
        taken_mb, lines = board.memory_mb() - before_mb, board.lines()
    assert answers == [(200, 200), (200, 200)]
    assert taken_mb < 100  # a hash of a password takes 64
    assert len(lines) < 20, lines[:5]
