"""All samples or chunks of a sound file, for whoever measures or compares. Not for detecting (`.detect`)."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.artefact.model import Model
from edge.detector.chunks import Chunks
from edge.features import FrontEnd
from edge.sources.file import FileSource
from edge.types import Block, Chunk


def samples_of(path: Path, rate_hz: int) -> NDArray[np.float32]:
    """(N,) the samples of a file with one channel, at some rate.

    Raises:
        SourceError: the file cannot be read.
    """
    source = FileSource(path, rate_hz)
    try:
        return np.concatenate([item.samples for item in source.blocks(threading.Event()) if isinstance(item, Block)])
    finally:
        source.close()


def chunks_of(model: Model, path: Path) -> list[Chunk]:
    """The chunks that `model` would hear of a file with one channel.

    Raises:
        SourceError: the file cannot be read.
    """
    front, cutter = FrontEnd(model.spec), Chunks(model.chunk, model.spec.width)
    source = FileSource(path, model.rate_hz)
    try:
        frames = [f for item in source.blocks(threading.Event()) if isinstance(item, Block) for f in front.push(item)]
    finally:
        source.close()
    return [chunk for some in [*frames, *front.flush()] for chunk in cutter.push(some)] + cutter.flush()
