"""The lossless codec: it is lossless, it is small, and no bytes make it say what was not sent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.errors import WireError
from firmware_bridge import rice

EDGES = st.sampled_from((-32768, -32767, -1, 0, 1, 32767))
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 200))
SOUNDS = st.one_of(
    hnp.arrays(np.int16, SHAPES),
    hnp.arrays(np.int16, SHAPES, elements=EDGES),
    hnp.arrays(np.int16, SHAPES, elements=st.integers(-9, 9)),
)


@settings(deadline=None, max_examples=300)
@given(SOUNDS)
@example(np.full((1, 1), -32768, np.int16))
@example(np.zeros((2, 1024), np.int16))
def test_what_goes_in_comes_out(x: np.ndarray) -> None:
    np.testing.assert_array_equal(rice.decode(rice.encode(x), x.shape[1], 8), x)


@pytest.mark.parametrize("order", range(4))
def test_a_polynomial_costs_one_bit_per_sample(order: int) -> None:
    i = np.arange(160)
    x = (0 * i, 0 * i + 5, 3 * i, i * i)[order]
    payload = rice.encode(x.astype(np.int16)[None])
    assert payload[0] == order << 5
    assert len(payload) == 1 + 2 * order + 2 + 20


def test_noise_costs_little_more_than_its_entropy() -> None:
    sigma = 100
    x = np.random.default_rng(3).normal(0, sigma, (1, 1024)).astype(np.int16)
    bits = 8 * len(rice.encode(x)) / 1024
    entropy = np.log2(sigma * np.sqrt(2 * np.pi * np.e))
    assert entropy < bits < entropy + 0.15


@settings(deadline=None, max_examples=2000)
@given(st.binary(max_size=300), st.integers(1, 256), st.integers(1, 8))
def test_any_bytes_are_samples_or_a_wire_error(payload: bytes, n: int, channels: int) -> None:
    try:
        x = rice.decode(payload, n, channels)
    except WireError:
        return
    assert x.shape[1] == n
    assert 1 <= len(x) <= channels


@settings(deadline=None)
@given(SOUNDS, st.data())
def test_a_payload_that_is_cut_or_longer_is_refused(x: np.ndarray, data: st.DataObject) -> None:
    payload = rice.encode(x)
    missing = data.draw(st.integers(1, len(rice.encode(x[-1:])) - 1))
    with pytest.raises(WireError):
        rice.decode(payload[:-missing], x.shape[1], len(x))
    with pytest.raises(WireError):
        rice.decode(payload + b"\0", x.shape[1], len(x))


@pytest.mark.parametrize(
    ("payload", "n", "fault"),
    [
        ("", 1, "no block"),
        ("00", 1, "middle"),
        ("0001", 1, "middle"),
        ("000100", 1, "middle"),
        ("80 0100 01", 1, "order above 3"),
        ("10 0100 01 0000", 1, "k above 15"),
        ("60 0000 0000 0000", 2, "more first samples"),
        ("00 0100 03", 1, "unary plane"),  # a one in the padding
        ("00 0200 03", 1, "unary plane"),  # two ones for one sample
        ("00 0100 01", 2, "unary plane"),  # one one for two samples
        ("00 0200 01", 1, "unary plane"),  # a zero after the last one
        ("00 0100 00", 1, "unary plane"),  # no one
        ("01 0100 01 02", 1, "binary plane"),  # a one in the padding
        ("20 ff7f 0300 04", 2, "16 bits"),  # 32767 + 1
        ("20 0080 0200 02", 2, "16 bits"),  # -32768 - 1
        ("00 0100 01 00 0100 01", 1, "more channels"),
    ],
)
def test_every_broken_rule_is_named(payload: str, n: int, fault: str) -> None:
    with pytest.raises(WireError, match=fault):
        rice.decode(bytes.fromhex(payload), n, 1)


def test_the_smallest_blocks_are_read() -> None:
    assert rice.decode(bytes.fromhex("00 0100 01"), 1, 1).tolist() == [[0]]
    assert rice.decode(bytes.fromhex("20 ff7f 0000"), 1, 1).tolist() == [[32767]]
    assert rice.decode(bytes.fromhex("0f 0100 01 ff7f"), 1, 1).tolist() == [[-16384]]
