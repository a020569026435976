"""How many devices one core hears: a crowd of simulated ones on the loopback interface, for the benchmarks.

Not a test: it measures, and what it says depends on the machine. How long a packet takes to become a block is measured
from the line that the stream's clock lays under the quickest packets, so that the time a packet waits in the kernel
counts as well.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.types import Block
from firmware_bridge.links import serve
from firmware_bridge.links.udp import Udp
from firmware_bridge.messages import Codec, Samples
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import Chunk
from firmware_bridge.wire import Packet, decode, encode
from tests.firmware_bridge.simulating import Device, noise, write_wav

END_S = 0.3  # after the devices have ended
WARM_S = 2.0  # the clock needs a stretch, and Python its caches


@dataclass(frozen=True)
class Crowd:
    """What a run showed."""

    devices: int
    packets: int
    """Packets of samples that were sent."""
    lost: int
    """Packets that did not become valid sound, wherever they were lost."""
    p50_ms: float
    """Median time from packet to block, beyond the quickest."""
    p99_ms: float
    kernel_dropped: int
    """Of the lost: datagrams that the kernel threw away because the bridge did not get the processor in time."""
    cpu_share: float
    """Of one core, by the bridge, for decoding and everything after it."""


def hear_crowd(devices: int = 200, seconds: float = 10.0, rate_hz: int = 8000, codec: str = "rice") -> Crowd:
    """Hear so many devices for so long, in one thread, in real time.

    Args:
        devices: at most 256.
        seconds: above `WARM_S`.
        rate_hz: of each device.
        codec: `pcm` or `rice`.
    """
    decode(encode(Packet(1, Samples(noise(160).reshape(1, -1), Codec.RICE))))  # compiled code is loaded once
    link = Udp("127.0.0.1", 0)
    receiver = Receiver(Settings())
    given: list[tuple[int, int, int]] = []  # device, index one past the block, when

    def hear(chunks: list[Chunk]) -> None:
        for chunk in chunks:
            for device_id, _, _, item in receiver.feed(chunk):
                if isinstance(item, Block):
                    given.append((device_id, item.stop, time.monotonic_ns()))

    with tempfile.TemporaryDirectory() as folder:
        wav = write_wav(Path(folder) / "sound.wav", noise(10 * rate_hz), rate_hz)
        arguments = (
            "--udp",
            f"127.0.0.1:{link.port}",
            "--devices",
            devices,
            "--seconds",
            seconds,
            "--codec",
            codec,
            wav,
        )
        with Device(*arguments) as device:
            ended_s: list[float] = []

            def is_over() -> bool:
                if device.process.poll() is not None and not ended_s:
                    ended_s.append(time.monotonic())
                return bool(ended_s) and time.monotonic() > ended_s[0] + END_S

            before_s = time.thread_time()
            asyncio.run(serve([link], hear, lambda now_ns: [*receiver.tick(now_ns)] and None, is_over))
            busy_s = time.thread_time() - before_s
            tally = device.tally()
    heard = sum(one.streams[0].counts.samples - one.streams[0].counts.masked for one in receiver.report().devices)
    late_ms = _late_ms(receiver, given, rate_hz)
    return Crowd(
        devices=devices,
        packets=int(tally["sent"]) + int(tally["dropped"]),
        lost=round((tally["captured"] - heard) / (rate_hz // 50)),
        p50_ms=float(np.percentile(late_ms, 50)),
        p99_ms=float(np.percentile(late_ms, 99)),
        kernel_dropped=link.state.dropped,
        cpu_share=busy_s / seconds,
    )


def _late_ms(receiver: Receiver, given: list[tuple[int, int, int]], rate_hz: int) -> list[float]:
    """How far each block lies behind its clock's line."""
    late_ms = []
    for device_id, stop, at_ns in given:
        clock = receiver.clock(device_id, 0)
        if clock is not None and stop > WARM_S * rate_hz:
            late_ms.append((at_ns - clock.time_ns(stop)) / 1e6)
    return late_ms


if __name__ == "__main__":
    print(*(hear_crowd(devices) for devices in (8, 50, 200)), sep="\n")
