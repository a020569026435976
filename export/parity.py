"""How far an artefact is from the network it was made of, and how far it may be. Writes nothing.

- The network at once, in steps, and its fp32 artefact in steps: the largest difference of any output, on the golden
  sounds with every pattern of loss.
- A variant and the fp32 artefact, each with the state that it made itself, for each output: cosine and top-1 of
  `export.comparison`, the same that `make test-gpu` holds a device to. The scores of several sounds may be
  high at once, so top-1 alone says little: it is the highest of the six scores of a frame, mostly breath. Therefore
  also `decisions`: in each valid frame and each group of sounds that exclude each other, what would open an event: the
  highest class that reaches its threshold, or nothing.
- Streamed by the edge, in uneven blocks, and by the steps that all of this is measured with.
- The events of golden sounds, synthetic recordings through the whole edge path: the same in the same order, each
  beginning and ending within the collar that the field allows an event that counts as found.

Golden are the bundled demo and some scenes of `training.synthetic`: no data set is needed, so they can be computed in a
clean clone and on a device. Not evidence of accuracy (`export.acceptance`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.features import FeatureSpec, FrontEnd
from edge.model.model import Model
from edge.model.specs import ChunkSpec, GroupSpec
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Event, Scores
from export.comparison import MIN_COSINE, MIN_TOP1, compare_outputs
from export.streams import ChunkNetwork, Scored, Sound, of_torch, padded
from training.datasets.files import read_sound
from training.detector.model import Scorer, class_scores, pooled
from training.frames import extract
from training.metrics.streaming import COLLAR_S
from training.synthetic.scene import scene

TORCH = 1e-5  # largest difference between torch at once, in steps, and the fp32 artefact
STREAMED = 1e-5  # largest difference between the edge's scores and those of the same artefact in steps
LOST = 0.005  # of any validation metric: half a point
SEEDS = tuple(range(101, 109))  # neither of the demo, nor of the tests, nor of the synthetic patients of a training
DURATION_S = 20.0
BLOCK_S = 0.1
PACKET_S = 0.02
Received = Callable[[int, int], NDArray[np.bool_]]
"""From N samples and their rate, Hz, to which of them arrived, (N,)."""


@dataclass(frozen=True, slots=True)
class ComparisonSet:
    """The sounds that artefacts are compared on."""

    streams: tuple[Sound, ...]
    """Recordings; for the scores."""
    clips: tuple[Sound, ...]
    """One event each and nothing else; for the labels of clips."""
    kind: str
    """What sounds they are, in words."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Difference between a variant and the fp32 artefact on the same sounds."""

    largest: float
    """Largest difference of a score."""
    mean: float
    """Mean difference of a score."""
    cosine: float
    """Of all scores."""
    top1: float
    """Share of frames whose highest score is of the same class."""
    decisions: float
    """Share of frames and groups where the same event, or none, would open."""
    decisions_on_sound: float
    """The same among those where either would open one; not bounded: such frames are few and many lie on the edge."""
    clip_cosine: float
    """Of the log-probabilities of clips."""
    clip_top1: float
    """Share of clips with the same label."""

    def failed(self) -> list[str]:
        """Bounds that it does not keep, in words."""
        bounds = {"cosine": MIN_COSINE, "top1": MIN_TOP1, "decisions": MIN_TOP1}
        bounds |= {"clip_cosine": MIN_COSINE, "clip_top1": MIN_TOP1}
        return [
            f"{name} {getattr(self, name):.5f}, at least {bound}"
            for name, bound in bounds.items()
            if not getattr(self, name) >= bound
        ]


def distance(reference: ChunkNetwork, variant: ChunkNetwork, comparison: ComparisonSet, model: Model) -> Distance:
    """Compare two artefacts.

    Args:
        reference: the fp32 artefact.
        variant: another.
        comparison: the sounds.
        model: either, for its groups and thresholds.
    """
    expected, found = (measurable_scores(one, comparison.streams) for one in (reference, variant))
    clips = [{"clip": np.stack([h.clip for h in one.score(comparison.clips)])} for one in (reference, variant)]
    scores, labels = compare_outputs({"scores": expected}, {"scores": found}), compare_outputs(clips[0], clips[1])
    one, other = decisions(expected, model), decisions(found, model)
    opened = (one >= 0) | (other >= 0)
    return Distance(
        scores.largest,
        float(np.abs(expected - found).mean()),
        scores.cosine,
        scores.top1,
        float((one == other).mean()),
        float((one == other)[opened].mean()) if opened.any() else 1.0,
        labels.cosine,
        labels.top1,
    )


def measurable_scores(network: ChunkNetwork, sounds: Sequence[Sound]) -> NDArray[np.float32]:
    """(n, C) scores of all score frames of the sounds that are wholly valid."""
    scored, steps = network.score(sounds), network.chunk.score_frames
    return np.concatenate([one.scores[_measurable(sound, steps)] for one, sound in zip(scored, sounds, strict=True)])


def _measurable(sound: Sound, score_frames: int) -> NDArray[np.bool_]:
    whole = len(sound.valid) // score_frames * score_frames
    return np.asarray(sound.valid[:whole].reshape(-1, score_frames).all(1))


def decisions(scores: NDArray[np.float32], model: Model) -> NDArray[np.int64]:
    """(n, G) for (n, C) scores: index of the class whose event would open in each group, -1 for none."""
    return np.stack([_decision(scores, group, model) for group in model.groups], axis=-1)


def _decision(scores: NDArray[np.float32], group: GroupSpec, model: Model) -> NDArray[np.int64]:
    columns = [model.classes.index(name) for name in group.classes]
    bars = np.array([model.thresholds[name] for name in group.classes], np.float32)
    reaching = np.where(scores[:, columns] >= bars, scores[:, columns], -1.0)
    return np.where(reaching.max(1) >= 0, np.array(columns)[reaching.argmax(1)], -1)


def from_torch(scorer: Scorer, artefact: ChunkNetwork, sounds: Sequence[Sound]) -> float:
    """Largest difference of any output between torch at once, torch in steps and an artefact in steps; NaN counts.

    Labels of clips are compared as probabilities: their logarithms have no bound.
    """
    chunk, worst = artefact.chunk, np.float32(0)
    stepped, exported = (one.score(sounds) for one in (of_torch(scorer, chunk), artefact))
    for sound, *answers in zip(sounds, stepped, exported, strict=True):
        once = at_once(scorer, sound, chunk)
        for answer in answers:
            worst = np.maximum(worst, np.abs(answer.scores - once.scores).max(initial=0.0))
            worst = np.maximum(worst, np.abs(np.exp(answer.clip) - np.exp(once.clip)).max())
    return float(worst)


def at_once(scorer: Scorer, sound: Sound, chunk: ChunkSpec) -> Scored:
    """What the network says of a sound when it is given as a whole."""
    frames, valid = (torch.from_numpy(part) for part in padded([sound], chunk))
    with torch.no_grad():
        answer = scorer.detector.whole(frames, valid)
        clip = torch.log_softmax(scorer.detector.clip_head(pooled(answer)), -1)[0]
    scores = class_scores(answer.logits, scorer.scale, scorer.bias)[0, : len(sound.valid) // chunk.score_frames]
    return Scored(scores.numpy(), clip.numpy())


def streamed(model: Model, network: ChunkNetwork, samples: NDArray[np.float32], sound: Sound) -> float:
    """Largest difference between the edge's scores of one sound in uneven blocks and those of the same artefact.

    Args:
        model: the artefact as the edge has it.
        network: the same.
        samples: (N,) the sound.
        sound: its frames.
    """
    got: list[Scores] = []
    pipeline = Pipeline(model, observe=got.append)
    rng, start = np.random.default_rng(1), 0
    while start < len(samples):
        piece = samples[start : start + int(rng.integers(1, model.rate_hz))]
        pipeline.push(Block(start, piece, np.ones(len(piece), np.bool_)))
        start += len(piece)
    pipeline.flush()
    values = np.concatenate([scores.values[scores.valid] for scores in got])
    return float(np.abs(values - measurable_scores(network, [sound])).max())


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


def as_at_a_bed(samples: NDArray[np.float32], valid: NDArray[np.bool_], front_end: FrontEnd) -> Sound:
    """The frames of a sound of which some samples were lost, (N,) both."""
    front_end.reset()
    pieces = front_end.push(Block(0, samples, valid)) + front_end.flush()
    length = max((piece.start + len(piece.valid) for piece in pieces), default=0)
    frames, known = np.zeros((length, front_end.spec.width), np.float32), np.zeros(length, np.bool_)
    for piece in pieces:
        part = slice(piece.start, piece.start + len(piece.valid))
        frames[part] = np.where(piece.valid[:, None], piece.values, np.float32(0))
        known[part] = piece.valid
    return Sound(frames, known)


def with_gaps(sounds: Sequence[GoldenSound], spec: FeatureSpec) -> list[Sound]:
    """Every golden sound with every pattern of loss."""
    front_end = FrontEnd(spec)
    return [
        as_at_a_bed(sound.samples, received(len(sound.samples), spec.rate_hz), front_end)
        for sound in sounds
        for received in GAPS.values()
    ]


def streams_of(sounds: Sequence[GoldenSound], spec: FeatureSpec) -> tuple[Sound, ...]:
    """Every golden sound, of which nothing was lost; frames before a high-pass has settled are not valid."""
    front_end = FrontEnd(spec)
    return tuple(as_at_a_bed(s.samples, np.ones(len(s.samples), np.bool_), front_end) for s in sounds)


def clips_of(sounds: Sequence[GoldenSound], spec: FeatureSpec) -> tuple[Sound, ...]:
    """Every sound within the scenes as a clip of its own."""
    front_end, rate = FrontEnd(spec), spec.rate_hz
    return tuple(
        Sound.whole(extract(sound.samples[round(begin * rate) : round(end * rate)], front_end))
        for sound in sounds
        for begin, end in sound.parts
    )


def golden_comparison(model: Model) -> ComparisonSet:
    """The golden sounds to compare artefacts on: for a clean clone, without recordings."""
    sounds = golden_sounds(model.rate_hz)
    return ComparisonSet(streams_of(sounds, model.spec), clips_of(sounds, model.spec), "golden sounds")


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


def _late(after_s: float, gap_s: float) -> Received:
    """Nothing until a moment, and then one long hole."""

    def received(count: int, rate_hz: int) -> NDArray[np.bool_]:
        at_s = np.arange(count) / rate_hz
        return (at_s >= after_s) & ((at_s < 2 * after_s) | (at_s >= 2 * after_s + gap_s))

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
