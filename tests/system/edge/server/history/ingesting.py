"""`laennec ingest` as a process: started, asked, killed; and what its database holds."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from edge.errors import LaennecError
from edge.server.history.database import open_database, transaction
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for

QUICKLY = {"reconnect_min_s": 0.1, "reconnect_max_s": 0.3, "will_delay_s": 0}


class Ingest:
    """One ingester; its log is read as it comes."""

    def __init__(self, port: int, url: str, folder: Path, *more: str) -> None:
        self.settings = folder / "ingest.yaml"
        self.settings.write_text(json.dumps({"mqtt": {"port": port, **QUICKLY}}))
        self._line = [sys.executable, "-m", "edge", "ingest", "--config", str(self.settings), "--database", url, *more]
        self.log: list[str] = []
        self.start()

    def start(self) -> None:
        """Start it, and wait until both of its sessions are there."""
        begin = len(self.log)
        self._process = subprocess.Popen(self._line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        wait_for(
            lambda: self.logged("broker=subscribed", begin) == 2 or self._process.poll() is not None, "two sessions"
        )

    def logged(self, words: str, begin: int = 0) -> int:
        """How many lines of its log hold these words."""
        return sum(words in line for line in self.log[begin:])

    def kill(self) -> None:
        """End it at once."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """End it in order; its exit code and last line."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Until it ends by itself; its exit code and what it printed last."""
        assert self._process.stdout is not None
        output = self._process.stdout.read()
        code = self._process.wait(HANGS_S)
        self._reader.join()
        self._process.stdout.close()
        return code, output.strip()

    def check(self) -> subprocess.CompletedProcess[str]:
        """What `laennec ingest --check` says."""
        line = [sys.executable, "-m", "edge", "ingest", "--config", str(self.settings), "--check"]
        return subprocess.run(line, capture_output=True, text=True, timeout=HANGS_S)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log.append(line)
        process.stderr.close()


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """What a query finds; nothing while the database is away or has no tables yet."""
    try:
        engine = open_database(url)
        try:
            with transaction(engine) as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        finally:
            engine.dispose()
    except (LaennecError, SQLAlchemyError):
        return []


def history(url: str, *command: str) -> str:
    """What `laennec history` prints."""
    line = [sys.executable, "-m", "edge", "history", *command, "--database", url]
    done = subprocess.run(line, capture_output=True, text=True, timeout=HANGS_S)
    if done.returncode:
        pytest.fail(done.stderr)
    return done.stdout
