"""Short holes are filled with their mirrored past, however the sound was cut; long ones stay holes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.concealment import FADE_S, LEAST_RECEIVED_S, Concealment, is_filled
from edge.types import Block

RATE_HZ = 1000  # 60 samples are the longest hole that is filled, 4 the fade
FADE, LEAST = round(FADE_S * RATE_HZ), round(LEAST_RECEIVED_S * RATE_HZ)
Sound = tuple[np.ndarray, np.ndarray]
RUNS = st.lists(st.tuples(st.integers(1, 150), st.integers(1, 80)), min_size=1, max_size=6)  # heard, lost
CUTS = st.lists(st.integers(1, 120), min_size=1, max_size=30)


def _sound(runs: list[tuple[int, int]]) -> Sound:
    is_valid = np.concatenate([np.repeat([True, False], run) for run in runs] + [np.ones(100, np.bool_)])
    return np.random.default_rng(len(is_valid)).normal(0, 0.1, len(is_valid)).astype(np.float32), is_valid


def _filled(samples: np.ndarray, is_valid: np.ndarray) -> Sound:
    """The law, on the whole sound at once."""
    out, known = np.where(is_valid, samples, np.float32(0)), is_valid.copy()
    edges = [0, *np.flatnonzero(np.diff(is_valid)) + 1, len(is_valid)]
    for before, first, stop, after in zip(edges, edges[1:], edges[2:], edges[3:], strict=False):
        gap = stop - first
        if not is_valid[first] and gap <= first - before >= LEAST and gap <= 60:
            known[first:stop] = True
            fade = min(FADE, gap, after - stop)
            for i in range(gap):
                past, later = samples[first - 1 - i], gap - 1 - i
                share = np.float32(fade - 1 - later + 0.5) / np.float32(fade)
                out[first + i] = past + share * (samples[stop + later] - past) if later < fade else past
    return out, known


def _blocks(sound: Sound, cuts: list[int], are_skipped: bool) -> list[Block]:
    """A sound in blocks of these lengths over and over; blocks of which nothing was heard left out, if wanted."""
    samples, is_valid = sound
    blocks, start = [], 0
    while start < len(samples):
        stop = start + cuts[len(blocks) % len(cuts)]
        blocks.append(Block(start, samples[start:stop], is_valid[start:stop]))
        start = stop
    return [b for b in blocks if not are_skipped or b.valid.any()]


def _passed(blocks: list[Block], count: int) -> Sound:
    out, known = np.zeros(count, np.float32), np.zeros(count, np.bool_)
    for block in blocks:
        at = slice(block.start, block.stop)
        assert not known[at].any()
        out[at], known[at] = block.samples, block.valid
    return out, known


@given(RUNS, CUTS, st.booleans())
def test_any_cut_of_the_sound_gives_what_the_law_gives_on_the_whole(
    runs: list[tuple[int, int]], cuts: list[int], are_skipped: bool
) -> None:
    sound, concealment = _sound(runs), Concealment(RATE_HZ)
    blocks = [b for block in _blocks(sound, cuts, are_skipped) for b in concealment.push(block)]
    out, known = _passed(blocks + concealment.flush(), len(sound[0]))
    expected, is_known = _filled(*sound)
    np.testing.assert_array_equal(known, is_known)
    np.testing.assert_array_equal(out, expected)
    assert concealment.concealed == (known & ~sound[1]).sum()


@given(RUNS, CUTS)
def test_a_sample_waits_only_while_a_hole_is_open_and_4_ms_more(runs: list[tuple[int, int]], cuts: list[int]) -> None:
    sound, concealment = _sound(runs), Concealment(RATE_HZ)
    passed, newest = 0, np.zeros(0, np.bool_)
    for block in _blocks(sound, cuts, are_skipped=False):
        newest = np.concatenate([newest, block.valid])[-60 - FADE :]
        passed = max([passed, *(b.stop for b in concealment.push(block))])
        assert block.stop - passed < 60 + FADE
        assert passed == block.stop or not newest[-FADE:].all()


@given(RUNS)
def test_at_any_time_at_most_half_of_what_counts_as_heard_was_concealed(runs: list[tuple[int, int]]) -> None:
    samples, is_valid = _sound(runs)
    _, known = _passed(Concealment(RATE_HZ).push(Block(0, samples, is_valid)), len(is_valid))
    assert (np.cumsum(known & ~is_valid) <= np.cumsum(is_valid)).all()


def test_20_ms_heard_of_every_60_are_not_heard() -> None:
    is_valid = np.tile(np.repeat([True, False], (20, 40)), 20)
    concealment = Concealment(RATE_HZ)
    _, known = _passed(concealment.push(Block(0, np.ones(len(is_valid), np.float32), is_valid)), len(is_valid))
    assert known.tolist() == is_valid.tolist()
    assert concealment.concealed == 0


@pytest.mark.parametrize(("every", "filled"), [(7, 0), (10, 0), (11, 19)])
def test_samples_that_are_lost_one_by_one_stay_lost_where_they_are_more_than_one_in_a_packet(
    every: int, filled: int
) -> None:
    is_valid = np.arange(1, 20 * every + 1) % every > 0
    concealment = Concealment(RATE_HZ)
    _, known = _passed(concealment.push(Block(0, np.ones(len(is_valid), np.float32), is_valid)), len(is_valid))
    assert (known & ~is_valid).sum() == concealment.concealed == filled


def test_a_hole_is_the_past_in_reverse_and_fades_into_the_future_in_reverse() -> None:
    samples = np.array([9, 9, 9, 9, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 10, 20, 30, 40, 50], np.float32)
    before, after = Concealment(RATE_HZ).push(Block(70, samples, samples > 0))
    assert before.samples.tolist() == [9, 9, 9, 9, 1, 2, 3, 4, 5, 6]
    assert after.start == 80
    # 6 5 4 3 2 of the past; 40 30 20 10 of the future with shares of 1/8, 3/8, 5/8, 7/8
    expected = [6, 5 + 35 / 8, 4 + 3 * 26 / 8, 3 + 5 * 17 / 8, 2 + 7 * 8 / 8]
    np.testing.assert_allclose(after.samples, [*expected, 10, 20, 30, 40, 50], rtol=1e-6)


@pytest.mark.parametrize(
    ("gap", "is_valid", "filled"), [(60, 60, True), (61, 500, False), (40, 39, False), (1, 10, True), (1, 9, False)]
)
def test_a_hole_is_filled_up_to_60_ms_and_up_to_what_was_heard_before_it_10_ms_at_least(
    gap: int, is_valid: int, filled: bool
) -> None:
    assert is_filled(gap, is_valid, RATE_HZ) is filled


def test_a_tone_goes_on_without_a_click() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 10 / RATE_HZ * np.arange(1000)).astype(np.float32)
    is_valid = np.ones(1000, np.bool_)
    is_valid[500:537] = False
    out, _ = _passed(Concealment(RATE_HZ).push(Block(0, tone, is_valid)), 1000)
    # A tone moves by up to 0.0063 from sample to sample, and the fade bridges at most 0.2 with steps of a quarter
    assert np.abs(np.diff(out)).max() < 0.0063 + 0.05
    np.testing.assert_array_equal(out[is_valid], tone[is_valid])


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e7])
def test_a_sample_that_is_no_sound_is_a_hole(broken: float) -> None:
    samples = np.full(20, 0.5, np.float32)
    samples[10] = broken
    out, known = _passed(Concealment(RATE_HZ).push(Block(0, samples, np.ones(20, np.bool_))), 20)
    assert known.all()
    assert out.tolist() == [0.5] * 20


def test_sound_that_is_masked_for_long_is_passed_on_as_masked_and_not_kept() -> None:
    concealment = Concealment(RATE_HZ)
    concealment.push(Block(0, np.ones(100, np.float32), np.ones(100, np.bool_)))
    out = [concealment.push(Block(start, np.ones(50, np.float32), np.zeros(50, np.bool_))) for start in (100, 150, 200)]
    assert [[(b.start, b.stop, bool(b.valid.any())) for b in blocks] for blocks in out] == [
        [],
        [(160, 200, False)],
        [(200, 250, False)],
    ]


@pytest.mark.parametrize("start", [2**31 - 100, 2**32 - 100, -(2**40)])
def test_far_indices_are_filled_as_near_ones(start: int) -> None:
    samples, is_valid = _sound([(100, 30)])
    near = Concealment(RATE_HZ).push(Block(0, samples, is_valid))
    far = Concealment(RATE_HZ).push(Block(start, samples, is_valid))
    assert [b.start - start for b in far] == [b.start for b in near]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(near, far, strict=True))


def test_after_a_reset_nothing_is_filled_from_before_it() -> None:
    concealment = Concealment(RATE_HZ)
    concealment.push(Block(0, np.ones(100, np.float32), np.ones(100, np.bool_)))
    concealment.push(Block(130, np.ones(2, np.float32), np.ones(2, np.bool_)))
    concealment.reset()
    (block,) = concealment.push(Block(110, np.ones(10, np.float32), np.ones(10, np.bool_)))
    assert block.start == 110


def test_a_block_that_overlaps_or_is_not_two_rows_is_refused_and_not_taken() -> None:
    concealment, ones = Concealment(RATE_HZ), np.ones(50, np.float32)
    concealment.push(Block(0, ones, np.ones(50, np.bool_)))
    with pytest.raises(ValueError, match="block starts at sample 49, before the end of what was written, 50"):
        concealment.push(Block(49, ones, np.ones(50, np.bool_)))
    with pytest.raises(ValueError, match="expected two rows of one length"):
        concealment.push(Block(50, ones, np.ones(49, np.bool_)))
    assert [b.start for b in concealment.push(Block(50, ones, np.ones(50, np.bool_)))] == [50]


@given(RUNS, st.lists(st.integers(-50, 900), min_size=1, max_size=20), st.integers(1, 90))
def test_a_stretch_is_bridged_where_it_has_a_filled_sample(
    runs: list[tuple[int, int]], begins: list[int], length: int
) -> None:
    samples, is_valid = _sound(runs)
    concealment, first = Concealment(RATE_HZ), np.array(sorted(begins))
    _, known = _passed(concealment.push(Block(0, samples, is_valid)), len(is_valid))
    filled = np.flatnonzero(known & ~is_valid)
    for some in np.array_split(first, 3):  # asked for a few at a time, as a stream asks
        expected = [bool(((filled >= begin) & (filled < begin + length)).any()) for begin in some]
        assert concealment.bridges(some, some + length).tolist() == expected
