"""auslink.h as a shared library, built by gcc and called through ctypes: what a device would send and obey.

Only the standard library, because the sanitizers' process loads this too.
"""

from __future__ import annotations

import ctypes as c
import shutil
import subprocess
from array import array
from collections.abc import Sequence
from pathlib import Path

INCLUDE = Path(__file__).parents[2] / "firmware_bridge" / "include"
GCC = shutil.which("gcc")
STRICT = ("-std=c99", "-ffreestanding", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
STREAM, DATAGRAM = 0, 1
ROOM = 8192


class Link(c.Structure):
    _fields_ = [
        ("device_id", c.c_uint32),
        ("mode", c.c_int),
        ("boot", c.c_uint8),
        ("seq", c.c_uint16 * 16),
        ("key", c.c_char_p),
        ("session", c.c_uint32),
        ("number", c.c_uint32),
        ("key_bytes", c.c_uint8),
    ]


class Samples(c.Structure):
    _fields_ = [
        ("values", c.POINTER(c.c_int16)),
        ("index", c.c_uint32),
        ("n", c.c_uint16),
        ("channels", c.c_uint8),
        ("codec", c.c_uint8),
        ("stream", c.c_uint8),
        ("flags", c.c_uint8),
    ]


class StreamInfo(c.Structure):
    _fields_ = [
        ("rate_mhz", c.c_uint32),
        ("n", c.c_uint16),
        ("gain", c.c_int16),
        ("full_scale_spl", c.c_int16),
        ("stream", c.c_uint8),
        ("kind", c.c_uint8),
        ("channels", c.c_uint8),
        ("codecs", c.c_uint8),
        ("site", c.c_uint8),
    ]


class Hello(c.Structure):
    _fields_ = [
        ("model", c.c_char_p),
        ("firmware", c.c_char_p),
        ("serial", c.c_char_p),
        ("streams", c.POINTER(StreamInfo)),
        ("n_streams", c.c_uint8),
    ]


class Telemetry(c.Structure):
    _fields_ = [
        ("uptime_us", c.c_uint64),
        ("clock_index", c.c_uint32),
        ("packets_sent", c.c_uint32),
        ("packets_dropped", c.c_uint32),
        ("overruns", c.c_uint32),
        ("has", c.c_uint16),
        ("battery_mv", c.c_uint16),
        ("motion_rms_mg", c.c_uint16),
        ("motion_peak_mg", c.c_uint16),
        ("peak", c.c_uint16),
        ("clipped", c.c_uint16),
        ("skin_centicelsius", c.c_int16),
        ("battery_percent", c.c_uint8),
        ("charging", c.c_uint8),
        ("contact", c.c_uint8),
        ("rssi_dbm", c.c_int8),
        ("queue_percent", c.c_uint8),
    ]


class Decoder(c.Structure):
    _fields_ = [
        ("body", c.c_uint8 * 128),
        ("size", c.c_uint16),
        ("at", c.c_uint16),
        ("end", c.c_uint16),
        ("left", c.c_uint8),
        ("zero", c.c_uint8),
        ("heard", c.c_uint8),
        ("session", c.c_uint32),
        ("number", c.c_uint32),
    ]


class Order(c.Structure):
    _fields_ = [
        ("token", c.c_uint64),
        ("gain", c.c_int16),
        ("order", c.c_uint8),
        ("stream", c.c_uint8),
        ("value", c.c_uint8),
    ]


def build(folder: Path, *options: str, include: Path = INCLUDE) -> Path:
    """Library with both extras, in a folder of its own."""
    source, library = folder / "auslink.c", folder / "libauslink.so"
    source.write_text('#define AUSLINK_IMPLEMENTATION\n#include "auslink.h"\n')
    extras = ("-DAUSLINK_RICE", "-DAUSLINK_SEAL", f"-I{include}", "-shared", "-fPIC")
    subprocess.run([GCC or "gcc", *STRICT, *extras, *options, str(source), "-o", str(library)], check=True)
    return library


def load(path: Path) -> c.CDLL:
    """Library of `build`, with its types."""
    library = c.CDLL(str(path))
    for name in ("samples", "hello", "telemetry", "log", "time"):
        getattr(library, f"auslink_{name}").restype = c.c_size_t
    return library


class Device:
    """One device: encoders that give bytes, and what it understands of a host's bytes."""

    def __init__(self, library: c.CDLL, device_id: int = 7, boot: int = 1, mode: int = DATAGRAM) -> None:
        self.shared, self.link, self.decoder, self.cap = library, Link(), Decoder(), ROOM
        library.auslink_init(c.byref(self.link), c.c_uint32(device_id), c.c_uint8(boot), c.c_int(mode))

    def seal(self, key: bytes, session: int) -> None:
        self._key = key  # the library keeps its address
        self.shared.auslink_seal(c.byref(self.link), c.c_char_p(key), c.c_uint8(len(key)), c.c_uint32(session))

    def _call(self, name: str, *arguments: object) -> bytes:
        out = (c.c_uint8 * max(self.cap, 1))()
        size = getattr(self.shared, name)(c.byref(self.link), out, c.c_size_t(self.cap), *arguments)
        assert size <= self.cap
        return bytes(out)[:size]

    def samples(self, values: Sequence[int], n: int, channels: int = 1, index: int = 0, **header: int) -> bytes:
        """Values interleaved; header: codec, stream, flags."""
        flat = array("h", values)
        if len(flat) != n * channels:
            raise ValueError("not so many values")
        memory = (c.c_int16 * len(flat)).from_buffer(flat)
        s = Samples(c.cast(memory, c.POINTER(c.c_int16)), index, n, channels, **header)
        return self._call("auslink_samples", c.byref(s))

    def hello(self, index: int, texts: Sequence[bytes | None], streams: Sequence[StreamInfo]) -> bytes:
        hello = Hello(*texts, (StreamInfo * max(len(streams), 1))(*streams), len(streams))
        return self._call("auslink_hello", c.c_uint32(index), c.byref(hello))

    def telemetry(self, stream: int, index: int, **fields: int) -> bytes:
        return self._call("auslink_telemetry", c.c_uint8(stream), c.c_uint32(index), c.byref(Telemetry(**fields)))

    def log(self, index: int, severity: int, text: bytes) -> bytes:
        return self._call("auslink_log", c.c_uint32(index), c.c_uint8(severity), c.c_char_p(text))

    def time(self, stream: int, index: int, token: int, uptime_us: int) -> bytes:
        return self._call(
            "auslink_time", c.c_uint8(stream), c.c_uint32(index), c.c_uint64(token), c.c_uint64(uptime_us)
        )

    def receive(self, stream: bytes) -> list[tuple[int, int, int, int, int]]:
        """Orders understood in a byte stream: order, stream, value, gain, token."""
        orders = []
        for byte in stream:
            if self.shared.auslink_receive(c.byref(self.decoder), c.byref(self.link), c.c_uint8(byte)):
                orders += self._orders()
        return orders

    def receive_datagram(self, body: bytes) -> list[tuple[int, int, int, int, int]]:
        """Orders understood in a datagram."""
        memory = (c.c_uint8 * max(len(body), 1)).from_buffer_copy(body or b"\0")
        receive = self.shared.auslink_receive_datagram
        received = receive(c.byref(self.decoder), c.byref(self.link), memory, c.c_size_t(len(body)))
        return self._orders() if received else []

    def _orders(self) -> list[tuple[int, int, int, int, int]]:
        orders, order = [], Order()
        while self.shared.auslink_next_order(c.byref(self.decoder), c.byref(order)):
            orders.append((order.order, order.stream, order.value, order.gain, order.token))
        return orders
