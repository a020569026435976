"""Whatever comes over a link, in any order: indices only rise, and every jump is announced."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sources.block_queue import DeviceEpoch, StreamEnd
from edge.types import Block, Gap
from firmware_bridge.clock import ClockState
from tests.edge.sources.test_device_stream import block, count, output_of


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("block"), st.integers(1, 300)),
            st.tuples(st.just("gap"), st.integers(1, 9000)),
            st.tuples(st.just("skip"), st.integers(1, 300)),
            st.tuples(st.just("restart"), st.integers(0, 2**33)),
        ),
        max_size=40,
    ),
    st.sampled_from([8000, 4000, 16_000]),
)
def test_the_index_only_rises_and_every_jump_is_told(steps: list[tuple[str, int]], from_hz: int) -> None:
    items: list[Block | Gap | DeviceEpoch] = [count(rate_hz=from_hz)]
    at = 0
    for kind, size in steps:
        if kind == "block":
            items.append(block(at, size))
        elif kind == "gap":
            items.append(Gap(at, at + size, "packets lost"))
        elif kind == "restart":
            items.append(count(size, rate_hz=from_hz, cause="device restarted"))
        at = size if kind == "restart" else at + size
    _, out = output_of(*items)
    assert all(before.stop == after.start for before, after in pairwise(out))
    assert all(item.stop > item.start for item in out)
    restarts = [item for item in out if isinstance(item, Gap) and item.restart]
    assert len(restarts) == sum(kind == "restart" for kind, _ in steps)


@given(
    st.floats(1000, 200_000),
    st.sampled_from([4000, 8000, 16_000]),
    st.sampled_from(["resample", "refuse"]),
    st.lists(
        st.tuples(st.floats(0.01, 5e6), st.sampled_from([1.0, 8.0, 600.0]), st.booleans(), st.booleans()),
        min_size=1,
        max_size=4,
    ),
)
@settings(deadline=None, max_examples=60)
def test_whatever_a_clock_says_nothing_dies_and_every_jump_is_told(
    declared_hz: float,
    rate_hz: int,
    rate_error: Literal["resample", "refuse"],
    reported: list[tuple[float, float, bool, bool]],
) -> None:
    items: list[Block | Gap | DeviceEpoch | StreamEnd] = []
    for hz, span_s, is_sure, is_wrong in reported:
        ppm = (hz / declared_hz - 1) * 1e6
        clock = ClockState(hz, ppm, 0, 0.1, span_s, is_sure, is_wrong)
        items += [count(0, clock, declared_hz, "device restarted"), block(0), block(160), Gap(320, 999, "packets lost")]
        items += [block(999), StreamEnd()]
    _, out = output_of(*items, rate_hz=rate_hz, rate_error=rate_error)
    assert all(before.stop == after.start for before, after in pairwise(out))
