"""Payloads of packets without samples, from bytes to records and back (PROTOCOL.md, "Hello" to "Command").

Not for samples (`wire`, `rice`). Unknown entries are skipped; `tlv` has the rules for the known.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
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
    Level,
    Log,
    Motion,
    StreamInfo,
    Telemetry,
    Time,
    Type,
)
from firmware_bridge.orders import read_command, write_command
from firmware_bridge.tlv import byte_pair, entry, first_byte, gather, unpack

MAX_TEXT = 32  # bytes of model, firmware and serial
MAX_LOG = 200  # bytes of a log's text: sealed, it fits one BLE notification
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


def read_hello(payload: bytes) -> Hello:
    """Hello of a payload; WireError if malformed, here and below."""
    found, values = gather(payload, (1, 2, 3, 4), repeated=5)
    protocol, streams = found.get(1), tuple(_stream(value) for value in values)
    if len({info.stream for info in streams}) < len(streams):  # the receiver would begin it anew at each hello
        raise WireError("a hello that says of one stream twice what it is")
    return Hello(
        streams,
        None if protocol is None else byte_pair(protocol),
        *(printable(found.get(number, b"")[:MAX_TEXT]) for number in (2, 3, 4)),
    )


def read_telemetry(payload: bytes) -> Telemetry:
    """Telemetry of a payload."""
    found, _ = gather(payload, range(1, 10))

    def get(number: int, read: Callable[[bytes], Any]) -> Any:
        return read(found[number]) if number in found else None

    return Telemetry(
        clock=get(1, _clock),
        battery=get(2, _battery),
        contact=get(3, _known),
        skin_celsius=get(4, lambda value: unpack(_I16, value)[0] / 100),
        motion=get(5, lambda value: Motion(*unpack(_MOTION, value))),
        counters=get(6, lambda value: Counters(*unpack(_COUNTERS, value))),
        rssi_dbm=get(7, lambda value: (first_byte(value) ^ 0x80) - 0x80),
        level=get(8, lambda value: Level(*unpack(_LEVEL, value))),
        queue_percent=get(9, first_byte),
    )


def read_log(payload: bytes) -> Log:
    """Log of a payload."""
    if not payload:
        raise WireError("a log without its severity")
    return Log(printable(payload[1 : 1 + MAX_LOG]), payload[0])


def read_time(payload: bytes) -> Time:
    """Time of a payload."""
    found, _ = gather(payload, (1, 2))
    if len(found) != 2:
        raise WireError("a time without its token or its clock")
    return Time(unpack(_U64, found[1])[0], _clock(found[2]))


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
            entry(1, bytes(hello.protocol)) if hello.protocol else b"",
            *(entry(number, _text(text, MAX_TEXT)) for number, text in enumerate(texts, 2) if text),
            *(entry(5, _stream_value(stream)) for stream in hello.streams),
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
    return b"".join(entry(number, value) for number, value in enumerate(values, 1) if value is not None)


def _write_log(log: Log) -> bytes:
    return bytes((log.severity,)) + _text(log.text, MAX_LOG)


def _write_time(time: Time) -> bytes:
    return entry(1, _U64.pack(time.token)) + entry(2, _CLOCK.pack(time.clock.uptime_us, time.clock.sample_index))


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Hello: _write_hello,
    Telemetry: _write_telemetry,
    Log: _write_log,
    Time: _write_time,
    Command: write_command,
}


def _stream(value: bytes) -> StreamInfo:
    stream, kind, channels, codecs, rate_mhz, n_samples, gain, spl, site, _ = unpack(_STREAM, value)
    if stream > 15 or not 1 <= channels <= 8 or not rate_mhz:
        raise WireError(f"stream {stream} of {channels} channels at {rate_mhz} mHz cannot be")
    loudest = None if spl == UNKNOWN_SPL else spl / 10
    return StreamInfo(stream, rate_mhz, kind, channels, codecs, n_samples, gain / 10, loudest, site)


def _stream_value(s: StreamInfo) -> bytes:
    spl = UNKNOWN_SPL if s.full_scale_db_spl is None else round(s.full_scale_db_spl * 10)
    gain = round(s.gain_db * 10)
    return _STREAM.pack(s.stream, s.kind, s.channels, s.codecs, s.rate_mhz, s.n_samples, gain, spl, s.site, 0)


def _clock(value: bytes) -> Clock:
    return Clock(*unpack(_CLOCK, value))


def _battery(value: bytes) -> Battery:
    millivolts, percent, charging = unpack(_BATTERY, value)
    return Battery(millivolts or None, percent if percent <= 100 else None, charging)


def _battery_value(battery: Battery) -> bytes:
    percent = UNKNOWN if battery.percent is None else battery.percent
    return _BATTERY.pack(battery.millivolts or 0, percent, battery.charging)


def _known(value: bytes) -> int | None:
    number = first_byte(value)
    return None if number == UNKNOWN else number


def _text(text: str, limit: int) -> bytes:
    written = text.encode()
    if len(written) > limit:
        raise WireError(f"text of {len(written)} bytes, at most {limit} fit")
    return written
