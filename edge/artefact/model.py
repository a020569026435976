"""The artefact: one ONNX file that carries everything the edge must know, checked before it is used.

The graph hears a stream chunk by chunk: it maps `frames` (B, H, M), `valid` (B, H) and `state` (B, S), zeros at first,
to `scores` (B, H / score_frames, C), calibrated probabilities of the frames that lie L before, and `next_state`
(B, S). The metadata hold, as JSON text under `laennec.*`: the schema, feature spec, chunk, classes, groups, thresholds,
calibration, training data hash and card. A third output, `clip` (B, labels), with `tasks` in the metadata, labels all
that was heard since the state was zero; streams do not use it. One checkpoint gives several artefacts,
`laennec.variant` says which this is. Not for training or exporting one (`training`, `export`), nor for whether a file
is whole (`edge.artefact.seal`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.artefact.backends import Backend
from edge.artefact.card_text import as_text
from edge.artefact.known import KnownSound
from edge.artefact.seal import read_artefact
from edge.artefact.specs import ChunkSpec, GroupSpec
from edge.errors import ConfigError, ModelError
from edge.features.spec import FeatureSpec
from edge.types import Chunk, Scores

SCHEMA = "laennec.model/2"
OF_WINDOWS = "laennec.model/1"
DEFAULT_PATH = Path(__file__).parents[1] / "models" / "default.onnx"
_TENSORS = ("frames", "valid", "state", "scores", "next_state")
_METADATA = ("features", "chunk", "classes", "groups", "thresholds", "calibration", "training_data", "card")


@dataclass(frozen=True, slots=True)
class Variant:
    """Which of the artefacts of one checkpoint a file is; one that does not say is the fp32 one, for onnxruntime."""

    name: str = "fp32"
    """fp32, cpu-int8, trt-fp16, trt-int8 or trt-int8-fp16."""
    runtime: str = "onnxruntime"
    """The runtime that it is made for: onnxruntime or tensorrt."""
    precision: str = "fp32"
    """fp32, int8, fp16 or int8+fp16; inputs and outputs are float32 in all."""
    parent: str = ""
    """SHA-256 of the fp32 artefact that it was made beside; empty for that one itself."""
    checkpoint: str = ""
    """SHA-256 of the weights."""
    calibration: dict[str, Any] | None = None
    """Size, seed and SHA-256 of the sample that the ranges were measured on; None without int8."""
    made_with: dict[str, str] = field(default_factory=dict)
    """Version of each package that made it."""

    @classmethod
    def from_json(cls, text: str) -> Variant:
        """Read the entry of the metadata.

        Raises:
            ModelError: if it lacks a field or has one of another type.
        """
        try:
            fields = json.loads(text)
            texts = {key: fields[key] for key in ("name", "runtime", "precision", "parent", "checkpoint")}
            variant = cls(**texts, calibration=fields["calibration"], made_with=dict(fields["made_with"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"metadata not understood: laennec.variant: {error!r}") from error
        if any(not isinstance(value, str) for value in texts.values()):
            raise ModelError(f"metadata not understood: laennec.variant: expected text, found {texts}")
        return variant


class Model:
    """A loaded artefact.

    Args:
        content: the whole file.
        backend: the same content in a runtime.

    Raises:
        ModelError: if the metadata are missing, of another schema, or do not fit the graph.
    """

    def __init__(self, content: bytes, backend: Backend) -> None:
        """Read and cross-check the metadata."""
        self._backend = backend
        meta = _read_metadata(backend)
        self.spec: FeatureSpec = meta["features"]
        self.chunk: ChunkSpec = meta["chunk"]
        self.classes: tuple[str, ...] = meta["classes"]
        self.groups: tuple[GroupSpec, ...] = meta["groups"]
        self.thresholds: dict[str, float] = meta["thresholds"]
        self.calibration: dict[str, Any] = meta["calibration"]
        self.training_data: str = meta["training_data"]
        self.trained_on: list[str] = meta["trained_on"]
        """Hashes that recognise the recordings and patients it was trained on; empty when it carries none."""
        self.card: dict[str, Any] = meta["card"]
        self.tasks: dict[str, Any] | None = meta["tasks"]
        """How official tasks are answered (`training.detector.answers`); None for a model without the output `clip`."""
        self.known: KnownSound | None = meta["known"]
        """What it says it was trained on; None for a model that judges no stream."""
        self.variant: Variant = meta["variant"]
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.id = str(self.card.get("id", self.sha256[:12]))
        self.runtime = backend.name
        self._state_size = self._check_graph()

    @property
    def rate_hz(self) -> int:
        """Sampling rate of the sound it scores, Hz."""
        return self.spec.rate_hz

    @property
    def event_classes(self) -> tuple[str, ...]:
        """Classes that become events."""
        return tuple(c for group in self.groups for c in group.classes)

    @property
    def score_hop_samples(self) -> int:
        """Samples to one score frame."""
        return self.spec.hop_samples * self.chunk.score_frames

    @property
    def features_sha256(self) -> str:
        """SHA-256 of the feature spec's canonical JSON, hex."""
        return self.spec.sha256

    def new_state(self) -> NDArray[np.float32]:
        """(S,) zeros: nothing was heard yet."""
        return np.zeros(self._state_size, np.float32)

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> tuple[Scores, NDArray[np.float32]]:
        """Hear a chunk: scores of the frames that it decides, from the first measurable one to the last.

        Chunks go through the graph one at a time, so that a score has the same bits however the sound was cut.

        Args:
            chunk: the next of a stream.
            state: (S,) that the chunk before left; not looked at where the chunk says that the model starts anew.

        Returns:
            The scores, and the state for the next chunk. If the state is not finite, no score of the chunk is
            measurable, and the stream must go on with `new_state`.
        """
        spec = self.chunk
        found = self._hear(chunk, self.new_state() if chunk.restart else state)
        values, after = found["scores"], found["next_state"]
        measurable = np.asarray(chunk.decided_valid.reshape(-1, spec.score_frames).all(axis=1))
        measurable &= np.isfinite(values).all(axis=1)
        if not np.isfinite(after).all():
            measurable[:] = False
        first, stop = np.argmax(measurable), len(measurable) - np.argmax(measurable[::-1])
        # What is not measurable at either end is left out: a jump in the index says so.
        part = slice(int(first), int(stop if measurable.any() else first))
        scores = np.where(measurable[:, None], values, np.float32(0))
        start = (chunk.start - spec.lookahead_frames) // spec.score_frames + part.start
        return Scores(start, scores[part], measurable[part]), after

    def clip_log_probabilities(self, chunks: Sequence[Chunk]) -> NDArray[np.float32]:
        """Labels of some chunks as one clip: (labels,) log-probabilities of `tasks["labels"]`. Not for streams.

        Args:
            chunks: all of the clip, at least one.

        Raises:
            ModelError: if this model does not label clips.
        """
        if self.tasks is None or "clip" not in self._backend.outputs:
            raise ModelError(f"{self.id}: expected the output `clip` and its labels, found a model for streams alone")
        found = {"next_state": self.new_state()}
        for chunk in chunks:
            found = self._hear(chunk, found["next_state"])
        return found["clip"]

    def _hear(self, chunk: Chunk, state: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Every output of the graph for one chunk, without the batch."""
        found = self._backend.run(chunk.values[None], chunk.valid[None].astype(np.float32), state[None])
        return {name: values[0] for name, values in found.items()}

    def describe(self) -> str:
        """The card and the metadata as text to read: YAML, a line for each figure."""
        hop_ms = 1000 * self.score_hop_samples / self.rate_hz
        lengths = (self.chunk.chunk_frames, self.chunk.lookahead_frames)
        chunk_ms, late_ms = (hop_ms * frames / self.chunk.score_frames for frames in lengths)
        lines = [
            f"{self.id}  sha256 {self.sha256}",
            "",
            as_text(self.card),
            "",
            f"variant: {self.variant.name}, {self.variant.precision} for {self.variant.runtime}",
            f"classes: {', '.join(self.classes)} (one score each {hop_ms:g} ms)",
            "thresholds: " + ", ".join(f"{c} {t:.2f}" for c, t in self.thresholds.items()),
            as_text({"features": json.loads(self.spec.to_json())}),
            f"chunk: {chunk_ms:g} ms, decided {late_ms:g} ms late",
            f"known sound: {self.known or 'not in this model; it does not say when a stream is outside'}",
            f"training data: sha256 {self.training_data}",
        ]
        return "\n".join(lines)

    def _check_graph(self) -> int:
        """S, numbers in the state of a stream, of a graph that fits its metadata."""
        length = self.chunk.chunk_frames
        shapes = {**self._backend.inputs, **self._backend.outputs}
        found = {name: shapes[name][1:] for name in _TENSORS if name in shapes}
        size = found.get("state", [0])[-1]
        expected = {
            "frames": [length, self.spec.width],
            "valid": [length],
            "state": [size],
            "scores": [self.chunk.scores, len(self.classes)],
            "next_state": [size],
        }
        if found != expected or not isinstance(size, int):
            raise ModelError(f"graph does not fit its metadata: expected {expected}, found {found}")
        return size


def check_schema(metadata: Mapping[str, str]) -> None:
    """Refuse what is no model of this form, by its metadata as text; no runtime is needed.

    Raises:
        ModelError: saying what was expected and what was found.
    """
    found = metadata.get("laennec.schema")
    if found == OF_WINDOWS:
        raise ModelError(
            f"expected a model that hears chunks ({SCHEMA}), found {found}, a model of windows, which runs with the "
            "release of Laennec that it came with"
        )
    if found != SCHEMA:
        raise ModelError(f"expected a Laennec model ({SCHEMA}), found an ONNX file with schema {found!r}")


def _read_metadata(backend: Backend) -> dict[str, Any]:
    texts = {
        key.removeprefix("laennec."): value for key, value in backend.metadata.items() if key.startswith("laennec.")
    }
    check_schema(backend.metadata)
    missing = [key for key in _METADATA if key not in texts]
    if missing:
        raise ModelError(f"expected metadata {', '.join(_METADATA)}; missing: {', '.join(missing)}")
    try:
        meta = {key: json.loads(texts[key]) for key in _METADATA}
        meta["tasks"] = json.loads(texts.get("tasks", "null"))
        meta["trained_on"] = [str(mark) for mark in json.loads(texts.get("trained_on", "[]"))]
        meta["known"] = KnownSound.from_json(texts["known"]) if "known" in texts else None
        meta["variant"] = Variant.from_json(texts["variant"]) if "variant" in texts else Variant()
        meta["features"] = FeatureSpec.from_json(texts["features"])
        meta["chunk"] = ChunkSpec(**meta["chunk"])
        meta["classes"] = tuple(str(c) for c in meta["classes"])
        meta["groups"] = tuple(GroupSpec(**{**g, "classes": tuple(g["classes"])}) for g in meta["groups"])
        meta["thresholds"] = {str(c): float(t) for c, t in meta["thresholds"].items()}
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"metadata not understood: {error}") from error
    named = {c for group in meta["groups"] for c in group.classes}
    if not named <= set(meta["classes"]) or named != set(meta["thresholds"]):
        raise ModelError(
            f"classes {meta['classes']}, groups {sorted(named)} and thresholds {sorted(meta['thresholds'])} disagree"
        )
    return meta


def load_model(path: Path | None = None) -> Model:
    """Load and check an artefact.

    Args:
        path: the file; None for the bundled one.

    Raises:
        ModelError: if it is missing, too large, damaged or not a Laennec model; the message names the file, what was
            expected, what was found and what to do.
    """
    path = path or DEFAULT_PATH
    content = read_artefact(path)
    from edge.artefact.backends.onnx import OnnxBackend  # here: a refusal does not wait for onnxruntime's import

    try:
        return Model(content, OnnxBackend(content))
    except ModelError as error:
        raise ModelError(f"model {path}: {error}; export it again with this version of Laennec") from error
