"""UDP: devices on the network send one packet per datagram to one address of this machine.

Not for the internet: anyone who reaches the address can send to it, so it is bound to one interface, never to all, and
keys show who sent a packet (`auth`). The socket is drained at each wake-up; its receive buffer is asked for and read
back, because the kernel silently gives less than it was asked for; what the kernel dropped it reports with the
next datagram (SO_RXQ_OVFL). The kernel also reports when a datagram arrived (SO_TIMESTAMPNS), so that a machine that
is busy for a while neither blurs the clock nor makes packets late that had come in time.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import struct
import time

from edge.errors import ConfigError, SourceError
from firmware_bridge.links import TransportState
from firmware_bridge.records import LinkBytes
from firmware_bridge.wire import MAX_BODY

BUFFER_BYTES = 4 << 20  # 10 s of 8 devices at 16 kHz with what the kernel adds to each datagram
DRAIN = 256  # datagrams at most, before others get their turn
SO_TIMESTAMPNS, SO_RXQ_OVFL = 35, 40  # Linux, not in `socket`
TIMESPEC = struct.Struct("@ll")
FIRST_WAIT_NS, LONGEST_WAIT_NS = 250_000_000, 8_000_000_000

logger = logging.getLogger(__name__)


class Udp:
    """One address that devices send to.

    Args:
        host: address of one interface, such as 192.168.7.1.
        port: 0 for any that is free.

    Raises:
        ConfigError: if `host` is not the address of one interface.
        SourceError: if the address is taken or not one of this machine.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise ConfigError(
                f"udp address {host!r}: expected the IP address of one interface; `ip address` shows them"
            ) from None
        if address.is_unspecified or address.is_multicast:
            raise ConfigError(
                f"udp address {host}: would be received on every interface; name the one that the devices are on, "
                "such as 192.168.7.1; `ip address` shows them"
            )
        self._socket = _bound_socket(host, port, socket.AF_INET6 if address.version == 6 else socket.AF_INET)
        self.port: int = self._socket.getsockname()[1]
        self.name = f"udp:[{host}]:{self.port}" if address.version == 6 else f"udp:{host}:{self.port}"
        self.buffer_bytes = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        """What the kernel gave of `BUFFER_BYTES`; it counts double, its own part with it."""
        if self.buffer_bytes < BUFFER_BYTES:
            logger.warning(
                "link=%s receive_buffer_bytes=%d asked=%d; to allow it: sysctl -w net.core.rmem_max=%d",
                self.name,
                self.buffer_bytes,
                BUFFER_BYTES,
                BUFFER_BYTES,
            )
        self._memory = bytearray(MAX_BODY + 1)
        self._peers: dict[tuple[str, int], str] = {}
        self._bytes = self._dropped = self._newest_ns = 0
        self._reason = ""
        self.is_drained = True
        """Whether nothing older waits in the socket."""

    def fileno(self) -> int | None:
        """Descriptor of the socket; None once it is closed."""
        number = self._socket.fileno()
        return None if number < 0 else number

    def receive(self) -> list[LinkBytes]:
        """The datagrams that have arrived; one longer than any packet is cut, and refused by its checksum."""
        out: list[LinkBytes] = []
        memory = self._memory
        view = memoryview(memory)
        now_ns = time.monotonic_ns()
        wall_ns = time.time_ns() - now_ns
        self.is_drained = False
        for _ in range(DRAIN):
            try:
                count, extra, _flags, address = self._socket.recvmsg_into([memory], 128)
            except BlockingIOError:
                self.is_drained = True
                break
            except OSError as error:  # an earlier answer was refused by its receiver; the next call goes on
                self._reason = str(error.strerror)
                continue
            arrival_ns = now_ns
            for _level, kind, content in extra:
                if kind == SO_RXQ_OVFL:
                    (self._dropped,) = struct.unpack("=I", content)
                elif kind == SO_TIMESTAMPNS:
                    seconds, rest_ns = TIMESPEC.unpack(content)
                    arrival_ns = seconds * 1_000_000_000 + rest_ns - wall_ns
            self._newest_ns = max(self._newest_ns, min(arrival_ns, now_ns))  # whatever a step of the wall clock did
            self._bytes += count
            out.append(LinkBytes(self._newest_ns, self.name, self._peer(address), bytes(view[:count])))
        return out

    def tend(self, now_ns: int) -> list[LinkBytes]:
        """Nothing to do: a socket outlives its interface."""
        return []

    def send(self, content: bytes, peer: str = "") -> bool:
        """Send one datagram to a peer, as `LinkBytes.peer` has it."""
        host, _, port = peer.rpartition(":")
        try:
            return self._socket.sendto(content, (host.strip("[]"), int(port))) == len(content)
        except (OSError, ValueError):
            return False

    @property
    def state(self) -> TransportState:
        """State of the socket now."""
        return TransportState(self._socket.fileno() >= 0, self._reason, 1, self._bytes, self._dropped)

    def close(self) -> None:
        """Release the address; may be called twice."""
        self._socket.close()

    def _peer(self, address: tuple[str, int]) -> str:
        """Name of a sender; remembered, because formatting costs as much as receiving."""
        known = self._peers.get(address)
        if known is None:
            if len(self._peers) >= 1024:
                self._peers.clear()
            host, port = address[0], address[1]
            known = self._peers[address] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return known


def _bound_socket(host: str, port: int, family: int) -> socket.socket:
    """A socket that does not wait, with a large buffer, and whose datagrams carry arrival time and drops."""
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        bound.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SourceError(
            f"udp address {host}:{port}: cannot be bound ({error.strerror}); is the interface up, "
            "and does no other program use the port?"
        ) from None
    return bound
