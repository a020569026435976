"""What the bytes of the link cost the host: one packet, and eight devices, in processor time of one core.

Not for links, assembly and clocks. The sound is noise through a low-pass, as loud as breath through a stethoscope.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from firmware_bridge import auth, cobs, rice
from firmware_bridge.deframe import Deframer
from firmware_bridge.messages import Codec, Samples
from firmware_bridge.wire import Packet, Seal, encode

ROUNDS, CALLS = 15, 400
DEVICES, PACKETS_PER_S = 8, 50
KEY = bytes(32)


def processor_us(run: Callable[[], object], calls: int = CALLS) -> float:
    """Median processor time of one call, microseconds; what other processes take does not count."""
    costs = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(calls):
            run()
        costs.append((time.thread_time() - started) / calls * 1e6)
    return statistics.median(costs)


def sound(n: int) -> NDArray[np.int16]:
    """(1, N) noise below an eighth of the rate, 100 LSB rms, on 4 LSB of white noise."""
    rng = np.random.default_rng(0)
    slow = np.convolve(rng.normal(0, 200, n + 7), np.full(8, 1 / 8), "valid") + rng.normal(0, 4, n)
    return slow.astype(np.int16)[None]


def report() -> None:
    """Print what a packet costs, by codec, and the share of a core that eight devices take."""
    deframer = Deframer()
    pcm = cobs.encode(encode(Packet(7, Samples(sound(320))))) + b"\0"
    lossless = cobs.encode(encode(Packet(7, Samples(sound(160), Codec.RICE)))) + b"\0"
    block = rice.encode(sound(160))
    sealed = [auth.seal(Packet(7, Samples(sound(320)), seal=Seal(1, i)), KEY) for i in range(CALLS)]

    def judged() -> None:
        guarded = Deframer(auth.SealAuthenticator({7: KEY}))
        for body in sealed:
            guarded.push_datagram(body)

    deframer.push(pcm + lossless)
    pcm_us, lossless_us = processor_us(lambda: deframer.push(pcm)), processor_us(lambda: deframer.push(lossless))
    share = DEVICES * PACKETS_PER_S * pcm_us / 1e6
    block_us, sealed_us = processor_us(lambda: rice.decode(block, 160, 1)), processor_us(judged, 1) / len(sealed)
    print(f"link: PCM packet of {len(pcm)} bytes {pcm_us:.1f} us; 8 devices at 16 kHz {100 * share:.2f} % of a core")
    print(f"link: Rice packet of {len(lossless)} bytes {lossless_us:.1f} us, of which its block {block_us:.1f} us")
    print(f"link: sealed PCM datagram of {len(sealed[0])} bytes {sealed_us:.1f} us")


if __name__ == "__main__":
    report()
