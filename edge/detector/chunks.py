"""From frames to the chunks that the model scores: H frames each, on a grid of absolute frame indices.

The grid may be shifted by a phase, so that the chunks of many streams are not all complete at the same moment.

The model answers L frames late: the chunk that ends at frame e decides the frames [e - H - L, e - L). Each frame is
decided by exactly one chunk, the same one however the input was cut.

    | decided: H frames |      L frames of lookahead      |
                                      | the chunk: H      |
    e - H - L           e - L         e - H               e = k H + phase

Invalid frames (before the stream began, after it ended, lost, masked) are zeros with `valid` false, and the model was
trained with them so; nothing is repeated, mirrored or spliced. Once there was no sound for `RESTART_FRAMES`, no chunk
is made until something is: the model then starts anew, as it does with the first chunk of a stream, and hours of
silence from a lost sensor cost nothing. Not for scoring (`edge.model.model`).

Of sound without a chunk come empty score frames (`IdleFrames`). A device without contact marks its samples; after some
seconds the model is not asked any more, but the time of the bed goes on: burden, coverage and lag are to see that
nothing of it was measured. Not for time in which no sound comes at all (`edge.node.stream`).
"""

from __future__ import annotations

import numpy as np

from edge.model.model import Model
from edge.model.specs import ChunkSpec
from edge.types import Chunk, Frames, Scores

RESTART_FRAMES = 1260  # in whole chunks with nothing valid: 10 s, longer than the network remembers


class Chunks:
    """The chunk cutter of one stream.

    Args:
        spec: lengths.
        width: M, numbers in a frame.
        phase: frames by which the grid is shifted, whole score frames.

    Raises:
        ValueError: if the phase cuts a score frame.
    """

    def __init__(self, spec: ChunkSpec, width: int, phase: int = 0) -> None:
        if phase % spec.score_frames:
            raise ValueError(f"phase of {phase} frames, expected a multiple of {spec.score_frames}")
        self._spec, self._width, self._phase = spec, width, phase
        self._patience = -(-max(RESTART_FRAMES, spec.lookahead_frames) // spec.chunk_frames)  # all that came is decided
        self._end: int | None  # next grid point to be reached; None before the first frame
        self.reset()

    @property
    def end(self) -> int | None:
        """Absolute index of the frame with which the next chunk begins; None before the first frame."""
        return self._end

    @property
    def is_idle(self) -> bool:
        """Whether no chunk is made until something valid comes."""
        return self._silent >= self._patience and not self._valid.any()

    def push(self, frames: Frames) -> list[Chunk]:
        """Take frames of any number; return the chunks they complete, oldest first."""
        total = len(frames.valid)
        if not total:
            return []
        if self._end is None:
            self._filled, self._end = frames.start, self._grid_after(frames.start)
        out = self._advance(frames.start)
        taken = 0
        while taken < total:
            count = min(self._end - self._filled, total - taken)
            values, valid = frames.values[taken : taken + count], frames.valid[taken : taken + count]
            first = self._filled - self._end  # from the end of the chunk, negative
            # `first + count` is 0 where the chunk becomes full, and a slice that stops at 0 would be empty.
            part = slice(first, first + count or None)
            self._values[part] = values if valid.all() else np.where(valid[:, None], values, np.float32(0))
            self._valid[part] = valid
            taken += count
            out += self._advance(self._filled + count)
        return out

    def flush(self) -> list[Chunk]:
        """End of stream: the chunks that still have frames to decide, with nothing valid after the last frame."""
        out: list[Chunk] = []
        while self._valid.any():
            out.append(self._next())
        self.reset()
        return out

    def reset(self) -> None:
        """Forget everything, as a new object."""
        spec = self._spec
        self._values = np.zeros((spec.chunk_frames, self._width), np.float32)  # of the chunk that ends at self._end
        self._valid = np.zeros(spec.lookahead_frames + spec.chunk_frames, np.bool_)  # and of what lies before it
        self._end = None
        self._filled = 0  # absolute index one past the last frame taken
        self._silent = self._patience  # chunks in a row with nothing valid

    def _grid_after(self, frame: int) -> int:
        """The first grid point past `frame`, absolute indices."""
        return ((frame - self._phase) // self._spec.chunk_frames + 1) * self._spec.chunk_frames + self._phase

    def _advance(self, frame: int) -> list[Chunk]:
        """Chunks that end at or before `frame`; what lies between the last frame taken and `frame` was lost."""
        assert self._end is not None
        out: list[Chunk] = []
        while frame >= self._end:
            if self.is_idle:
                self._end = self._grid_after(frame)
            else:
                out.append(self._next())
        self._filled = frame
        return out

    def _next(self) -> Chunk:
        """The chunk that ends at the grid point; then move on by one."""
        assert self._end is not None
        length = self._spec.chunk_frames
        valid, decided = self._valid[-length:].copy(), self._valid[:length].copy()
        is_valid = bool(valid.any())
        restart = is_valid and self._silent >= self._patience
        self._silent = 0 if is_valid else self._silent + 1
        chunk = Chunk(self._end - length, self._values, valid, decided, restart)
        # A new one: the chunk that was made holds the old one while it waits for its batch.
        self._values = np.zeros_like(self._values)
        self._valid = np.concatenate([self._valid[length:], np.zeros(length, np.bool_)])
        self._end += length
        return chunk


PENDING_S = 0.25  # sound this new may still wait in concealment and front-end, and wake the model
MOST_S = 3600.0  # longer than any window of the burden, so that a day costs no more than an hour


class IdleFrames:
    """Of one stream.

    Args:
        model: that scores it.
    """

    def __init__(self, model: Model) -> None:
        self._hop_samples, self._classes = model.score_hop_samples, len(model.classes)
        self._pending = round(PENDING_S * model.rate_hz)
        self._most = round(MOST_S * model.rate_hz / model.score_hop_samples)
        self._next: int | None = None

    def scored(self, scores: Scores) -> None:
        """The model answered up to here."""
        self._next = max(self._next or 0, scores.start + len(scores.valid))

    def decided(self, sample: int) -> int:
        """Absolute index before which nothing waits for scores, where no chunk is made and `sample` comes next."""
        return sample - self._pending

    def reset(self) -> None:
        """What follows is another sound."""
        self._next = None

    def until(self, sample: int) -> Scores | None:
        """Frames before a sample that nobody scores, none of them valid; None if there are none, or none were scored.

        Args:
            sample: absolute index of the next one that comes, while no chunk is made.
        """
        stop = (sample - self._pending) // self._hop_samples
        if self._next is None or stop <= self._next:
            return None
        start = max(self._next, stop - self._most)
        count = stop - start
        return Scores(start, np.zeros((count, self._classes), np.float32), np.zeros(count, np.bool_))
