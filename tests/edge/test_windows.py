"""Every frame is decided by one window on a fixed grid, however the frames arrive."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Frames, Window
from edge.windows import Windows, WindowSpec

SPEC = WindowSpec(window_frames=40, hop_frames=8, lookahead_frames=12, score_frames=4)


def _frames(start: int, stop: int, lost: frozenset[int] = frozenset()) -> Frames:
    """Frames that know their own index."""
    index = np.arange(start, stop)
    values = np.stack([index % 4096, index % 7], axis=1).astype(np.float32)
    return Frames(start, values, np.array([i not in lost for i in index], np.bool_))


def _run(pieces: list[Frames]) -> list[Window]:
    cutter = Windows(SPEC, 2)
    return [w for piece in pieces for w in cutter.push(piece)] + cutter.flush()


def _same(a: list[Window], b: list[Window]) -> bool:
    return len(a) == len(b) and all(
        x.start == y.start and np.array_equal(x.values, y.values) and np.array_equal(x.valid, y.valid)
        for x, y in zip(a, b, strict=True)
    )


@given(
    start=st.sampled_from([0, 3, 1001, 2**31 - 60, 2**32 - 60]),
    cuts=st.lists(st.integers(0, 200), max_size=10),
    lost=st.frozensets(st.integers(0, 199), max_size=30),
)
def test_windows_any_cut_equals_one_piece(start: int, cuts: list[int], lost: frozenset[int]) -> None:
    away = frozenset(start + i for i in lost)
    edges = [0, *sorted(cuts), 200]
    pieces = [_frames(start + a, start + b, away) for a, b in pairwise(edges)]
    assert _same(_run(pieces), _run([_frames(start, start + 200, away)]))


@given(a=st.integers(1, 120), gap=st.integers(1, 300), b=st.integers(1, 120), start=st.sampled_from([0, 2**32 - 90]))
def test_a_jump_is_the_same_as_frames_that_were_not_heard(a: int, gap: int, b: int, start: int) -> None:
    jump = _run([_frames(start, start + a), _frames(start + a + gap, start + a + gap + b)])
    lost = frozenset(range(start + a, start + a + gap))
    masked = _run([_frames(start, start + a + gap + b, lost)])
    assert _same(jump, masked)


@given(start=st.integers(0, 50), count=st.integers(1, 150), lost=st.frozensets(st.integers(0, 149), max_size=60))
def test_every_heard_frame_is_decided_exactly_once(start: int, count: int, lost: frozenset[int]) -> None:
    away = frozenset(start + i for i in lost)
    decided = []
    for window in _run([_frames(start, start + count, away)]):
        part = SPEC.decided(window)
        decided += [window.start + i for i in range(part.start, part.stop) if window.valid[i]]
    assert decided == [i for i in range(start, start + count) if i not in away]


def test_a_window_shows_what_was_heard_and_zeros_elsewhere() -> None:
    first = _run([_frames(10, 100, frozenset({30}))])[2]
    index = first.start + np.arange(SPEC.window_frames)
    heard = (index >= 10) & (index != 30)
    np.testing.assert_array_equal(first.valid, heard)
    np.testing.assert_array_equal(first.values[:, 0], np.where(heard, index, 0))


def test_hours_without_sound_make_no_windows() -> None:
    cutter = Windows(SPEC, 2)
    before = cutter.push(_frames(0, 50))
    after = cutter.push(_frames(10**9, 10**9 + 50))
    assert len(before) + len(after) < 20


def test_a_window_comes_as_soon_as_its_last_frame() -> None:
    cutter = Windows(SPEC, 2)
    assert cutter.push(_frames(0, 15)) == []
    assert [w.start + SPEC.window_frames for w in cutter.push(_frames(15, 16))] == [16]


@pytest.mark.parametrize("lengths", [(40, 0, 12, 4), (16, 8, 12, 4), (40, 8, 12, 3), (40, 8, -4, 4)])
def test_a_window_that_cannot_be_is_refused(lengths: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="window:"):
        WindowSpec(*lengths)
