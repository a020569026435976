"""`/metrics` is read over real HTTP; a port that cannot be had is one line."""

from __future__ import annotations

import io
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from edge.commands.demo_broker import free_port
from edge.node import metrics
from edge.node.health import Reports
from edge.node.metrics import HEAD_BYTES, MOST, MetricsServer, _Head
from edge.settings.sections import Metrics
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for

REPORTS = Reports({"dropped": 3, "checks": {"inbox": "crit"}}, {})


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    running = MetricsServer(Metrics(port=free_port()), lambda: REPORTS)
    running.start()
    yield running
    running.stop()


def port_of(server: MetricsServer) -> int:
    port = server._settings.port
    assert port is not None
    return port


def fetch(server: MetricsServer) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(server)}/metrics", timeout=HANGS_S) as answer:
        return str(answer.read().decode())


def test_the_page_has_the_metrics_and_those_of_the_process(server: MetricsServer) -> None:
    page = fetch(server)
    assert "\nlaennec_drops_total 3.0\n" in page
    assert 'laennec_check{check="inbox"} 2.0' in page
    assert "process_resident_memory_bytes" in page


def connected(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(server)), timeout=HANGS_S)


def readers() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_readers_who_ask_for_nothing_take_few_threads_and_keep_nobody_out(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "EXCHANGE_S", HANGS_S)  # none is cut off for its time
    with ExitStack() as idle:
        strangers = [idle.enter_context(connected(server)) for _ in range(3 * MOST)]
        assert "laennec_drops_total" in fetch(server)
        assert strangers[0].recv(1) == b""  # the oldest made room
        wait_for(lambda: readers() <= MOST, "the threads of those that were cut off to end")


def test_a_reader_who_takes_too_long_is_cut_off_and_one_line_says_so(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "EXCHANGE_S", 0.1)
    with connected(server) as first, connected(server) as second:
        first.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ")
        assert first.recv(1) == second.recv(1) == b""
    (line,) = [record.getMessage() for record in lines.records if "reader=cut" in record.getMessage()]
    assert line == 'metrics reader=cut reason="more than 0.1 s"; let a firewall say who reads'


def test_of_a_request_no_more_is_read_than_a_head() -> None:
    head = _Head(io.BytesIO(b"GET / HTTP/1.1\r\n" + b"x" * 10 * HEAD_BYTES))
    lines = [head.readline(65_537) for _ in range(3)]
    assert (sum(map(len, lines)), lines[0], lines[2]) == (HEAD_BYTES, b"GET / HTTP/1.1\r\n", b"")


def test_a_port_that_is_taken_is_one_line_and_no_metrics(lines: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = MetricsServer(Metrics(port=port), lambda: REPORTS)
        second.start()
    (record,) = lines.records
    assert record.getMessage() == (
        f'metrics port=refused address=127.0.0.1:{port} reason="Address already in use"; '
        "choose another metrics.port or metrics.host"
    )
    assert not second.is_healthy
    second.stop()


def test_an_address_that_is_not_of_this_machine_is_one_line_too(lines: pytest.LogCaptureFixture) -> None:
    server = MetricsServer(Metrics(port=free_port(), host="192.0.2.1"), lambda: REPORTS)
    server.start()
    (record,) = lines.records
    assert "metrics.host" in record.getMessage()
    assert not server.is_healthy


def test_the_end_frees_the_port() -> None:
    port = free_port()
    first, second = (MetricsServer(Metrics(port=port), lambda: REPORTS) for _ in range(2))
    first.start()
    assert first.is_healthy
    first.stop()
    assert not first.is_healthy
    second.start()
    assert second.is_healthy
    second.stop()


def test_by_default_nobody_else_on_the_network_can_ask() -> None:
    assert Metrics(port=9108).host == "127.0.0.1"
    assert Metrics().port is None
