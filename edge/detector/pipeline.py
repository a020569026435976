"""One stream, from blocks to events: concealment, features, level, model, tracker in a row. No thread, I/O or clock.

Any cut of the sound into blocks gives the same scores and the same events; running a file at full speed is pushing it
and flushing. Holes of up to 60 ms are concealed. Sound that was lost or masked for longer is never spliced over: its
scores are invalid or absent, and no event touches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.artefact.adaptation import Adaptation
from edge.artefact.model import Model
from edge.detector.concealment import Concealment
from edge.detector.level import LevelledChunks
from edge.detector.recalibration import Recalibration
from edge.detector.sound_check import SoundCheck, Verdict
from edge.detector.tracker import Tracker
from edge.errors import ConfigError
from edge.features import FrontEnd
from edge.settings.kinds import Outside
from edge.types import Block, Chunk, Event, Frames, Scores


class Pipeline:
    """The detector of one stream.

    Args:
        model: loaded artefact, may be shared between streams.
        thresholds: scores that open an event, where they differ from the model's.
        observe: called with all scores that there are, in order.
        classes: classes that become events; all event classes of the model when None.
        outside: what to do while the sound is not like what the model knows: mark events, give no scores, or not judge.
        adaptation: of the stream's device, checked to be of this model.

    Raises:
        ConfigError: if a threshold or class is not one of the model's.
    """

    def __init__(
        self,
        model: Model,
        thresholds: Mapping[str, float] | None = None,
        observe: Callable[[Scores], None] | None = None,
        classes: tuple[str, ...] | None = None,
        outside: Outside = "unverified",
        adaptation: Adaptation | None = None,
    ) -> None:
        """Build the stages; no sound has come yet."""
        unknown = sorted({*(thresholds or {}), *(classes or ())} - set(model.event_classes))
        if unknown:
            raise ConfigError(
                f"class {', '.join(unknown)}: not in the model, which has {', '.join(model.event_classes)}"
            )
        self._model = model
        self._observe = observe
        self._outside = outside
        self._check = None if outside == "ignore" else SoundCheck(model)
        self._reported = set(model.event_classes if classes is None else classes)
        self._concealment = Concealment(model.rate_hz)
        self._chunks = LevelledChunks(model, adaptation)
        self._features = FrontEnd(self._chunks.spec)
        adapted = adaptation.thresholds if adaptation is not None else {}
        calibration = adaptation.calibration if adaptation is not None else {}
        self._recalibration = Recalibration(model.groups, model.classes, calibration)
        self._tracker = Tracker(
            model.groups, model.classes, {**model.thresholds, **adapted, **(thresholds or {})}, model.score_hop_samples
        )
        self._forget()

    @property
    def concealed_samples(self) -> int:
        """Samples that stood in for lost ones since the first block."""
        return self._concealment.concealed

    def push(self, block: Block) -> list[Event]:
        """Take one block of any length; return the events it decides.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        blocks = self._concealment.push(block)
        if self._check is not None:
            self._check.push_block(block)
        return self._hear(blocks)

    @property
    def gain_db(self) -> float:
        """What is added to the level of the stream now, dB; after `flush`, what was at its end."""
        return self._chunks.gain_db

    @property
    def verdict(self) -> Verdict:
        """Whether the last half minute is like what the model knows."""
        return Verdict() if self._check is None else self._check.verdict

    def whole(self) -> Verdict:
        """The same of everything since the start or `reset`, as one stretch."""
        return Verdict() if self._check is None else self._check.whole()

    def flush(self) -> list[Event]:
        """End of stream: decide what is left, close what is open."""
        return [event for events in self.flush_stepwise() for event in events]

    def flush_stepwise(self) -> Iterator[list[Event]]:
        """As `flush`, one chunk after the other."""
        yield self._hear(self._concealment.flush()) + self._run(self._features.flush())
        for chunk in self._chunks.flush():
            yield self._score(chunk)
        self._forget()
        yield self._reported_only(self._tracker.flush())

    def abort(self) -> list[Event]:
        """End of stream when the model fails: close what is open, decide nothing more."""
        return self._reported_only(self._tracker.flush())

    def reset(self) -> None:
        """Forget everything, as a new object; open events are dropped, so flush first."""
        self._features.reset()
        self._chunks.reset()
        self._tracker.reset()
        if self._check is not None:
            self._check.reset()
        self._forget()

    def _forget(self) -> None:
        """Nothing was heard and nothing was lost."""
        self._concealment.reset()
        self._state = self._model.new_state()
        self._heard_from: int | None = None  # frame before which the model knows nothing; None: see its chunks

    def _hear(self, blocks: list[Block]) -> list[Event]:
        return [event for block in blocks for event in self._run(self._features.push(block))]

    def _run(self, frames: list[Frames]) -> list[Event]:
        return [event for some in frames for chunk in self._chunks.push(some) for event in self._score(chunk)]

    def _score(self, chunk: Chunk) -> list[Event]:
        chunk, spec = self._without_forgotten(chunk), self._model.chunk
        if self._check is not None:
            self._check.push_chunk(chunk)
        scores, self._state = self._model.score(chunk, self._state)
        if not np.isfinite(self._state).all():  # it would say nothing more for ever
            self._state, self._heard_from = self._model.new_state(), chunk.start + spec.chunk_frames
        if not len(scores.valid):
            return []
        scores = self._recalibration.apply(scores)
        if self._outside == "not_measurable" and self.verdict.verified is False:
            scores = replace(scores, valid=np.zeros_like(scores.valid))
        if self._observe is not None:
            self._observe(scores)
        return self._reported_only(self._tracker.push(scores, self._bridged(scores)))

    def _bridged(self, scores: Scores) -> NDArray[np.bool_]:
        """(T,) whether the frames of each score frame touch concealed sound."""
        spec, hop = self._model.spec, self._model.score_hop_samples
        begin = hop * (scores.start + np.arange(len(scores.valid), dtype=np.int64))
        reach = hop - spec.hop_samples + spec.ahead_samples
        return self._concealment.bridges(begin - spec.history_samples, begin + reach)

    def _without_forgotten(self, chunk: Chunk) -> Chunk:
        """The chunk, with frames not valid that were heard before the model had to start anew."""
        decided = chunk.start - self._model.chunk.lookahead_frames + np.arange(len(chunk.valid))
        if self._heard_from is None or self._heard_from <= decided[0]:
            return chunk
        return replace(chunk, decided_valid=chunk.decided_valid & (decided >= self._heard_from))

    def _reported_only(self, events: list[Event]) -> list[Event]:
        verified = self.verdict.verified
        return [replace(event, verified=verified) for event in events if event.label in self._reported]
