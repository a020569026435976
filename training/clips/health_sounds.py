"""Training of the detector of health sounds, on what there is: negatives by kind, and breath from chest recordings.

Every piece is taught the label of its kind and the absence of the other taught labels: a cough is called no breath
though there may be one behind it. A piece of a chest recording is breath when it holds an annotated phase, and teaches
nothing when it does not. Kinds without a label among the eight (an infant's cry, heart sounds) are taught as none of
them. Breath comes from a stethoscope here and the others do not, so `Breathe` may have learnt the stethoscope.
Source: the labels of HeAR's released detector (2403.02522); which sounds stand for which label is our choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn

from edge.errors import ConfigError
from training.clips.batches import padded
from training.clips.cut import all_pieces, whole
from training.clips.front_end import ClipFrames, cached_clip_frames
from training.clips.schema import Detector, HearRecipe
from training.datasets import Recording
from training.loop import Batch, LoopSpec, Losses
from training.papers.event_detector import LABELS, EventDetector, SeparableBody, event_loss
from training.tasks import Clip

BREATH, CHEST = "breath", "chest"  # kinds of pieces of chest recordings: with an annotated phase, and without
LEAST_BREATH_S = 0.5  # of an annotated phase in a piece, to call it breath
CHUNK = 64


@dataclass(frozen=True)
class TeachingPieces:
    """Pieces and what they teach."""

    frames: ClipFrames
    kinds: tuple[str, ...]
    """(n,) kind of negative, `breath`, or `chest`."""
    targets: NDArray[np.float32]
    """(n, 8)."""
    known: NDArray[np.bool_]
    """(n, 8)."""


def teaching_pieces(recipe: HearRecipe, recordings: Sequence[Recording], cache: Path) -> TeachingPieces:
    """Pieces of recordings with their targets.

    Raises:
        ConfigError: for a label that the detector does not have, or one that no piece teaches.
    """
    assert recipe.detector is not None
    labels = recipe.detector.labels
    unknown = sorted(set(labels.values()) - set(LABELS))
    if unknown:
        raise ConfigError(f"detector.labels: {unknown[0]!r} is none of {', '.join(LABELS)}")
    found, _ = all_pieces([whole(r) for r in recordings], recipe.clip.seconds)
    kinds = tuple(_kind(clip) for clip in found)
    missing = sorted(kind for kind in labels if kind not in kinds)
    if missing:
        raise ConfigError(f"detector.labels: no sound of {missing[0]!r} under DATA; remove the label or add sounds")
    trained = np.array([label in labels.values() for label in LABELS])
    targets, known = np.zeros((len(found), len(LABELS)), np.float32), np.tile(trained, (len(found), 1))
    for row, kind in enumerate(kinds):
        if kind in labels:
            targets[row, LABELS.index(labels[kind])] = 1
        known[row] &= kind != CHEST
    frames = cached_clip_frames(found, {"pcen": recipe.detector_features}, recipe.clip, cache)
    return TeachingPieces(frames, kinds, targets, known)


def _kind(clip: Clip) -> str:
    if clip.recording.is_negative:
        return clip.recording.record_label
    end_s = clip.start_s if clip.end_s is None else clip.end_s
    annotated_s = sum(max(0.0, min(e.end_s, end_s) - max(e.start_s, clip.start_s)) for e in clip.recording.events)
    return BREATH if annotated_s >= LEAST_BREATH_S else CHEST


class DetectorLearner:
    """Trains one detector; kinds are drawn alike often.

    Args:
        pieces: of both sides.
        sides: rows to train on, and to validate on.
        spec: of the recipe.
        seed: of the run; the network must be made under it.
    """

    def __init__(
        self,
        pieces: TeachingPieces,
        sides: tuple[NDArray[np.int64], NDArray[np.int64]],
        spec: Detector,
        seed: int,
    ) -> None:
        self.network: nn.Module = EventDetector(SeparableBody())
        self._pieces, (rows, apart) = pieces, sides
        self._kept_apart = np.array([row for row in apart if pieces.known[row].any()])
        self._rows = np.array([row for row in rows if pieces.kinds[row] != CHEST and pieces.frames.lengths[row]])
        counts = Counter(pieces.kinds[row] for row in self._rows)
        chances = np.array([1 / counts[pieces.kinds[row]] for row in self._rows])
        self._chances = chances / chances.sum()
        self._size, self._seed = spec.batch, seed
        self.steps = max(1, len(self._rows) // spec.batch // 4)  # breath is most of it, and drawn as often as a cough
        self.micro_batches = 1

    def batch(self, epoch: int, step: int) -> Batch:
        """Pieces and what they teach."""
        rng = np.random.default_rng([self._seed, epoch, step])
        chosen = rng.choice(self._rows, self._size, p=self._chances)
        frames, valid = padded(self._pieces.frames, chosen.tolist())
        targets, known = self._pieces.targets[chosen], self._pieces.known[chosen]
        return {
            "frames": frames,
            "valid": valid,
            "targets": torch.from_numpy(targets),
            "known": torch.from_numpy(known),
        }

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Cross-entropy of what is known."""
        logits = network(batch["frames"], batch["valid"])
        return {"total": event_loss(logits, batch["targets"], batch["known"])}

    @torch.no_grad()
    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Area under the ROC curve of each label against every other kind, and their mean as `score`."""
        device, logits = next(network.parameters()).device, []
        for start in range(0, len(self._kept_apart), CHUNK):
            frames, valid = padded(self._pieces.frames, self._kept_apart[start : start + CHUNK].tolist())
            logits.append(network(frames.to(device), valid.to(device)).cpu().numpy())
        scores, targets = np.concatenate(logits), self._pieces.targets[self._kept_apart]
        areas = {
            f"auc {label}": float(roc_auc_score(targets[:, column], scores[:, column]))
            for column, label in enumerate(LABELS)
            if 0 < targets[:, column].sum() < len(targets)
        }
        return {"score": float(np.mean(list(areas.values()))) if areas else 0.0, **areas}


def loop_of(recipe: HearRecipe, spec: Detector) -> LoopSpec:
    """How the detector is trained: as its own part of the recipe says, in the precision of the whole."""
    return LoopSpec(
        epochs=spec.epochs,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        schedule="one-cycle",
        average=0.98,
        precision=recipe.loop.precision,
    )
