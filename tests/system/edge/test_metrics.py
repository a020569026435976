"""A running node at a real broker: what Prometheus reads is what its topics say; the dashboard asks for no more."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

import deploy
from edge.commands.demo_broker import Broker, free_port
from edge.delivery.outbox import Outbox
from edge.node.service import Service
from edge.settings.node import parse_config
from edge.settings.sections import LEAST_EVERY_S
from edge.sources.source import DeviceStatus, Vitals
from edge.ward import self_test
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import Bursts, LoudnessModel
from tests.edge.node.test_metrics import VITALS
from tests.edge.streaming import made_ready, sound

DASHBOARD = Path(deploy.__file__).parent / "grafana" / "laennec.json"
BOARD = json.loads(DASHBOARD.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
METRIC = re.compile(r"\b(?:laennec|process)_[a-z_]+")
HANGING = 8  # more than the kernel queues


class Worn(Bursts):
    """Bursts from a device that tells how it is."""

    device = VITALS.device

    def recorded_s(self, index: int) -> float | None:
        return None

    def device_status(self) -> DeviceStatus:
        return DeviceStatus("", "")

    def vitals(self) -> Vitals:
        return VITALS


class Node:
    """The service in this process, with a second model that is the same as the first."""

    def __init__(self, service: Service, port: int) -> None:
        self.service, self.port = service, port

    def page(self) -> str:
        """Asked for again as long as this machine is too slow for an exchange, as Prometheus does."""
        return str(wait_for(self._asked, "a page"))

    def _asked(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
                return str(answer.read().decode())
        except (OSError, HTTPException):
            return ""


@pytest.fixture
def node(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    made_ready()
    monkeypatch.setattr(self_test, "FIRST_S", 0.0)
    noise = sound(4.0, (1.0, 1.5)).samples
    monkeypatch.setattr("edge.node.self_test._wheeze", lambda _rate_hz: (noise, 1.0))  # the model hears loudness alone
    mqtt, port = {"port": broker.port, "will_delay_s": 0}, free_port()
    tree = {
        "node": "node",
        "mqtt": mqtt,
        "streams": [{"id": "bed1", "source": "x"}],
        "metrics": {"port": port},
        "self_test": {"every_s": LEAST_EVERY_S},  # until one passes: on a busy machine its sound may be left out
    }
    stop = threading.Event()
    with closing(Outbox(tmp_path / "outbox.db", 10, 1)) as outbox:
        models: list[Any] = [LoudnessModel(), LoudnessModel()]
        service = Service(parse_config(tree, "test"), models[0], [Worn(1000, True)], outbox, shadow=models[1])
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        wait_for(lambda: service._watch.has_missed is False, "a self-test that passes")
        wait_for(lambda: service._streams[0].status.totals.events >= 3, "events")
        yield Node(service, port)
        stop.set()
        thread.join()


def exported(page: str) -> set[str]:
    """Names of all samples of a page."""
    return {re.split(r"[{ ]", line)[0] for line in page.splitlines() if line and not line.startswith("#")}


def test_every_metric_of_the_dashboard_is_exported_by_a_running_node(node: Node) -> None:
    requested = {name for panel in PANELS for target in panel["targets"] for name in METRIC.findall(target["expr"])}
    assert len(requested) > 20
    assert requested - exported(node.page()) == set()


def test_the_topics_of_a_node_and_its_metrics_tell_the_same(node: Node, watcher: Watcher) -> None:
    endings = ("node/health", "bed1/health", "bed1/shadow")
    health, bed, shadow = (wait_for(lambda of=of: watcher.bodies(of), of)[-1] for of in endings)
    page = node.page()
    assert {f'laennec_check{{check="{name}"}}' for name in health["checks"]} <= set(
        re.findall(r"laennec_check{.*?}", page)
    )
    for group, counts in shadow["groups"].items():
        for found in counts:
            assert f'laennec_shadow_events_total{{found="{found}",group="{group}",stream="bed1"}}' in page
    reported = float(re.findall(r'laennec_stream_events_total{stream="bed1"} (.*)', page)[0])
    assert reported >= bed["events"], "what was told before is counted"
    assert reported == int(reported)


def goes_on_beside_readers_that_hang(node: Node) -> bool:
    """Whether nothing of a bed is left out beside them; a machine that stands still for a while leaves out, too."""
    before = node.service._streams[0].status.totals
    with ExitStack() as hanging:
        for _ in range(HANGING):
            each = socket.socket()
            hanging.callback(each.close)
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", node.port))
        wait_for(lambda: node.service._streams[0].status.totals.events >= before.events + 3, "three more events")
        assert node.service._health()["checks"]["metrics"] == "ok"
    return node.service._streams[0].status.totals.left_out_s == before.left_out_s


def test_readers_that_hang_disturb_no_bed(node: Node) -> None:
    wait_for(lambda: goes_on_beside_readers_that_hang(node), "three events without a gap")
    assert "laennec_uptime_seconds" in node.page(), "and it answers again"


def test_a_node_whose_port_is_taken_hears_its_beds_and_says_so(
    node: Node, broker: Broker, tmp_path: Path, lines: pytest.LogCaptureFixture
) -> None:
    tree = {
        "node": "second",
        "mqtt": {"port": broker.port},
        "streams": [{"id": "bed1", "source": "x", "pace": False}],
        "metrics": {"port": node.port},
        "self_test": {"every_s": 0},
    }
    with closing(Outbox(tmp_path / "second.db", 10, 1)) as outbox:
        service = Service(parse_config(tree, "test"), LoudnessModel(), [Bursts(5, False)], outbox)  # type: ignore[arg-type]
        outcome = service.run(threading.Event())
        assert service._health()["checks"]["metrics"] == "crit"
    assert outcome.totals.events == 5
    (line,) = [each.getMessage() for each in lines.records if "metrics port=refused" in each.getMessage()]
    assert "choose another metrics.port" in line


class TestDashboard:
    def test_it_is_one_that_grafana_takes(self) -> None:
        assert {"title", "uid", "panels", "schemaVersion", "templating", "time"} <= BOARD.keys()
        assert BOARD["schemaVersion"] >= 36
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", BOARD["uid"])
        assert {panel["type"] for panel in BOARD["panels"]} <= {"row", "stat", "timeseries", "state-timeline"}

    def test_every_panel_has_a_place_of_its_own_and_a_query_of_the_chosen_source(self) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in BOARD["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert at["x"] + at["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells
        assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
        for panel in PANELS:
            assert panel["targets"], panel["title"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${source}"}

    def test_its_variables_are_those_that_its_queries_name(self) -> None:
        defined = {each["name"] for each in BOARD["templating"]["list"]}
        named = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))
        assert named == defined

    def test_brackets_of_every_query_close(self) -> None:
        for target in (target for panel in PANELS for target in panel["targets"]):
            for left, right in ("()", "{}", "[]"):
                assert target["expr"].count(left) == target["expr"].count(right), target["expr"]
