"""Broker, database and ingester are killed at random: an independent subscriber and the database agree in the end."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker
from tests.edge.conftest import wait_for
from tests.edge.server.history.postgres import Postgres
from tests.system.edge.consumer import KEEPING, Consumer
from tests.system.edge.publisher import Publisher
from tests.system.edge.server.history.ingesting import Ingest, rows

ROUNDS = 2  # of each victim
PIECE = 40  # messages at most between two deaths


def kill_broker(broker: Broker, nodes: Publisher) -> None:
    broker.kill()
    wait_for(lambda: not nodes.client.is_connected(), "the end of the nodes' connection")
    broker.stop()
    broker.start()


def shuffled(chance: random.Random, victims: list[Callable[[], None]]) -> list[Callable[[], None]]:
    order = victims * ROUNDS
    chance.shuffle(order)
    return order


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_kills_at_random_lose_nothing_and_double_nothing(
    kind: str, request: pytest.FixtureRequest, store: Path, tmp_path: Path
) -> None:
    chance, answered = random.Random(19), 0
    server: Postgres | None = request.getfixturevalue("own_postgres") if kind == "postgresql" else None
    url = server.new_database() if server else f"sqlite:///{tmp_path / 'history.sqlite'}"
    with Broker("mosquitto", settings=KEEPING.format(store)) as broker:
        independent, nodes = Consumer(broker.port), Publisher(broker.port)
        ingest = Ingest(broker.port, url, tmp_path)
        victims: list[Callable[[], None]] = [lambda: kill_broker(broker, nodes), ingest.kill]
        if server is not None:
            victims.append(server.kill)
        for kill in shuffled(chance, victims):
            for _ in range(chance.randrange(5, PIECE)):
                nodes.event(answered)
                answered += 1
            kill()
            wait_for(nodes.client.is_connected, "the nodes")
            # mosquitto acknowledges before it writes; what it lost a node's operator sends again (laennec resend)
            for number in range(max(0, answered - PIECE), answered):
                nodes.event(number)
            if kill == ingest.kill:
                ingest.start()
            if server is not None and kill == server.kill:
                server.start()
        query = "SELECT id, rev FROM events"
        wait_for(
            lambda: len(set(rows(url, query))) >= answered <= len(independent.first_sights()), f"{answered} events"
        )
        nodes.close()
        independent.close()
        ingest.end()
    found = rows(url, query)
    assert len(found) == len(set(found)) == answered
    assert set(found) == set(independent.first_sights())
    assert rows(url, "SELECT first, last FROM sequences") == [(1, answered)]
