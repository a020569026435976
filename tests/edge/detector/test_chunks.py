"""Every frame is heard in one chunk and decided by one, on a fixed grid, however the frames arrive."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detector.chunks import RESTART_FRAMES, Chunks
from edge.model.specs import ChunkSpec
from edge.types import Chunk, Frames

SPEC = ChunkSpec(chunk_frames=8, lookahead_frames=12, score_frames=4)
RESTART_CHUNKS = -(-RESTART_FRAMES // SPEC.chunk_frames)  # a hole that lasts so many makes the model start anew
LONG = RESTART_CHUNKS * SPEC.chunk_frames  # frames
Row = tuple[int, list[float], list[bool], list[bool], bool]


def _value(frame: int) -> float:
    """Content by which a frame is known."""
    return float(frame % 4096 + 1)


def _frames(start: int, stop: int, lost: frozenset[int] = frozenset()) -> Frames:
    """Frames that know their own index; those that are lost hold what must never be seen."""
    valid = np.array([i not in lost for i in range(start, stop)], np.bool_)
    values = np.array([_value(i) if i not in lost else np.nan for i in range(start, stop)], np.float32)
    return Frames(start, values[:, None], valid)


def _run(pieces: list[Frames], spec: ChunkSpec = SPEC) -> list[Row]:
    cutter = Chunks(spec, 1)
    return _rows([chunk for piece in pieces for chunk in cutter.push(piece)] + cutter.flush())


def _rows(chunks: list[Chunk]) -> list[Row]:
    return [(c.start, c.values[:, 0].tolist(), c.valid.tolist(), c.decided_valid.tolist(), c.restart) for c in chunks]


def _expected(received: set[int], stop: int, spec: ChunkSpec = SPEC) -> list[Row]:
    """The chunks of a stream, one grid point after the other, from all frames that were heard of it.

    Args:
        received: indices of the valid frames.
        stop: one past the last frame of the stream, valid or not.
        spec: lengths.
    """
    length, ahead = spec.chunk_frames, spec.lookahead_frames
    if not received:
        return []
    restart = -(-RESTART_FRAMES // length)
    rows, silent = [], restart
    decides_last = (max(received) + ahead) // length
    for number in range(min(received) // length, max(decides_last + 1, stop // length)):
        new = [frame in received for frame in range(number * length, (number + 1) * length)]
        decided = [frame - ahead in received for frame in range(number * length, (number + 1) * length)]
        if any(new) or silent < restart:
            values = [_value(number * length + i) if new[i] else 0.0 for i in range(length)]
            rows.append((number * length, values, new, decided, any(new) and silent >= restart))
        silent = 0 if any(new) else silent + 1
    return rows


gaps = st.lists(st.tuples(st.integers(0, 499), st.integers(1, 12) | st.integers(1, LONG + 40)), max_size=5)


@settings(max_examples=50)
@given(
    start=st.sampled_from([0, 3, 1001, 2**31 - 60, 2**32 - 60]),
    cuts=st.lists(st.integers(0, 500), max_size=10),
    lost=gaps,
)
def test_any_cut_of_the_frames_gives_the_chunks_that_all_frames_at_once_make(
    start: int, cuts: list[int], lost: list[tuple[int, int]]
) -> None:
    away = frozenset(start + first + i for first, count in lost for i in range(count))
    edges = [0, *sorted(cuts), 500]
    pieces = [_frames(start + a, start + b, away) for a, b in pairwise(edges)]
    assert _run(pieces) == _expected(set(range(start, start + 500)) - away, start + 500)


@given(
    a=st.integers(1, 60),
    gap=st.integers(1, LONG + 40),
    b=st.integers(1, 60),
    start=st.sampled_from([0, 5, 2**32 - 90]),
)
def test_a_jump_is_the_same_as_frames_that_were_not_heard(a: int, gap: int, b: int, start: int) -> None:
    jump = _run([_frames(start, start + a), _frames(start + a + gap, start + a + gap + b)])
    lost = frozenset(range(start + a, start + a + gap))
    assert jump == _run([_frames(start, start + a + gap + b, lost)])


@given(
    start=st.integers(0, 50),
    count=st.integers(1, 300),
    lost=gaps,
    lengths=st.tuples(st.integers(1, 4), st.integers(0, 30), st.integers(1, 3)),
)
def test_every_heard_frame_is_decided_exactly_once(
    start: int, count: int, lost: list[tuple[int, int]], lengths: tuple[int, int, int]
) -> None:
    chunk, ahead, score = lengths
    spec = ChunkSpec(chunk * score, ahead * score, score)
    away = {start + first + i for first, length in lost for i in range(length)}
    decided = [
        first - spec.lookahead_frames + i
        for first, _, _, valid, _ in _run([_frames(start, start + count, frozenset(away))], spec)
        for i in range(spec.chunk_frames)
        if valid[i]
    ]
    assert decided == [i for i in range(start, start + count) if i not in away]


# Two frames in a chunk, three of lookahead: the chunk that starts at f shows f and f + 1 and decides f - 3 and f - 2.
SMALL = ChunkSpec(chunk_frames=2, lookahead_frames=3, score_frames=1)


def _numbered(start: int, stop: int) -> Frames:
    """Frame n holds n + 1."""
    values = np.arange(start + 1, stop + 1, dtype=np.float32)[:, None]
    return Frames(start, values, np.ones(stop - start, np.bool_))


def _shown(chunks: list[Chunk]) -> list[tuple[int, list[float], list[int], bool]]:
    """Start, content, decided frames that were heard, and whether the model starts anew."""
    return [
        (c.start, c.values[:, 0].tolist(), [c.start - 3 + i for i in range(2) if c.decided_valid[i]], c.restart)
        for c in chunks
    ]


def test_the_chunks_of_five_frames_are_these_four() -> None:
    cutter = Chunks(SMALL, 1)
    assert _shown(cutter.push(_numbered(0, 5))) == [(0, [1, 2], [], True), (2, [3, 4], [0], False)]
    assert _shown(cutter.flush()) == [(4, [5, 0], [1, 2], False), (6, [0, 0], [3, 4], False)]
    assert cutter.flush() == []


def test_a_chunk_comes_as_soon_as_its_last_frame() -> None:
    cutter = Chunks(SPEC, 1)
    assert cutter.push(_frames(0, 15))[-1].start == 0
    assert [chunk.start for chunk in cutter.push(_frames(15, 16))] == [8]


def test_a_stream_that_does_not_begin_on_the_grid_begins_with_frames_that_were_not_heard() -> None:
    cutter = Chunks(SMALL, 1)
    assert cutter.push(_numbered(3, 3)) == []  # no frames are no beginning
    (first,) = cutter.push(_numbered(3, 4))
    assert (first.start, first.values[:, 0].tolist(), first.valid.tolist()) == (2, [0, 4], [False, True])
    assert (first.values.dtype, first.valid.dtype, first.decided_valid.dtype) == (np.float32, np.bool_, np.bool_)


def test_a_stream_begins_with_the_chunk_in_which_something_is_heard() -> None:
    chunks = _run([_frames(0, 4000, frozenset(range(3990)))])
    assert [(row[0], row[4]) for row in chunks] == [(3984, True), (3992, False), (4000, False), (4008, False)]


def test_after_ten_seconds_without_sound_no_chunk_is_made_and_the_model_starts_anew() -> None:
    cutter = Chunks(SPEC, 1)
    received = cutter.push(_frames(0, 8))
    silent = cutter.push(_frames(8, 10**6, frozenset(range(8, 10**6))))
    back = cutter.push(_frames(10**6, 10**6 + 8))
    assert [chunk.start for chunk in received + silent] == list(range(0, 8 + LONG, 8))
    assert [(chunk.start, chunk.restart) for chunk in back] == [(10**6, True)]
    assert not back[0].decided_valid.any()


def test_a_hole_of_a_chunk_less_does_not_make_the_model_start_anew() -> None:
    for silent, restart in ((RESTART_CHUNKS - 1, False), (RESTART_CHUNKS, True)):
        stop = 8 + silent * 8
        last = _run([_frames(0, 8), _frames(stop, stop + 1)])
        assert next(row[4] for row in last if row[0] == stop) is restart


def test_a_lookahead_longer_than_the_silence_is_waited_for_before_the_model_starts_anew() -> None:
    spec = ChunkSpec(chunk_frames=1, lookahead_frames=2 * RESTART_FRAMES, score_frames=1)
    rows = _run([_frames(0, 1), _frames(spec.lookahead_frames - 1, spec.lookahead_frames + 1)], spec)
    assert next(start for start, _, _, decided, _ in rows if decided == [True]) == spec.lookahead_frames
    assert sum(restart for *_, restart in rows) == 1


def test_years_without_sound_take_no_time() -> None:
    cutter = Chunks(SPEC, 1)
    cutter.push(_frames(0, 16))
    chunks = cutter.push(_frames(2**40, 2**40 + 16))
    assert [chunk.start for chunk in chunks[-2:]] == [2**40, 2**40 + 8]
    assert len(chunks) == RESTART_CHUNKS + 2


@pytest.mark.parametrize("ended", ["reset", "flush"])
def test_after_the_end_of_a_stream_any_index_may_come_and_begins_anew(ended: str) -> None:
    cutter = Chunks(SMALL, 1)
    cutter.push(_numbered(100, 105))
    getattr(cutter, ended)()
    assert cutter.flush() == []
    assert _shown(cutter.push(_numbered(0, 4))) == [(0, [1, 2], [], True), (2, [3, 4], [0], False)]


@pytest.mark.parametrize(
    ("lengths", "what"),
    [
        ((0, 12, 4), "lengths must be above 0"),
        ((8, -4, 4), "lengths must be above 0"),
        ((8, 12, 0), "lengths must be above 0"),
        ((10, 12, 4), "score_frames must divide the other lengths"),
        ((8, 10, 4), "score_frames must divide the other lengths"),
    ],
)
def test_a_chunk_that_cannot_be_is_refused_and_the_message_says_why(lengths: tuple[int, int, int], what: str) -> None:
    with pytest.raises(ValueError, match=f"^chunk: {what}, found ChunkSpec.*chunk_frames={lengths[0]}"):
        ChunkSpec(*lengths)
