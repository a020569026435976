"""Packets out of whatever a link delivers: a byte stream cut anywhere, or datagrams.

Not for order, loss or time (`assemble`, `clock`). Sans-IO. Invariants: never raises on input; keeps no more than one
packet's bytes between calls; every byte and packet that is thrown away is counted. Any cut of a stream gives the same
packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge.errors import WireError
from firmware_bridge import cobs
from firmware_bridge.wire import MAX_BODY, MIN_BODY, Packet, PacketError, check, read

MAX_FRAME = cobs.longest(MAX_BODY)


class Authenticator(Protocol):
    """Tells whether a packet is authentic (`auth.SealAuthenticator`)."""

    def authenticates(self, body: bytes) -> bool:
        """Whether a body that passed `wire.check` comes from the device that it names; asked once for each."""


@dataclass(slots=True)
class FrameCounts:
    """Counts of what was received since the beginning, in frames or packets unless said otherwise."""

    packets: int = 0
    """Accepted."""
    skipped_bytes: int = 0
    """Bytes of frames that became no packet, delimiters apart."""
    cobs_errors: int = 0
    """Frames that are no COBS though they are long enough for a packet, or longer than one can be."""
    length_errors: int = 0
    """Frames and bodies shorter than a packet can be, and bodies longer."""
    crc_errors: int = 0
    unknown_versions: int = 0
    """Whole packets of a version, or with marks, that are not known here."""
    malformed: int = 0
    """Whole packets whose content breaks the rules: a fault of the device's firmware."""
    not_authenticated: int = 0
    """Whole packets that the authenticator refused."""


class Deframer:
    """Packets of one link.

    Args:
        authenticator: asked about each packet; without it all are accepted.
    """

    def __init__(self, authenticator: Authenticator | None = None) -> None:
        self.counts = FrameCounts()
        self._authenticator = authenticator
        self._tail = b""
        self._is_skipping = False  # the frame being received is too long: skip to its end

    def push(self, received: bytes) -> list[Packet]:
        """Packets that these bytes of a stream complete."""
        *frames, tail = (self._tail + received).split(b"\0")
        if self._is_skipping and frames:
            self.counts.skipped_bytes += len(frames.pop(0))
            self._is_skipping = False
        packets = [packet for frame in frames if frame and (packet := self._frame(frame)) is not None]
        if not self._is_skipping and len(tail) > MAX_FRAME:
            self._is_skipping = True
            self.counts.cobs_errors += 1
        if self._is_skipping:
            self.counts.skipped_bytes += len(tail)
            tail = b""
        self._tail = tail
        return packets

    def push_datagram(self, body: bytes) -> list[Packet]:
        """The packet of one datagram, if it is one."""
        packet = self._body(body)
        if packet is None:
            self.counts.skipped_bytes += len(body)
            return []
        return [packet]

    def reset(self) -> None:
        """Forget the beginning of a frame: the link was opened anew. The counts go on."""
        self.counts.skipped_bytes += len(self._tail)
        self._tail, self._is_skipping = b"", False

    def _frame(self, frame: bytes) -> Packet | None:
        if len(frame) <= MIN_BODY:  # noise is cheap: a hostile line brings tens of thousands of such frames a second
            self.counts.length_errors += 1
            self.counts.skipped_bytes += len(frame)
            return None
        packet = None
        try:
            if len(frame) > MAX_FRAME:
                raise WireError("frame longer than a packet can be")
            body = cobs.decode(frame)
        except WireError:
            self.counts.cobs_errors += 1
        else:
            packet = self._body(body)
        if packet is None:
            self.counts.skipped_bytes += len(frame)
        return packet

    def _body(self, body: bytes) -> Packet | None:
        try:
            check(body)
            if self._authenticator is not None and not self._authenticator.authenticates(body):
                self.counts.not_authenticated += 1
                return None
            packet = read(body)
        except PacketError as error:
            self._count(error)
            return None
        self.counts.packets += 1
        return packet

    def _count(self, error: PacketError) -> None:
        match error.cause:
            case "length":
                self.counts.length_errors += 1
            case "crc":
                self.counts.crc_errors += 1
            case "version":
                self.counts.unknown_versions += 1
            case "content":
                self.counts.malformed += 1
