"""Packets of one known sound, and what an assembler made of them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from edge.types import Block, Gap
from firmware_bridge.assemble import NO_REORDERING, Assembler, ReorderWindow
from firmware_bridge.messages import Samples
from firmware_bridge.records import Epoch, Item
from firmware_bridge.wire import Packet

RATE_HZ = 8000
N = 160  # samples of a packet, 20 ms
PACKET_NS = 20_000_000
SOUND = np.random.default_rng(6).integers(-20000, 20000, 400 * N).astype(np.int16)


def packet(number: int, base: int = 0, boot: int = 1, flags: int = 0, n: int = N) -> Packet:
    """Packet `number` of SOUND, whose first sample has the counter `base`."""
    values = SOUND[number * N : number * N + n]
    index = (base + number * N) % 2**32
    return Packet(7, Samples(values.reshape(1, -1)), flags=flags, seq=number % 65536, sample_index=index, boot=boot)


def assemble(packets: list[Packet], window: ReorderWindow = NO_REORDERING) -> tuple[list[Item], Assembler]:
    """Everything that comes of packets that arrive 20 ms apart."""
    assembler = Assembler(RATE_HZ, window)
    out = [item for k, one in enumerate(packets) for item in assembler.push(one, k * PACKET_NS)]
    return out + assembler.flush(), assembler


def blocks(items: list[Item]) -> list[Block]:
    return [item for item in items if isinstance(item, Block)]


def check_sound(items: list[Item], base: int, received: set[int]) -> None:
    """Indices rise without a hole, valid is exactly what was received, and the valid samples are SOUND."""
    arrived = [item for item in items if not isinstance(item, Epoch)]
    for before, after in pairwise(arrived):
        assert after.start == before.stop
    for item in arrived:
        places = np.arange(item.start, item.stop) - base
        was_received = np.isin(places // N, list(received))
        if isinstance(item, Gap):
            assert not was_received.any()
            continue
        assert np.array_equal(item.valid, was_received)
        assert np.array_equal(item.samples[item.valid], SOUND[places[item.valid]] / np.float32(32768))
