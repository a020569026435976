"""Half precision: the same graph with fp16 inside and float32 at its borders.

For TensorRT, whose precision lives in the file (strongly typed networks). onnxruntime's CPU can execute it, slower than
fp32 and with casts around most nodes: good for a check of the numbers, not for service. Not for int8 (`quantize`).
"""

from __future__ import annotations

import warnings

import onnx
from onnxconverter_common import float16

from export.onnx import strip


def to_fp16(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every float tensor between the inputs and the outputs is fp16; Q/DQ pairs keep their int8."""
    draft = onnx.ModelProto()
    draft.CopyFrom(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers below the smallest fp16 become it: the epsilons of the pooling
        converted: onnx.ModelProto = float16.convert_float_to_float16(draft, keep_io_types=True)
    return strip(converted)
