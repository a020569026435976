"""Artefacts that are what they say and cannot be run: one gives no numbers, one asks for too much memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edge.model.onnx_file import read_artefact, seal

SEAL = "laennec.seal"


def not_a_number(source: Path, path: Path) -> Path:
    """An artefact with NaN instead of each of its weights, sealed."""

    def change(model: onnx.ModelProto) -> None:
        for weight in model.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT:
                values = numpy_helper.to_array(weight)
                weight.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), weight.name))

    return _changed(source, path, change)


def greedy(source: Path, path: Path, gigabytes: int) -> Path:
    """An artefact that makes so many zeros at each chunk and adds their mean to the scores, sealed."""

    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        last = next(node for node in graph.node if "scores" in node.output)
        last.output[list(last.output).index("scores")] = "modest_scores"
        for name, value in (("greedy_count", gigabytes * (1 << 30) // 4), ("greedy_axis", 0)):
            graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
        graph.node.extend(  # of the batch, so that nothing is computed when the graph is loaded
            [
                helper.make_node("Shape", ["frames"], ["greedy_shape"]),
                helper.make_node("Gather", ["greedy_shape", "greedy_axis"], ["greedy_batch"]),
                helper.make_node("Mul", ["greedy_batch", "greedy_count"], ["greedy_length"]),
                helper.make_node("ConstantOfShape", ["greedy_length"], ["greedy_zeros"]),
                helper.make_node("ReduceMean", ["greedy_zeros", "greedy_axis"], ["greedy_mean"], keepdims=1),
                helper.make_node("Add", ["modest_scores", "greedy_mean"], ["scores"]),
            ]
        )

    return _changed(source, path, change)


def _changed(source: Path, path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load_from_string(read_artefact(source))
    entries = {item.key: item.value for item in model.metadata_props if item.key != SEAL}
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    change(model)
    path.write_bytes(seal(model.SerializeToString()))
    return path
