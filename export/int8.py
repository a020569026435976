"""A network in int8: for TensorRT by torchao's PT2E, for onnxruntime's CPU by its own static quantization.

Both are explicit Q/DQ with one scale for each output channel of a weight, on the convolutions that int8 is for
(`export.rules.Graph.convolutions`), with ranges from a sample (`export.streams.Sample`). There are two because
TensorRT's parser refuses the CPU's file, and onnxruntime is slower on TensorRT's.

TensorRT: symmetric, one scale for an activation; no zero points, nothing on biases, nothing between a convolution and
its ReLU. `train_quantized` teaches the quantized network, with its rounding in place, to give the outputs of the float
one on the same sample: no label is needed, so the reference stays the float network.
CPU: unsigned activations, which fuse in its kernels; ranges are percentiles of what a sample gives, so that one loud
chunk does not stretch them.

Source: Jacob et al. 2018 (1712.05877), quantization-aware training; Wu et al. 2020 (2004.09602), percentile
calibration; NVIDIA TensorRT guide, explicit quantization; onnxruntime, "Quantize ONNX models".
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn import functional

import edge.model.backends.onnx  # noqa: F401  it forbids onnxruntime to report to its maker, before the first import of it
from export.rules import INPUTS, MAX_BATCH, Graph, within_networks
from export.streams import Inputs, Sample

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torchao warns of kernels for GPUs that are not here
    for name in ("torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process
    from torchao.quantization.pt2e import HistogramObserver, PerChannelMinMaxObserver
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer

OPERATIONS = ["Conv", "Relu"]  # with the sums of the context a score differs by .031 instead of .0012
PERCENTILE = 99.9999
CPU_BATCH = 8
BATCH = 16
EPOCHS = 6  # on 256 windows the mean difference of a score falls from .0011 to .0010; with 12 it is .0012
CLIP = 0.02  # weight of the loss of clips; that of the scores has 1
LEARNING_RATE = 3e-5  # of Adam; with 1e-4 the difference grows to .0017
_CONVOLUTION = torch.ops.aten.conv2d.default
_GROUPS = 6  # which of its arguments says how many groups it has; one if it is left out
_ACTIVATIONS = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_symmetric,
    observer_or_fake_quant_ctr=HistogramObserver,  # mean difference of a score .0010, with MinMax .0014
)
_WEIGHTS = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    observer_or_fake_quant_ctr=PerChannelMinMaxObserver,
)


class TensorRtQuantizer(Quantizer):  # type: ignore[misc]
    """Says which tensors are int8: both inputs of a convolution that int8 is for."""

    def annotate(self, model: GraphModule) -> GraphModule:
        """Say which nodes of the graph are quantized, and how."""
        nodes = [n for n in model.graph.nodes if n.op == "call_function" and n.target is _CONVOLUTION]
        mixing = {node for node in nodes if len(node.args) <= _GROUPS or node.args[_GROUPS] == 1}
        for node in within_networks({node: node.all_input_nodes for node in model.graph.nodes}, mixing):
            specs = {node.args[0]: _ACTIVATIONS, node.args[1]: _WEIGHTS}
            node.meta["quantization_annotation"] = QuantizationAnnotation(specs, _annotated=True)
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing to refuse."""


class _Rounded(nn.Module):  # type: ignore[misc]
    """The rounding of a Q/DQ pair, with a gradient; replaces an observer while the network is trained.

    Args:
        observer: that has seen the sample.
    """

    def __init__(self, observer: nn.Module) -> None:
        super().__init__()
        scale, zero = observer.calculate_qparams()
        self.observer = observer
        self.low, self.high, self.axis = observer.quant_min, observer.quant_max, getattr(observer, "ch_axis", -1)
        self.register_buffer("scale", scale.detach())
        self.register_buffer("zero", zero.detach().to(torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """Round to what int8 can hold."""
        if self.axis < 0:
            return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, self.low, self.high)
        return torch.fake_quantize_per_channel_affine(x, self.scale, self.zero, self.axis, self.low, self.high)


def quantize(scorer: nn.Module, sample: Sample) -> GraphModule:
    """The network with int8 convolutions and linear layers; ranges from the sample.

    Args:
        scorer: in evaluation mode; not changed.
        sample: to measure ranges on.
    """
    with _one_thread_without_warnings():
        return _converted(_observed(scorer, sample))


def train_quantized(scorer: nn.Module, sample: Sample) -> GraphModule:
    """As `quantize`, but its weights are trained with the rounding in place; arguments as there."""
    with _one_thread_without_warnings():
        prepared = _observed(scorer, sample)
        observers = {name: part for name, part in prepared.named_children() if hasattr(part, "calculate_qparams")}
        for name, observer in observers.items():
            setattr(prepared, name, _Rounded(observer))
        _fine_tune(prepared, scorer, sample)
        for name, observer in observers.items():
            setattr(prepared, name, observer)
        return _converted(prepared)


def _observed(scorer: nn.Module, sample: Sample) -> GraphModule:
    """The network with batch norms folded and an observer at each place that becomes int8, which saw the sample."""
    prepared: GraphModule = prepare_pt2e(_program(scorer, sample), TensorRtQuantizer())
    with torch.no_grad():
        for given in sample.batches(BATCH):
            prepared(*_tensors(given))
    return prepared


def _converted(prepared: GraphModule) -> GraphModule:
    converted: GraphModule = convert_pt2e(prepared)
    return converted


def _fine_tune(prepared: GraphModule, scorer: nn.Module, sample: Sample) -> None:
    """Train it to the outputs of the float network: cross-entropy of scores, and of clips."""
    rng = np.random.default_rng(sample.seed)
    weights = [weight for weight in prepared.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, LEARNING_RATE)
    for _ in range(EPOCHS):
        for given in sample.batches(BATCH, rng.permutation(len(sample))):
            with torch.no_grad():
                scores, clip, _ = scorer(*_tensors(given))
            int8_scores, int8_clip, _ = prepared(*_tensors(given))
            loss = functional.binary_cross_entropy(int8_scores.clamp(1e-6, 1 - 1e-6), scores)
            loss = loss + CLIP * functional.kl_div(int8_clip, clip, log_target=True, reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _tensors(given: Inputs) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(part) for part in given)


def _program(scorer: nn.Module, sample: Sample) -> GraphModule:
    batch, inputs = {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}, _tensors(sample.batches(2)[0])
    exported = torch.export.export(copy.deepcopy(scorer), inputs, dynamic_shapes=(batch, batch, batch))
    program: GraphModule = exported.module()
    return program


@contextmanager
def _one_thread_without_warnings() -> Iterator[None]:
    """One thread, so that sums have one order and two exports one result; without the warnings of a young library."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """The sample in the form that onnxruntime asks for."""

    def __init__(self, sample: Sample) -> None:
        batches = sample.batches(min(CPU_BATCH, len(sample)))
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
        convolutions = {node.name for node in graph_of.convolutions()}
        quantize_static(
            prepared,
            result,
            _Reader(sample),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATIONS,
            nodes_to_exclude=[
                node.name for node in graph_of.nodes if node.op_type == "Conv" and node.name not in convolutions
            ],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": PERCENTILE},
        )
        quantized = onnx.load(result)
    quantized.producer_name, quantized.producer_version = graph.producer_name, graph.producer_version
    return quantized
