"""Model runtimes behind one Protocol; each is the only module that imports its package."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Backend(Protocol):
    """One compiled graph, ready to score."""

    name: str
    """Runtime and version, for the log and the events."""
    metadata: dict[str, str]
    """Metadata that the artefact carries, as text."""
    inputs: dict[str, list[int | str | None]]
    """Name and shape of each input; a free dimension is a name or None."""
    outputs: dict[str, list[int | str | None]]
    """Name and shape of each output."""

    def run(
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], state: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """Hear the next chunks of some streams.

        Args:
            frames: (B, H, M).
            valid: (B, H), 0 or 1.
            state: (B, S) that the chunks before left; zeros at the begin.

        Returns:
            Every output by name: `scores` (B, T, C), `next_state` (B, S), and `clip` (B, labels) where there is one.
        """
        ...


def zero_state(backend: Backend) -> NDArray[np.float32]:
    """(1, S) the state of a stream of which nothing was scored."""
    return np.zeros((1, *(int(size or 0) for size in backend.inputs["state"][1:])), np.float32)
