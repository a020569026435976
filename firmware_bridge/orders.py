"""Orders of the host in the payload of a command (PROTOCOL.md, "Command").

Not for sending them or for whom they are. Orders that are not known are skipped.
"""

from __future__ import annotations

import struct

from edge.errors import WireError
from firmware_bridge.messages import (
    Command,
    HelloRequest,
    Identify,
    Order,
    SetCodec,
    SetGain,
    Start,
    Stop,
    TimePing,
)
from firmware_bridge.tlv import byte_pair, entries, entry, first_byte, unpack

MAX_COMMAND = 92  # bytes of a command's payload, so that its body fits the 128 bytes that a device keeps for it

_GAIN = struct.Struct("<Bh")
_TOKEN = struct.Struct("<Q")


def read_command(payload: bytes) -> Command:
    """Command of a payload.

    Raises:
        WireError: if it is malformed.
    """
    return Command(tuple(order for number, value in entries(payload) if (order := _order(number, value)) is not None))


def write_command(command: Command) -> bytes:
    """Payload of a command.

    Raises:
        WireError: if its orders are too many for one packet.
        struct.error, ValueError: if a field is out of its range.
    """
    payload = b"".join(_order_entry(order) for order in command.orders)
    if len(payload) > MAX_COMMAND:
        raise WireError(f"orders of {len(payload)} bytes in one command, at most {MAX_COMMAND} fit")
    return payload


def _order(number: int, value: bytes) -> Order | None:
    match number:
        case 1:
            return HelloRequest()
        case 2:
            return Start(first_byte(value))
        case 3:
            return Stop(first_byte(value))
        case 4:
            return SetCodec(*byte_pair(value))
        case 5:
            stream, gain = unpack(_GAIN, value)
            return SetGain(stream, gain / 10)
        case 6:
            return Identify(first_byte(value))
        case 7:
            return TimePing(unpack(_TOKEN, value)[0])
    return None


def _order_entry(order: Order) -> bytes:
    match order:
        case HelloRequest():
            return entry(1, b"")
        case Start(stream):
            return entry(2, bytes((stream,)))
        case Stop(stream):
            return entry(3, bytes((stream,)))
        case SetCodec(stream, codec):
            return entry(4, bytes((stream, codec)))
        case SetGain(stream, gain_db):
            return entry(5, _GAIN.pack(stream, round(gain_db * 10)))
        case Identify(seconds):
            return entry(6, bytes((seconds,)))
        case TimePing(token):
            return entry(7, _TOKEN.pack(token))
