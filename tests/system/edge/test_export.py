"""`laennec export` at a real broker: nothing lost and nothing doubled when the broker or the command is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.server.exports.journal import journals, read
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for
from tests.edge.server.exports.messages import BED, event, transition, trend
from tests.system.edge.consumer import KEEPING
from tests.system.edge.publisher import Publisher

Command = subprocess.Popen[str]


def collect(port: int, out: Path, *more: str) -> Command:
    settings = out.with_name("broker.yaml")
    settings.write_text(json.dumps({"mqtt": {"port": port, "reconnect_min_s": 0.1, "reconnect_max_s": 0.3}}))
    line = [sys.executable, "-m", "edge", "export", "collect", "--config", str(settings), "--out", str(out), *more]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_subscribed(command: Command) -> None:
    """Its line that the broker has its subscriptions; the rest of its log is read on, so that it never waits."""
    assert command.stderr is not None
    for line in command.stderr:
        if "broker=subscribed" in line:
            break
    threading.Thread(target=command.stderr.read, daemon=True).start()


def ended(command: Command) -> str:
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=HANGS_S)
    return output


def found(out: Path) -> list[str]:
    """Keys of all that was collected, each as often as the files give it."""
    return [record.key for _, _, path in journals(out) for record in read(path)] if any(out.glob("*.jsonl")) else []


def test_what_the_nodes_say_is_collected_and_becomes_tables_and_resources(broker: Broker, tmp_path: Path) -> None:
    out, nodes = tmp_path / "out", Publisher(broker.port)
    command = collect(broker.port, out)
    wait_until_subscribed(command)
    nodes.publish(f"{BED}/alarm/continuous", b"{}")
    nodes.publish(f"{BED}/event", b"no message")
    nodes.publish(f"{BED.replace('bed1', 'self-test')}/event", json.dumps(event("onset", 1, None)).encode())
    nodes.publish(f"{BED}/event", json.dumps(event("end", 2, 1.5)).encode())
    nodes.publish(f"{BED}/trend", json.dumps(trend()).encode())
    nodes.publish(f"{BED}/alarm/continuous/transition", json.dumps(transition("On", "raised", 1)).encode())
    wait_for(lambda: len(found(out)) == 3, "three messages")
    nodes.close()
    output = ended(command)
    line = "collected 1 events, 1 trends, 1 alarms, 0 pauses; not kept: 1 of self-tests, 1 not as they should be"
    assert output.splitlines()[-1] == line
    make = [sys.executable, "-m", "edge", "export", "convert", "--out", str(out), "--as", "csv", "--as", "fhir"]
    assert subprocess.run(make, capture_output=True, text=True, check=True, timeout=HANGS_S).stdout.count("\n") == 5
    assert subprocess.run(make, capture_output=True, text=True, check=True, timeout=HANGS_S).stdout == "", "current"
    assert {path.suffix for path in out.iterdir()} == {".jsonl", ".csv", ".ndjson"}


def test_kills_of_the_command_and_of_the_broker_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    port, chance, out = free_port(), random.Random(4), tmp_path / "out"
    store = tmp_path / "store"
    store.mkdir()
    with Broker("mosquitto", port, settings=KEEPING.format(store)) as broker:
        command = collect(port, out)
        wait_until_subscribed(command)
        nodes, output = Publisher(port), 0
        for _ in range(5):
            for _ in range(chance.randrange(20, 60)):
                nodes.event(output)
                output += 1
            command.kill()
            command.communicate()
            for _ in range(30):  # while it is away
                nodes.event(output)
                output += 1
            command = collect(port, out)
            wait_until_subscribed(command)
        broker.stop()  # in order: what a kill of the broker itself loses is measured in tests of deploy
        wait_for(lambda: not nodes.client.is_connected(), "the end of their connection")
        broker.start()
        wait_for(nodes.client.is_connected, "the nodes")
        for _ in range(20):
            nodes.event(output)
            output += 1
        wait_for(lambda: len(set(found(out))) == output, f"{output} events")
        nodes.close()
        ended(command)
    keys = found(out)
    assert len(keys) == len(set(keys)) == output


def test_a_broker_that_refuses_the_user_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    lines = "allow_anonymous false\npassword_file /dev/null\n" + ("user root\n" if os.geteuid() == 0 else "")
    with Broker("mosquitto", settings=lines) as broker:
        command = collect(broker.port, tmp_path / "out")
        _, error = command.communicate(timeout=HANGS_S)
    assert command.returncode == 2
    assert error.splitlines()[-1].startswith(f"laennec: broker 127.0.0.1:{broker.port}: refuses: ")
    assert "Traceback" not in error


@pytest.mark.parametrize(("form", "output"), [("xml", "expected csv, parquet, fhir, fhir-breath; found 'xml'")])
def test_a_format_that_there_is_not_is_a_mistake(form: str, output: str, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "edge", "export", "convert", "--out", str(tmp_path), "--as", form]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANGS_S)
    assert (done.returncode, done.stderr.strip()) == (2, f"laennec: --as: {output}")
