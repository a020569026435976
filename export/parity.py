"""Sounds as a network of chunks hears them: each a stream of its own from a zero state, many side by side.

The same for torch and for every runtime, so that they can be compared; the edge itself hears one stream at a time
(`edge.detector.pipeline`), and the comparison here tests that it gives the same. Not for whole sounds at once.

How far an artefact is from the network it was made of, and how far it may be. Writes nothing.

What is compared, and on what:
- The network at once, in steps, and its fp32 artefact in steps: the largest difference of any output, on the golden
  sounds with every pattern of loss.
- A variant and the fp32 artefact, each with the state that it made itself, for each output: cosine and top-1 of
  `edge.model.parity`, the same that a device measures before it uses a variant. The scores of several sounds may be
  high at once, so top-1 alone says little: it is the highest of the six scores of a frame, mostly breath. Therefore
  also `decisions`: in each valid frame and each group of sounds that exclude each other, what would open an event: the
  highest class that reaches its threshold, or nothing.
- Streamed by the edge, in uneven blocks, and by the steps that all of this is measured with.
- Sounds whose events must be the same (`export.golden`), and accuracy (`export.acceptance`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.detector.pipeline import Pipeline
from edge.model.backends import Backend
from edge.model.model import Model
from edge.model.parity import MIN_COSINE, MIN_TOP1, compare_outputs
from edge.model.specs import ChunkSpec, GroupSpec
from edge.types import Block, Scores
from training.detector.model import Scorer, class_scores, pooled

BATCH = 16  # streams side by side


class Sound(NamedTuple):
    """Frames of one sound, which is heard from its begin to its end."""

    frames: NDArray[np.floating]
    """(T, M), 0 where not valid."""
    valid: NDArray[np.bool_]
    """(T,)."""

    @classmethod
    def whole(cls, frames: NDArray[np.floating]) -> Sound:
        """One of which nothing was lost."""
        return cls(frames, np.ones(len(frames), np.bool_))


class Inputs(NamedTuple):
    """What a network is given for one step of some streams."""

    frames: NDArray[np.float32]
    """(B, H, M)."""
    valid: NDArray[np.float32]
    """(B, H), 1 where valid."""
    state: NDArray[np.float32]
    """(B, S)."""


class Answers(NamedTuple):
    """What it makes of it."""

    scores: NDArray[np.float32]
    """(B, H / score_frames, C)."""
    clip: NDArray[np.float32]
    """(B, L) log-probabilities of the labels of all that was heard."""
    state: NDArray[np.float32]
    """(B, S)."""


class Heard(NamedTuple):
    """All that a network says of one sound."""

    scores: NDArray[np.float32]
    """(T // score_frames, C)."""
    clip: NDArray[np.float32]
    """(L,) log-probabilities."""


@dataclass(frozen=True, slots=True)
class ChunkNetwork:
    """A network that hears chunks."""

    step: Callable[[Inputs], Answers]
    state_size: int
    """S."""
    chunk: ChunkSpec

    def hear(self, sounds: Sequence[Sound]) -> list[Heard]:
        """The answers to each of some sounds, in their order."""
        found: dict[int, Heard] = {}
        for rows, steps in self._steps(sounds):
            answers = [answer for _, answer in steps]
            scores = np.concatenate([answer.scores for answer in answers], 1)
            first = self.chunk.lookahead_frames // self.chunk.score_frames
            for row, index in enumerate(rows):
                count = len(sounds[index].valid) // self.chunk.score_frames
                found[index] = Heard(scores[row, first : first + count], answers[-1].clip[row])
        return [found[index] for index in range(len(sounds))]

    def inputs(self, sounds: Sequence[Sound]) -> Iterator[tuple[int, Inputs]]:
        """Every chunk of the sounds that holds anything valid, B = 1, with the state that it meets; and whose it is."""
        for rows, steps in self._steps(sounds):
            for given, _ in steps:
                for row in np.flatnonzero(given.valid.any(1)):
                    yield rows[row], Inputs(*(part[row : row + 1] for part in given))

    def _steps(self, sounds: Sequence[Sound]) -> Iterator[tuple[list[int], Iterator[tuple[Inputs, Answers]]]]:
        """Sounds of like length side by side: their indices and the steps from their begin until all is decided."""
        order = sorted(range(len(sounds)), key=lambda index: len(sounds[index].valid))
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            yield rows, self._side_by_side([sounds[index] for index in rows])

    def _side_by_side(self, sounds: Sequence[Sound]) -> Iterator[tuple[Inputs, Answers]]:
        spec, state = self.chunk, np.zeros((len(sounds), self.state_size), np.float32)
        frames, valid = padded(sounds, spec)
        for start in range(0, frames.shape[1], spec.chunk_frames):
            part = slice(start, start + spec.chunk_frames)
            given = Inputs(frames[:, part], valid[:, part], state)
            answers = self.step(given)
            yield given, answers
            state = answers.state


def padded(sounds: Sequence[Sound], spec: ChunkSpec) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(B, T, M) frames and (B, T) validity: whole chunks, until the last frame of the longest sound is decided."""
    longest = max(len(sound.valid) for sound in sounds)
    length = -(-(longest + spec.lookahead_frames) // spec.chunk_frames) * spec.chunk_frames
    frames = np.zeros((len(sounds), length, sounds[0].frames.shape[1]), np.float32)
    valid = np.zeros((len(sounds), length), np.float32)
    for row, sound in enumerate(sounds):
        frames[row, : len(sound.valid)] = sound.frames
        valid[row, : len(sound.valid)] = sound.valid
    return frames, valid


def of_backend(backend: Backend, chunk: ChunkSpec) -> ChunkNetwork:
    """An artefact in its runtime."""

    def step(given: Inputs) -> Answers:
        found = backend.run(*given)
        return Answers(found["scores"], found["clip"], found["next_state"])

    return ChunkNetwork(step, int(str(backend.inputs["state"][1])), chunk)


def of_torch(scorer: nn.Module, state_size: int, chunk: ChunkSpec) -> ChunkNetwork:
    """A `training.detector.model.Scorer`, in evaluation mode, or a program that was made of one."""

    def step(given: Inputs) -> Answers:
        with torch.no_grad():
            return Answers(*(found.numpy() for found in scorer(*(torch.from_numpy(part) for part in given))))

    return ChunkNetwork(step, state_size, chunk)


TORCH = 1e-5  # largest difference between torch at once, in steps, and the fp32 artefact
STREAMED = 1e-5  # largest difference between the edge's scores and those of the same artefact in steps
LOST = 0.005  # of any validation metric: half a point


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
    decisions_heard: float
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
    clips = [{"clip": np.stack([h.clip for h in one.hear(comparison.clips)])} for one in (reference, variant)]
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
    heard, steps = network.hear(sounds), network.chunk.score_frames
    return np.concatenate([one.scores[_measurable(sound, steps)] for one, sound in zip(heard, sounds, strict=True)])


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
    stepped, exported = (one.hear(sounds) for one in (of_torch(scorer, scorer.state_size, chunk), artefact))
    for sound, *answers in zip(sounds, stepped, exported, strict=True):
        once = at_once(scorer, sound, chunk)
        for answer in answers:
            worst = np.maximum(worst, np.abs(answer.scores - once.scores).max(initial=0.0))
            worst = np.maximum(worst, np.abs(np.exp(answer.clip) - np.exp(once.clip)).max())
    return float(worst)


def at_once(scorer: Scorer, sound: Sound, chunk: ChunkSpec) -> Heard:
    """What the network says of a sound when it is given as a whole."""
    frames, valid = (torch.from_numpy(part) for part in padded([sound], chunk))
    with torch.no_grad():
        answer = scorer.detector.whole(frames, valid)
        clip = torch.log_softmax(scorer.detector.clip_head(pooled(answer)), -1)[0]
    scores = class_scores(answer.logits, scorer.scale, scorer.bias)[0, : len(sound.valid) // chunk.score_frames]
    return Heard(scores.numpy(), clip.numpy())


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
