"""Many streams in one call: each is what it would be alone, and a mistake takes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.features import Bank, FeatureSpec, FrontEnd
from tests.edge.features.test_frontend import FRONT_ENDS, block, every_front_end, frames_by_index, noise

SPEC = FeatureSpec(bands=10)


@every_front_end
@settings(deadline=None, max_examples=10)
@given(
    starts=st.lists(st.sampled_from([0, 33, 1000, 2**31 - 900, 2**32 - 900]), min_size=1, max_size=5),
    sizes=st.lists(st.integers(0, 2500), min_size=2, max_size=6),
    lost=st.integers(0, 9999),
)
def test_every_stream_is_what_it_would_be_alone(name: str, starts: list[int], sizes: list[int], lost: int) -> None:
    spec, streams = FRONT_ENDS[name], len(starts)
    bank, made = Bank(spec, streams), [[] for _ in starts]
    length = sum(sizes)
    sound = noise(streams * length).reshape(streams, length)
    valid = np.ones((streams, length), np.bool_)
    valid[:, lost % max(length, 1) : lost % max(length, 1) + 3] = False
    valid[1:] = True  # the first alone is masked
    done = 0
    batches = []
    for size in sizes:
        piece = (slice(None), slice(done, done + size))
        args = (np.array(starts) + done, np.ascontiguousarray(sound[piece]), np.ascontiguousarray(valid[piece]))
        batches.append(bank.push(*args))
        done += size
    for batch in [*batches, bank.flush()]:
        for b in range(streams):
            index = range(batch.start[b], batch.start[b] + batch.frames[b])
            rows = slice(batch.frames[b])
            made[b] += list(zip(index, batch.values[b, rows].copy(), batch.valid[b, rows], strict=True))
    for b, start in enumerate(starts):
        alone = FrontEnd(spec)
        pieces = alone.push(block(start, sound[b], list(np.flatnonzero(~valid[b])))) + alone.flush()
        index, values, heard = frames_by_index(pieces, spec.width)
        np.testing.assert_array_equal([t for t, _, _ in made[b]], index)
        np.testing.assert_array_equal([h for _, _, h in made[b]], heard)
        for found, expected in zip(made[b], values, strict=True):
            np.testing.assert_array_equal(found[1], expected)


def test_a_jump_of_one_stream_leaves_the_others_alone() -> None:
    bank, valid = Bank(SPEC, 2), np.ones((2, 1000), np.bool_)
    bank.push(np.array([0, 0]), noise(2000).reshape(2, 1000), valid)
    batch = bank.push(np.array([1000, 5000]), noise(2000, 1).reshape(2, 1000), valid)
    assert batch.start.tolist() == [7, 50]
    assert batch.frames.tolist() == [10, 7]


def test_an_overlap_of_one_stream_is_named_and_nothing_is_taken() -> None:
    bank, valid = Bank(SPEC, 3), np.ones((3, 1000), np.bool_)
    sound = noise(3000).reshape(3, 1000)
    bank.push(np.zeros(3, np.int64), sound, valid)
    with pytest.raises(
        ValueError, match="stream 1: block starts at sample 999, before the end of what was written, 1000"
    ):
        bank.push(np.array([1000, 999, 1000]), sound, valid)
    again = bank.push(np.array([1000, 1000, 1000]), sound, valid)
    other = Bank(SPEC, 3)
    other.push(np.zeros(3, np.int64), sound, valid)
    expected = other.push(np.full(3, 1000), sound, valid)
    assert again.frames.tolist() == expected.frames.tolist() == [10, 10, 10]
    np.testing.assert_array_equal(again.values[:, :10], expected.values[:, :10])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"starts": np.zeros(3, np.int64)}, "starts"),
        ({"starts": np.zeros(2, np.float64)}, "starts"),
        ({"samples": np.zeros((2, 500))}, "samples"),
        ({"samples": np.zeros((500, 2), np.float32).T}, "samples"),
        ({"valid": np.ones((2, 499), np.bool_)}, "valid"),
        ({"valid": np.ones((2, 500), np.int8)}, "valid"),
    ],
)
def test_arrays_of_another_kind_are_refused_by_name(change: dict[str, np.ndarray], named: str) -> None:
    given = {
        "starts": np.zeros(2, np.int64),
        "samples": np.zeros((2, 500), np.float32),
        "valid": np.ones((2, 500), np.bool_),
    } | change
    with pytest.raises(ValueError, match=f"^{named}: expected contiguous"):
        Bank(SPEC, 2).push(**given)


def test_a_batch_without_room_is_refused() -> None:
    bank = Bank(SPEC, 2)
    with pytest.raises(ValueError, match=r"batch.values: expected writeable contiguous float32 \(2, 11, 10\)"):
        bank.feed(np.zeros(2, np.int64), np.zeros((2, 1000), np.float32), np.ones((2, 1000), np.bool_), bank.empty(100))


def test_reset_lets_one_stream_start_anew() -> None:
    bank, valid = Bank(SPEC, 2), np.ones((2, 1000), np.bool_)
    sound = noise(2000).reshape(2, 1000)
    first = bank.push(np.array([5000, 5000]), sound, valid)
    bank.reset(1)
    batch = bank.push(np.array([6000, 5000]), sound, valid)
    np.testing.assert_array_equal(batch.values[1, : batch.frames[1]], first.values[1, : first.frames[1]])


def test_a_stream_whose_frames_wait_must_be_flushed_before_it_jumps() -> None:
    spec, valid = FRONT_ENDS["morlet"], np.ones((2, 8000), np.bool_)
    bank, sound = Bank(spec, 2), noise(16000).reshape(2, 8000)
    first = bank.push(np.array([0, 50]), sound, valid)
    with pytest.raises(ValueError, match="stream 1 jumps from sample 8050 to 20000: flush it first"):
        bank.push(np.array([8000, 20000]), sound, valid)
    waited = bank.flush(1)
    assert waited.frames[0] == 0
    assert waited.start[1] == first.start[1] + first.frames[1]
    alone = FrontEnd(spec)
    expected = frames_by_index(alone.push(block(50, sound[1])) + alone.flush(), spec.width)
    np.testing.assert_array_equal(waited.values[1, : waited.frames[1]], expected[1][first.frames[1] :])
    second = bank.push(np.array([8000, 20000]), sound, valid)
    assert second.start[0] == first.start[0] + first.frames[0]
    assert second.start[1] == 20000 // spec.hop_samples + 7


def test_a_bank_without_streams_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more, found 0"):
        Bank(SPEC, 0)


def test_a_batch_that_may_not_be_written_is_refused() -> None:
    bank = Bank(SPEC, 2)
    batch = bank.empty(500)
    batch.values.flags.writeable = False
    with pytest.raises(ValueError, match=r"batch.values: expected writeable"):
        bank.feed(np.zeros(2, np.int64), np.zeros((2, 500), np.float32), np.ones((2, 500), np.bool_), batch)
