"""Artefacts of one checkpoint, made out of a small one in a folder of the test."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edge.model.onnx_file import seal
from edge.model.runtime import VARIANT_KEY, find_variants
from tests.edge.small_graph import small_artefact

Change = Callable[[onnx.ModelProto], None]
PRECISIONS = {"cpu-int8": "int8", "trt-fp16": "fp16", "trt-int8": "int8", "trt-int8-fp16": "int8+fp16"}


def variant_paths(path: Path) -> dict[str, Path]:
    """Variants beside the fp32 artefact at `path`, by name."""
    return {artefact.variant.name: artefact.path for artefact in find_variants(path)[1:]}


def fp32(folder: Path) -> Path:
    """The small artefact, with nothing beside it."""
    path = folder / "chest.onnx"
    path.write_bytes(small_artefact())
    return path


def variant(parent: Path, name: str, change: Change | None = None, parent_sha256: str | None = None) -> Path:
    """The same graph, or a changed one, that says it is a variant of `parent`."""
    model = onnx.load_from_string(parent.read_bytes())
    if change is not None:
        change(model)
    entries = {item.key: item.value for item in model.metadata_props if item.key != "laennec.seal"}
    entries[VARIANT_KEY] = json.dumps(
        {
            "name": name,
            "runtime": "tensorrt" if name.startswith("trt") else "onnxruntime",
            "precision": PRECISIONS[name],
            "checkpoint": "0" * 64,
            "calibration": None,
            "made_with": {},
            "parent": parent_sha256 or hashlib.sha256(parent.read_bytes()).hexdigest(),
        }
    )
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    path = parent.with_name(f"{parent.stem}.{name}.onnx")
    path.write_bytes(seal(model.SerializeToString()))
    return path


def spoil(model: onnx.ModelProto) -> None:
    """Answers that are far from right."""
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) > 1:
            weight.CopyFrom(numpy_helper.from_array(-np.abs(numpy_helper.to_array(weight)), weight.name))


@contextmanager
def nobody_writes(pipe: Path) -> Iterator[None]:
    """A named pipe that nobody writes to; who waits for it all the same finds it at its end soon."""
    is_over = threading.Event()

    def end_it() -> None:
        while not is_over.wait(0.5):
            with suppress(OSError):  # ENXIO: nobody waits
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    os.mkfifo(pipe)
    thread = threading.Thread(target=end_it)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        pipe.unlink()
