"""Clock model: arrivals of links as they are become times of samples, within bounds that are stated."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_bridge.clock import ClockModel, ClockState
from tests.benchmarks.clocks import LINKS, found_s

N = 160
BOOT_NS = 7 * 10**15  # the monotonic clock of a machine that has been up for months


def arrivals(
    link: str, rate_hz: float, seconds: float, seed: int, n: int = N
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """When packets arrive that hold n samples each: index one past each, seconds; links keep the order."""
    rng = np.random.default_rng(seed)
    stops = n * np.arange(1, int(seconds * rate_hz / n) + 1)
    taken_s = stops / rate_hz
    count = len(stops)
    if link == "usb":
        at_s = taken_s + rng.exponential(0.0005, count)
    elif link == "wifi":
        at_s = taken_s + rng.exponential(0.004, count) + (rng.random(count) < 0.01) * rng.exponential(0.15, count)
    else:  # ble: events every 30 ms, 5 % of them repeated
        phase = rng.random() * 0.03
        at_s = np.ceil((taken_s - phase) / 0.03) * 0.03 + phase + 0.03 * (rng.random(count) < 0.05)
        at_s += rng.exponential(0.0003, count)
    return stops, np.maximum.accumulate(at_s)


def run(
    clock: ClockModel, rate_hz: float, stops: NDArray[np.int64], at_s: NDArray[np.float64], crystal_ppm: float = 0.0
) -> list[tuple[float, ClockState]]:
    """Feed a clock; its state each second. Telemetry comes once a second, by a crystal that is `crystal_ppm` fast."""
    states, tell_s = [], float(np.ceil(at_s[0]))
    for stop, arrival_s in zip(stops.tolist(), at_s.tolist(), strict=True):
        clock.observe(stop, BOOT_NS + round(arrival_s * 1e9))
        if arrival_s >= tell_s:
            index = int(arrival_s * rate_hz)
            clock.pair(round(index / rate_hz * (1 + crystal_ppm * 1e-6) * 1e6), index)
            states.append((arrival_s, clock.state))
            tell_s += 1.0
    return states


@pytest.mark.parametrize("link", ["usb", "wifi", "ble"])
@pytest.mark.parametrize(("ppm", "crystal_ppm"), [(-100.0, 60.0), (100.0, -60.0)])
def test_an_hour_of_100_ppm_is_told_within_20_ms(link: str, ppm: float, crystal_ppm: float) -> None:
    rate_hz = 8000 * (1 + ppm * 1e-6)
    stops, at_s = arrivals(link, rate_hz, 3600.0, seed=11, n=800)
    clock, worst_s = ClockModel(8000.0, is_paired=link == "ble"), 0.0
    for k in range(0, len(stops), 100):  # every 10 s, after the first ten
        run(clock, rate_hz, stops[k : k + 100], at_s[k : k + 100], crystal_ppm)
        event = int(stops[min(k + 99, len(stops) - 1)]) - 24_000  # 3 s before the newest sample
        if k:
            worst_s = max(worst_s, abs((clock.time_ns(event) - BOOT_NS) / 1e9 - event / rate_hz))
    assert worst_s < 0.020
    if link != "ble":
        assert worst_s < 0.001
        assert clock.state.ppm == pytest.approx(ppm, abs=0.05)


@pytest.mark.parametrize("link", ["usb", "wifi", "ble"])
@pytest.mark.parametrize(("declared_hz", "real_hz"), [(16239.0, 16129.0), (15284.0, 15384.0), (48000.0, 48828.0)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_wrong_nominal_rate_is_found_within_12_s(link: str, declared_hz: float, real_hz: float, seed: int) -> None:
    clock = ClockModel(declared_hz, is_paired=link == "ble")
    states = run(clock, real_hz, *arrivals(link, real_hz, 12.0, seed))
    soonest_s = 0.05 / abs(real_hz / declared_hz - 1)
    assert not any(state.is_wrong for at_s, state in states if at_s < soonest_s - 0.5)
    last = states[-1][1]
    assert last.is_wrong
    assert last.is_correctable
    assert last.rate_hz == pytest.approx(real_hz, rel=500e-6)


@pytest.mark.parametrize("link", ["usb", "wifi", "ble"])
@pytest.mark.parametrize("real_hz", [1000.0, 7400.0, 8600.0, 16_000.0, 48_000.0])
def test_a_rate_that_is_grossly_wrong_is_known_within_a_second_and_never_corrected(link: str, real_hz: float) -> None:
    for seed in range(5):
        clock = ClockModel(8000.0)
        stops, at_s = arrivals(link, real_hz, 12.0, seed, n=round(real_hz / 50))
        run(clock, real_hz, stops[at_s < 1.1 + at_s[0]], at_s[at_s < 1.1 + at_s[0]])
        assert clock.state.is_wrong
        assert clock.state.rate_hz == pytest.approx(real_hz, rel=0.05)
        run(clock, real_hz, stops[at_s >= 1.1 + at_s[0]], at_s[at_s >= 1.1 + at_s[0]])
        assert clock.state.is_wrong
        assert not clock.state.is_correctable


@pytest.mark.parametrize("link", [link for link in LINKS if link != "busy"])
@pytest.mark.parametrize("seed", range(6))
def test_delays_that_change_by_steps_are_no_wrong_rate(link: str, seed: int) -> None:
    assert list(found_s(link, (-100.0, 100.0)[seed % 2], 120.0, seed)) == []


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("ppm", "within_s"), [(1000.0, 300.0), (5000.0, 60.0), (17_000.0, 15.0), (60_000.0, 10.0)])
def test_a_drift_is_found_though_delays_change_by_steps(link: str, ppm: float, within_s: float) -> None:
    for seed in range(4):
        assert next(found_s(link, ppm if seed % 2 else -ppm, within_s, seed), None) is not None


@pytest.mark.parametrize("link", ["usb", "wifi", "ble"])
@pytest.mark.parametrize("seed", range(8))
def test_a_rate_within_its_tolerance_is_never_called_wrong(link: str, seed: int) -> None:
    rate_hz = 8000 * (1 + (100 if seed % 2 else -100) * 1e-6)
    clock = ClockModel(8000.0, is_paired=link == "ble")
    states = run(clock, rate_hz, *arrivals(link, rate_hz, 90.0, seed), crystal_ppm=-50.0)
    assert not any(state.is_wrong for _, state in states)
    assert states[-1][1].is_sure


def test_arrivals_over_ble_alone_may_be_far_off_at_first_but_then_are_not_sure() -> None:
    farthest = 0.0
    for seed in range(10):
        clock = ClockModel(8000.0)
        stops, at_s = arrivals("ble", 8000.64, 60.0, seed)
        for stop, arrival_s in zip(stops.tolist(), at_s.tolist(), strict=True):
            clock.observe(stop, round(arrival_s * 1e9))
            if stop % 16_000 == 0:
                farthest = max(farthest, abs(clock.state.ppm))
                assert not clock.state.is_wrong
    assert farthest > 500  # or the test says nothing


def test_a_stalled_link_does_not_move_the_line() -> None:
    stops, at_s = arrivals("wifi", 8000.0, 120.0, seed=5)
    at_s = np.maximum.accumulate(np.where((at_s > 60) & (at_s < 64), 64.0, at_s))
    clock = ClockModel(8000.0)
    run(clock, 8000.0, stops, at_s)
    assert abs(clock.state.ppm) < 1
    assert clock.time_ns(800_000) - BOOT_NS == pytest.approx(100e9, abs=1e6)


def test_before_anything_is_measured_the_declared_rate_holds_from_the_quickest_packet_on() -> None:
    clock = ClockModel(8000.0)
    for stop, late_ms in ((160, 9), (320, 2), (480, 5)):
        clock.observe(stop, stop * 125_000 + late_ms * 1_000_000)
    assert clock.time_ns(480) == 480 * 125_000 + 2_000_000
    assert clock.state.rate_hz == 8000.0
    assert not clock.state.is_sure


def test_one_packet_sent_again_and_again_is_no_clock() -> None:
    clock = ClockModel(8000.0)
    for k in range(1, 20):
        clock.observe(16_000, k * 2 * 10**9)
    assert clock.state.rate_hz == 8000.0
    assert clock.time_ns(16_000) == 2 * 10**9


@pytest.mark.parametrize("base", [2**31 - 80_000, 2**32 - 80_000, 2**40])
def test_a_count_far_from_zero_is_as_exact(base: int) -> None:
    near, far = ClockModel(8000.0), ClockModel(8000.0)
    stops, at_s = arrivals("usb", 8000.4, 60.0, seed=2)
    for stop, arrival_s in zip(stops.tolist(), at_s.tolist(), strict=True):
        near.observe(stop, round(arrival_s * 1e9))
        far.observe(base + stop, round(arrival_s * 1e9))
    assert far.state.ppm == near.state.ppm
    assert far.time_ns(base + 400_000) == near.time_ns(400_000)


@pytest.mark.parametrize("scale", [-1.0, 0.0, 1e-3, 1e6])
def test_an_uptime_that_is_no_microseconds_moves_no_time(scale: float) -> None:
    clock = ClockModel(8000.0, is_paired=True)
    for k in range(1, 3000):
        clock.observe(k * N, k * 20_000_000)
        if k % 50 == 0:
            clock.pair(k * 20_000, round(k * N * scale))
    assert clock.time_ns(100 * N) == pytest.approx(100 * 20_000_000, abs=1e6)
    assert not clock.state.is_wrong


def test_a_new_epoch_knows_nothing_of_the_old_one() -> None:
    clock = ClockModel(8000.0)
    run(clock, 8063.0, *arrivals("usb", 8063.0, 20.0, seed=1))
    clock.reset()
    assert clock.state.ppm == 0.0
    run(clock, 8000.0, *arrivals("usb", 8000.0, 20.0, seed=1))
    assert abs(clock.state.ppm) < 5


def test_the_residual_is_how_good_the_times_are() -> None:
    residual = {}
    for link in ("usb", "wifi"):
        clock = ClockModel(8000.0)
        run(clock, 8000.0, *arrivals(link, 8000.0, 60.0, seed=3))
        residual[link] = clock.state.residual_ms
    assert 0 < residual["usb"] < residual["wifi"] < 1


def test_an_hour_takes_no_more_memory_than_ten_minutes() -> None:
    clock = ClockModel(8000.0, is_paired=True)
    tracemalloc.start()
    sizes = []
    for second in range(1, 3600):
        clock.observe(second * 8000, second * 10**9)
        clock.pair(second * 10**6, second * 8000)
        if second in (700, 3599):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] < sizes[0] + 10_000
