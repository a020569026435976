"""Golden sounds: synthetic recordings whose events every artefact must report alike, through the whole edge path.

The bundled demo and some scenes of `training.synthetic`; no data set is needed, so they can be computed in a clean
clone and on a device. Alike: the same sounds in the same order, each beginning and ending within the collar that the
field allows an event that counts as found. Not evidence of accuracy (`export.validation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.artefact.model import Model
from edge.detector.pipeline import Pipeline
from edge.detector.windows import Windows
from edge.features import FrontEnd
from edge.sources.demo import DEMO_AUDIO
from edge.types import Block, Event, Window
from export.calibration import Sample, stacked
from training.datasets.sounds import read_sound
from training.detector.inference import clip_windows
from training.frames import extract
from training.metrics.streaming import COLLAR_S
from training.synthetic.scene import scene

SEEDS = tuple(range(101, 109))  # neither of the demo, nor of the tests, nor of the synthetic patients of a training
DURATION_S = 20.0
BLOCK_S = 0.1


@dataclass(frozen=True, slots=True)
class GoldenSound:
    """A synthetic recording with the times of its sounds."""

    name: str
    samples: NDArray[np.float32]
    """(N,) at the model's rate."""
    parts: tuple[tuple[float, float], ...]
    """Begin and end of each sound in it, seconds."""


@lru_cache(maxsize=2)
def golden_sounds(rate_hz: int) -> tuple[GoldenSound, ...]:
    """The demo and the scenes, at a rate."""
    found = [GoldenSound("demo", read_sound(DEMO_AUDIO, rate_hz), ())]
    for seed in SEEDS:
        samples, sounds = scene(seed, DURATION_S, rate_hz)
        parts = tuple((sound.onset_s, sound.end_s) for sound in sounds)
        found.append(GoldenSound(f"scene {seed}", np.asarray(samples, np.float32), parts))
    return tuple(found)


def golden_events(model: Model, sound: GoldenSound) -> list[Event]:
    """The ends that the edge reports of one sound, in blocks as a file gives them."""
    pipeline, size = Pipeline(model), round(BLOCK_S * model.rate_hz)
    events: list[Event] = []
    for start in range(0, len(sound.samples), size):
        piece = sound.samples[start : start + size]
        events += pipeline.push(Block(start, piece, np.ones(len(piece), np.bool_)))
    return [event for event in events + pipeline.flush() if event.kind == "end"]


def differences(expected: list[Event], found: list[Event], rate_hz: int) -> list[str]:
    """Differences between two lists of ended events, in words; none when they are alike."""
    named = [[event.label for event in events] for events in (expected, found)]
    if named[0] != named[1]:
        return [f"expected {', '.join(named[0]) or 'nothing'}; found {', '.join(named[1]) or 'nothing'}"]
    collar = COLLAR_S * rate_hz
    return [
        f"{one.label} at {one.onset / rate_hz:.2f} s to {(one.end or 0) / rate_hz:.2f} s found at "
        f"{other.onset / rate_hz:.2f} s to {(other.end or 0) / rate_hz:.2f} s"
        for one, other in zip(expected, found, strict=True)
        if abs(one.onset - other.onset) > collar or abs((one.end or 0) - (other.end or 0)) > collar
    ]


def sample_of(sounds: list[NDArray[np.float32]], model: Model) -> Sample:
    """All windows of some sounds, as the edge cuts them."""
    windows: list[Window] = []
    for samples in sounds:
        front_end, cutter = FrontEnd(model.spec), Windows(model.window, model.spec.width)
        frames = front_end.push(Block(0, samples, np.ones(len(samples), np.bool_))) + front_end.flush()
        windows += [w for some in frames for w in cutter.push(some)] + cutter.flush()
    return Sample(*stacked(windows), seed=0)


def clips_of(sounds: tuple[GoldenSound, ...], model: Model) -> Sample:
    """Every sound within the scenes as a clip of its own."""
    front_end, rate = FrontEnd(model.spec), model.rate_hz
    pieces = [
        clip_windows(
            extract(sound.samples[round(begin * rate) : round(end * rate)], front_end), model.window.window_frames
        )
        for sound in sounds
        for begin, end in sound.parts
    ]
    frames, valid = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    return Sample(frames, valid, seed=0)
