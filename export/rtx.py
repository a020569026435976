"""NVIDIA's own parser and builder on a graph, without a GPU: TensorRT-RTX builds ahead of time for named architectures.

The lines that build are the device's (`edge.model.backends.engine`); only the module is another. A graph that
passes is one that NVIDIA's parser reads and for which kernels exist; the builder's own list of its layers says in which
type each weighted one runs, so that int8 which was asked for and not made is seen. How fast a graph is, only a device
says. RTX has no entry for Orin (SM87), so its architecture stands for it in the form of SM80 and SM86.

Some graphs make the builder eat all memory (one GRU: 22 GB) or never end, so each build is a process of its own with a
bound on both. The package is a development extra, `trt-check`; its licence is NVIDIA's.

    python -m export.rtx FILE...
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import LaennecError
from edge.model.backends.engine import BuildOptions, build

PACKAGE = "tensorrt_rtx"
MEMORY_BYTES = 6 << 30  # of addresses; a build of the default model takes 0.7 GB
TIMEOUT_S = 120.0  # the same build takes 2 s on one core
WEIGHTED = {"correlation", "deconv", "gemm"}  # what its compiler calls convolutions and matrix products
LACKING = {"SM75"}  # Turing has no float32 matrix product in RTX, and no Jetson that we know


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether NVIDIA's parser and builder take one file, and what they make of it."""

    file: str
    built: bool
    reason: str
    """Why not; empty when it was built."""
    architectures: tuple[str, ...] = ()
    """What it was built for, such as SM86."""
    plan_bytes: int = 0
    types: Mapping[str, int] = field(default_factory=dict)
    """How many convolutions and matrix products of their own take what type, such as {"Int8": 26}."""
    kernels: int = 0
    """Layers of the engine in all, for the first of the architectures."""
    seconds: float = 0.0
    version: str = ""
    """Of TensorRT-RTX."""


def available() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def try_build(path: Path, memory_bytes: int = MEMORY_BYTES, timeout_s: float = TIMEOUT_S) -> Verdict:
    """Parse and build a file in a process of its own.

    Args:
        path: an ONNX file.
        memory_bytes: addresses that the process may have.
        timeout_s: how long it may take.
    """
    command = [sys.executable, "-m", "export.rtx", "--inside", str(memory_bytes), str(path)]
    begin_s = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return Verdict(str(path), False, f"the builder did not end within {timeout_s:g} s; are there loops in it?")
    seconds = round(time.monotonic() - begin_s, 2)
    lines = done.stdout.strip().splitlines()
    try:
        record: dict[str, Any] = json.loads(lines[-1])
        return Verdict(**{**record, "architectures": tuple(record["architectures"]), "seconds": seconds})
    except (IndexError, ValueError, TypeError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it logged nothing"])[-1]
        how = f"by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else f"with code {done.returncode}"
        reason = f"the builder ended {how} ({last}); it may use {memory_bytes / 2**30:.1f} GB"
        return Verdict(str(path), False, reason, seconds=seconds)


def main() -> int:
    """A line for each file; exit code 1 if one cannot be built, 2 without the package."""
    parser = argparse.ArgumentParser(prog="python -m export.rtx", description="Build graphs with TensorRT-RTX.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="ONNX files")
    parser.add_argument("--inside", type=int, metavar="BYTES", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(asdict(_build_here(arguments.files[0], arguments.inside))))
        return 0
    missing = [str(path) for path in arguments.files if not path.is_file()]
    if missing:
        print(f"export.rtx: no such file: {', '.join(missing)}", file=sys.stderr)
        return 2
    if not available():
        print("export.rtx: TensorRT-RTX is not installed: pip install 'tensorrt-rtx<2' (x86-64)", file=sys.stderr)
        return 2
    verdicts = [try_build(path) for path in arguments.files]
    for verdict in verdicts:
        print(f"{verdict.file}: {_summary(verdict)}  {verdict.seconds:.1f} s  {verdict.reason}".rstrip())
    return 0 if all(verdict.built for verdict in verdicts) else 1


def _summary(verdict: Verdict) -> str:
    if not verdict.built:
        return "REFUSED"
    types = ", ".join(f"{count} in {name}" for name, count in verdict.types.items()) or "none"
    layers = f"{verdict.kernels} layers, weighted: {types}"
    return f"{'  '.join(verdict.architectures)}  {verdict.plan_bytes / 1e6:.1f} MB  {layers}"


def _build_here(path: Path, memory_bytes: int) -> Verdict:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        trt: Any = importlib.import_module(PACKAGE)
        graph = path.read_bytes()
    except (ImportError, OSError) as error:
        return Verdict(str(path), False, str(error))
    capabilities = trt.ComputeCapability.__members__
    targets = [name for name in capabilities if name.startswith("SM") and name not in LACKING]

    log: list[str] = []

    def choose_targets(config: Any) -> None:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # the types of the layers
        config.num_compute_capabilities = len(targets)
        for index, name in enumerate(targets):
            config.set_compute_capability(capabilities[name], index)

    try:  # no timing cache: RTX asks a GPU for it
        built = build(trt, graph, BuildOptions(timing_cache=None, configure=choose_targets, on_log=log.append))
    except (LaennecError, MemoryError) as error:
        return Verdict(str(path), False, str(error) or "out of memory", version=trt.__version__)
    types, kernels = _layers(log)
    return Verdict(str(path), True, "", tuple(targets), len(built.plan), types, kernels, version=trt.__version__)


def _layers(log: list[str]) -> tuple[dict[str, int], int]:
    """Types that weighted layers take, and the number of all layers: of the first list that the builder logged."""
    listing = next((text for text in log if text.startswith("Layers:")), "")
    layers = re.findall(r"^Name: .*?, LayerType: (\w+), Inputs: \[(?: \{.*?Datatype: (\w+))?", listing, re.MULTILINE)
    return dict(Counter(taken for kind, taken in layers if kind in WEIGHTED)), len(layers)


if __name__ == "__main__":
    sys.exit(main())
