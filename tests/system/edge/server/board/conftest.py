"""The board in headless Chromium, at a real broker with a ward that does what a test tells it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from edge.commands.demo_broker import Broker
from edge.server.board.server import serve
from edge.settings.board import parse_board
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STILL = """async () => {
  const all = () => [...document.querySelectorAll(".tile, .tile button")].map((each) => each.getBoundingClientRect());
  let [places, sinceMs] = [JSON.stringify(all()), performance.now()];
  while (performance.now() - sinceMs < 1000) {
    await new Promise((go) => setTimeout(go, 20));
    const now = JSON.stringify(all());
    if (now !== places) [places, sinceMs] = [now, performance.now()];
  }
}"""
WALL = {"width": 1920, "height": 1080}
TABLET = {"width": 1280, "height": 800}


class RunningBoard:
    """A board in a thread of this process."""

    def __init__(self, port: int, folder: Path, **changed: Any) -> None:
        mqtt = {"port": port, "reconnect_min_s": 0.1, "reconnect_max_s": 0.3}
        tree = {
            "title": "Ward B",
            "mqtt": mqtt,
            "audit": str(folder / "audit.log"),
            "listen": {"port": 0},
            "labels": str(folder / "labels.jsonl"),
            **changed,
        }
        self.url = ""
        self._stop, self._ready = threading.Event(), threading.Event()
        self.settings = parse_board(tree, "test", folder)
        self._thread = threading.Thread(target=serve, args=(self.settings, self._stop, self._on_ready))
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    def _on_ready(self, url: str) -> None:
        self.url = url
        self._ready.set()

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's browser; the tests are skipped where it, or what drives it, is absent.

    Playwright keeps an asyncio loop running in this thread, which tests of other modules could not bear.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright; make dev")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium; apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def ward(broker: Broker) -> Iterator[FakeWard]:
    """A node with no bed yet."""
    running = FakeWard(broker.port)
    running.publish_node()
    yield running
    running.close()


@pytest.fixture
def start_board(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., RunningBoard]]:
    """Starts boards at that broker."""
    running: list[RunningBoard] = []

    def start(**changed: Any) -> RunningBoard:
        running.append(RunningBoard(broker.port, tmp_path, **changed))
        return running[-1]

    yield start
    for board in running:
        board.close()


@pytest.fixture
def board(start_board: Callable[..., RunningBoard]) -> RunningBoard:
    """A board that listens on this machine alone."""
    return start_board()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens the board in a window of its own; a script that fails fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_url(url: str, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": WALL, "reduced_motion": "reduce", **options})
        context.set_default_timeout(1000 * float(os.environ.get("LAENNEC_PATIENCE_S", PATIENCE_S)))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_url
    for context in contexts:
        context.close()
    assert errors == []


def bed_path(bed: str, node: str = "box-1") -> str:
    """The page of a bed."""
    return f"bed?{urlencode({'site': 'ward-b', 'node': node, 'bed': bed})}"


def tile(page: Any, bed: str) -> Any:
    """The tile of a bed."""
    return page.locator(".tile").filter(has=page.get_by_role("button", name=f"{bed},"))


def shown(page: Any, selector: str, count: int) -> None:
    """Wait until so many elements are there; the page's policy lets no test's text be evaluated as a script."""
    wait_for(lambda: page.locator(selector).count() == count, f"{count} of {selector}")


def steady(page: Any) -> None:
    """Wait until no tile has moved for a while: of one that just has, no press is taken."""
    page.evaluate(STILL)


def every_level(ward: FakeWard) -> None:
    """A bed in each state."""
    for number in range(10):
        ward.publish_bed(f"bed{number}")
    for number, priority in enumerate(("Hi", "Me", "Lo")):
        ward.alarm(f"bed{number}", priority=priority)
    ward.alarm("bed3", "signal-lost", priority="Me")
    ward.alarm("bed4", "contact", priority="Lo")
    ward.alarm("bed5", signal="Latch")
    ward.alarm("bed6", signal="Ack", audible=False)
    who = {"by": "Dr. L", "at": made.alarm()["ts"], "why": "physiotherapy", "until": made.alarm()["valid_until"]}
    ward.alarm("bed7", activation="Psd", inactivated=who, **made.OFF)
    ward.publish_bed("bed8", status=made.stream(boot_id="00000001"))
    ward.publish("s/bed8/status", made.stream(boot_id="00000001"))
