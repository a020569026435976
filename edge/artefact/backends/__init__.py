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
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], output: str = "scores"
    ) -> NDArray[np.float32]:
        """Score a batch of windows: (B, W, M) and (B, W) to (B, T, C)."""
        ...
