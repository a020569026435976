"""One stream, from blocks to events: concealment, features, level, model, tracker in a row. No thread, I/O or clock.

Sans-IO: `offer` takes sound, `ready` is the next chunk to be scored, `decide` takes its scores; so a node scores chunks
of many streams at once. `push` does all three with the model, for one stream.

Any cut of the sound into blocks gives the same scores and the same events; running a file at full speed is pushing it
and flushing. Holes of up to 60 ms are concealed. Sound that was lost or masked for longer is never spliced over: its
scores are invalid or absent, and no event touches them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from edge.detector.class_rules import EventOptions
from edge.detector.concealment import Concealment
from edge.detector.level import LevelledChunks
from edge.detector.quality import TOO_SHORT, Quality, QualityAssessment, is_for_chests
from edge.detector.recalibration import Recalibration
from edge.detector.sound_check import SoundAssessment, SoundCheck
from edge.detector.tracker import Tracker
from edge.features import FrontEnd
from edge.model.adaptation import Adaptation
from edge.model.model import Model
from edge.settings.names import Outside
from edge.types import Block, Chunk, Event, Frames, Scores

_UNKNOWN = SoundAssessment()


class Pipeline:
    """The detector of one stream.

    Args:
        model: loaded artefact, may be shared between streams.
        options: what becomes an event, where that is not as the model has it.
        observe: called with all scores that there are, in order.
        outside: what to do while the sound is not like what the model knows: mark events, give no scores, or not judge.
        phase: frames by which the grid of chunks is shifted, whole score frames.
        adaptation: of the stream's device, checked to be of this model.

    Raises:
        ConfigError: if a threshold or class is not one of the model's.
    """

    def __init__(
        self,
        model: Model,
        options: EventOptions | None = None,
        observe: Callable[[Scores], None] | None = None,
        outside: Outside = "unverified",
        phase: int = 0,
        adaptation: Adaptation | None = None,
    ) -> None:
        options = options or EventOptions()
        options.check(model)
        self._model = model
        self._observe = observe
        self._outside = outside
        self._check = None if outside == "ignore" else SoundCheck(model, adaptation)
        is_judged = outside != "ignore" and is_for_chests(model.known)  # of any stethoscope, adapted or not
        self._quality = Quality(model.rate_hz) if is_judged else None
        self._assessment = QualityAssessment()
        self._parts = self._assessment, _UNKNOWN  # of which `_verdict` was made
        self._verdict = _UNKNOWN
        self._reported = set(model.event_classes if options.classes is None else options.classes)
        self._concealment = Concealment(model.rate_hz)
        self._chunks = LevelledChunks(model, adaptation, phase)
        self._features = FrontEnd(self._chunks.spec)
        calibration = adaptation.calibration if adaptation is not None else {}
        self._recalibration = Recalibration(model.groups, model.classes, calibration)
        self._adaptation = adaptation
        self.track_by(options)
        self._ready: deque[Chunk] = deque()  # complete and not scored
        self._state = model.new_state()
        self._scored_from: int | None = None  # frame before which the model knows nothing; None: see its chunks
        self.failed_chunks = 0
        """Chunks of whole sound for which the model gave what is not a number."""
        self.follow: Callable[[Chunk, Scores, SoundAssessment], None] | None = None
        """Called with each chunk, its scores before anything was masked in them, and what is said of their sound."""

    @property
    def concealed_samples(self) -> int:
        """Samples that stood in for lost ones since the first block."""
        return self._concealment.concealed

    @property
    def next_chunk_at(self) -> int | None:
        """About which sample the next chunk is complete, absolute index; None before the first frame."""
        spec, end = self._model.spec, self._chunks.end
        return None if end is None else (end - 1) * spec.hop_samples + spec.ahead_samples

    @property
    def is_idle(self) -> bool:
        """Whether nothing was valid for so long that no chunk is made until something is."""
        return self._chunks.is_idle

    def push(self, block: Block) -> list[Event]:
        """Take one block of any length; return the events it decides.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        self.offer(block)
        return self._score_ready()

    def offer(self, block: Block) -> None:
        """Take one block of any length; the chunks that it completes become ready.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        blocks = self._concealment.push(block)
        if self._check is not None:
            self._check.push_block(block)
        self._receive(blocks)

    @property
    def has_ready(self) -> bool:
        """Whether a chunk is to be scored."""
        return bool(self._ready)

    def ready(self) -> tuple[Chunk, NDArray[np.float32]] | None:
        """The next chunk to be scored, and the state to score it with; None if there is none yet."""
        return (self._without_forgotten(self._ready[0]), self._state) if self._ready else None

    def decide(self, scores: Scores, state: NDArray[np.float32]) -> list[Event]:
        """Take the model's answer to the chunk that is ready; return the events it decides.

        Args:
            scores: of the frames that the chunk decides.
            state: (S,) of the model after the chunk.
        """
        chunk, spec = self._ready.popleft(), self._model.chunk
        if self._check is not None:
            self._check.push_chunk(chunk)
        self._state = state
        if not scores.valid.any() and not np.isfinite(self._state).all():  # it would say nothing more for ever
            self._state, self._scored_from = self._model.new_state(), chunk.start + spec.chunk_frames
        if chunk.decided_valid.all() and not (len(scores.valid) and scores.valid.all()):
            self.failed_chunks += 1
        events = []
        if len(scores.valid):
            scores = self._recalibration.apply(scores)
            events = [event for part in self._judged(scores) for event in self._track(part)]
        if self.follow is not None:
            self.follow(chunk, scores, self.verdict)
        return events

    def _judged(self, scores: Scores) -> Iterator[Scores]:
        """Scores in parts of which the same is known, each when it is next: the same for any phase of the chunks."""
        if self._quality is None:
            yield scores
            return
        hop, ahead = self._model.score_hop_samples, self._model.chunk.lookahead_frames * self._model.spec.hop_samples
        self._assessment = self._quality.at(scores.start * hop + ahead)
        if self._quality.lasts((scores.start + len(scores.valid) - 1) * hop + ahead):  # nearly always
            yield scores
            return
        findings = [self._quality.at((scores.start + k) * hop + ahead) for k in range(len(scores.valid))]
        first = 0
        for assessment, group in groupby(findings):
            self._assessment = assessment
            part = slice(first, first + len(list(group)))
            yield Scores(scores.start + first, scores.values[part], scores.valid[part])
            first = part.stop

    def _track(self, scores: Scores) -> list[Event]:
        """The events that scores decide."""
        verdict = self.verdict
        if not verdict.measurable or (self._outside == "not_measurable" and verdict.verified is False):
            scores = replace(scores, valid=np.zeros_like(scores.valid))
        if self._observe is not None:
            self._observe(scores)
        return self._reported_only(self._tracker.push(scores, self._bridged(scores)))

    @property
    def gain_db(self) -> float:
        """What is added to the level of the stream now, dB; after `flush`, what was at its end."""
        return self._chunks.gain_db

    def on_gain(self, on_gain: Callable[[int, float], None]) -> None:
        """Let each gain be reported with the frame (absolute index) from which on it is added, dB; before any sound."""
        self._chunks.on_gain = on_gain

    def replay_gains(self, gains: Sequence[tuple[int, float]]) -> None:
        """Add gains that were reported before, not those that follow from the level, to score a clip as it was."""
        self._chunks.replay_gains = gains

    @property
    def verdict(self) -> SoundAssessment:
        """Whether the last half minute is like what the model knows, and can be judged at all."""
        parts = self._assessment, _UNKNOWN if self._check is None else self._check.verdict
        if parts[0] is not self._parts[0] or parts[1] is not self._parts[1]:
            self._parts, self._verdict = parts, _with(*parts)
        return self._verdict

    def whole(self) -> SoundAssessment:
        """The same of everything since the start or `reset`, as one segment."""
        found = SoundAssessment() if self._check is None else self._check.whole()
        if self._quality is None:
            return found
        if self._quality.is_judged or not found.measurable:
            return _with(self._quality.whole(), found)
        reasons = [reason for reason in (TOO_SHORT, found.reason) if reason]
        return replace(
            found, verified=None if found.verified else found.verified, reason="; ".join(reasons), too_short=True
        )

    @property
    def is_silent(self) -> bool:
        """Whether all sound since the start or `reset` was silence."""
        return self._check is not None and not self._check.whole().measurable

    def flush(self) -> list[Event]:
        """End of stream: decide what is left, close what is open."""
        return [event for events in self.flush_stepwise() for event in events]

    def flush_stepwise(self) -> Iterator[list[Event]]:
        """As `flush`, one chunk after the other."""
        self.end()
        while self._ready:
            yield self._score_next()
        yield self.finish()

    def end(self) -> None:
        """No more sound comes: what is left becomes ready; once it is decided, `finish`."""
        self._receive(self._concealment.flush())
        self._cut(self._features.flush())
        self._ready.extend(self._chunks.flush())

    def finish(self) -> list[Event]:
        """Close what is open, decide nothing more: after `end`, when all is decided, or when the model failed."""
        self._forget()
        return self._reported_only(self._tracker.flush())

    def reset(self) -> None:
        """Forget everything, as a new object; open events are dropped, so flush first."""
        self._features.reset()
        self._chunks.reset()
        self._tracker.reset()
        if self._check is not None:
            self._check.reset()
        if self._quality is not None:
            self._quality.reset()
        self._assessment = QualityAssessment()
        self._forget()

    def track_by(self, options: EventOptions) -> None:
        """Make events by these from here on; before any sound, or right after `reset`: an open one would be cut."""
        self._tracker = Tracker(
            self._model.groups,
            self._model.classes,
            options.thresholds_in_force(self._model, self._adaptation),
            self._model.score_hop_samples,
            options.rules(self._model),
            options.update_frames(self._model),
        )

    def _forget(self) -> None:
        """Nothing was received and nothing was lost."""
        self._ready.clear()
        self._concealment.reset()
        self._state, self._scored_from = self._model.new_state(), None

    def _receive(self, blocks: list[Block]) -> None:
        for block in blocks:
            if self._quality is not None:
                self._quality.push(block)
            self._cut(self._features.push(block))

    def _cut(self, frames: list[Frames]) -> None:
        for some in frames:
            self._ready.extend(self._chunks.push(some))

    def _score_ready(self) -> list[Event]:
        events = []
        while self._ready:
            events += self._score_next()
        return events

    def _score_next(self) -> list[Event]:
        chunk = self._without_forgotten(self._ready[0])
        return self.decide(*self._model.score(chunk, self._state))

    def _bridged(self, scores: Scores) -> NDArray[np.bool_] | None:
        """(T,) whether the frames of each score frame touch concealed sound; None where there is none."""
        if not self._concealment.has_filled:
            return None
        spec, hop = self._model.spec, self._model.score_hop_samples
        begin = hop * (scores.start + np.arange(len(scores.valid), dtype=np.int64))
        # The last frame of a score frame begins hop - hop_samples behind the first, and touches ahead_samples.
        reach = hop - spec.hop_samples + spec.ahead_samples
        return self._concealment.bridges(begin - spec.history_samples, begin + reach)

    def _without_forgotten(self, chunk: Chunk) -> Chunk:
        """The chunk, with frames not valid that came before the model had to start anew."""
        first = chunk.start - self._model.chunk.lookahead_frames
        if self._scored_from is None or self._scored_from <= first:
            return chunk
        decided = first + np.arange(len(chunk.valid))
        return replace(chunk, decided_valid=chunk.decided_valid & (decided >= self._scored_from))

    def _reported_only(self, events: list[Event]) -> list[Event]:
        verified = self.verdict.verified
        return [replace(event, verified=verified) for event in events if event.label in self._reported]


def _with(assessment: QualityAssessment, verdict: SoundAssessment) -> SoundAssessment:
    """A verdict with what is wrong beside it."""
    if assessment.fault is None:
        return verdict if assessment.touches is None else replace(verdict, touches=assessment.touches)
    reasons = [reason for reason in (assessment.reason, verdict.reason) if reason]
    return SoundAssessment(
        False, "; ".join(dict.fromkeys(reasons)), assessment.fault, measurable=False, touches=assessment.touches
    )
