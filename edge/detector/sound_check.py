"""Listens beside the model to one stream and says whether it can be trusted: is this sound like what the model knows?

Sound is measured in pieces of `PIECE_S`, a chunk in the one in which it begins. A piece is complete when a chunk of a
later one comes; with each the last `PIECES` are judged, so a stream is judged within 15 s of its begin and then by the
last 30 s. One that was called outside must be a little further inside to be called so again (hysteresis).
Whatever happens between two chunks depends on the sound before the second alone, so any cut of the sound into blocks
gives the same verdicts with the same chunks. Pure, for one stream; not for events, and it changes no score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.detector.level import LevelledChunks, LevelledModel, is_levelled
from edge.detector.statistics import SampleCounts, SoundStatistics
from edge.detector.training_domain import reasons
from edge.features import FeatureSpec, FrontEnd
from edge.model.adaptation import Adaptation
from edge.types import Block, Chunk, Fault

PIECE_S = 10.08
PIECES = 3  # that are judged together
LEAST_S = 5.0  # of sound that can be measured; less is not judged. The median recording of SPRSound has 9 s
MOST_PIECES = 4096  # that wait for their chunks: 11 hours in one block


@dataclass(frozen=True, slots=True)
class SoundAssessment:
    """Whether a segment of sound is like what the model knows."""

    verified: bool | None = None
    """None: not judged: too short, or a model that does not say what it knows, or an adaptation without labels."""
    reason: str = ""
    """Why not, or why it was not judged, for a person; else empty."""
    fault: Fault | None = None
    """The same in one word; None where it is not verified: it is not like what the model knows."""
    measurable: bool = True
    """Whether it can be judged at all: where it cannot, there are no events, and nothing of it is measured."""
    too_short: bool = False
    """Whether there was too little sound to find out whether it is measurable."""
    touches: bool | None = None
    """Whether there is evidence that the sensor touches somebody (`edge.detector.quality_measures`); None: not
    judged.
    """


class _Piece:
    """Samples and frames of one piece."""

    def __init__(self, spec: FeatureSpec, is_judged: bool) -> None:
        self.samples = SampleCounts()
        self.frames = SoundStatistics(spec) if is_judged else None
        self._gains = 0  # of all valid frames together, thousandths of a dB: whole numbers, which add exactly

    def add(self, other: _Piece) -> None:
        self.samples.add(other.samples)
        if self.frames is not None and other.frames is not None:
            self.frames.add(other.frames)
            self._gains += other._gains

    def push(self, chunk: Chunk) -> None:
        """Take the frames of a chunk."""
        if self.frames is not None:
            self.frames.push(chunk.values, chunk.valid)
            self._gains += round(1000 * chunk.gain_db) * int(np.count_nonzero(chunk.valid))

    @property
    def gain_db(self) -> float:
        """Mean of what was added to the frames, dB."""
        return self._gains / 1000 / max(self.frames.frames, 1) if self.frames is not None else 0.0


class SoundCheck:
    """The check of one stream.

    Args:
        model: what it says it knows; nothing but samples is judged where it says nothing.
        adaptation: of the stream's device. Without labels it makes the spectrum fit and proves nothing: what is inside
            is then not judged.
    """

    def __init__(self, model: LevelledModel, adaptation: Adaptation | None = None) -> None:
        self._inside = True if adaptation is None or adaptation.labelled else None
        self._spec, self._known = model.spec, model.known if is_levelled(model) else None
        self._piece_samples = round(PIECE_S * model.spec.rate_hz)
        self._least_samples = LEAST_S * model.spec.rate_hz
        self.reset()

    @classmethod
    def of(
        cls, model: LevelledModel, samples: NDArray[np.float32], adaptation: Adaptation | None = None
    ) -> SoundAssessment:
        """The verdict on one whole sound, (N,) at the model's rate, as it would be scored."""
        check, chunks = cls(model, adaptation), LevelledChunks(model, adaptation)
        front_end = FrontEnd(chunks.spec)
        block = Block(0, samples, np.ones(len(samples), np.bool_))
        check.push_block(block)
        for frames in front_end.push(block) + front_end.flush():
            for chunk in chunks.push(frames):
                check.push_chunk(chunk)
        for chunk in chunks.flush():
            check.push_chunk(chunk)
        return check.whole()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._pieces: dict[int, _Piece] = {}
        self._current: int | None = None  # piece of the last chunk
        self._forgotten = self._new()  # the sum of the pieces that are judged no more
        self.verdict = SoundAssessment()
        """Of the last pieces that are complete."""

    def push_block(self, block: Block) -> None:
        """Take samples, before the chunks that they complete."""
        length, start = self._piece_samples, block.start
        while start < block.stop:
            number = start // length
            part = slice(start - block.start, (number + 1) * length - block.start)
            self._piece(number).samples.push(Block(start, block.samples[part], block.valid[part]))
            start = (number + 1) * length

    def push_chunk(self, chunk: Chunk) -> None:
        """Take a chunk; the verdict is then that for what the model makes of it."""
        number = chunk.start * self._spec.hop_samples // self._piece_samples
        if self._current is not None and number > self._current:
            recent = [p for n, p in self._pieces.items() if number - PIECES <= n < number]
            self.verdict = self._assess(self._sum(recent), self.verdict.verified is False)
            for old in [n for n in self._pieces if n < number - PIECES]:
                self._forgotten.add(self._pieces.pop(old))
        self._current = number if self._current is None else max(number, self._current)
        self._piece(number).push(chunk)

    def whole(self) -> SoundAssessment:
        """Of everything so far, as one segment: for a file. One of silence alone is not measurable, however short."""
        total = self._sum([self._forgotten, *self._pieces.values()])
        if total.samples.is_silent:
            return SoundAssessment(False, "; ".join(total.samples.reasons()), total.samples.fault, measurable=False)
        return self._assess(total)

    def _new(self) -> _Piece:
        return _Piece(self._spec, self._known is not None)

    def _piece(self, number: int) -> _Piece:
        if number not in self._pieces:
            self._pieces[number] = self._new()
            while len(self._pieces) > MOST_PIECES:  # a stream without chunks
                self._forgotten.add(self._pieces.pop(min(self._pieces)))
        return self._pieces[number]

    def _sum(self, pieces: list[_Piece]) -> _Piece:
        total = self._new()
        for piece in pieces:
            total.add(piece)
        return total

    def _assess(self, total: _Piece, was_outside: bool = False) -> SoundAssessment:
        found = total.samples.reasons(was_outside) if total.samples.samples >= self._least_samples else []
        frames, known = total.frames, self._known
        is_measured = frames is not None and frames.frames * self._spec.hop_samples >= self._least_samples
        if is_measured and frames is not None and known is not None and not total.samples.is_silent:
            found += reasons(frames.measured(), known, self._spec, total.gain_db, was_outside)
        if found:
            fault = total.samples.fault or ("faint" if self._is_faint(total) else None)
            return SoundAssessment(False, "; ".join(found), fault)
        return SoundAssessment(self._inside if is_measured else None)

    def _is_faint(self, total: _Piece) -> bool:
        """Whether the level is lower than what can be brought to one that the model knows."""
        if total.frames is None or self._known is None or not total.frames.frames:
            return False
        return total.frames.measured().level_db - total.gain_db < self._known.reach_db[0]
