"""Tries a model before it is installed, in a process of its own: what it is, and whether it gives numbers.

    python -m edge.model.releases.trial ARTEFACT

A signature says whose a model is, not that its graph can be run: one may ask for more memory than there is, never end,
or end the process. So a child with bounds on memory and time loads and asks it, and says in one line of JSON what it
found. Not for signatures and manifests (`edge.model.releases.release`).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge.errors import LaennecError, ModelError
from edge.model.model import Model, load_model
from edge.model.runtime import find_variants
from edge.types import Chunk

MOST_BYTES = 1 << 30  # of data; Python, onnxruntime and the bundled model take 132 MB
MOST_S = 120.0  # the bundled model takes 1 s on a desktop


@dataclass(frozen=True, slots=True)
class Found:
    """What a model says of itself when it is loaded."""

    id: str
    features: str
    """SHA-256 of its feature spec."""
    classes: tuple[str, ...]
    variants: dict[str, str]
    """File -> variant, of it and those beside it."""


def try_model(artefact: Path) -> Found:
    """Load a model and let it score silence, in a child.

    Raises:
        ModelError: it is none, gives no numbers, or takes too much memory or time.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "edge.model.releases.trial", str(artefact)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MOST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{artefact.name}: gives nothing within {MOST_S:.0f} s; export it again") from None
    try:
        result = json.loads(ended.stdout)
        if "error" in result:
            raise ModelError(str(result["error"]))
        return Found(**{**result, "classes": tuple(result["classes"])})
    except (ValueError, TypeError, KeyError):
        raise ModelError(
            f"{artefact.name}: ended the process that tried it (exit code {ended.returncode}): it takes more than "
            f"{MOST_BYTES >> 20} MiB of memory, or is broken; export it again"
        ) from None


def _try(artefact: Path) -> Found:
    """What `try_model` promises, in this process."""
    model = load_model(artefact)
    variants = {item.path.name: item.variant for item in find_variants(artefact)}
    for name, variant in sorted(variants.items()):
        if variant.runtime == "onnxruntime":
            _check_numbers(model if name == artefact.name else load_model(artefact.with_name(name)), name)
    names = {name: variant.name for name, variant in variants.items()}
    return Found(model.id, model.features_sha256, model.classes, names)


def _check_numbers(model: Model, name: str) -> None:
    length = model.chunk.chunk_frames
    valid = np.ones(length, np.bool_)
    silence = Chunk(0, np.zeros((length, model.spec.width), np.float32), valid, decided_valid=valid)
    try:
        scores, _ = model.score(silence, model.new_state())
    except ModelError as error:
        raise ModelError(f"{name}: {error}; at most {MOST_BYTES >> 20} MiB of memory are given") from None
    if not scores.valid.any():
        raise ModelError(f"{name}: {model.id} gives no numbers for silence; export it again")


def main() -> None:
    """Entry point of the child."""
    for limit, most in ((resource.RLIMIT_DATA, MOST_BYTES), (resource.RLIMIT_CORE, 0)):
        lowest = min(each for each in (most, *resource.getrlimit(limit)) if each != resource.RLIM_INFINITY)
        resource.setrlimit(limit, (lowest, lowest))
    try:
        result: dict[str, object] = asdict(_try(Path(sys.argv[1])))
    except LaennecError as error:
        result = {"error": str(error)}
    except MemoryError:
        result = {"error": f"takes more than {MOST_BYTES >> 20} MiB of memory; export it again"}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
