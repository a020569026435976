"""`/metrics` is read over real HTTP; who hangs on it or takes its port disturbs nobody."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest

from edge.commands.demo_broker import free_port
from edge.node import metrics as metrics_server
from edge.node.health import Reports
from edge.node.metrics import MetricsServer
from edge.settings.sections import Metrics
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for

REPORTS = Reports({"dropped": 3, "checks": {"inbox": "crit"}}, {})


class Query:
    """Reports that count how often they are made."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Reports:
        self.times += 1
        return REPORTS


@pytest.fixture
def requested() -> Query:
    return Query()


@pytest.fixture
def server(requested: Query, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsServer]:
    monkeypatch.setattr(metrics_server, "EXCHANGE_S", HANGS_S)  # this machine may be slow
    monkeypatch.setattr(metrics_server._Exchange, "timeout", HANGS_S)
    running = MetricsServer(Metrics(port=free_port()), requested)
    running.start()
    yield running
    running.stop()


def port_of(server: MetricsServer) -> int:
    port = server._settings.port
    assert port is not None
    return port


def fetch(server: MetricsServer, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(server)}{path}", timeout=HANGS_S) as answer:
        return str(answer.read().decode())


def page_of(server: MetricsServer) -> str:
    """Its page; empty if the exchange was cut off."""
    with suppress(OSError, http.client.HTTPException):
        return fetch(server)
    return ""


def working() -> int:
    """Threads of this process that are no clock."""
    return sum(not isinstance(each, threading.Timer) for each in threading.enumerate())


def test_the_page_has_the_metrics_and_those_of_the_process(server: MetricsServer) -> None:
    page = fetch(server)
    assert "\nlaennec_drops_total 3.0\n" in page
    assert 'laennec_check{check="inbox"} 2.0' in page
    assert "process_resident_memory_bytes" in page


def test_any_other_page_is_not_there(server: MetricsServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(server, "/")


def test_readers_that_hang_are_cut_off_one_after_the_other_and_the_next_is_served(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "EXCHANGE_S", 0.1)
    before = working()
    hanging = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(3)]
    for each in hanging:
        each.sendall(b"GET /metr")  # and never the rest
    assert "laennec_drops_total" in wait_for(lambda: page_of(server), "a page, where a slow one is cut off as well")
    assert working() <= before, "no thread for each of them"
    wait_for(lambda: threading.active_count() <= before, "the end of the clocks")
    for each in hanging:
        each.close()


def test_who_asks_all_the_time_gets_the_same_page_and_costs_no_more(
    server: MetricsServer, requested: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "FRESH_S", 1e6)
    server._made_s = -2e6
    assert len({fetch(server) for _ in range(20)}) == 1
    assert requested.times == 1


def test_a_port_that_is_taken_is_one_line_and_no_metrics(requested: Query, lines: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = MetricsServer(Metrics(port=port), requested)
        second.start()
    (record,) = lines.records
    assert record.getMessage() == (
        f'metrics port=refused address=127.0.0.1:{port} reason="Address already in use"; '
        "choose another metrics.port or metrics.host"
    )
    assert not second.is_healthy
    second.stop()


def test_an_address_that_is_not_of_this_machine_is_one_line_too(
    requested: Query, lines: pytest.LogCaptureFixture
) -> None:
    server = MetricsServer(Metrics(port=free_port(), host="192.0.2.1"), requested)
    server.start()
    (record,) = lines.records
    assert "metrics.host" in record.getMessage()
    assert not server.is_healthy


def test_the_end_frees_the_port(requested: Query) -> None:
    port = free_port()
    first, second = (MetricsServer(Metrics(port=port), requested) for _ in range(2))
    first.start()
    assert first.is_healthy
    first.stop()
    wait_for(lambda: not first.is_healthy, "the end of the thread")
    second.start()
    assert second.is_healthy
    second.stop()


def test_by_default_nobody_else_on_the_network_can_ask() -> None:
    assert Metrics(port=9108).host == "127.0.0.1"
    assert Metrics().port is None
