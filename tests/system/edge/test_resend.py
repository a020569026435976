"""Events of the log once more: which, in which order, and what an operator is told when it cannot be done."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery.resend import Progress, resend
from edge.errors import SourceError
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for
from tests.edge.delivery.test_resend import ALL, log
from tests.edge.fakes import RudeBroker
from tests.edge.wards import settings, ward


def test_events_go_out_in_order_and_marked_under_the_present_names(tmp_path: Path) -> None:
    path, expected = tmp_path / "outbox.db", list[int]()
    log(path, 60)
    before = path.read_bytes()
    with Broker("mosquitto") as broker:
        watcher = Watcher(broker.port)
        config = settings(tmp_path, site="ward-b", mqtt={"port": broker.port})
        tally = resend(config, path, ALL, lambda tally: expected.append(tally.acknowledged), threading.Event())
        wait_for(lambda: len(watcher.messages) == 120, "every message")
        watcher.close()
    assert tally == Progress(120, 120)
    assert expected == list(range(1, 121))
    assert {topic for topic, _, _ in watcher.messages} == {"laennec/v1/ward-b/n1/s/bed1/event"}
    assert [(body["id"], body["rev"]) for _, _, body in watcher.messages] == [
        (f"id{number}", rev) for number in range(60) for rev in (1, 2)
    ]
    assert all(body["resent"] and body["late"] and body["time"]["published"] for _, _, body in watcher.messages)
    assert path.read_bytes() == before


def test_a_broker_without_subscribers_says_so_and_one_that_refuses_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 2)
    with Broker("mosquitto") as broker:
        config = settings(tmp_path, mqtt={"port": broker.port})
        assert resend(config, path, ALL, lambda _: None, threading.Event()) == Progress(4, 4, without_subscriber=4)
    rude = RudeBroker("refuse")
    tally = resend(settings(tmp_path, mqtt={"port": rude.port}), path, ALL, lambda _: None, threading.Event())
    rude.close()
    assert tally == Progress(4, 0, 4, "Quota exceeded")


def test_a_broker_that_goes_away_is_told_with_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 10)
    rude = RudeBroker("flaky")  # breaks off at the seventh message
    config = settings(tmp_path, mqtt={"port": rude.port})
    with pytest.raises(SourceError, match=r"went away: \d of 20 messages .*; run the same command again"):
        resend(config, path, ALL, lambda _: None, threading.Event())
    rude.close()


def test_a_stop_ends_it_with_what_is_under_way_acknowledged(tmp_path: Path) -> None:
    path, stop = tmp_path / "outbox.db", threading.Event()
    log(path, 60)
    with Broker("mosquitto") as broker:
        config = settings(tmp_path, mqtt={"port": broker.port})
        tally = resend(config, path, ALL, lambda _: stop.set(), stop)
    assert 0 < tally.acknowledged < 60


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "edge", "resend", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=HANGS_S)


def test_mistakes_of_an_operator_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 1)
    config = ward(tmp_path, mqtt={"port": free_port()})
    all_of_it = ("--since", "2027-01-01T00:00:00Z", "--until", "2028-01-01T00:00:00Z")
    for arguments, expected in (
        (("--config", config, "--outbox", path, "--since", "5m"), "--since: expected an RFC 3339 time"),
        (("--config", config, "--since", "2h"), "no outbox at"),
        (("--config", config, "--outbox", tmp_path, "--since", "2h"), "is a folder"),
        (("--config", config, "--outbox", path, "--since", "2000-01-01T00:00:00Z", "--until", "20000d"), "not before"),
        (("--config", tmp_path / "none.yaml", "--since", "2h"), "cannot read the configuration"),
        (
            ("--config", config, "--outbox", path, *all_of_it),
            "cannot be reached: [Errno 111] Connection refused; run this again when it is there",
        ),
    ):
        done = command(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert expected in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 1)
    times = ("--since", "2027-01-01T00:00:00Z", "--until", "2028-01-01T00:00:00Z")
    with Broker("mosquitto") as broker:
        done = command("--host", "127.0.0.1", "--port", broker.port, "--node", "n2", "--outbox", path, *times)
        assert done.stdout == "2 of 2 messages sent again, of events since 2027-01-01T00:00:00.000Z\n"
        assert done.stderr == "laennec: the broker took 2 of them but has no subscriber for them\n"
        assert done.returncode == 0
    rude = RudeBroker("refuse")
    done = command("--port", rude.port, "--outbox", path, *times)
    topics, bodies = rude.topics, [json.loads(payload) for payload in rude.payloads]
    rude.close()
    assert (done.returncode, "the broker refused 2 (Quota exceeded)" in done.stderr) == (2, True)
    old = RudeBroker("close_v5")
    done = command("--port", old.port, "--outbox", path, *times)
    old.close()
    assert (done.returncode, "MQTT 3.1.1, which reports no refusal" in done.stderr) == (0, True)
    assert len(topics) == len(bodies) == 2
