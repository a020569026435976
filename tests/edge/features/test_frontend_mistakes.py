"""A caller's mistakes are refused before anything is taken; what only looks odd is taken for what it means."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from numba.core.event import install_recorder

from edge.features import FrontEnd
from edge.types import Block
from tests.edge.features.test_frontend import DEEP, FRONT_ENDS, block, frames_by_index, noise, output_of


def test_blocks_of_other_kinds_are_taken_for_what_they_mean() -> None:
    spec, samples = FRONT_ENDS["log-mel"], noise(4000)
    expected = output_of(spec, [block(0, samples)])
    reversed_twice = samples[::-1].copy()[::-1]
    for same in (samples.astype(np.float64), samples.repeat(2)[::2], reversed_twice):
        found = output_of(spec, [Block(0, same, np.ones(8000, np.bool_)[::2])])  # type: ignore[arg-type]
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
    front_end = FrontEnd(spec)
    samples, valid = np.zeros(shape, np.float32), np.ones(shape, np.bool_)
    with pytest.raises((ValueError, TypeError)):
        front_end.push(Block(0, samples, valid))
    assert front_end.push(block(0, noise(1000)))


def test_a_refused_block_takes_nothing_even_behind_a_jump() -> None:
    spec = FRONT_ENDS["morlet"]
    front_end, samples = FrontEnd(spec), noise(DEEP)
    made = front_end.push(block(0, samples))
    with pytest.raises(ValueError, match="flags"):
        front_end.push(Block(2 * DEEP, samples, np.ones(9, np.bool_)))
    made += front_end.push(block(DEEP, samples)) + front_end.flush()
    whole = output_of(spec, [block(0, np.concatenate([samples, samples]))])
    for one, other in zip(frames_by_index(made, spec.width), whole, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("start", [2**63 - 4001, 2**62, -(2**62)])
def test_an_index_that_no_stream_reaches_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match=r"within 2\^61 of 0"):
        FrontEnd(FRONT_ENDS["log-mel"]).push(block(start, noise(4000)))


@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.uint32, np.int32])
def test_the_index_may_be_any_integer(kind: type) -> None:
    spec = FRONT_ENDS["log-mel"]
    found = FrontEnd(spec).push(Block(kind(2**31 - 1000), noise(4000), np.ones(4000, np.bool_)))
    index, values, _ = frames_by_index(found, spec.width)
    expected = output_of(spec, [block(2**31 - 1000, noise(4000))])
    np.testing.assert_array_equal(index, expected[0])
    np.testing.assert_array_equal(values, expected[1])


def test_no_block_makes_the_kernel_compile_anew() -> None:
    spec, samples = FRONT_ENDS["log-mel"], noise(4000)
    expected = output_of(spec, [block(0, samples)])
    silent = np.frombuffer(samples.tobytes(), np.float32)  # may not be written
    swapped, shifted = samples.astype(">f4"), np.frombuffer(b"." + samples.tobytes(), np.float32, offset=1)
    valid = np.ones(8000, np.bool_)[::2]
    valid.flags.writeable = False
    with install_recorder("numba:compile") as compiled:
        for same in (silent, swapped, shifted, samples[::-1].copy()[::-1], samples.repeat(2)[::2]):
            for start in (0, np.int32(0), np.uint64(0)):
                found = output_of(spec, [Block(start, same, valid)])  # type: ignore[arg-type]
                np.testing.assert_array_equal(found[1], expected[1])
    assert not compiled.buffer


@pytest.mark.parametrize("name", ["log-mel, deltas", "pcen", "gammatone", "morlet"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_goes_on_by_itself(name: str, copied: Callable[[FrontEnd], FrontEnd]) -> None:
    spec = FRONT_ENDS[name]
    front_end, samples = FrontEnd(spec), noise(2 * DEEP)
    made = front_end.push(block(0, samples[:DEEP]))
    other = copied(front_end)
    other.push(block(DEEP, noise(DEEP, 1)))
    made += front_end.push(block(DEEP, samples[DEEP:])) + front_end.flush()
    for one, whole in zip(frames_by_index(made, spec.width), output_of(spec, [block(0, samples)]), strict=True):
        np.testing.assert_array_equal(one, whole)
