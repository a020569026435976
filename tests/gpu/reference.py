"""What onnxruntime says of a stream with the default artefact, saved, so that a device needs no other oracle.

python -m tests.gpu.reference      write it again, after the default artefact was changed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.detector.chunks import Chunks
from edge.detector.recording import samples_of
from edge.features import FrontEnd
from edge.model.backends import Backend, zero_state
from edge.model.backends.onnx import OnnxBackend
from edge.model.model import DEFAULT_PATH, load_model
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Chunk
from export.comparison import score_all

PATH = Path(__file__).with_name("reference.npz")
Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Frames (B, H, M), valid (B, H) and state (B, S)."""
Outputs = dict[str, NDArray[np.float32]]
"""Every output of a graph but the state by name, (chunks, ...)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The chunks of the synthetic recording, and the right answers to them."""

    chunks: list[Chunk]
    outputs: Outputs


def chunks() -> list[Chunk]:
    """The chunks that the reference is of."""
    model = load_model()
    sound = samples_of(DEMO_AUDIO, model.rate_hz)
    front, cutter = FrontEnd(model.spec), Chunks(model.chunk, model.spec.width)
    frames = front.push(Block(0, sound, np.ones(len(sound), np.bool_))) + front.flush()
    return [chunk for some in frames for chunk in cutter.push(some)] + cutter.flush()


def saved() -> Reference:
    """The chunks, and the answers as they were saved."""
    with np.load(PATH) as file:
        return Reference(chunks(), {name: file[name] for name in file.files})


def as_batch(backend: Backend, chunks: Sequence[Chunk]) -> Batch:
    """The chunks of one stream as those of as many, each with the state that it is heard with."""
    state, states = zero_state(backend), []
    for chunk in chunks:
        states.append(state)
        state = backend.run(chunk.values[None], chunk.valid[None].astype(np.float32), state)["next_state"]
    valid = np.stack([chunk.valid for chunk in chunks]).astype(np.float32)
    return np.stack([chunk.values for chunk in chunks]), valid, np.concatenate(states)


def main() -> None:
    """Ask onnxruntime and save."""
    answered = score_all(OnnxBackend(DEFAULT_PATH.read_bytes()), chunks())
    np.savez_compressed(PATH, **answered)  # type: ignore[arg-type]
    print(f"wrote {PATH} ({PATH.stat().st_size / 1e3:.0f} kB)")


if __name__ == "__main__":
    main()
