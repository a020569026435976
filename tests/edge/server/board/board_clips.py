"""A folder of clips as a node writes it, for tests of what the board makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.clips.clip import Cause, Clip, ClipEvent, StreamScoring
from edge.clips.folder import ClipFolder
from edge.clips.pcm_ring import LOST
from edge.delivery.messages import ulid
from edge.detector.class_rules import EventOptions
from tests.edge.clips.clips import MODEL
from tests.edge.server.board import ward_messages as made

RATE_HZ = made.RATE_HZ
BEGIN = 80_000  # sample index of the first sample of a clip
LENGTH_S = 8
TONE_HZ, TONE_S = 1000.0, (3.0, 5.0)  # of the sound in a clip, seconds of it
LOST_S = (6.0, 6.5)


def hearing(stream: str = "bed1", site: str = "ward-b") -> StreamScoring:
    """Of a bed of the ward that tests tell of."""
    return StreamScoring("box-1", site, stream, made.BOOT, "Operational", RATE_HZ, MODEL, 0, EventOptions(), None)


def a_clip(event: str, wall_s: float = made.WALL_S, label: str = "wheeze", is_over: bool = True) -> Clip:
    """Eight seconds with a tone that is the event, and half a second that was lost."""
    times_s = np.arange(LENGTH_S * RATE_HZ) / RATE_HZ
    is_tone = (times_s >= TONE_S[0]) & (times_s < TONE_S[1])
    noise = np.random.default_rng(0).normal(0, 20, len(times_s))
    pcm = (noise + 8000 * is_tone * np.sin(2 * np.pi * TONE_HZ * times_s)).astype(np.int16)
    pcm[round(LOST_S[0] * RATE_HZ) : round(LOST_S[1] * RATE_HZ)] = LOST
    onset, end = (BEGIN + round(at_s * RATE_HZ) for at_s in TONE_S)
    found = ClipEvent(event, label, onset, end if is_over else None, 0.93, 0.6)
    return Clip(ulid(wall_s), BEGIN, pcm, (), (found,), Cause("event"))


def put(path: Path, clip: Clip, of: StreamScoring | None = None, wall_s: float = made.WALL_S) -> Clip:
    """Write a clip as a node does."""
    folder = ClipFolder(path, 10**8, 1e6)
    folder.open()
    folder.put(clip, of or hearing(), wall_s, speech=False)
    return clip
