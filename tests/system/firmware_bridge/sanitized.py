"""auslink.h under AddressSanitizer and UndefinedBehaviorSanitizer: `python sanitized.py LIBRARY SEED ROUNDS`.

Not a test module: it runs in a process of its own that has the sanitizer's library loaded before anything else, with
memory from malloc, and imports the standard library alone. The sanitizer ends it at the first fault.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.firmware_bridge.auslink_c import DATAGRAM, STREAM, Device, StreamInfo, load

EDGES = (-32768, -1, 0, 1, 32767)


def sound(chance: random.Random, count: int) -> list[int]:
    """Values of one of four kinds: silence, quiet, any, extremes."""
    reach = chance.choice((0, 20, 32767, None))
    return [chance.choice(EDGES) if reach is None else chance.randint(-reach, reach) for _ in range(count)]


def main(library: str, seed: int, rounds: int) -> None:
    """Encoders with every shape and buffers of every size; decoders with noise."""
    chance, made = random.Random(seed), load(Path(library))
    for _ in range(rounds):
        device = Device(made, chance.getrandbits(32), chance.getrandbits(8), chance.choice((STREAM, DATAGRAM)))
        if chance.random() < 0.3:
            device.seal(chance.randbytes(chance.randint(16, 64)), chance.getrandbits(32))
        channels = chance.randint(1, 8)
        n = chance.randint(1, 1024 // channels)
        device.cap = chance.randint(1, 2 * n * channels + 60)
        header = {"codec": chance.randint(0, 3), "stream": chance.randint(0, 17), "flags": chance.getrandbits(8)}
        device.samples(sound(chance, n * channels), n, channels, chance.getrandbits(32), **header)
        device.hello(0, [b"x" * chance.randint(0, 40), None, b""], [StreamInfo()] * chance.randint(0, 17))
        device.telemetry(chance.randint(0, 16), 0, has=chance.getrandbits(16))
        device.log(0, 6, b"x" * chance.randint(0, 250))
        device.time(0, 0, chance.getrandbits(64), chance.getrandbits(64))
        noise = chance.randbytes(chance.randint(0, 300))
        device.receive(noise + b"\0")
        device.receive_datagram(noise)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
