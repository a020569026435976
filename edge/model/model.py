"""The artefact: one ONNX file that carries everything the edge must know, checked before it is used.

The graph scores a stream chunk by chunk: it maps `frames` (B, H, M), `valid` (B, H) and `state` (B, S), zeros at first,
to `scores` (B, H / score_frames, C), calibrated probabilities of the frames that lie L before, and `next_state`
(B, S). The metadata hold, as JSON text under `laennec.*`: the schema, feature spec, chunk, classes, groups, thresholds,
calibration, training data hash and card. A third output, `clip` (B, labels), with `tasks` in the metadata, labels all
received since the state was zero; streams do not use it. One checkpoint gives several artefacts,
`laennec.variant` says which this is. Not for training or exporting one (`training`, `export`), nor for whether a file
is whole (`edge.model.onnx_file`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError, ModelError
from edge.features.spec import FeatureSpec
from edge.model.alarm_limits import BurdenLimits
from edge.model.backends import Backend
from edge.model.onnx_file import read_artefact
from edge.model.specs import AgeThresholds, ChunkSpec, GroupSpec, Variant, ages_from_json, as_text
from edge.model.training_domain import TrainingDomain
from edge.settings.names import bundled
from edge.types import Chunk, Scores

SCHEMA = "laennec.model/2"
OF_WINDOWS = "laennec.model/1"
DEFAULT_PATH, LIGHT_PATH = bundled("default"), bundled("light")
LABEL = re.compile(r"[a-z][a-z0-9_]{0,31}")  # of a class or group: it goes into messages, tables and pages as it is
MAX_BATCH = 16  # streams in one call; more gain nothing on a CPU, and let the first wait for the last
_TENSORS = ("frames", "valid", "state", "scores", "next_state")
_METADATA = ("features", "chunk", "classes", "groups", "thresholds", "calibration", "training_data", "card")


class Model:
    """A loaded artefact.

    Args:
        content: the whole file.
        backend: the same content in a runtime.

    Raises:
        ModelError: if the metadata are missing, of another schema, or do not fit the graph.
    """

    def __init__(self, content: bytes, backend: Backend) -> None:
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
        self.known: TrainingDomain | None = meta["known"]
        """What it says it was trained on; None for a model that judges no stream."""
        self.burden_limits: BurdenLimits | None = meta["burden_limits"]
        """What limits of the burden cost and find; None for a model that does not say."""
        self.ages: tuple[AgeThresholds, ...] = meta["ages"]
        """Thresholds of patients of some age; empty for a model that has the same for all."""
        self.variant: Variant = meta["variant"]
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.id = str(self.card.get("id", self.sha256[:12]))
        self.runtime = backend.name
        self._initial_state = np.zeros(self._check_graph(), np.float32)

    @property
    def rate_hz(self) -> int:
        """Sampling rate of the sound it scores, Hz."""
        return self.spec.rate_hz

    @property
    def event_classes(self) -> tuple[str, ...]:
        """Classes that become events."""
        return tuple(c for group in self.groups for c in group.classes)

    def thresholds_at(self, age_years: float | None) -> dict[str, float]:
        """What the model says of a patient's age instead of `thresholds`, by class; empty where it says nothing."""
        for one in self.ages:
            if age_years is not None and one.from_years <= age_years < one.to_years:
                return dict(one.thresholds)
        return {}

    @property
    def score_hop_samples(self) -> int:
        """Samples to one score frame."""
        return self.spec.hop_samples * self.chunk.score_frames

    @property
    def features_sha256(self) -> str:
        """SHA-256 of the feature spec's canonical JSON, hex."""
        return self.spec.sha256

    def new_state(self) -> NDArray[np.float32]:
        """(S,) zeros: nothing was scored yet."""
        return self._initial_state.copy()

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> tuple[Scores, NDArray[np.float32]]:
        """Hear a chunk: scores of the frames that it decides, from the first measurable one to the last.

        The chunk goes through the graph alone, so that a score has the same bits however the sound was cut.

        Args:
            chunk: the next of a stream.
            state: (S,) that the chunk before left; not looked at where the chunk says that the model starts anew.

        Returns:
            The scores, and the state for the next chunk. If the state is not finite, no score of the chunk is
            measurable, and the stream must go on with `new_state`.
        """
        return self.score_many([chunk], [state])[0]

    def score_many(
        self, chunks: Sequence[Chunk], states: Sequence[NDArray[np.float32]]
    ) -> list[tuple[Scores, NDArray[np.float32]]]:
        """Hear a chunk of each of some streams at once: as `score`, within 1e-5 and for less time each.

        Streams do not meet in the graph: what is not finite in one leaves the others as they are.

        Args:
            chunks: B, the next of each stream, at most `MAX_BATCH`.
            states: B of (S,), of the same streams.

        Returns:
            B, each as `score` would return it.

        Raises:
            ValueError: if there are more chunks than `MAX_BATCH`, or not as many states.
        """
        if len(chunks) > MAX_BATCH or len(chunks) != len(states):
            raise ValueError(f"expected at most {MAX_BATCH} chunks and a state for each, found {len(chunks)} chunks")
        if not chunks:
            return []
        known = [self._initial_state if chunk.restart else state for chunk, state in zip(chunks, states, strict=True)]
        found = self._run(chunks, np.stack(known))
        # Each state is copied: a part of the batch would keep the memory of the whole one.
        fine = np.asarray(np.isfinite(found["next_state"]).all(axis=1))
        fine &= np.asarray(np.isfinite(found["scores"]).all(axis=(1, 2)))
        rows = zip(chunks, found["scores"], found["next_state"], fine, strict=True)
        return [(self._measurable(*row), row[2].copy()) for row in rows]

    def clip_log_probabilities(self, chunks: Sequence[Chunk]) -> NDArray[np.float32]:
        """Labels of some chunks as one clip: (labels,) log-probabilities of `tasks["labels"]`. Not for streams.

        Args:
            chunks: all of the clip, at least one.

        Raises:
            ModelError: if this model does not label clips.
        """
        if self.tasks is None or "clip" not in self._backend.outputs:
            raise ModelError(f"{self.id}: expected the output `clip` and its labels, found a model for streams alone")
        found = {"next_state": self.new_state()[None]}
        for chunk in chunks:
            found = self._run([chunk], found["next_state"])
        return np.asarray(found["clip"][0])

    def _run(self, chunks: Sequence[Chunk], states: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Every output of the graph for a chunk of each of some streams and their states (B, S): (B, ...)."""
        frames = np.stack([chunk.values for chunk in chunks])
        valid = np.stack([chunk.valid for chunk in chunks]).astype(np.float32)
        return self._backend.run(frames, valid, states)

    def _measurable(
        self, chunk: Chunk, values: NDArray[np.float32], after: NDArray[np.float32], is_finite: np.bool_
    ) -> Scores:
        """What the graph said of one chunk, (T, C) and the state, as scores; `is_finite`: all of it are numbers."""
        spec = self.chunk
        first_score = (chunk.start - spec.lookahead_frames) // spec.score_frames
        if is_finite and chunk.decided_valid.all():  # nearly always
            return Scores(first_score, values.copy(), np.ones(len(values), np.bool_))
        measurable = np.asarray(chunk.decided_valid.reshape(-1, spec.score_frames).all(axis=1))
        measurable &= np.isfinite(values).all(axis=1)
        if not np.isfinite(after).all():
            measurable[:] = False
        first, stop = np.argmax(measurable), len(measurable) - np.argmax(measurable[::-1])
        # What is not measurable at either end is left out: a jump in the index says so.
        part = slice(int(first), int(stop if measurable.any() else first))
        scores = np.where(measurable[:, None], values, np.float32(0))
        return Scores(first_score + part.start, scores[part], measurable[part])

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
            f"expected a model of chunks ({SCHEMA}), found {found}, a model of windows, which runs with the "
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
        meta["known"] = TrainingDomain.from_json(texts["known"]) if "known" in texts else None
        limits = texts.get("burden_limits")
        meta["burden_limits"] = None if limits is None else BurdenLimits.from_json(limits)
        meta["ages"] = ages_from_json(texts["ages"]) if "ages" in texts else ()
        meta["variant"] = Variant.from_json(texts["variant"]) if "variant" in texts else Variant()
        meta["features"] = FeatureSpec.from_json(texts["features"])
        meta["chunk"] = ChunkSpec(**meta["chunk"])
        meta["classes"] = tuple(str(c) for c in meta["classes"])
        meta["groups"] = tuple(GroupSpec(**{**g, "classes": tuple(g["classes"])}) for g in meta["groups"])
        meta["thresholds"] = {str(c): float(t) for c, t in meta["thresholds"].items()}
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"metadata not understood: {error}") from error
    named = {c for group in meta["groups"] for c in group.classes}
    for name in (*meta["classes"], *(group.name for group in meta["groups"]), *named):
        if not LABEL.fullmatch(str(name)):
            raise ModelError(
                f"a name of a class or group: expected 1 to 32 of a-z, 0-9 and _, found {str(name)[:80]!r}"
            )
    if not named <= set(meta["classes"]) or named != set(meta["thresholds"]):
        raise ModelError(
            f"classes {meta['classes']}, groups {sorted(named)} and thresholds {sorted(meta['thresholds'])} disagree"
        )
    if any(set(one.thresholds) - named for one in meta["ages"]):
        raise ModelError(f"ages name classes that are not among {sorted(named)}")
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
    from edge.model.backends.onnx import OnnxBackend  # here: a refusal does not wait for onnxruntime's import

    try:
        return Model(content, OnnxBackend(content))
    except ModelError as error:
        raise ModelError(f"model {path}: {error}; export it again with this version of Laennec") from error
