"""The link as a whole, in one run: what framing costs beside other ways, 200 devices on one core, and the delay.

Not for single decoders (`packets`). Devices are processes of their own: the simulated one in C, and for the delay a
sender in Python that writes the time into its samples.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cobs.cobs
import numpy as np
import soundfile

from edge.errors import LaennecError
from edge.types import Block
from firmware_bridge import cobs as ours
from firmware_bridge.deframe import Deframer
from firmware_bridge.links import serve
from firmware_bridge.links.udp import Udp
from firmware_bridge.messages import Codec, Hello, Samples, StreamInfo
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Delivery, LinkBytes
from firmware_bridge.sim import build
from firmware_bridge.wire import Packet, encode
from tests.benchmarks.frontends import medians
from tests.benchmarks.packets import sound

HOST = "127.0.0.1"
CROWD, CROWD_S = 200, 20.0
FEW, FEW_S, N = 8, 10.0, 320


def bitwise_crc32(body: bytes) -> int:
    """CRC-32 bit by bit, as tutorials write it."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return ~crc & 0xFFFFFFFF


def framing() -> None:
    """One packet of 20 ms at 16 kHz PCM, from the byte stream to its record, and the same with others' parts."""
    body = encode(Packet(7, Samples(sound(N))))
    frame = ours.encode(body)
    deframer = Deframer()
    cost = medians(
        {
            "whole": lambda: deframer.push(frame + b"\0"),
            "ours": lambda: ours.decode(frame),
            "PyPI cobs": lambda: cobs.cobs.decode(frame),
            "zlib": lambda: zlib.crc32(body),
            "bitwise": lambda: bitwise_crc32(body),
        }
    )
    us = {name: 1e6 * seconds for name, seconds in cost.items()}
    print(f"link, one packet of {len(frame) + 1} bytes: {us['whole']:.1f} us from bytes to samples", end="; ")
    print(f"COBS {us['ours']:.2f} us (PyPI cobs {us['PyPI cobs'] / us['ours']:.1f} x)", end="; ")
    print(f"CRC {us['zlib']:.2f} us (bit by bit {us['bitwise'] / us['zlib']:.0f} x)")


def receiving(codec: Codec, rate_hz: int) -> None:
    """Eight devices from datagrams to blocks: framing, assembly, clock and all, as a share of one core."""
    n = rate_hz // 50
    samples = sound(n)
    receiver = Receiver(Settings())
    hello = Hello((StreamInfo(0, rate_hz * 1000),))
    for device in range(1, FEW + 1):
        receiver.feed(LinkBytes(1, "udp:x", "y", encode(Packet(device, hello, boot=1))))
    bodies = [
        encode(Packet(device, Samples(samples, codec), seq=k, sample_index=k * n, boot=1))
        for k in range(500)
        for device in range(1, FEW + 1)
    ]
    started = time.thread_time()
    for number, body in enumerate(bodies):
        receiver.feed(LinkBytes(1 + number // FEW * 20_000_000, "udp:x", "y", body))
    each_us = 1e6 * (time.thread_time() - started) / len(bodies)
    share = FEW * 50 * each_us / 1e6
    print(f"  8 devices at {rate_hz // 1000} kHz, {codec.name}: {each_us:.1f} us a packet to its block", end=", ")
    print(f"{100 * share:.2f} % of one core")


def listen(is_over: Callable[[], bool], link: Udp, feed_items: Callable[[Delivery], None]) -> tuple[Receiver, float]:
    """Read one link in a thread, as the bridge does; the receiver and the thread's processor time in seconds."""
    receiver, busy_s = Receiver(Settings()), [0.0]

    def take(pieces: list[LinkBytes]) -> None:
        for piece in pieces:
            for received in receiver.feed(piece):
                feed_items(received)

    def run() -> None:
        asyncio.run(serve([link], take, receiver.tick, is_over))
        busy_s[0] = time.thread_time()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return receiver, busy_s[0]


def crowd() -> None:
    """200 simulated devices at 8 kHz over loopback: what is lost, and what they cost."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "breath.wav"
        soundfile.write(recording, sound(8000 * 5)[0], 8000, subtype="PCM_16")
        try:
            program = build(Path(folder))
        except LaennecError as error:
            print(f"  {CROWD} devices: not measured: {error}")
            return
        link = Udp(HOST, 0)
        command = [program, "--udp", f"{HOST}:{link.port}", "--devices", CROWD, "--seconds", CROWD_S, recording]
        with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as device:
            assert device.stdout is not None
            device.stdout.readline()
            late_s = [0.0]

            def is_over() -> bool:
                if device.poll() is None:
                    late_s[0] = time.monotonic() + 0.3
                return time.monotonic() > late_s[0]

            receiver, busy_s = listen(is_over, link, lambda _: None)
            output = json.loads(device.stdout.readline())
    streams = [stream for device in receiver.report().devices for stream in device.streams]
    got, missing = sum(each.counts.packets for each in streams), sum(each.missing for each in streams)
    print(
        f"  {len(streams)} devices at 8 kHz over UDP on this machine: {got} packets of sound in {CROWD_S:g} s", end=", "
    )
    print(f"lost {missing} (device dropped {output['dropped']}, kernel {link.state.dropped})", end=", ")
    print(f"{100 * busy_s / CROWD_S:.0f} % of one core")


SENDER = """
import socket, struct, sys, time
import numpy as np
from firmware_bridge.messages import Hello, Samples, StreamInfo
from firmware_bridge.wire import Packet, encode
host, port, devices, seconds, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for device in range(1, devices + 1):
    out.sendto(encode(Packet(device, Hello((StreamInfo(0, n * 50_000),)), boot=1)), (host, port))
began = time.monotonic()
values = np.zeros((1, n), np.int16)
for k in range(round(seconds * 50)):
    for device in range(1, devices + 1):
        time.sleep(max(0.0, began + (k + device / devices) / 50 - time.monotonic()))
        values[0, :4] = struct.unpack("<4h", struct.pack("<q", time.monotonic_ns()))
        out.sendto(encode(Packet(device, Samples(values), seq=k, sample_index=k * n, boot=1)), (host, port))
"""


def delay() -> None:
    """From a packet's departure, in another process, to its block: the sender writes the time into its samples."""
    link, delays_ms = Udp(HOST, 0), []

    def feed_items(received: Delivery) -> None:
        if isinstance(received.item, Block):
            words = np.round(received.item.samples[:4] * 32768).astype("<i2")
            delays_ms.append((time.monotonic_ns() - int(words.view("<i8")[0])) / 1e6)

    arguments = [HOST, str(link.port), str(FEW), str(FEW_S), str(N)]
    with subprocess.Popen([sys.executable, "-c", SENDER, *arguments]) as sender:
        listen(lambda: sender.poll() is not None, link, feed_items)
    p50, p99, most = np.percentile(delays_ms, [50, 99, 100])
    print(f"  {FEW} devices at 16 kHz PCM, sent to block over UDP: {len(delays_ms)} packets", end=", ")
    print(f"median {p50:.2f} ms, p99 {p99:.2f} ms, most {most:.2f} ms")


def report() -> None:
    """Print everything."""
    framing()
    receiving(Codec.PCM, 16_000)
    receiving(Codec.RICE, 8000)
    crowd()
    delay()


if __name__ == "__main__":
    report()
