"""The lines that build on the device, run against NVIDIA's real parser and builder: RTX needs no GPU for that."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ModelError
from edge.model.backends.engine import BatchSizes, BuildOptions, build
from edge.model.model import DEFAULT_PATH
from tests.conftest import HANGS_S
from tests.edge.model.backends.fake_tensorrt import MAGIC
from tests.edge.model.backends.machine import Machine
from tests.edge.small_graph import STATE, small_artefact

BUILD = """
import json, sys
import tensorrt_rtx as trt
from edge.model.backends.engine import BatchSizes, BuildOptions, build
from edge.errors import ModelError

def for_ampere(config):
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)

graph = open(sys.argv[1], "rb").read()
said = {"bytes": 0, "error": ""}
try:
    built = build(trt, graph, BuildOptions(BatchSizes(*map(int, sys.argv[2:])), None, for_ampere))
    said["bytes"], said["timings"] = len(built.plan), built.timing_cache
except ModelError as error:
    said["error"] = str(error)
print(json.dumps(said))
"""

needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="needs the extra trt-check (x86-64)"
)


def _rtx(path: Path, *batches: int) -> dict[str, Any]:
    """What the real builder says; in a process of its own, for it may end the process."""
    command = [sys.executable, "-c", BUILD, str(path), *map(str, batches)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=True)
    answered: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answered


@needs_rtx
def test_the_real_builder_takes_the_default_artefact_with_a_range_of_batches() -> None:
    answered = _rtx(DEFAULT_PATH, 1, 8, 32)
    assert answered["error"] == ""
    assert answered["bytes"] > 500_000
    assert answered["timings"] is None


@needs_rtx
def test_a_range_that_cannot_be_is_refused_by_the_real_builder() -> None:
    assert re.search("cannot build|refused batches 4-2-1", _rtx(DEFAULT_PATH, 4, 2, 1)["error"])


@needs_rtx
def test_the_real_parser_names_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"no protocol buffer")
    assert "cannot parse the graph" in _rtx(path, 1, 8, 32)["error"]


def test_the_range_of_batches_reaches_every_input(machine: Machine) -> None:
    built = build(machine.trt, small_artefact(), BuildOptions(BatchSizes(1, 4, 16)))  # type: ignore[arg-type]
    head = json.loads(built.plan.removeprefix(MAGIC).partition(b"\n")[0])
    assert head["profile"] == {
        "frames": [[1, 4, 8], [4, 4, 8], [16, 4, 8]],
        "valid": [[1, 4], [4, 4], [16, 4]],
        "state": [[1, STATE], [4, STATE], [16, STATE]],
    }


def test_a_builder_that_gives_no_reason_is_still_an_error(machine: Machine) -> None:
    machine.trt.no_start.add("Builder")
    with pytest.raises(ModelError, match="cannot start a build: it gave no reason"):
        build(machine.trt, b"", BuildOptions())  # type: ignore[arg-type]
