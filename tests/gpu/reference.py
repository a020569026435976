"""What onnxruntime says of some windows with the default artefact, saved, so that a device needs no other oracle.

python -m tests.gpu.reference      write it again, after the default artefact was changed
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.artefact.backends.onnx import OnnxBackend
from edge.artefact.benchmark import Outputs, run_all
from edge.artefact.model import DEFAULT_PATH, load_model
from edge.detector.recording import windows_of
from edge.sources.demo import DEMO_AUDIO

PATH = Path(__file__).with_name("reference.npz")
WINDOWS = 32  # spread over the synthetic recording


@dataclass(frozen=True, slots=True)
class Reference:
    """Windows and the right answers to them."""

    frames: NDArray[np.float32]
    valid: NDArray[np.float32]
    outputs: Outputs


def windows() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The windows that the reference is of: frames (B, W, M), valid (B, W)."""
    frames, valid = windows_of(load_model(), DEMO_AUDIO)
    chosen = np.linspace(0, len(frames) - 1, WINDOWS).astype(int)
    return frames[chosen], valid[chosen]


def saved() -> Reference:
    """The windows, and the answers as they were saved."""
    with np.load(PATH) as file:
        return Reference(*windows(), {name: file[name] for name in file.files})


def main() -> None:
    """Ask onnxruntime and save."""
    said = run_all(OnnxBackend(DEFAULT_PATH.read_bytes()), windows())
    np.savez_compressed(PATH, **said)  # type: ignore[arg-type]
    print(f"wrote {PATH} ({PATH.stat().st_size / 1e3:.0f} kB)")


if __name__ == "__main__":
    main()
