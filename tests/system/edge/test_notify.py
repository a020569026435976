"""What systemd hears: real datagrams of a real node, and a watchdog that is fed only by streams that move."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.commands.demo_broker import free_port
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.node import test_notify
from tests.edge.node.test_notify import Manager

manager = test_notify.manager

WATCHDOG_S = 1.0


@pytest.fixture
def start(manager: Manager) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def begin(*command: object) -> subprocess.Popen[str]:
        reported = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6))}
        child = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)],
            env={**os.environ, **reported},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(child)
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate()


@pytest.mark.parametrize("manager", ["abstract"], indirect=True)
def test_a_run_says_ready_without_a_broker_feeds_the_watchdog_and_says_when_it_stops(
    manager: Manager, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    run = start("edge", "run", "--source", DEMO_AUDIO, "--port", free_port(), "--outbox", tmp_path / "o.db")
    well = "STATUS=1 of 1 streams ok; broker away, events wait on disk"
    wait_for(lambda: well in manager.receive() and "READY=1" in manager.received, "a node that is well")
    wait_for(lambda: manager.receive().count("WATCHDOG=1") >= 2, "a fed watchdog")
    answered = manager.receive()
    assert answered[0] == "STATUS=loading the model"
    assert answered.count("READY=1") == 1
    run.send_signal(signal.SIGTERM)
    _, log = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, log
    assert "STOPPING=1" in manager.receive()


@pytest.mark.parametrize("manager", ["abstract"], indirect=True)
@pytest.mark.parametrize("where", ["source", "detector"])
def test_a_source_or_a_model_that_hangs_starves_the_watchdog_and_sigterm_still_ends_the_node(
    where: str, manager: Manager, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    node = start("tests.system.edge.hanging_node", where, free_port(), tmp_path / "o.db")
    wait_for(lambda: "READY=1" in manager.receive(), "readiness")
    assert node.stdout is not None
    assert node.stderr is not None
    log: list[str] = []
    reader = threading.Thread(target=lambda: log.extend(node.stderr or ()))
    reader.start()

    def reported(what: str, since: int = 0) -> list[str]:
        return [line for line in log[since:] if what in line]

    (answered, *_) = wait_for(
        lambda: reported("stream=bad hangs for_s="), "the hang"
    )  # on a slow machine others pause too
    assert "the watchdog is not fed" in answered
    hung = log.index(answered)

    def is_starved() -> bool:
        before = manager.receive().count("WATCHDOG=1")
        time.sleep(2 * WATCHDOG_S)
        return manager.receive().count("WATCHDOG=1") == before

    wait_for(is_starved, "a watchdog that is not fed, though another stream may go on")
    if where == "source":
        wait_for(lambda: reported("stream=good end=wheeze", hung), "an event of the stream that does not hang")
    node.send_signal(signal.SIGTERM)
    output = node.stdout.read()
    reader.join(PATIENCE_S)
    assert node.wait(PATIENCE_S) == 0, log
    assert "received " in output


@pytest.mark.parametrize("manager", ["abstract"], indirect=True)
def test_a_ward_is_ready_with_a_missing_microphone_and_says_which(
    manager: Manager, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    pytest.importorskip("pyaudio", reason="without PyAudio a microphone is a mistake of the installation")
    config = tmp_path / "ward.yaml"
    config.write_text(
        f"streams: [{{id: bed1, source: {DEMO_AUDIO}}}, {{id: bed2, source: 'mic:no-such-device'}}]\n"
        f"outbox: {{path: {tmp_path / 'o.db'}}}\nmqtt: {{port: {free_port()}}}\n"
    )
    node = start("edge", "run", "--config", config)
    wait_for(lambda: "READY=1" in manager.receive(), "readiness")
    reported = "STATUS=1 of 2 streams ok; bed2 lost"
    wait_for(lambda: [line for line in manager.receive() if line.startswith(reported)], "which one")
    fed = manager.received.count("WATCHDOG=1")
    wait_for(lambda: manager.receive().count("WATCHDOG=1") > fed, "a watchdog that is fed all the same")
    assert node.poll() is None
