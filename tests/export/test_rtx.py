"""NVIDIA's real parser and builder take every artefact, and what they must refuse is refused.

What the parser takes although it should not (uint8, a scale for each channel of an activation) `export.rules` refuses.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from edge.model.model import DEFAULT_PATH
from edge.model.runtime import Artefact, find_variants
from export.artefacts import conformance
from export.rtx import available, try_build
from export.rules import Graph
from tests.conftest import HANGS_S
from tests.export.graphs import FP16, FP32, INT8, graph

pytestmark = [
    pytest.mark.skipif(not available(), reason="needs TensorRT-RTX, the extra trt-check (x86-64)"),
    pytest.mark.rest,  # each build is a process of seconds
]

FOR_TENSORRT = [item for item in find_variants(DEFAULT_PATH) if item.variant.name != "cpu-int8"]


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "graph.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("artefact", FOR_TENSORRT, ids=lambda artefact: artefact.variant.name)
def test_the_real_builder_makes_engines_of_every_artefact(artefact: Artefact) -> None:
    verdict = try_build(artefact.path, timeout_s=HANGS_S)
    assert verdict.reason == ""
    assert verdict.built
    assert {"SM80", "SM86", "SM89"} <= set(verdict.architectures)
    assert verdict.plan_bytes > 100_000


@pytest.mark.parametrize("artefact", FOR_TENSORRT, ids=lambda artefact: artefact.variant.name)
def test_every_weighted_layer_of_an_engine_runs_in_the_type_of_its_artefact(artefact: Artefact) -> None:
    found = Graph.of(onnx.load(artefact.path))
    verdict = try_build(artefact.path, timeout_s=HANGS_S)
    if "int8" in artefact.variant.name:
        assert verdict.types["Int8"] == len(found.convolutions())
    rest = {"fp32": {"Float"}, "trt-fp16": {"Half", "Float"}, "trt-int8": {"Int8", "Float"}}
    leaky_sums = {"Float"}  # which are no weighted layer in chunks as short as the default model's
    assert set(verdict.types) | leaky_sums == rest.get(artefact.variant.name, {"Int8", "Half", "Float"})
    assert verdict.kernels > sum(verdict.types.values())


def test_a_layer_that_lost_its_int8_is_seen_in_what_was_built(tmp_path: Path) -> None:
    whole = try_build(saved(graph(INT8), tmp_path), timeout_s=HANGS_S)
    in_float = graph(INT8, ("Conv <kernel_shape: ints = [1, 1]> (heard,", "Conv (image,"))
    lost = try_build(saved(in_float, tmp_path), timeout_s=HANGS_S)
    assert whole.types["Int8"] == 1
    assert "Int8" not in lost.types


Changes = list[tuple[str, str]]
ATTENTION: Changes = [
    ('["" : 20]', '["" : 23]'),
    (
        "scores = Mul(frame, mask)",
        "own = Attention <q_num_heads: int = 1, kv_num_heads: int = 1> (frame, frame, frame)"
        "\n    scores = Mul(own, mask)",
    ),
]
REFUSED: dict[str, tuple[str, Changes, str, str]] = {
    "a zero point that is not zero": (
        INT8,
        [("int8 zero = {0}", "int8 zero = {3}")],
        "trt-int8",
        "Non-zero zero point is not supported",
    ),
    "a scale of zero": (INT8, [("float scale = {0.05}", "float scale = {0.0}")], "trt-int8", "must all be positive"),
    "floats into a DQ": (
        INT8,
        [("DequantizeLinear(quantized, scale, zero)", "DequantizeLinear(image, scale)")],
        "trt-int8",
        "cannot parse",
    ),
    "a bias of int32": (
        INT8,
        [
            ("float[2] bias = {0.5, -0.5}", "int32[2] whole = {5, -5}, float step = {0.1}"),
            ("    conv =", "    bias = DequantizeLinear(whole, step)\n    conv ="),
        ],
        "trt-int8",
        "cannot parse",
    ),
    "a sum of two precisions": (
        FP16,
        [
            ("    relu = Relu(conv)", "    both = Add(conv, image32)\n    relu = Relu(both)"),
            ("    half =", "    image32 = Unsqueeze(frames, one)\n    half ="),
        ],
        "trt-fp16",
        "same input types",
    ),
    "the node Attention of opset 23": (FP32, ATTENTION, "fp32", "cannot build|ended by SIGSEGV"),
    "an operator of somebody's own": (
        FP32,
        [('["" : 20]', '["" : 20, "com.own" : 1]'), ("Relu(conv)", "com.own.Squash(conv)")],
        "fp32",
        "cannot parse",
    ),
    "a Fourier transform": (
        FP32,
        [("scores = Mul(frame, mask)", "odd = DFT(image)\n    scores = Mul(frame, mask)")],
        "fp32",
        "cannot parse",
    ),
}


@pytest.mark.parametrize("defect", REFUSED)
def test_what_must_be_refused_is_refused_by_the_rules_and_by_nvidia(defect: str, tmp_path: Path) -> None:
    text, changes, variant, reported = REFUSED[defect]
    model = graph(text, *changes)
    assert conformance(model, variant)
    verdict = try_build(saved(model, tmp_path), timeout_s=HANGS_S)
    assert not verdict.built
    assert re.search(reported, verdict.reason)


def test_a_builder_without_memory_ends_in_a_verdict_and_not_in_this_process(tmp_path: Path) -> None:
    verdict = try_build(saved(graph(FP32), tmp_path), memory_bytes=200 << 20, timeout_s=HANGS_S)
    assert not verdict.built
    assert verdict.reason


def test_a_builder_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    verdict = try_build(saved(graph(FP32), tmp_path), timeout_s=0.001)
    assert verdict.reason == "the builder did not end within 0.001 s; are there loops in it?"


def test_the_command_tells_each_file_and_fails_when_one_does(tmp_path: Path) -> None:
    good = saved(graph(FP32), tmp_path)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"nothing")
    command = [sys.executable, "-m", "export.rtx", str(good), str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith(f"{good}: SM80  SM86")
    assert lines[1].startswith(f"{bad}: REFUSED")


def test_a_file_that_is_not_there_is_a_mistake_and_no_refusal_of_a_graph(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export.rtx", str(tmp_path / "none.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"export.rtx: no such file: {tmp_path / 'none.onnx'}\n"
