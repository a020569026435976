"""A caller's mistakes: refused before anything is taken, and never written where nothing may be written."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from edge.features import Bank, FrontEnd
from edge.types import Block
from tests.edge.features.test_frontend import DEEP, FRONT_ENDS, block, frames_by_index, heard, noise


def test_feed_refuses_what_it_cannot_take_and_goes_on_after_it() -> None:
    spec = FRONT_ENDS["log-mel"]
    front_end = FrontEnd(spec)
    samples, valid = noise(1000), np.ones(1000, np.bool_)
    values, flags = np.empty((20, spec.width), np.float32), np.empty(20, np.bool_)
    assert front_end.feed(0, samples, valid, values, flags) == 8
    with pytest.raises(ValueError, match="expected samples from 1000 on, found 999"):
        front_end.feed(999, samples, valid, values, flags)
    with pytest.raises(ValueError, match=r"float32 samples .* found float64"):
        front_end.feed(1000, samples.astype(np.float64), valid, values, flags)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="each frame that is due"):
        front_end.feed(1000, samples, valid, values[:1].copy(), flags[:1].copy())
    with pytest.raises(ValueError, match="contiguous"):
        front_end.feed(1000, samples, valid, values[:, ::2], flags)
    with pytest.raises(ValueError, match="contiguous"):
        front_end.feed(1000, noise(2000)[::2], valid, values, flags)
    assert front_end.feed(1000, samples, valid, values, flags) == 16


def test_blocks_of_other_kinds_are_taken_for_what_they_mean() -> None:
    spec, samples = FRONT_ENDS["log-mel"], noise(4000)
    expected = heard(spec, [block(0, samples)])
    reversed_twice = samples[::-1].copy()[::-1]
    for same in (samples.astype(np.float64), samples.repeat(2)[::2], reversed_twice):
        found = heard(spec, [Block(0, same, np.ones(8000, np.bool_)[::2])])  # type: ignore[arg-type]
        np.testing.assert_array_equal(found[1], expected[1])


def test_blocks_that_overlap_or_do_not_fit_their_mask_are_refused() -> None:
    front_end = FrontEnd(FRONT_ENDS["log-mel"])
    front_end.push(block(1000, noise(50)))
    with pytest.raises(ValueError, match="1049, before the end of what was written, 1050"):
        front_end.push(block(1049, noise(10)))
    with pytest.raises(ValueError, match=r"\(10,\) samples with \(9,\) flags"):
        front_end.push(Block(1050, noise(10), np.ones(9, np.bool_)))


@pytest.mark.parametrize("shape", [(), (1, 4000), (4000, 1), (40, 100), (10, 20, 20), (40,) + (1,) * 30])
def test_arrays_of_other_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    spec = FRONT_ENDS["log-mel"]
    front_end, values, flags = FrontEnd(spec), np.empty((99, spec.width), np.float32), np.empty(99, np.bool_)
    samples, valid = np.zeros(shape, np.float32), np.ones(shape, np.bool_)
    with pytest.raises((ValueError, TypeError)):
        front_end.push(Block(0, samples, valid))
    with pytest.raises((ValueError, TypeError)):
        front_end.feed(0, samples, valid, values, flags)
    assert front_end.push(block(0, noise(1000)))


def test_a_refused_block_takes_nothing_even_behind_a_jump() -> None:
    spec = FRONT_ENDS["morlet"]
    front_end, samples = FrontEnd(spec), noise(DEEP)
    made = front_end.push(block(0, samples))
    with pytest.raises(ValueError, match="flags"):
        front_end.push(Block(2 * DEEP, samples, np.ones(9, np.bool_)))
    made += front_end.push(block(DEEP, samples)) + front_end.flush()
    whole = heard(spec, [block(0, np.concatenate([samples, samples]))])
    for one, other in zip(frames_by_index(made, spec.width), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_frames_are_not_written_where_nothing_may_be_written() -> None:
    spec = FRONT_ENDS["log-mel"]
    values, flags = np.zeros((99, spec.width), np.float32), np.empty(99, np.bool_)
    values.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        FrontEnd(spec).feed(0, noise(1000), np.ones(1000, np.bool_), values, flags)
    assert not values.any()


@pytest.mark.parametrize("start", [2**63 - 4001, 2**62, -(2**62)])
def test_an_index_that_no_stream_reaches_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match=r"within 2\^61 of 0"):
        FrontEnd(FRONT_ENDS["log-mel"]).push(block(start, noise(4000)))


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.uint32, np.int32])
def test_the_index_may_be_any_integer(kind: type) -> None:
    spec = FRONT_ENDS["log-mel"]
    found = FrontEnd(spec).push(Block(kind(2**31 - 1000), noise(4000), np.ones(4000, np.bool_)))
    index, values, _ = frames_by_index(found, spec.width)
    expected = heard(spec, [block(2**31 - 1000, noise(4000))])
    np.testing.assert_array_equal(index, expected[0])
    np.testing.assert_array_equal(values, expected[1])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_front_end_is_not_copied_because_its_kernel_has_one_memory(copied: Callable[[object], object]) -> None:
    for one in (FrontEnd(FRONT_ENDS["log-mel"]), Bank(FRONT_ENDS["log-mel"], 2)):
        with pytest.raises(TypeError, match="build a new one from its spec"):
            copied(one)
