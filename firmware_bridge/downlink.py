"""Commands to one device: numbered, sealed if it has a key, framed as its link needs them.

Not for which commands are due (`receive`), and never needed: a device works without receiving any.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge import cobs
from firmware_bridge.auth import seal
from firmware_bridge.messages import Command
from firmware_bridge.records import Outgoing, is_stream
from firmware_bridge.wire import Packet, Seal, encode


class Downlink:
    """The way to one device.

    Args:
        device_id: its id.
        key: its secret; None if it has none.
        wall_s: seconds since 1970; numbers sealed commands, so that they rise across restarts of this program.
    """

    def __init__(self, device_id: int, key: bytes | None, wall_s: Callable[[], float]) -> None:
        self.session: int | None = None
        """Of the device's last sealed packet; a sealed command must name it."""
        self._device_id, self._key, self._wall_s = device_id, key, wall_s
        self._sent = self._number = 0

    def command(self, command: Command, link: str, peer: str) -> list[Outgoing]:
        """The bytes of a command, framed for the link; none while the device's session is not known.

        Args:
            command: the orders.
            link: where it sent last, as in `LinkBytes`.
            peer: likewise.
        """
        packet = Packet(self._device_id, command, seq=self._sent & 0xFFFF)
        if self._key is not None:
            if self.session is None:
                return []
            self._number = max(self._number + 1, int(self._wall_s()))
            packet = packet._replace(seal=Seal(self.session, self._number))
        self._sent += 1
        body = encode(packet) if self._key is None else seal(packet, self._key)
        if is_stream(link):
            body = b"\0" + cobs.encode(body) + b"\0"
        return [Outgoing(link, peer, body)]
