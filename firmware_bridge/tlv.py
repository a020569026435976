"""Payloads made of entries `u8 id, u8 length, value` (PROTOCOL.md, "Entries"), and the text of a log.

Not for samples (`wire`, `rice`). Rules: an unknown id is skipped; a value longer than known is read as far as known,
so that later versions may add at its end; a shorter one, one that runs over the end, or the second of what is there
once, makes the packet malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import Any

from edge.errors import WireError
from firmware_bridge.messages import (
    Battery,
    Clock,
    Command,
    Content,
    Counters,
    Hello,
    HelloRequest,
    Identify,
    Level,
    Log,
    Motion,
    Order,
    SetCodec,
    SetGain,
    Start,
    Stop,
    StreamInfo,
    Telemetry,
    Time,
    TimePing,
    Type,
)

MAX_TEXT = 32  # bytes of model, firmware and serial
MAX_LOG = 200  # bytes of a log's text: sealed, it fits one BLE notification
MAX_COMMAND = 92  # bytes of a command's payload, so that its body fits the 128 bytes that a device keeps for it
UNKNOWN = 255  # in u8 fields that may be unknown
UNKNOWN_SPL = -32768

_STREAM = struct.Struct("<BBBBIHhhBB")
_CLOCK = struct.Struct("<QI")
_BATTERY = struct.Struct("<HBB")
_MOTION = struct.Struct("<HH")
_COUNTERS = struct.Struct("<III")
_LEVEL = struct.Struct("<HH")
_U64 = struct.Struct("<Q")
_I16 = struct.Struct("<h")
_GAIN = struct.Struct("<Bh")


def entries(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and value of each entry, in order.

    Raises:
        WireError: if the payload ends in the middle of one.
    """
    at = 0
    while at < len(payload):
        if at + 2 > len(payload) or at + 2 + payload[at + 1] > len(payload):
            raise WireError("an entry runs over the end of its packet")
        stop = at + 2 + payload[at + 1]
        yield payload[at], payload[at + 2 : stop]
        at = stop


def read_hello(payload: bytes) -> Hello:
    """Hello of a payload; WireError if malformed, here and below."""
    found, streams = _gather(payload, (1, 2, 3, 4), repeated=5)
    protocol = found.get(1)
    return Hello(
        tuple(_stream(value) for value in streams),
        None if protocol is None else _byte_pair(protocol),
        *(printable(found.get(number, b"")[:MAX_TEXT]) for number in (2, 3, 4)),
    )


def read_telemetry(payload: bytes) -> Telemetry:
    """Telemetry of a payload."""
    found, _ = _gather(payload, range(1, 10))

    def get(number: int, read: Callable[[bytes], Any]) -> Any:
        return read(found[number]) if number in found else None

    return Telemetry(
        clock=get(1, _clock),
        battery=get(2, _battery),
        contact=get(3, _known),
        skin_celsius=get(4, lambda value: _unpack(_I16, value)[0] / 100),
        motion=get(5, lambda value: Motion(*_unpack(_MOTION, value))),
        counters=get(6, lambda value: Counters(*_unpack(_COUNTERS, value))),
        rssi_dbm=get(7, lambda value: (_byte(value) ^ 0x80) - 0x80),
        level=get(8, lambda value: Level(*_unpack(_LEVEL, value))),
        queue_percent=get(9, _byte),
    )


def read_log(payload: bytes) -> Log:
    """Log of a payload."""
    if not payload:
        raise WireError("a log without its severity")
    return Log(printable(payload[1 : 1 + MAX_LOG]), payload[0])


def read_time(payload: bytes) -> Time:
    """Time of a payload."""
    found, _ = _gather(payload, (1, 2))
    if len(found) != 2:
        raise WireError("a time without its token or its clock")
    return Time(_unpack(_U64, found[1])[0], _clock(found[2]))


def read_command(payload: bytes) -> Command:
    """Command of a payload, without the orders that are not known."""
    return Command(tuple(order for number, value in entries(payload) if (order := _order(number, value)) is not None))


READERS: dict[int, Callable[[bytes], Content]] = {
    Type.HELLO: read_hello,
    Type.TELEMETRY: read_telemetry,
    Type.LOG: read_log,
    Type.TIME: read_time,
    Type.COMMAND: read_command,
}


def printable(text: bytes) -> str:
    """Text that may be shown to a person: what a terminal would obey, and what is no UTF-8, becomes U+FFFD."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text.decode("utf-8", "replace"))


def write(content: Hello | Telemetry | Log | Time | Command) -> bytes:
    """Payload of a record.

    Raises:
        WireError: if a field is out of its range.
    """
    try:
        return _WRITERS[type(content)](content)
    except (struct.error, ValueError) as error:
        raise WireError(f"a field of {type(content).__name__} is out of its range: {error}") from None


def _write_hello(hello: Hello) -> bytes:
    texts = (hello.model, hello.firmware, hello.serial)
    return b"".join(
        (
            _entry(1, bytes(hello.protocol)) if hello.protocol else b"",
            *(_entry(number, _text(text, MAX_TEXT)) for number, text in enumerate(texts, 2) if text),
            *(_entry(5, _stream_value(stream)) for stream in hello.streams),
        )
    )


def _write_telemetry(telemetry: Telemetry) -> bytes:
    t = telemetry
    values: list[bytes | None] = [
        None if t.clock is None else _CLOCK.pack(t.clock.uptime_us, t.clock.sample_index),
        None if t.battery is None else _battery_value(t.battery),
        None if t.contact is None else bytes((t.contact,)),
        None if t.skin_celsius is None else _I16.pack(round(t.skin_celsius * 100)),
        None if t.motion is None else _MOTION.pack(t.motion.rms_mg, t.motion.peak_mg),
        None if t.counters is None else _COUNTERS.pack(*astuple(t.counters)),
        None if t.rssi_dbm is None else struct.pack("b", t.rssi_dbm),
        None if t.level is None else _LEVEL.pack(t.level.peak, t.level.clipped),
        None if t.queue_percent is None else bytes((t.queue_percent,)),
    ]
    return b"".join(_entry(number, value) for number, value in enumerate(values, 1) if value is not None)


def _write_log(log: Log) -> bytes:
    return bytes((log.severity,)) + _text(log.text, MAX_LOG)


def _write_time(time: Time) -> bytes:
    return _entry(1, _U64.pack(time.token)) + _entry(2, _CLOCK.pack(time.clock.uptime_us, time.clock.sample_index))


def _write_command(command: Command) -> bytes:
    payload = b"".join(_order_entry(order) for order in command.orders)
    if len(payload) > MAX_COMMAND:
        raise WireError(f"orders of {len(payload)} bytes in one command, at most {MAX_COMMAND} fit")
    return payload


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Hello: _write_hello,
    Telemetry: _write_telemetry,
    Log: _write_log,
    Time: _write_time,
    Command: _write_command,
}


def _order(number: int, value: bytes) -> Order | None:
    match number:
        case 1:
            return HelloRequest()
        case 2:
            return Start(_byte(value))
        case 3:
            return Stop(_byte(value))
        case 4:
            return SetCodec(*_byte_pair(value))
        case 5:
            stream, gain = _unpack(_GAIN, value)
            return SetGain(stream, gain / 10)
        case 6:
            return Identify(_byte(value))
        case 7:
            return TimePing(_unpack(_U64, value)[0])
    return None


def _order_entry(order: Order) -> bytes:
    match order:
        case HelloRequest():
            return _entry(1, b"")
        case Start(stream):
            return _entry(2, bytes((stream,)))
        case Stop(stream):
            return _entry(3, bytes((stream,)))
        case SetCodec(stream, codec):
            return _entry(4, bytes((stream, codec)))
        case SetGain(stream, gain_db):
            return _entry(5, _GAIN.pack(stream, round(gain_db * 10)))
        case Identify(seconds):
            return _entry(6, bytes((seconds,)))
        case TimePing(token):
            return _entry(7, _U64.pack(token))


def _gather(payload: bytes, once: range | tuple[int, ...], repeated: int = -1) -> tuple[dict[int, bytes], list[bytes]]:
    found: dict[int, bytes] = {}
    many: list[bytes] = []
    for number, value in entries(payload):
        if number == repeated:
            many.append(value)
        elif number in once:
            if number in found:
                raise WireError(f"entry {number} is there twice")
            found[number] = value
    return found, many


def _stream(value: bytes) -> StreamInfo:
    stream, kind, channels, codecs, rate_mhz, n_samples, gain, spl, site, _ = _unpack(_STREAM, value)
    if stream > 15 or not 1 <= channels <= 8 or not rate_mhz:
        raise WireError(f"stream {stream} of {channels} channels at {rate_mhz} mHz cannot be")
    loudest = None if spl == UNKNOWN_SPL else spl / 10
    return StreamInfo(stream, rate_mhz, kind, channels, codecs, n_samples, gain / 10, loudest, site)


def _stream_value(s: StreamInfo) -> bytes:
    spl = UNKNOWN_SPL if s.full_scale_db_spl is None else round(s.full_scale_db_spl * 10)
    gain = round(s.gain_db * 10)
    return _STREAM.pack(s.stream, s.kind, s.channels, s.codecs, s.rate_mhz, s.n_samples, gain, spl, s.site, 0)


def _clock(value: bytes) -> Clock:
    return Clock(*_unpack(_CLOCK, value))


def _battery(value: bytes) -> Battery:
    millivolts, percent, charging = _unpack(_BATTERY, value)
    return Battery(millivolts or None, None if percent == UNKNOWN else percent, charging)


def _battery_value(battery: Battery) -> bytes:
    percent = UNKNOWN if battery.percent is None else battery.percent
    return _BATTERY.pack(battery.millivolts or 0, percent, battery.charging)


def _known(value: bytes) -> int | None:
    number = _byte(value)
    return None if number == UNKNOWN else number


def _byte(value: bytes) -> int:
    if not value:
        raise WireError("an entry is shorter than its id asks for")
    return value[0]


def _byte_pair(value: bytes) -> tuple[int, int]:
    if len(value) < 2:
        raise WireError("an entry is shorter than its id asks for")
    return value[0], value[1]


def _unpack(layout: struct.Struct, value: bytes) -> tuple[Any, ...]:
    if len(value) < layout.size:
        raise WireError("an entry is shorter than its id asks for")
    return layout.unpack_from(value)


def _text(text: str, limit: int) -> bytes:
    written = text.encode()
    if len(written) > limit:
        raise WireError(f"text of {len(written)} bytes, at most {limit} fit")
    return written


def _entry(number: int, value: bytes) -> bytes:
    return bytes((number, len(value))) + value
