"""The resampler and the rate adapter: index-exact, any cut, gaps and masks."""

from __future__ import annotations

from itertools import pairwise
from math import ceil, gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sources.resample import REACH, RateAdapter, Resampler
from edge.types import Block, Gap

RATES_HZ = [4000, 6000, 7999, 11025, 16000, 22050, 44100, 48000, 96000, 192000]


def block(start: int, samples: np.ndarray, valid: np.ndarray | None = None) -> Block:
    """A block, all valid unless told otherwise."""
    return Block(start, samples.astype(np.float32), np.ones(len(samples), np.bool_) if valid is None else valid)


def joined(blocks: list[Block]) -> Block:
    """Consecutive blocks as one."""
    for before, after in pairwise(blocks):
        assert after.start == before.stop
    return Block(
        blocks[0].start, np.concatenate([b.samples for b in blocks]), np.concatenate([b.valid for b in blocks])
    )


def resampled(from_hz: int, one: Block) -> Block:
    """One block through a new resampler to 8 kHz."""
    resampler = Resampler(from_hz, 8000)
    return joined(resampler.push(one) + resampler.flush())


@pytest.mark.parametrize("from_hz", RATES_HZ)
def test_a_click_appears_at_the_time_at_which_it_was_heard(from_hz: int) -> None:
    samples = np.zeros(2 * from_hz, np.float32)
    step = from_hz // gcd(from_hz, 8000)
    click = max(1, (len(samples) // 2) // step) * step  # on the grid of both rates
    samples[click] = 1.0
    out = resampled(from_hz, block(0, samples))
    assert np.argmax(np.abs(out.samples)) == click * 8000 // from_hz
    time = np.arange(len(out.samples)) / 8000 - click / from_hz
    weight = out.samples.astype(np.float64) ** 2  # linear phase: its energy is as much before as after
    assert abs((time * weight).sum() / weight.sum()) < 1e-7  # s


@pytest.mark.parametrize("from_hz", RATES_HZ)
def test_a_tone_keeps_its_phase_and_height_wherever_the_stream_starts(from_hz: int) -> None:
    start = 2**31 - 12345
    tone = np.sin(2 * np.pi * 440 * (np.arange(from_hz) + start) / from_hz)
    out = resampled(from_hz, block(start, tone))
    middle = slice(1000, len(out.samples) - 1000)
    expected = np.sin(2 * np.pi * 440 * (np.arange(out.start, out.stop) / 8000))[middle]
    assert np.abs(out.samples[middle] - expected).max() < 1e-4  # 2e-5 comes from the float64 argument near 2^31
    assert out.valid.all()


def test_what_lies_above_the_new_nyquist_dies() -> None:
    tone = np.sin(2 * np.pi * 4500 * np.arange(48000) / 48000)
    assert np.abs(resampled(48000, block(0, tone)).samples[1000:-1000]).max() < 1e-5  # -100 dB


@pytest.mark.parametrize("from_hz", [*RATES_HZ, 8000])
@pytest.mark.parametrize("count", [1, 7, 1000, 4410])
def test_output_covers_exactly_the_time_of_the_input(from_hz: int, count: int) -> None:
    for start in (0, 1, 441, 2**32 - 3):
        resampler = Resampler(from_hz, 8000)
        out = resampler.push(block(start, np.ones(count))) + resampler.flush()
        expected = range(-(-start * 8000 // from_hz), -(-(start + count) * 8000 // from_hz))
        assert [k for b in out for k in range(b.start, b.stop)] == list(expected)


@settings(max_examples=60, deadline=None)
@given(
    from_hz=st.sampled_from(RATES_HZ),
    start=st.sampled_from([0, 5, 2**31 - 1000, 2**32 - 1000]),
    cuts=st.lists(st.integers(0, 6000), max_size=12),
    bad=st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 50)), max_size=3),
    jump=st.sampled_from([0, 1, 300, 100_000]),
    seed=st.integers(0, 9),
)
def test_any_cut_gives_the_same_output_bit_by_bit(from_hz, start, cuts, bad, jump, seed) -> None:
    samples = np.random.default_rng(seed).normal(size=6000).astype(np.float32)
    valid = np.ones(6000, np.bool_)
    for first, length in bad:
        valid[first : first + length] = False
    turn = 2500  # where the jump is
    whole, pieces = RateAdapter(from_hz, 8000), RateAdapter(from_hz, 8000)
    expected, found = [], []
    for first, last, offset in ((0, turn, 0), (turn, 6000, jump)):
        expected += whole.push(block(start + first + offset, samples[first:last], valid[first:last]))
        edges = [first, *sorted(c for c in cuts if first < c < last), last]
        for a, b in pairwise(edges):
            found += pieces.push(block(start + a + offset, samples[a:b], valid[a:b]))
    expected, found = expected + whole.flush(), found + pieces.flush()
    assert [g for g in found if isinstance(g, Gap)] == [g for g in expected if isinstance(g, Gap)]
    assert segments(found) == segments(expected)


def segments(items: list[Block | Gap]) -> list[tuple[int, bytes, bytes]]:
    """Consecutive blocks joined, as bytes, so that equal means equal bit by bit."""
    runs: list[list[Block]] = []
    for item in items:
        if isinstance(item, Block):
            if runs and runs[-1][-1].stop == item.start:
                runs[-1].append(item)
            else:
                runs.append([item])
    return [(b.start, b.samples.tobytes(), b.valid.tobytes()) for b in map(joined, runs)]


@pytest.mark.parametrize("from_hz", [4000, 11025, 48000])
def test_invalid_input_reaches_exactly_the_output_near_it(from_hz: int) -> None:
    samples = np.random.default_rng(0).normal(size=from_hz).astype(np.float32)
    valid = np.ones(from_hz, np.bool_)
    bad = slice(from_hz // 2, from_hz // 2 + 10)
    valid[bad] = False
    samples[bad] = np.nan
    out = resampled(from_hz, block(0, samples, valid))
    clean = resampled(from_hz, block(0, np.where(np.isnan(samples), 0.5, samples)))
    reach = ceil(REACH * max(1.0, from_hz / 8000))
    position = np.arange(len(out.samples)) * from_hz / 8000
    touched = (position >= bad.start - reach) & (position <= bad.stop - 1 + reach)
    np.testing.assert_array_equal(out.valid, ~touched)
    assert np.isfinite(out.samples).all()
    assert np.abs(out.samples - clean.samples)[~touched].max() < 1e-5  # what lies beyond the reach does not matter


@pytest.mark.parametrize("from_hz", [8000, 11025, 44100, 48000])
def test_a_gap_is_told_once_with_its_cause_and_time_goes_on_behind_it(from_hz: int) -> None:
    adapter = RateAdapter(from_hz, 8000)
    click = from_hz * 5 // 441 * 441
    after = np.zeros(from_hz, np.float32)
    after[click - from_hz * 9 // 2] = 1.0
    items = adapter.push(block(0, np.zeros(from_hz)))
    items += adapter.push(Gap(from_hz, from_hz * 3, "device lost"))
    items += adapter.push(Gap(from_hz * 3, from_hz * 9 // 2, "device lost"))
    items += adapter.push(block(from_hz * 9 // 2, after))
    items += adapter.flush()
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [(g.start, g.stop, g.cause) for g in gaps] == [
        (8000, 24000, "device lost"),
        (24000, 36000, "device lost"),
    ]
    position = 0
    for item in items:
        assert item.start == position
        position = item.stop
    received = joined([i for i in items if isinstance(i, Block) and i.start >= 36000])
    assert received.start + int(np.argmax(np.abs(received.samples))) == click * 8000 // from_hz
    before = joined([i for i in items if isinstance(i, Block) and i.start < 8000])
    edge = 0 if from_hz == 8000 else REACH
    assert before.valid[: 8000 - edge - 1].all()
    assert not before.valid[8000 - edge + 1 :].any()
    assert not received.valid[: edge - 1 if edge else 0].any()
    assert received.valid[edge + 1 :].all()


def test_a_block_that_jumps_ahead_without_a_word_is_a_gap_called_lost() -> None:
    adapter = RateAdapter(16000, 8000)
    items = adapter.push(block(0, np.zeros(1600))) + adapter.push(block(3200, np.zeros(1600))) + adapter.flush()
    assert [i for i in items if isinstance(i, Gap)] == [Gap(800, 1600, "lost")]


def test_a_block_that_overlaps_is_refused() -> None:
    resampler = Resampler(16000, 8000)
    resampler.push(block(0, np.zeros(100)))
    with pytest.raises(ValueError, match="starts at sample 99, before the end of the last one, 100"):
        resampler.push(block(99, np.zeros(10)))


def test_equal_rates_pass_through_untouched() -> None:
    one = block(77, np.arange(10))
    assert Resampler(8000, 8000).push(one) == [one]


def test_reset_makes_it_new() -> None:
    used, new = Resampler(44100, 8000), Resampler(44100, 8000)
    used.push(block(12345, np.random.default_rng(1).normal(size=9999)))
    used.reset()
    one = block(3, np.random.default_rng(2).normal(size=9999))
    assert segments(used.push(one) + used.flush()) == segments(new.push(one) + new.flush())


def test_memory_does_not_grow_with_gaps_and_holes() -> None:
    for from_hz in (8000, 16000):
        resampler = Resampler(from_hz, 8000)
        valid = np.ones(1600, np.bool_)
        valid[::400] = False
        for turn in range(200):
            resampler.push(block(turn * 2000, np.zeros(1600), valid))
        assert len(resampler._bad) < 10


def test_a_sample_that_is_no_number_is_invalid_and_what_is_invalid_is_silent() -> None:
    samples = np.full(4000, 0.5, np.float32)
    samples[2000] = np.nan
    out = resampled(16000, block(0, samples))
    # Output k lies at input 2 k; within 2 x 128 input samples of 2000 are 872 to 1128
    assert np.flatnonzero(~out.valid).tolist() == list(range(872, 1129))
    assert not out.samples[872:1129].any()
    np.testing.assert_allclose(out.samples[200:872], 0.5, atol=1e-3)


def test_an_adapter_gives_all_that_was_held_back_at_the_end_and_begins_anew_after_a_reset() -> None:
    adapter = RateAdapter(16000, 8000)
    for start in (80_000, 0):  # the second begins before the first
        given = adapter.push(block(start, np.full(4000, 0.5)))
        rest = adapter.flush()
        assert [type(item) for item in [*given, *rest]] == [Block, Block]
        assert (given[0].start, given[0].stop, rest[0].stop) == (start // 2, rest[0].start, start // 2 + 2000)
        adapter.reset()
