"""One packet, from bytes to records and back (PROTOCOL.md, "Body"): header, payload, seal, CRC-32.

Not for framing (`deframe`), not for trust (`auth` checks the seal before a packet is accepted) and not for
order or time (`assemble`, `clock`). Sans-IO. Invariants: `decode` raises `PacketError`, a `WireError`, and nothing
else, whatever the bytes; `decode(encode(p)) == p`.
"""

from __future__ import annotations

import struct
import zlib
from typing import Literal, NamedTuple

import numpy as np

from edge.errors import WireError
from firmware_bridge import payloads, rice
from firmware_bridge.messages import Codec, Command, Content, Hello, Log, Opaque, Samples, Telemetry, Time, Type

VERSION = 1
HEADER = struct.Struct("<BBHIIBBH")
SEAL = struct.Struct("<II8s")
CRC = struct.Struct("<I")
MAX_VALUES = 1024  # samples of all channels in a packet
MAX_CHANNELS = 8
MAX_PAYLOAD = 2 * MAX_VALUES
MIN_BODY = HEADER.size + CRC.size
MAX_BODY = HEADER.size + MAX_PAYLOAD + SEAL.size + CRC.size
SEALED = 0x80  # beside the codec: a seal follows the payload
MUST_UNDERSTAND = 0x70  # beside the codec: bits of later versions that change what the rest means

LOST_BEFORE = 0x10  # flags: samples were lost on the device just before this packet
CLIPPED = 0x20
NO_CONTACT = 0x40
LAST = 0x80  # the device ends the stream on purpose

Cause = Literal["length", "crc", "version", "content"]


class PacketError(WireError):
    """A body that is no packet; `cause` says which counter it belongs to."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause: Cause = cause


class Seal(NamedTuple):
    """Proof of origin and order; worth nothing until `auth` has checked it."""

    session: int
    """Number of the device's boot, 32 bits, never used before with the same key."""
    number: int
    """Number of the packet in the session, 32 bits, over all streams."""
    tag: bytes = bytes(8)
    """First 8 bytes of HMAC-SHA256 over all that comes before it."""


class Packet(NamedTuple):
    """One packet; everything but `content` comes from the header."""

    device_id: int
    """32 bits; 0 in a command is every device on the link."""
    content: Content
    stream: int = 0
    """0 to 15."""
    flags: int = 0
    """LOST_BEFORE | CLIPPED | NO_CONTACT | LAST."""
    seq: int = 0
    """16 bits, +1 per packet of the device's stream: for statistics of loss, never for placing."""
    sample_index: int = 0
    """32 bits: the first sample of the packet; without samples, the next to be captured."""
    boot: int = 0
    """8 bits, another after every boot and restart of a stream."""
    seal: Seal | None = None

    @property
    def type(self) -> int:
        """Kind of packet: a `Type`, or a later version's."""
        return self.content.type if isinstance(self.content, Opaque) else _TYPES[type(self.content)]

    @property
    def codec(self) -> int:
        """How samples are written: a `Codec`, or a later version's; 0 without samples."""
        return self.content.codec if isinstance(self.content, (Samples, Opaque)) else 0

    @property
    def n_samples(self) -> int:
        """Samples per channel, known even where the codec is not; 0 without samples."""
        if isinstance(self.content, Samples):
            return int(self.content.values.shape[1])
        return self.content.n_samples if isinstance(self.content, Opaque) else 0


_TYPES: dict[type[Content], Type] = {
    Samples: Type.SAMPLES,
    Hello: Type.HELLO,
    Telemetry: Type.TELEMETRY,
    Log: Type.LOG,
    Time: Type.TIME,
    Command: Type.COMMAND,
}


def decode(body: bytes) -> Packet:
    """Packet of one body, as COBS or a datagram delivered it.

    Raises:
        PacketError: for anything that is not a packet of this version.
    """
    check(body)
    return read(body)


def check(body: bytes) -> None:
    """Whether a body is whole and of this version, before anything in it is read.

    Raises:
        PacketError: if not.
    """
    if not MIN_BODY <= len(body) <= MAX_BODY:
        raise PacketError("length", f"body of {len(body)} bytes; a packet has {MIN_BODY} to {MAX_BODY}")
    if zlib.crc32(memoryview(body)[: -CRC.size]) != CRC.unpack_from(body, len(body) - CRC.size)[0]:
        raise PacketError("crc", "checksum does not fit the packet")
    # Behind the CRC: a bit that changed on the way is no device of another version.
    if body[0] >> 4 != VERSION or body[12] & MUST_UNDERSTAND:
        raise PacketError("version", f"protocol version {body[0] >> 4}, marks {body[12] >> 4:#x}; this is {VERSION}")
    seal = SEAL.size if body[12] & SEALED else 0
    if not 0 <= len(body) - MIN_BODY - seal <= MAX_PAYLOAD:
        raise PacketError("length", f"payload and seal of {len(body) - MIN_BODY} bytes")


def seal_of(body: bytes) -> Seal | None:
    """Seal of a body that `check` let pass."""
    return Seal(*SEAL.unpack_from(body, len(body) - CRC.size - SEAL.size)) if body[12] & SEALED else None


def device_of(body: bytes) -> int:
    """Device id of a body that `check` let pass."""
    return int.from_bytes(body[4:8], "little")


def read(body: bytes) -> Packet:
    """Packet of a body that `check` let pass.

    Raises:
        PacketError: if its content breaks the rules.
    """
    first, second, seq, device_id, index, third, boot, n_samples = HEADER.unpack_from(body)
    seal = seal_of(body)
    end = len(body) - CRC.size - (SEAL.size if seal else 0)
    try:
        content = _content(first & 15, third & 15, n_samples, body[HEADER.size : end])
    except PacketError:
        raise
    except WireError as error:
        raise PacketError("content", str(error)) from None
    return Packet(device_id, content, second & 0x0F, second & 0xF0, seq, index, boot, seal)


def encode(packet: Packet) -> bytes:
    """Body of a packet, CRC included; the inverse of `decode`. The seal's tag is written as it is (`auth` makes it).

    Raises:
        WireError: if a field is out of its range.
    """
    codec, n_samples, payload = _payload(packet.content)
    third = codec | (SEALED if packet.seal else 0)
    first = VERSION << 4 | packet.type
    if not (0 <= packet.stream <= 15 and packet.flags & ~0xF0 == 0 and len(payload) <= MAX_PAYLOAD):
        raise WireError(
            f"stream {packet.stream}, flags {packet.flags:#x}, payload of {len(payload)} bytes: cannot be sent"
        )
    try:
        head = HEADER.pack(
            first,
            packet.flags | packet.stream,
            packet.seq,
            packet.device_id,
            packet.sample_index,
            third,
            packet.boot,
            n_samples,
        )
        seal = SEAL.pack(*packet.seal) if packet.seal else b""
    except struct.error as error:
        raise WireError(f"a field of the packet is out of its range: {error}") from None
    return with_crc(head + payload + seal)


def with_crc(unfinished: bytes) -> bytes:
    """Body that begins with these bytes."""
    return unfinished + CRC.pack(zlib.crc32(unfinished))


def _content(kind: int, codec: int, n_samples: int, payload: bytes) -> Content:
    if kind == Type.SAMPLES:
        return _samples(codec, n_samples, payload)
    reader = payloads.READERS.get(kind)
    return reader(payload) if reader else Opaque(kind, codec, n_samples, payload)


def _samples(codec: int, n_samples: int, payload: bytes) -> Samples | Opaque:
    if not 1 <= n_samples <= MAX_VALUES:
        raise PacketError("content", f"{n_samples} samples; a packet has 1 to {MAX_VALUES}")
    if codec == Codec.RICE:
        return Samples(rice.decode(payload, n_samples, min(MAX_CHANNELS, MAX_VALUES // n_samples)), Codec.RICE)
    if codec != Codec.PCM:
        return Opaque(Type.SAMPLES, codec, n_samples, payload)
    channels, rest = divmod(len(payload), 2 * n_samples)
    if rest or not 1 <= channels <= MAX_CHANNELS:
        raise PacketError("content", f"{len(payload)} bytes for {n_samples} samples of 1 to {MAX_CHANNELS} channels")
    return Samples(np.frombuffer(payload, "<i2").reshape(n_samples, channels).T, Codec.PCM)


def _payload(content: Content) -> tuple[int, int, bytes]:
    """Codec, samples per channel and bytes."""
    if isinstance(content, Opaque):
        return content.codec, content.n_samples, content.payload
    if not isinstance(content, Samples):
        return 0, 0, payloads.write(content)
    channels, n_samples = content.values.shape
    if not (1 <= channels <= MAX_CHANNELS and n_samples >= 1 and channels * n_samples <= MAX_VALUES):
        raise WireError(f"{channels} channels of {n_samples} samples do not fit a packet")
    if content.codec == Codec.RICE:
        smaller = rice.encode(content.values)
        if len(smaller) < 2 * content.values.size:
            return Codec.RICE, n_samples, smaller
    return Codec.PCM, n_samples, content.values.T.astype("<i2").tobytes()
