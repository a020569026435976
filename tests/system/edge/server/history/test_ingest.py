"""`laennec ingest` at a real broker: every kind of message is kept once, and what is wrong is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from tests.edge.conftest import Watcher, wait_for
from tests.edge.server.exports.messages import BED, event, transition, trend
from tests.edge.server.history.messages import clip_told, gap
from tests.edge.server.history.postgres import Postgres
from tests.system.edge.consumer import KEEPING
from tests.system.edge.publisher import Publisher
from tests.system.edge.server.history.ingesting import Ingest, history, rows

DAY = ("--day", "2027-01-15")


def publish(nodes: Publisher, topic: str, body: dict[str, Any]) -> None:
    nodes.publish(topic, json.dumps(body).encode())


def test_every_kind_of_message_is_kept_and_shown(url: str, broker: Broker, watcher: Watcher, tmp_path: Path) -> None:
    nodes, ingest = Publisher(broker.port), Ingest(broker.port, url, tmp_path)
    nodes.publish(f"{BED}/event", b"{}")
    publish(nodes, BED.replace("bed1", "self-test") + "/event", {**event("onset", 1, None), "stream": "self-test"})
    for body in (event("onset", 1, None), event("end", 2, 1.5), event("end", 2, 1.5)):
        publish(nodes, f"{BED}/event", body)
    publish(nodes, f"{BED}/gap", gap())
    publish(nodes, f"{BED}/clip", clip_told(8))
    publish(nodes, f"{BED}/trend", trend())
    publish(nodes, f"{BED}/alarm/continuous/transition", transition("On", "raised", 3))
    wait_for(lambda: len(rows(url, "SELECT * FROM alarms")) == len(rows(url, "SELECT * FROM minutes")) == 1, "rows")
    nodes.close()
    reported = "ingested 2 events, 1 gaps, 1 alarms, 1 minutes, 1 copies, 1 self-tests, 1 refused"
    assert ingest.end() == (0, reported)
    assert ingest.logged("ingest message=refused topic=") == 1
    assert " wheeze  1.5 " in history(url, "events", *DAY)
    assert "12.5" in history(url, "burden", *DAY)
    assert "raised" in history(url, "alarms", *DAY)
    assert rows(url, "SELECT first, last FROM sequences") == [(7, 8)], (
        "of the gap and the clip; the others say no start"
    )
    wait_for(lambda: watcher.bodies("/ingest/history")[-1]["state"] == "stopped", "its last word")
    assert watcher.bodies("/ingest/history")[0]["state"] == "online"


def test_an_ingester_that_is_gone_is_told_and_one_that_is_there_too(broker: Broker, tmp_path: Path) -> None:
    ingest = Ingest(broker.port, f"sqlite:///{tmp_path / 'history.sqlite'}", tmp_path, "--name", "one")
    well = wait_for(lambda: (found := ingest.check()).returncode == 0 and found, "its presence")
    assert (well.returncode, well.stdout.split()[:3]) == (0, ["ok", "one", "online,"])
    ingest.kill()
    gone = wait_for(lambda: "offline" in (found := ingest.check()).stdout and found, "its will")
    assert (gone.returncode, gone.stdout.split()[:3]) == (1, ["FAIL", "one", "offline,"])


def test_while_the_database_is_away_nothing_is_lost_and_it_is_said_once(
    own_postgres: Postgres, store: Path, tmp_path: Path
) -> None:
    url = own_postgres.new_database()
    with Broker("mosquitto", settings=KEEPING.format(store)) as broker:
        nodes, ingest = Publisher(broker.port), Ingest(broker.port, url, tmp_path)
        nodes.event(0)
        wait_for(lambda: len(rows(url, "SELECT * FROM events")) == 1, "the first")
        own_postgres.kill()
        for number in range(1, 1200):  # more than may wait in the ingester
            nodes.event(number)
        wait_for(lambda: ingest.logged("database=away"), "its word")
        away = wait_for(lambda: "away" in (found := ingest.check()).stdout and found, "its presence")
        own_postgres.start()
        wait_for(lambda: len(rows(url, "SELECT * FROM events")) == 1200, "all that had waited")
        nodes.close()
        ingest.end()
    assert away.returncode == 1
    first = [line for line in ingest.log if "database=away" in line and " times=" not in line]  # again in a minute
    assert (len(first), ingest.logged("database=back")) in [(1, 1), (2, 2)], "by each session once"
    assert rows(url, "SELECT first, last FROM sequences") == [(1, 1200)]


def test_a_broker_that_forgot_the_session_is_told_and_what_had_come_is_kept(broker: Broker, tmp_path: Path) -> None:
    url, nodes = f"sqlite:///{tmp_path / 'history.sqlite'}", Publisher(broker.port)
    ingest = Ingest(broker.port, url, tmp_path)
    nodes.event(0)
    broker.kill()  # it stores nothing
    wait_for(lambda: not nodes.client.is_connected(), "the end of the nodes' connection")
    broker.stop()
    broker.start()
    wait_for(lambda: ingest.logged("broker=subscribed") == 4, "both sessions, again")
    assert ingest.logged("session=lost; the broker kept nothing") == 2
    wait_for(nodes.client.is_connected, "the nodes")
    nodes.event(1)
    wait_for(lambda: len(rows(url, "SELECT * FROM events")) == 2, "both")
    nodes.close()
    assert ingest.end()[0] == 0


@pytest.mark.parametrize("ends", [False, True])
def test_what_came_last_before_a_broker_died_is_written_while_it_is_away(
    ends: bool, broker: Broker, tmp_path: Path
) -> None:
    """The broker may have lost it; and an ingester that is stopped meanwhile takes it along."""
    url, nodes = f"sqlite:///{tmp_path / 'history.sqlite'}", Publisher(broker.port)
    ingest = Ingest(broker.port, url, tmp_path)
    for number in range(30):
        nodes.event(number)
    broker.kill()  # it stores nothing
    wait_for(lambda: ingest.logged("ingest broker=unreachable"), "the end of its connection, before which it reads all")
    broker.stop()
    if ends:
        assert ingest.end()[0] == 0
        assert len(rows(url, "SELECT * FROM events")) == 30
    else:
        wait_for(lambda: len(rows(url, "SELECT * FROM events")) == 30, "all of them")
        assert ingest.end()[0] == 0
    nodes.close()


@pytest.mark.parametrize("given", ["mysql://x/y", "history.sqlite"])
def test_a_database_that_there_is_not_is_a_mistake(given: str, tmp_path: Path) -> None:
    ingest = Ingest(1, given, tmp_path)
    code, _ = ingest.wait()
    assert (code, ingest.logged("laennec: --database: expected sqlite:///FILE or postgresql://")) == (2, 1)
