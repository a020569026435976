"""`/metrics` is read over real HTTP; a port that cannot be had is one line."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from edge.commands.demo_broker import free_port
from edge.node.health import Reports
from edge.node.metrics import MetricsServer
from edge.settings.sections import Metrics
from tests.conftest import HANGS_S

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
