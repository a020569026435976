"""A hospital on one machine, each part a process that can be killed: nodes, broker, ingesters, board."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

from edge.delivery.outbox_reading import logged_events
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for
from tests.system.edge.server.history.ingesting import QUICKLY

RATE_HZ = 8000
SOUND_S = 1200  # longer than any test; a recording that is repeated
SOUNDS = 8  # of a node's beds, begun at different places; beds beyond these share them
LIMIT_S_PER_MIN = 3.0  # of burden; low, so that there are alarms
Key = tuple[str, int]
"""`id` and `rev` of an event."""


class Part:
    """One process; what it prints is read as it comes."""

    def __init__(self, *arguments: str) -> None:
        """Start `laennec` with these arguments."""
        self._line = [sys.executable, "-m", "edge", *arguments]
        self.printed: list[str] = []
        self.start()

    def start(self) -> None:
        """Start it."""
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self._line, stdout=subprocess.PIPE, stderr=quiet, text=True)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(HANGS_S)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.printed.extend(process.stdout)
        process.stdout.close()


class NodePart(Part):
    """`laennec run` with so many beds, each of which hears a recording from another place on."""

    def __init__(self, name: str, beds: int, port: int, folder: Path) -> None:
        self.outbox = folder / f"{name}.db"
        sound = soundfile.read(DEMO_AUDIO, dtype="float32")[0]
        for number in range(min(beds, SOUNDS)):
            turned = np.resize(np.roll(sound, -number * len(sound) // SOUNDS), SOUND_S * RATE_HZ)
            soundfile.write(folder / f"{name}-{number}.wav", turned, RATE_HZ, "PCM_16")
        limits = {group: {"limit_s_per_min": LIMIT_S_PER_MIN} for group in ("continuous", "discontinuous")}
        tree = {
            "node": name,
            "mqtt": {"port": port, **QUICKLY},
            "outbox": {"path": str(self.outbox)},
            "alarms": {"burden": limits},
            "self_test": {"every_s": 0},
            "streams": [{"id": f"bed{n}", "source": str(folder / f"{name}-{n % SOUNDS}.wav")} for n in range(beds)],
        }
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(tree))
        super().__init__("run", "--config", str(path))

    def decided(self) -> set[Key]:
        """All that it ever decided, by its own log."""
        return {(body["id"], body["rev"]) for body in logged_events(self.outbox)}


class BoardPart(Part):
    """`laennec board`, and what a screen in front of it shows."""

    def __init__(self, port: int, folder: Path) -> None:
        path = folder / "board.yaml"
        tree = {"mqtt": {"port": port, **QUICKLY}, "listen": {"port": 0}, "audit": str(folder / "audit.log")}
        path.write_text(json.dumps(tree))
        super().__init__("board", "--config", str(path))

    def tiles(self) -> list[dict[str, Any]]:
        """What it shows now; nothing while it is not there."""
        urls = [line.split()[1] for line in self.printed if line.startswith("board: ")]
        if self.process.poll() is not None or not urls:
            return []
        try:
            with urllib.request.urlopen(f"{urls[-1].rstrip('/')}/api/stream", timeout=HANGS_S) as stream:
                reported = next(line for line in stream if line.startswith(b"data: "))
        except (OSError, StopIteration):
            return []
        return [tile for tile in json.loads(reported[len(b"data: ") :])["tiles"].values() if tile["stream"]]

    def unknown(self) -> set[str]:
        """The nodes all of whose beds are called unknown."""
        levels: dict[str, set[str]] = {}
        for tile in self.tiles():
            levels.setdefault(tile["node"], set()).add(tile["level"])
        return {node for node, of in levels.items() if of == {"unknown"}}


def deliver(node: NodePart, arrived: Callable[[], set[Key]]) -> None:
    """End a node, and let it run again for a moment as long as something that it decided has not arrived.

    Args:
        node: that runs.
        arrived: what has.
    """
    node.end()
    while missing := node.decided() - arrived():
        node.start()
        wait_for(lambda left=missing: left <= arrived(), f"{len(missing)} messages that waited on disk")
        node.end()
