"""What the model remembers of a stream does not drift: after an hour, the same sound is scored as at first."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.model.model import load_model
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Event, Scores

SAME = 1e-4  # of a score; the state is float32


@pytest.mark.rest
def test_a_minute_that_is_heard_for_an_hour_is_scored_as_at_its_second_time() -> None:
    model = load_model()
    sound = soundfile.read(DEMO_AUDIO, dtype="float32")[0]
    chunk = model.chunk.chunk_frames * model.spec.hop_samples
    sound = sound[: len(sound) // chunk * chunk]  # so that it lies in its chunks in the same way each time
    frames, times = len(sound) // model.score_hop_samples, 3600 * model.rate_hz // len(sound)
    rounds: dict[int, dict[int, NDArray[np.float32]]] = {1: {}, times - 2: {}}

    def note(scores: Scores) -> None:
        for k in range(len(scores.valid)):
            number, frame = divmod(scores.start + k, frames)
            if number in rounds:
                rounds[number][frame] = scores.values[k]

    pipeline, events, valid = Pipeline(model, observe=note), list[Event](), np.ones(len(sound), np.bool_)
    for number in range(times):
        events += pipeline.push(Block(number * len(sound), sound, valid))
    second, last = (np.stack([each[frame] for frame in range(frames)]) for each in rounds.values())
    assert float(np.abs(last - second).max()) < SAME
    onsets = [event.onset // len(sound) for event in events if event.kind == "onset"]
    assert onsets.count(1) == onsets.count(times - 2) > 0
