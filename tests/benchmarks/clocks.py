"""How soon the clock finds a wrong rate, and how often it finds one that is not there: simulated links, no waiting.

Not for the accuracy of times (`tests/firmware_bridge/test_clock.py` has its bounds). A run is the arrivals of one
device over a link of some kind; on all of them the least delay changes by steps of 10 ms at random moments, between 0
and 30 ms above that of the wire, because that is what routes, queues and connection intervals do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.clock import ClockModel

LINKS = ("usb", "wifi", "ble", "mixed", "stalled", "busy")
TRUE_PPM = 100.0  # what a crystal may be off
STEP_S, MOST_STEPS = 0.010, 3
RATE_HZ, N = 8000.0, 160


def arrivals(link: str, rate_hz: float, seconds: float, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Index one past each packet, and when it arrives in ns; links keep the order."""
    stops = N * np.arange(1, int(seconds * rate_hz / N) + 1)
    taken_s = stops / rate_hz
    at_s = taken_s + _delays(link, taken_s, rng) + _steps(taken_s, rng)
    return stops.tolist(), np.round(np.maximum.accumulate(at_s) * 1e9).astype(np.int64).tolist()


def _delays(link: str, taken_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    count = len(taken_s)
    if link == "usb":
        return rng.exponential(0.0005, count)
    if link == "ble":  # events every 30 ms, 5 % of them repeated
        phase = rng.random() * 0.03
        event_s = np.ceil((taken_s - phase) / 0.03) * 0.03 + phase + 0.03 * (rng.random(count) < 0.05)
        return event_s - taken_s + rng.exponential(0.0003, count)
    delay_s = rng.exponential(0.004, count) + (rng.random(count) < 0.01) * rng.exponential(0.15, count)
    if link == "mixed":  # any of them, the kind of jitter changing every few seconds
        scale = rng.choice([0.0003, 0.002, 0.008, 0.015], int(taken_s[-1] / 3) + 1)
        return rng.exponential(1.0, count) * scale[(taken_s / 3).astype(int)]
    if link == "busy":  # this machine or the device has no time: every packet is late, for seconds
        for begin_s in np.cumsum(rng.exponential(20.0, int(taken_s[-1] / 5) + 1)):
            late_s = rng.uniform(0.02, 0.15)
            delay_s += late_s * ((taken_s > begin_s) & (taken_s < begin_s + rng.uniform(0.3, 6.0)))
    if link == "stalled":  # nothing for a while, then all at once
        for begin_s in rng.uniform(0, taken_s[-1], 3):
            end_s = begin_s + rng.uniform(0.2, 3.0)
            delay_s = np.where((taken_s > begin_s) & (taken_s < end_s), end_s - taken_s, delay_s)
    return delay_s


def _steps(taken_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The least delay, which changes by steps."""
    level, out = int(rng.integers(MOST_STEPS + 1)), np.empty(len(taken_s))
    moments_s = np.cumsum(rng.exponential(rng.choice([2.0, 8.0, 30.0]), len(taken_s)))
    parts = np.searchsorted(taken_s, [0.0, *moments_s[moments_s < taken_s[-1]], np.inf])
    for first, last in pairwise(parts):
        out[first:last] = STEP_S * level
        level = int(np.clip(level + rng.choice([-1, 1]), 0, MOST_STEPS))
    return out


def found_s(link: str, ppm: float, seconds: float, seed: int) -> Iterator[float]:
    """Each moment, in seconds since the first packet, at which the clock calls the declared rate wrong."""
    clock = ClockModel(RATE_HZ)
    stops, at_ns = arrivals(link, RATE_HZ * (1 + ppm * 1e-6), seconds, np.random.default_rng(seed))
    for stop, arrival_ns in zip(stops, at_ns, strict=True):
        if clock.observe(stop, arrival_ns) and clock.state.is_wrong:
            yield (arrival_ns - at_ns[0]) / 1e9


def report(runs: int = 100) -> None:
    """Print both tables.

    Args:
        runs: of each link; half of them last 60 s, a third 240 s, a sixth 900 s.
    """
    print("clock, right rates (up to 100 ppm off), runs in which one is called wrong")
    for link in LINKS:
        false = 0
        for seed in range(runs):
            rng = np.random.default_rng(10_000 + seed)
            ppm, seconds = rng.uniform(-TRUE_PPM, TRUE_PPM), (60.0, 240.0, 60.0, 900.0, 60.0, 240.0)[seed % 6]
            false += next(found_s(link, ppm, seconds, seed), None) is not None
        print(f"  {link:8} {false} of {runs}")
    print("clock, wrong rates: seconds until it is known, median and longest")
    for size in (600.0, 1000.0, 2000.0, 5000.0, 17_000.0, 60_000.0, 1e6):
        line = f"  {size:9.0f} ppm "
        for link in LINKS:
            waits_s = []
            for seed in range(max(10, runs // 5)):
                ppm = size if seed % 2 or size >= 1e6 else -size
                waits_s.append(next(found_s(link, ppm, 400.0, seed), np.inf))
            line += f"  {link} {np.median(waits_s):6.1f} {max(waits_s):6.1f}"
        print(line)


def main() -> None:
    """`python -m tests.benchmarks.clocks [RUNS]`."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.clocks", description=report.__doc__.split("\n")[0]
    )
    parser.add_argument("runs", nargs="?", type=int, default=100, metavar="RUNS", help="runs of each link (100)")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error("RUNS: expected 1 or more")
    report(runs)


if __name__ == "__main__":
    main()
