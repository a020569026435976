"""Int8 for onnxruntime's CPU: static Q/DQ in the places where its kernels fuse. Not for TensorRT (`export.quantize`).

Unsigned activations and signed weights for each channel fuse the convolutions that int8 is for (`export.qdq`); ranges
are percentiles of what a sample gives, so that one loud chunk does not stretch them. TensorRT's parser refuses a file
of this shape, and this runtime is slower on a file of that shape: so there are two.

Source: onnxruntime, "Quantize ONNX models"; Wu et al. 2020 (2004.09602), percentile calibration.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import edge.model.backends.onnx  # noqa: F401  it forbids onnxruntime to report to its maker, before the first import of it
from export.calibration import Sample
from export.onnx import INPUTS, strip
from export.qdq import Graph

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

OPERATIONS = ["Conv", "Relu"]  # with the sums of the context a score differs by .031 instead of .0012
PERCENTILE = 99.9999
BATCH = 8


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """The sample in the form that onnxruntime asks for."""

    def __init__(self, sample: Sample) -> None:
        batches = sample.batches(min(BATCH, len(sample)))
        self._parts = iter(
            [part for part in batches if len(part.frames) == len(batches[0].frames)]
        )  # it wants equal ones

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        given = next(self._parts, None)
        return None if given is None else dict(zip(INPUTS, given, strict=True))


def quantize_cpu(graph: onnx.ModelProto, sample: Sample) -> onnx.ModelProto:
    """The graph with int8 convolutions, ranges from the sample.

    Args:
        graph: fp32; not changed.
        sample: to measure ranges on.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source, prepared, result = (Path(folder, f"{name}.onnx") for name in ("source", "prepared", "result"))
        source.write_bytes(graph.SerializeToString(deterministic=True))
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        graph_of = Graph.of(onnx.load(prepared))
        wanted = {node.name for node in graph_of.convolutions()}
        quantize_static(
            prepared,
            result,
            _Reader(sample),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATIONS,
            nodes_to_exclude=[
                node.name for node in graph_of.nodes if node.op_type == "Conv" and node.name not in wanted
            ],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE},
        )
        quantized = onnx.load(result)
    quantized.producer_name, quantized.producer_version = graph.producer_name, graph.producer_version
    return strip(quantized)
