"""A bed that is taken out of the settings does not stay at the broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from edge.commands.demo_broker import Broker
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher


def run(folder: Path, port: int, *streams: str) -> None:
    """A node with these streams, to the end of its files."""
    settings = {
        "node": "n",
        "mqtt": {"port": port},
        "outbox": {"path": "o.db"},
        "streams": [{"id": each, "source": str(DEMO_AUDIO), "pace": False} for each in streams],
    }
    (folder / "ward.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "edge", "run", "--config", str(folder / "ward.yaml")]
    subprocess.run(command, check=True, capture_output=True, timeout=HANGS_S)


def retained(port: int) -> set[str]:
    """Streams with a state that a consumer finds who comes now."""
    newcomer = Watcher(port)
    newcomer.catch_up()
    found = {topic.partition("/s/")[2].partition("/")[0] for topic, _, _ in newcomer.messages if "/s/" in topic}
    newcomer.close()
    return found


def test_the_state_of_a_stream_that_was_removed_is_cleared_at_the_next_start(tmp_path: Path, broker: Broker) -> None:
    run(tmp_path, broker.port, "bed1", "bed2")
    assert retained(broker.port) == {"bed1", "bed2"}
    run(tmp_path, broker.port, "bed1")
    assert retained(broker.port) == {"bed1"}
