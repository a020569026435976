"""Clips that are made by hand."""

from __future__ import annotations

import numpy as np

from edge.clips.clip import Cause, Clip, ClipEvent, StreamScoring
from edge.clips.pcm_ring import LOST
from edge.delivery.messages import ulid
from edge.detector.class_rules import EventOptions

MODEL = {"id": "m", "sha256": "a" * 64, "runtime": "numpy 0", "features": "sha256:" + "b" * 64}
HEARING = StreamScoring("n1", "ward", "bed1", "0badcafe", "Test", 8000, MODEL, 0, EventOptions(), None)
EVENT_ID = "01KB2M0000000000000000TEST"


def clip(wall_s: float, samples: int = 8000, cause: Cause = Cause("event"), seed: int = 0) -> Clip:  # noqa: B008
    """A second of noise with a hole of ten samples and an event in it, recorded at a wall time."""
    pcm = np.random.default_rng(seed).integers(-3000, 3000, samples).astype(np.int16)
    pcm[100:110] = LOST
    event = ClipEvent(EVENT_ID, "wheeze", 5300, 5800, 0.9, 0.5)
    return Clip(ulid(wall_s), 5000, pcm, ((9, 0.0),), (event,), cause)
