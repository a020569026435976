"""One wearable over Bluetooth Low Energy: each notification is one packet's body.

Not for bonding (`bluetoothctl`, README.md) and not for scanning: the address is the operator's. The service is Nordic's
UART service, which Zephyr, ESP-IDF and most phones know: the device notifies on one characteristic and is written
commands on the other. Packets that a device sends before it is subscribed to are lost, as BLE has it: the first one
that is received begins the epoch.

BlueZ can hand notifications over through D-Bus (`start`, what bleak does of itself) or through a socket (`acquire`):
the socket is faster, and some devices break with it (bleak #1885, #1973).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.errors import ConfigError
from firmware_bridge.links import TransportState
from firmware_bridge.records import LinkBytes

SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"  # Nordic UART service
TO_DEVICE = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
FROM_DEVICE = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
MAX_PENDING = 512  # notifications kept between two calls of `receive`: 10 s of one device
RETRY_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
CONNECT_S = 20.0
STOP_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BleOptions:
    """Options of one BLE connection."""

    notify: Literal["start", "acquire"] = "start"
    """How BlueZ hands over notifications."""
    retry_s: Sequence[float] = RETRY_S
    """Waits between attempts to connect, the last for ever after, seconds."""
    backend: Any = None
    """A bleak backend; None: that of this system."""


class BleTransport:
    """The notifications of one device, connected again whenever the connection ends; a `Transport`.

    Args:
        address: the device's Bluetooth address.
        options: how notifications come and when to reconnect.

    Raises:
        ConfigError: if bleak is not installed.
    """

    def __init__(self, address: str, options: BleOptions | None = None) -> None:
        try:
            import bleak
            from bleak.exc import BleakError
        except ImportError as error:
            raise ConfigError(
                f"link.ble: bleak is not installed; run  {sys.executable} -m pip install bleak"
            ) from error
        self.name = f"ble:{address}"
        self._address, self._options = address, options or BleOptions()
        self._connect, self._error = bleak.BleakClient, BleakError
        self._arrived: deque[LinkBytes] = deque()
        self._client: Any = None
        self._connecting: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self._is_open, self._reason = False, "not yet connected"
        self._opened = self._received = self._dropped = 0

    def fileno(self) -> int | None:
        """None: bleak has no descriptor to wait for."""
        return None

    def receive(self) -> list[LinkBytes]:
        """Notifications since the last call."""
        pieces = list(self._arrived)
        self._arrived.clear()
        return pieces

    @property
    def is_drained(self) -> bool:
        """Always: what is read now counts as having arrived now."""
        return True

    def tend(self, now_ns: int) -> list[LinkBytes]:
        """Begin to connect, at the first call; give what arrived."""
        del now_ns
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._stay_connected(), name=self.name)
        return self.receive()

    def send(self, content: bytes, peer: str = "") -> bool:
        """Write a command without waiting for the device to say that it has it."""
        del peer
        if not self._is_open:
            return False
        task = asyncio.get_running_loop().create_task(self._write(self._client, content))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return True

    @property
    def state(self) -> TransportState:
        """How the connection is now."""
        return TransportState(self._is_open, self._reason, self._opened, self._received, self._dropped)

    def close(self) -> None:
        """End the connection; the loop must still turn once for the device to be disconnected."""
        if self._connecting is not None:
            self._connecting.cancel()

    async def _stay_connected(self) -> None:
        """Connect, and connect again, until cancelled."""
        attempts = 0
        while True:
            opened = self._opened
            try:
                await self._serve_connection()
            except (self._error, OSError, TimeoutError, asyncio.TimeoutError, EOFError) as error:
                self._reason = str(error) or type(error).__name__
            if self._is_open:
                self._arrived.append(self._piece(b""))
            self._is_open = False
            attempts = 1 if self._opened > opened else attempts + 1
            logger.warning('link=%s closed reason="%s" attempt=%d', self.name, self._reason, attempts)
            await asyncio.sleep(self._options.retry_s[min(attempts, len(self._options.retry_s)) - 1])

    async def _serve_connection(self) -> None:
        """One connection, from its begin to its end."""
        gone = asyncio.Event()
        client = self._client = self._connect(
            self._address, lambda _: gone.set(), services=[SERVICE], timeout=CONNECT_S, backend=self._options.backend
        )
        try:
            await asyncio.wait_for(client.connect(), CONNECT_S)
            await client.start_notify(
                FROM_DEVICE,
                lambda _, content: self._on_notification(bytes(content)),
                bluez={"use_start_notify": self._options.notify == "start"},
            )
            self._is_open, self._reason = True, ""
            self._opened += 1
            self._arrived.append(self._piece(b""))
            logger.info("link=%s connected mtu=%d", self.name, client.mtu_size)
            await gone.wait()
            self._reason = "connection lost"
        finally:
            await asyncio.shield(self._disconnect(client))

    async def _disconnect(self, client: Any) -> None:
        try:
            await asyncio.wait_for(client.disconnect(), STOP_S)
        except (self._error, OSError, TimeoutError, asyncio.TimeoutError, EOFError) as error:
            logger.debug("link=%s disconnect reason=%s", self.name, error)

    async def _write(self, client: Any, content: bytes) -> None:
        try:
            await client.write_gatt_char(TO_DEVICE, content, response=False)
        except (self._error, OSError, EOFError) as error:
            logger.warning('link=%s command not written reason="%s"', self.name, error)

    def _on_notification(self, content: bytes) -> None:
        self._received += len(content)
        if len(self._arrived) >= MAX_PENDING:
            self._arrived.popleft()
            self._dropped += 1
        self._arrived.append(self._piece(content))

    def _piece(self, content: bytes) -> LinkBytes:
        return LinkBytes(time.monotonic_ns(), self.name, "", content)
