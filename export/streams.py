"""Sounds as a network of chunks scores them: each a stream of its own from a zero state, many side by side.

The same for torch and for every runtime, so that they can be compared; the edge itself scores one stream at a time
(`edge.detector.pipeline`), and `export.parity` tests that it gives the same. Some of the chunks that a network meets so
are the sample that int8 ranges are measured on. Not for whole sounds at once, nor for which sounds
(`export.recordings`, `export.parity`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from edge.model.backends import Backend
from edge.model.specs import ChunkSpec
from training.detector.model import Scorer

BATCH = 16  # streams side by side
EACH_FRAMES = 240  # of a sound, in chunks, in a sample: its begin is as rare among them as at a bed


class Sound(NamedTuple):
    """Frames of one sound, which is scored from its begin to its end."""

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
    """(B, L) log-probabilities of the labels of all that was scored."""
    state: NDArray[np.float32]
    """(B, S)."""


class Scored(NamedTuple):
    """All that a network says of one sound."""

    scores: NDArray[np.float32]
    """(T // score_frames, C)."""
    clip: NDArray[np.float32]
    """(L,) log-probabilities."""


@dataclass(frozen=True, slots=True)
class ChunkNetwork:
    """A network of chunks."""

    step: Callable[[Inputs], Answers]
    state_size: int
    """S."""
    chunk: ChunkSpec

    def score(self, sounds: Sequence[Sound]) -> list[Scored]:
        """The answers to each of some sounds, in their order."""
        found: dict[int, Scored] = {}
        for rows, steps in self._steps(sounds):
            answers = [answer for _, answer in steps]
            scores = np.concatenate([answer.scores for answer in answers], 1)
            first = self.chunk.lookahead_frames // self.chunk.score_frames
            for row, index in enumerate(rows):
                count = len(sounds[index].valid) // self.chunk.score_frames
                found[index] = Scored(scores[row, first : first + count], answers[-1].clip[row])
        return [found[index] for index in range(len(sounds))]

    def inputs(self, sounds: Sequence[Sound]) -> Iterator[tuple[int, Inputs]]:
        """Every chunk of the sounds that holds anything valid, B = 1, with the state that it meets; and whose it is."""
        for rows, steps in self._steps(sounds):
            for step_inputs, _ in steps:
                for row in np.flatnonzero(step_inputs.valid.any(1)):
                    yield rows[row], Inputs(*(part[row : row + 1] for part in step_inputs))

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
            step_inputs = Inputs(frames[:, part], valid[:, part], state)
            answers = self.step(step_inputs)
            yield step_inputs, answers
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

    def step(step_inputs: Inputs) -> Answers:
        found = backend.run(*step_inputs)
        return Answers(found["scores"], found["clip"], found["next_state"])

    return ChunkNetwork(step, int(str(backend.inputs["state"][1])), chunk)


def of_torch(scorer: Scorer, chunk: ChunkSpec) -> ChunkNetwork:
    """A network of the training, in evaluation mode."""

    def step(step_inputs: Inputs) -> Answers:
        with torch.no_grad():
            return Answers(*(found.numpy() for found in scorer(*(torch.from_numpy(part) for part in step_inputs))))

    return ChunkNetwork(step, scorer.state_size, chunk)


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs that came up in recordings."""

    inputs: Inputs
    """n of them."""
    seed: int

    def __len__(self) -> int:
        """Number of chunks."""
        return len(self.inputs.frames)

    @property
    def sha256(self) -> str:
        """Hash of what was scored; the states follow from it and the network."""
        return hashlib.sha256(self.inputs.frames.tobytes() + self.inputs.valid.tobytes()).hexdigest()

    def record(self) -> dict[str, object]:
        """Number, seed and hash, as the metadata of an artefact name it."""
        return {"chunks": len(self), "seed": self.seed, "sha256": self.sha256}

    def batches(self, size: int, order: NDArray[np.int64] | None = None) -> list[Inputs]:
        """The chunks, some at a time, in the given order."""
        rows = np.arange(len(self)) if order is None else order
        parts = [rows[first : first + size] for first in range(0, len(rows), size)]
        return [Inputs(*(part[chosen] for part in self.inputs)) for chosen in parts]


def sample_of(network: ChunkNetwork, sounds: Sequence[Sound], seed: int) -> Sample:
    """Some chunks of each sound, with the states of the network that scores them.

    Args:
        network: the network.
        sounds: to draw from.
        seed: of the draw.
    """
    rng, lengths = np.random.default_rng(seed), [len(sound.valid) for sound in sounds]
    chunk_frames = network.chunk.chunk_frames
    chosen = [_some(rng, -(-length // chunk_frames), max(EACH_FRAMES // chunk_frames, 1)) for length in lengths]
    met = [0] * len(sounds)
    taken: list[tuple[int, int, Inputs]] = []
    for index, step_inputs in network.inputs(sounds):
        if met[index] in chosen[index]:
            taken.append((index, met[index], Inputs(*(part.copy() for part in step_inputs))))
        met[index] += 1
    taken.sort(key=lambda one: one[:2])
    return Sample(Inputs(*(np.concatenate(parts) for parts in zip(*(one[2] for one in taken), strict=True))), seed)


def _some(rng: np.random.Generator, count: int, wanted: int) -> set[int]:
    return set(rng.choice(count, min(wanted, count), replace=False).tolist())
