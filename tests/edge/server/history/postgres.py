"""A PostgreSQL server of a test's own, in a temporary folder: started, stopped, killed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from edge.commands.demo_broker import free_port
from tests.edge.conftest import PATIENCE_S

FOLDERS = os.pathsep.join(
    [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
)
NEEDED = ("initdb", "postgres", *(["setpriv"] if os.geteuid() == 0 else []))
MISSING = [name for name in NEEDED if shutil.which(name, path=FOLDERS) is None]
USERS = ("postgres", "nobody")  # for it does not run as root
QUICK = ("-c", "fsync=off", "-c", "max_connections=20", "-c", "shared_buffers=32MB", "-c", "unix_socket_directories=")
IN_USE = "pre-existing shared memory block"  # by a child of a server that was killed
names = itertools.count()


class Postgres:
    """One server on a free port of this machine; use it in a `with` block."""

    def __init__(self, settings: tuple[str, ...] = QUICK) -> None:
        if MISSING:
            pytest.skip(f"not on this machine: {', '.join(MISSING)}; apt-get install postgresql")
        self.port, self._settings = free_port(), settings
        self._folder = Path(tempfile.mkdtemp(prefix="laennec-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._as_other: list[str] = []
        if os.geteuid() == 0:
            user = next(pwd.getpwnam(name) for name in USERS if name in {each.pw_name for each in pwd.getpwall()})
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as_other = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        line = self._line("initdb", "-U", "laennec", "-A", "trust", "-N", "-E", "UTF8", "--locale=C", "-D", "db")
        subprocess.run(line, cwd=self._folder, capture_output=True, check=True)

    def start(self) -> None:
        """Start it, and wait until it answers; also until the children of one that was killed have ended."""
        deadline_s, process = time.monotonic() + PATIENCE_S, self._begin()
        while not self._answers():
            text = (self._folder / "log").read_text(errors="replace")
            assert time.monotonic() < deadline_s, text[-2000:]
            if process.poll() is not None:
                assert IN_USE in text, text[-2000:]
                process = self._begin()
            time.sleep(0.05)

    def _begin(self) -> subprocess.Popen[bytes]:
        line = self._line("postgres", "-D", "db", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1")
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*line, *self._settings], cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        return self._process

    def kill(self) -> None:
        """End it at once; its children have sessions of their own, and end when they notice."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"history{next(names)}"
        with psycopg.connect(self._where("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self._where(name)

    def _where(self, name: str) -> str:
        return f"postgresql://laennec@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._where("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _line(self, program: str, *arguments: str) -> list[str]:
        return [*self._as_other, shutil.which(program, path=FOLDERS) or program, *arguments]

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder)
