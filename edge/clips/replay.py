"""A clip scored again: by the same model, with the state, gains, phase and thresholds that the node scored it with.

Not for printing (`edge.commands.replay`). From the clip's `resume` on, and but for its end, which the model's lookahead
does not reach, scores are those of the node: bit for bit if it scored the stream alone, within 1e-5 if in one call with
other beds; behind a high-pass, which starts anew a moment before that, within .01. Without that state the model would
remember nothing of what came before, and it remembers long: at 24 places in 12 strings of six recordings, scores were
off by up to .09 after 5 s and .02 after 15 s. Of events that touch what is
not exact this is said. Sound beyond full scale, or finer than 16 bit, is in the clip as 16 bit hold it: the scores of
such streams are close, and not those of the node.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.clips.clip import ClipEvent, ClipFile
from edge.clips.pcm_ring import Pcm, to_block
from edge.detector.pipeline import Pipeline
from edge.errors import ModelError
from edge.model.adaptation import Adaptation
from edge.model.model import Model
from edge.types import Event, Scores

WARM_UP_S = 1.0  # until the tracker has forgotten what it did not get: medians, and care behind a gap
DECIDED_S = 3.0  # after which an event that is over is published; the clip may have been cut before
SAME_SCORE = 0.01  # of peaks; a high-pass that starts anew in the clip has settled to 60 dB


@dataclass(frozen=True, slots=True)
class ComparedEvent:
    """One event, as the node found it and as it is found in the clip."""

    node: ClipEvent | None
    """None: the node published no such event in this clip."""
    now: Event | None
    """None: it is not found in the clip."""
    differs: str
    """What is other than the node found; empty where nothing is."""
    excuse: str
    """Why it may be; empty if it may not."""

    @property
    def event(self) -> ClipEvent | Event:
        """As it is found in the clip, else as the node found it."""
        found = self.now or self.node
        assert found is not None, "one of them is there"
        return found

    @property
    def remark(self) -> str:
        """The same for a person."""
        return (
            f"{self.differs or 'same'}{': ' if self.differs and self.excuse else ''}{self.excuse * bool(self.differs)}"
        )


def check_model(file: ClipFile, model: Model) -> None:
    """Refuse another model than that of the node.

    Raises:
        ModelError: naming both.
    """
    recorded_with = file.hearing.model
    if recorded_with["sha256"] != model.sha256:
        raise ModelError(
            f"clip {file.id} was scored by model {recorded_with['id']} ({recorded_with['sha256'][:12]}), "
            f"found {model.id} ({model.sha256[:12]}); give that one with --model"
        )


def replay(file: ClipFile, pcm: Pcm, model: Model, observe: Callable[[Scores], None] | None = None) -> list[Event]:
    """The events of a clip, when they end.

    Args:
        file: what lies beside the sound.
        pcm: (N,) the sound, `LOST` in its gaps.
        model: that scored it.
        observe: called with all scores.

    Raises:
        ModelError: another model, or a state that is not of this one.
    """
    check_model(file, model)
    hearing = file.hearing
    adaptation = None if hearing.adaptation is None else Adaptation.from_text(hearing.adaptation)
    pipeline = Pipeline(model, hearing.options, observe, "ignore", hearing.phase, adaptation)
    pipeline.replay_gains(file.gains)
    exact = exact_from(file, model)
    first = file.start if exact is None else max(file.start, exact - model.spec.history_samples)
    pipeline.offer(to_block(first, pcm[first - file.start :]))
    pipeline.end()
    events, initial = [], _state(file, model)
    while (ready := pipeline.ready()) is not None:
        chunk, state = ready
        if initial is not None:  # the model does not start anew here
            chunk, state, initial = replace(chunk, restart=False), initial, None
        events += pipeline.decide(*model.score(chunk, state))
    return [event for event in events + pipeline.finish() if event.kind == "end"]


def compare(file: ClipFile, found: list[Event], model: Model) -> list[ComparedEvent]:
    """The events of the node beside those of the clip, by onset.

    Args:
        file: what lies beside the sound.
        found: what `replay` gave.
        model: that scored it.
    """
    left, rows = list(found), []
    for event in file.events:
        alike = [each for each in left if each.label == event.label and _overlap(event, each, file.stop)]
        now = min(alike, key=lambda each: abs(each.onset - event.onset), default=None)
        if now is not None:
            left.remove(now)
        rows.append(ComparedEvent(event, now, _differs(event, now), _excuse(event.onset, event.end, file, model)))
    for each in left:
        is_late = (each.end or file.stop) > file.stop - DECIDED_S * model.rate_hz
        excuse = _excuse(each.onset, each.end, file, model) or "the clip was cut before it was decided" * is_late
        rows.append(ComparedEvent(None, each, "the node found no such onset here", excuse))
    return sorted(rows, key=lambda row: row.event.onset)


def exact_from(file: ClipFile, model: Model) -> int | None:
    """Absolute index of the first sample that is scored as the node scored it; None where nothing is."""
    return None if file.resume is None else file.resume.frame * model.spec.hop_samples


def exact_until(file: ClipFile, model: Model) -> int:
    """The same of the last, one past it: behind it lacks what lies ahead, and the gain of a chunk not complete."""
    chunk, spec = model.chunk, model.spec
    ahead_frames = chunk.lookahead_frames + chunk.score_frames + chunk.chunk_frames
    return file.stop - ahead_frames * spec.hop_samples - spec.ahead_samples


def _state(file: ClipFile, model: Model) -> NDArray[np.float32] | None:
    if file.resume is None or not file.resume.state:
        return None
    size = len(model.new_state())
    try:
        state = np.frombuffer(base64.b64decode(file.resume.state, validate=True), "<f4").astype(np.float32)
    except ValueError:
        state = np.zeros(0, np.float32)
    if len(state) != size:
        raise ModelError(f"clip {file.id}: expected a state of {size} numbers, found {len(state)}; copy it again")
    return state


def _overlap(event: ClipEvent, other: Event, stop: int) -> bool:
    return other.onset < (event.end or stop) and event.onset < (other.end or stop)


def _differs(event: ClipEvent, now: Event | None) -> str:
    if now is None:
        return "not found"
    onset, end, score = now.onset != event.onset, now.end != event.end, abs(now.peak - event.peak) > SAME_SCORE
    names = [name for name, is_so in (("onset", onset), ("end", end), ("score", score)) if is_so]
    return f"other {', '.join(names)}" if names else ""


def _excuse(onset: int, end: int | None, file: ClipFile, model: Model) -> str:
    exact = exact_from(file, model)
    if exact is None or onset < exact + WARM_UP_S * model.rate_hz:
        return "too little of the clip lies before it"
    if end is None or end > exact_until(file, model):
        return "the clip ends before it is over"
    return ""
