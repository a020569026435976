"""Two nodes of 3 beds, one broker, an ingester, PostgreSQL, the board: any one of them is killed.

What is lost, what is late and what people see stands in deploy/OPERATE.md; run with `-s` it prints the figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from edge.commands.app import app
from edge.commands.demo_broker import Broker
from tests.edge.conftest import wait_for
from tests.edge.server.history.postgres import Postgres
from tests.system.edge.consumer import KEEPING, Consumer, mistakes
from tests.system.edge.server.history.hospital import BoardPart, NodePart, deliver
from tests.system.edge.server.history.ingesting import Ingest, rows

BEDS = int(os.environ.get("BEDS", "3"))  # of each node; the figures of the page are of 32
EVENTS = 2 * BEDS  # messages between two deaths
EVENTS_QUERY = "SELECT id, rev FROM events"


@dataclass(frozen=True)
class Death:
    """One part that is killed, and who is to notice."""

    part: str
    kill: Callable[[], None]
    start: Callable[[], None]
    is_seen: Callable[[], bool]
    """Whether people can see that it is away."""
    is_healthy: Callable[[], bool]
    """Whether everything is as before."""


def survive(death: Death, messages: Callable[[], int]) -> str:
    """Kill a part while the ward goes on, start it again, and say how long each took."""
    before = messages()
    wait_for(lambda: messages() >= before + EVENTS, "events")
    begin_s = time.monotonic()
    death.kill()
    wait_for(death.is_seen, f"somebody to notice that there is no {death.part}")
    seen_s = time.monotonic()
    death.start()
    wait_for(death.is_healthy, f"the {death.part} to be well again")
    return (
        f"{death.part}: noticed after {seen_s - begin_s:.1f} s, well {time.monotonic() - seen_s:.1f} s after its start"
    )


def test_whichever_part_of_a_hospital_is_killed_nothing_is_lost_and_people_see_it(
    own_postgres: Postgres, store: Path, tmp_path: Path
) -> None:
    url = own_postgres.new_database()
    with Broker("mosquitto", settings=KEEPING.format(store)) as broker, ExitStack() as running:
        consumer = running.enter_context(closing(Consumer(broker.port)))
        ingest = Ingest(broker.port, url, tmp_path, "--name", "a")
        nodes = [NodePart(name, BEDS, broker.port, tmp_path) for name in ("edge-1", "edge-2")]
        board = BoardPart(broker.port, tmp_path)
        for part in (*nodes, board):
            running.callback(part.kill)
        running.callback(ingest.kill)

        def start_broker() -> None:
            broker.stop()
            broker.start()

        def is_whole() -> bool:
            levels = [tile["level"] for tile in board.tiles()]
            return len(levels) == 2 * BEDS and "unknown" not in levels and not absent(ingest)

        wait_for(is_whole, "all beds on the board")
        deaths = [
            Death("node", nodes[0].kill, nodes[0].start, lambda: board.unknown() == {"edge-1"}, is_whole),
            Death("ingester", ingest.kill, ingest.start, lambda: absent(ingest) == {"a"}, is_whole),
            Death("database", own_postgres.kill, own_postgres.start, lambda: absent(ingest) == {"a"}, is_whole),
            Death("broker", broker.kill, start_broker, lambda: board.unknown() == {"edge-1", "edge-2"}, is_whole),
            Death("board", board.kill, board.start, lambda: board.tiles() == [], is_whole),
        ]
        for death in deaths:
            print(survive(death, lambda: len(consumer.events)), flush=True)
        begin_s = time.monotonic()
        for node in nodes:
            deliver(node, lambda: set(consumer.first_sights()))
        decided = nodes[0].decided() | nodes[1].decided()
        wait_for(lambda: len(set(rows(url, EVENTS_QUERY))) >= len(decided), "the history of it")
        found = rows(url, EVENTS_QUERY)
        print(f"{len(decided)} messages of events; the last of them {time.monotonic() - begin_s:.1f} s after the end")
    assert mistakes(list(consumer.events)) == []
    assert set(consumer.first_sights()) == decided
    assert len(found) == len(set(found))
    assert set(found) == decided


def absent(ingest: Ingest) -> set[str]:
    """The ingesters that are not well, as the command says that looks at all of them."""
    printed = CliRunner().invoke(app, ["ingest", "--config", str(ingest.settings), "--check"]).output
    return {line.split()[1] for line in printed.splitlines() if line.startswith("FAIL")}
