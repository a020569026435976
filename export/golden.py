"""Golden sounds: synthetic recordings whose events every artefact must report alike, through the whole edge path.

The bundled demo and some scenes of `training.synthetic`; no data set is needed, so they can be computed in a clean
clone and on a device; whole, and with patterns of loss for what must hold in any of them. Alike: the same sounds in the
same order, each beginning and ending within the collar that the field allows an event that counts as found. Not
evidence of accuracy (`export.acceptance`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.features import FeatureSpec, FrontEnd
from edge.model.model import Model
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Event
from export.parity import Sound
from training.datasets.files import read_sound
from training.frames import extract
from training.metrics.streaming import COLLAR_S
from training.synthetic.scene import scene

SEEDS = tuple(range(101, 109))  # neither of the demo, nor of the tests, nor of the synthetic patients of a training
DURATION_S = 20.0
BLOCK_S = 0.1
PACKET_S = 0.02
Received = Callable[[int, int], NDArray[np.bool_]]
"""From N samples and their rate, Hz, to which of them arrived, (N,)."""


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


def heard_at_a_bed(samples: NDArray[np.float32], valid: NDArray[np.bool_], front_end: FrontEnd) -> Sound:
    """The frames of a sound of which some samples were lost, (N,) both."""
    front_end.reset()
    pieces = front_end.push(Block(0, samples, valid)) + front_end.flush()
    length = max((piece.start + len(piece.valid) for piece in pieces), default=0)
    frames, heard = np.zeros((length, front_end.spec.width), np.float32), np.zeros(length, np.bool_)
    for piece in pieces:
        part = slice(piece.start, piece.start + len(piece.valid))
        frames[part] = np.where(piece.valid[:, None], piece.values, np.float32(0))
        heard[part] = piece.valid
    return Sound(frames, heard)


def with_gaps(sounds: Sequence[GoldenSound], spec: FeatureSpec) -> list[Sound]:
    """Every golden sound with every pattern of loss."""
    front_end = FrontEnd(spec)
    return [
        heard_at_a_bed(sound.samples, received(len(sound.samples), spec.rate_hz), front_end)
        for sound in sounds
        for received in GAPS.values()
    ]


def streams_of(sounds: Sequence[GoldenSound], spec: FeatureSpec) -> tuple[Sound, ...]:
    """Every golden sound, of which nothing was lost; frames before a high-pass has settled are not valid."""
    front_end = FrontEnd(spec)
    return tuple(heard_at_a_bed(s.samples, np.ones(len(s.samples), np.bool_), front_end) for s in sounds)


def clips_of(sounds: Sequence[GoldenSound], spec: FeatureSpec) -> tuple[Sound, ...]:
    """Every sound within the scenes as a clip of its own."""
    front_end, rate = FrontEnd(spec), spec.rate_hz
    return tuple(
        Sound.whole(extract(sound.samples[round(begin * rate) : round(end * rate)], front_end))
        for sound in sounds
        for begin, end in sound.parts
    )


def _packets(share: float) -> Received:
    """Packets of 20 ms, of which a share is lost, each on its own."""

    def received(count: int, rate_hz: int) -> NDArray[np.bool_]:
        size = round(PACKET_S * rate_hz)
        arrived = np.random.default_rng(1).random(-(-count // size)) >= share
        return np.repeat(arrived, size)[:count]

    return received


def _periodic(up_s: float, down_s: float) -> Received:
    """A link that is up and down in turn."""

    def received(count: int, rate_hz: int) -> NDArray[np.bool_]:
        return np.arange(count) % round((up_s + down_s) * rate_hz) < up_s * rate_hz

    return received


def _late(after_s: float, hole_s: float) -> Received:
    """Nothing until a moment, and then one long hole."""

    def received(count: int, rate_hz: int) -> NDArray[np.bool_]:
        at_s = np.arange(count) / rate_hz
        return (at_s >= after_s) & ((at_s < 2 * after_s) | (at_s >= 2 * after_s + hole_s))

    return received


GAPS: dict[str, Received] = {
    "nothing lost": _packets(0.0),
    "1 % of packets": _packets(0.01),
    "5 % of packets": _packets(0.05),
    "20 ms each second": _periodic(0.98, 0.02),
    "up 1 s, down 0.3 s": _periodic(1.0, 0.3),
    "begins late, then 4 s lost": _late(3.1, 4.0),
    "nothing heard": _packets(1.1),
}
"""What arrives of a sound, by name."""
