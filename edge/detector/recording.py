"""All windows of one sound file at once, for whoever compares models. Not for detecting (`edge.detector.detect`)."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.artefact.model import Model
from edge.detector.windows import Windows
from edge.features import FrontEnd
from edge.sources.opening import open_source
from edge.types import Block


def windows_of(model: Model, path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The windows that `model` would be given of a file with one channel: values (B, W, M) and valid (B, W), 0 or 1.

    Raises:
        SourceError: the file cannot be read.
    """
    front, cutter = FrontEnd(model.spec), Windows(model.window, model.spec.width)
    source = open_source(str(path), model.rate_hz)
    try:
        frames = [f for item in source.blocks(threading.Event()) if isinstance(item, Block) for f in front.push(item)]
    finally:
        source.close()
    windows = [w for some in [*frames, *front.flush()] for w in cutter.push(some)] + cutter.flush()
    valid = np.stack([window.valid for window in windows]).astype(np.float32)
    return np.stack([window.values for window in windows]), valid
