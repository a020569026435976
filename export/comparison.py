"""How far the outputs of a variant are from those of the fp32 artefact, and how far they may be.

Not a measure of accuracy: that needs labelled sound (`training.evaluation`, `export`). Outputs are compared as they
leave the graph, each variant having scored the same chunks with its own state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.model.backends import Backend, zero_state
from edge.types import Chunk

MIN_COSINE = 0.999
MIN_TOP1 = 0.99
RUNNING = "clip"  # the output that is about all chunks of a stream until now


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference between two sets of outputs for the same chunks."""

    cosine: float
    """Cosine of the angle between them, of the output where it is smallest; 1 is the same direction."""
    top1: float
    """Share of rows (score frames, clips) whose highest class is the same, of the output where it is smallest."""
    largest: float
    """Largest difference of any value."""

    @property
    def passes(self) -> bool:
        """Whether it is within the bounds."""
        return self.cosine >= MIN_COSINE and self.top1 >= MIN_TOP1


def score_all(backend: Backend, chunks: Sequence[Chunk]) -> dict[str, NDArray[np.float32]]:
    """What a graph says of the chunks of one stream, in order.

    Returns:
        `scores`, (chunks, ...) as every other output but the state; of `clip`, which labels all that was scored since
        the stream began, only the last answer of each segment: the first ones, of a second of sound, are near ties.
    """
    state, found = zero_state(backend), []
    for chunk in chunks:
        before = zero_state(backend) if chunk.restart else state
        outputs = backend.run(chunk.values[None], chunk.valid[None].astype(np.float32), before)
        state = outputs.pop("next_state")
        found.append(outputs)
    ends = [index for index in range(len(chunks)) if index + 1 == len(chunks) or chunks[index + 1].restart]
    return {
        name: np.concatenate([found[index][name] for index in (ends if name == RUNNING else range(len(found)))])
        for name in found[0]
    }


def compare_outputs(
    expected: Mapping[str, NDArray[np.float32]], found: Mapping[str, NDArray[np.float32]]
) -> Difference:
    """Compare outputs for the same chunks.

    Args:
        expected: per output (..., classes) of the fp32 artefact.
        found: the same of the variant; NaN and infinity count as wrong.
    """
    cosine, top1, largest = 1.0, 1.0, 0.0
    for name, reference in expected.items():
        output = found[name]
        if not np.isfinite(output).all():
            return Difference(0.0, 0.0, float("inf"))
        cosine = min(cosine, _cosine(reference.astype(np.float64), output.astype(np.float64)))
        if reference.size:
            top1 = min(top1, float((reference.argmax(axis=-1) == output.argmax(axis=-1)).mean()))
        largest = max(largest, float(np.abs(reference - output).max(initial=0.0)))
    return Difference(cosine, top1, largest)


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / lengths if lengths else float(np.array_equal(one, other))
