"""A temporary broker on a free loopback port: mosquitto if it is on the machine, else amqtt.

For the demo and the tests. Not for a ward: nothing is stored, and anybody on this machine may connect.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

from edge.errors import ConfigError, SourceError

Kind = Literal["mosquitto", "amqtt"]
START_S = 60.0  # amqtt takes seconds on a small board, and longer on a busy one
STOP_S = 30.0  # mosquitto may have messages to store first
PORTS = range(20_000, 32_000)  # below those that Linux gives to clients (32768 to 60999)
# Often not on a user's PATH.
MOSQUITTO_FOLDERS = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
AMQTT_PROGRAM = """
import asyncio, logging, sys
from amqtt.broker import Broker
logging.disable(logging.CRITICAL)
plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[1]}"}}
async def main():
    await Broker({"listeners": listeners, "plugins": plugins}).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


def choose(name: str) -> Kind:
    """The broker to use.

    Args:
        name: `mosquitto`, `amqtt`, or `auto` for the first of them that is installed.

    Raises:
        ConfigError: it is not installed, or not one of these.
    """
    installed: dict[Kind, bool] = {
        "mosquitto": _mosquitto() is not None,
        "amqtt": importlib.util.find_spec("amqtt") is not None,
    }
    for kind, is_there in installed.items():
        if is_there and name in (kind, "auto"):
            return kind
    if name not in (*installed, "auto"):
        raise ConfigError(f"--broker: {name!r} is not known; use mosquitto, amqtt or auto")
    raise ConfigError(
        f"no {'broker' if name == 'auto' else name} found; install one: apt-get install mosquitto, or "
        f"{sys.executable} -m pip install amqtt"
    )


class Broker:
    """A broker process; use it in a `with` block."""

    def __init__(self, kind: Kind, port: int | None = None, settings: str = "allow_anonymous true") -> None:
        """Choose the port, start nothing yet.

        Args:
            kind: which program.
            port: TCP port on 127.0.0.1; None for a free one.
            settings: lines for mosquitto's configuration.
        """
        self.kind = kind
        self.port = port or free_port()
        self._settings = settings
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            SourceError: it ended, or did not answer in time.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="laennec-broker-")
        log = Path(self._folder.name) / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command(Path(self._folder.name)),
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + START_S
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                lines = log.read_text(errors="replace").strip().splitlines()[-1:] or ["empty"]
                self.stop()
                raise SourceError(f"{self.kind} did not start on port {self.port}; its log: {lines[0]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, by force if it does not end by itself."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._folder is not None:
            self._folder.cleanup()
        self._process = self._folder = None

    def kill(self) -> None:
        """End it at once, without a DISCONNECT to its clients."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _command(self, folder: Path) -> list[str]:
        if self.kind == "amqtt":
            return [sys.executable, "-c", AMQTT_PROGRAM, str(self.port)]
        file = folder / "mosquitto.conf"
        file.write_text(f"listener {self.port} 127.0.0.1\npersistence false\nset_tcp_nodelay true\n{self._settings}\n")
        return [_mosquitto() or "mosquitto", "-c", str(file)]


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses now.

    Not one that the kernel gives out: connecting to such a port before its server listens can connect to itself.
    """
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_FOLDERS)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False
