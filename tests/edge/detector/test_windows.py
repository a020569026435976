"""Every frame is decided by one window on a fixed grid, however the frames arrive."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.artefact.specs import WindowSpec
from edge.detector.windows import Windows
from edge.types import Frames, Window

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
        (x.start, x.before, x.after) == (y.start, y.before, y.after)
        and np.array_equal(x.values, y.values)
        and np.array_equal(x.valid, y.valid)
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
        part = SPEC.decided
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
    windows = cutter.push(_frames(0, 50)) + cutter.push(_frames(10**9, 10**9 + 50))
    # A window decides up to 20 frames before its end: 0 to 49 are decided by those that end at 16 to 64
    assert [window.start + 40 for window in windows] == [*range(16, 65, 8), *range(10**9 + 16, 10**9 + 49, 8)]


def test_a_window_comes_as_soon_as_its_last_frame() -> None:
    cutter = Windows(SPEC, 2)
    assert cutter.push(_frames(0, 15)) == []
    assert [w.start + SPEC.window_frames for w in cutter.push(_frames(15, 16))] == [16]


# Six frames, two of them decided, one of lookahead: the window that ends at e decides e - 3 and e - 2.
SMALL = WindowSpec(window_frames=6, hop_frames=2, lookahead_frames=1, score_frames=1)


def _numbered(start: int, stop: int) -> Frames:
    """Frame n holds n + 1."""
    values = np.arange(start + 1, stop + 1, dtype=np.float32)[:, None]
    return Frames(start, values, np.ones(stop - start, np.bool_))


def _shown(windows: list[Window]) -> dict[int, list[float]]:
    """Content by the index one past the window's last frame."""
    return {w.start + len(w.valid): w.values[:, 0].tolist() for w in windows}


def test_the_windows_of_eight_frames_are_these_five() -> None:
    cutter = Windows(SMALL, 1)
    assert _shown(cutter.push(_numbered(0, 8))) == {
        2: [0, 0, 0, 0, 1, 2],  # decides frames -1 and 0
        4: [0, 0, 1, 2, 3, 4],
        6: [1, 2, 3, 4, 5, 6],
        8: [3, 4, 5, 6, 7, 8],
    }
    assert _shown(cutter.flush()) == {10: [5, 6, 7, 8, 0, 0]}  # decides frames 7 and 8
    assert cutter.flush() == []


def test_a_window_decides_its_last_frames_but_the_lookahead() -> None:
    (window,) = Windows(SMALL, 1).push(_numbered(0, 2))
    assert (window.values.dtype, window.valid.dtype) == (np.float32, np.bool_)
    assert SMALL.decided == slice(3, 5)
    assert SPEC.decided == slice(20, 28)


def test_frames_that_do_not_begin_on_the_grid_wait_for_the_next_point_of_it() -> None:
    cutter = Windows(SMALL, 1)
    assert _shown(cutter.push(_numbered(3, 4))) == {}  # e = 4 decides frames 1 and 2, which were not heard
    assert _shown(Windows(SMALL, 1).push(_numbered(3, 6))) == {6: [0, 0, 0, 4, 5, 6]}
    assert _shown(Windows(SMALL, 1).push(_numbered(4, 6))) == {6: [0, 0, 0, 0, 5, 6]}


def test_a_jump_ends_what_was_before_and_shows_nothing_of_it_behind() -> None:
    cutter = Windows(SMALL, 1)
    cutter.push(_numbered(0, 4))
    # e = 6 decides frames 3 and 4; e = 8 would decide 5 and 6, which were lost; then the grid goes on at 102
    assert _shown(cutter.push(_numbered(100, 102))) == {6: [1, 2, 3, 4, 0, 0], 102: [0, 0, 0, 0, 101, 102]}


def test_after_a_reset_any_index_may_come() -> None:
    cutter = Windows(SMALL, 1)
    cutter.push(_numbered(100, 104))
    cutter.reset()
    assert cutter.flush() == []
    assert _shown(cutter.push(_numbered(0, 2))) == {2: [0, 0, 0, 0, 1, 2]}


def test_after_the_end_of_a_stream_any_index_may_come() -> None:
    cutter = Windows(SMALL, 1)
    cutter.push(_numbered(100, 104))
    assert _shown(cutter.flush()) == {106: [101, 102, 103, 104, 0, 0]}
    assert _shown(cutter.push(_numbered(0, 2))) == {2: [0, 0, 0, 0, 1, 2]}


def test_no_frames_are_no_beginning() -> None:
    cutter = Windows(SMALL, 1)
    assert cutter.push(_numbered(7, 7)) == []
    assert _shown(cutter.push(_numbered(0, 2))) == {2: [0, 0, 0, 0, 1, 2]}


def test_a_window_of_nothing_but_what_it_decides_and_looks_ahead_is_allowed() -> None:
    spec = WindowSpec(window_frames=3, hop_frames=2, lookahead_frames=1, score_frames=1)
    assert _shown(Windows(spec, 1).push(_numbered(0, 4))) == {2: [0, 1, 2], 4: [2, 3, 4]}
    assert WindowSpec(1, 1, 0, 1).decided == slice(0, 1)


@pytest.mark.parametrize(
    ("lengths", "what"),
    [
        ((40, 0, 12, 4), "lengths must be above 0"),
        ((0, 8, 12, 4), "lengths must be above 0"),
        ((40, 8, -4, 4), "lengths must be above 0"),
        ((40, 8, 12, 0), "lengths must be above 0"),
        ((16, 8, 12, 4), r"window_frames must be at least hop_frames \+ lookahead_frames"),
        ((19, 8, 12, 1), r"window_frames must be at least hop_frames \+ lookahead_frames"),
        ((42, 8, 12, 4), "score_frames must divide the other lengths"),
        ((40, 10, 12, 4), "score_frames must divide the other lengths"),
        ((40, 8, 10, 4), "score_frames must divide the other lengths"),
    ],
)
def test_a_window_that_cannot_be_is_refused_and_the_message_says_why(
    lengths: tuple[int, int, int, int], what: str
) -> None:
    with pytest.raises(ValueError, match=f"^window: {what}, found WindowSpec.*window_frames={lengths[0]}"):
        WindowSpec(*lengths)


def test_a_window_says_how_much_of_it_lies_outside_of_the_stream() -> None:
    # The stream has the frames 5 to 49, of which 5 and 6 were lost, so it is heard from 7 on. Windows of 40 frames end
    # at multiples of 8 and decide up to 12 before that: the first that decides frame 7 ends at 24, the last at 64.
    windows = _run([_frames(5, 30, frozenset({5, 6})), _frames(30, 50)])
    assert [window.start for window in windows] == [-16, -8, 0, 8, 16, 24]
    assert [window.before for window in windows] == [23, 15, 7, 0, 0, 0]
    assert [window.after for window in windows] == [0, 0, 0, 0, 6, 14]


def test_frames_lost_at_the_end_of_a_stream_belong_to_it() -> None:
    windows = _run([_frames(0, 40), _frames(40, 50, frozenset(range(40, 50)))])
    assert [(window.start + 40, window.after) for window in windows][-2:] == [(48, 0), (56, 6)]


def test_a_stream_that_goes_on_has_nothing_behind_it_even_in_a_gap() -> None:
    cutter = Windows(SPEC, 2)
    windows = cutter.push(_frames(0, 16)) + cutter.push(_frames(200, 201))
    assert [(window.start, window.before, window.after) for window in windows] == [
        (-24, 24, 0),
        (-16, 16, 0),
        (-8, 8, 0),
    ]


def test_after_a_flush_the_next_stream_has_a_begin_of_its_own() -> None:
    cutter = Windows(SPEC, 2)
    cutter.push(_frames(0, 100))
    cutter.flush()
    (first, *_) = cutter.push(_frames(800, 840))
    assert (first.start + first.before, first.after) == (800, 0)
