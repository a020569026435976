"""The edge recipe as a learner of `training.loop`: stretches of streams and clips of events, one network for both.

A batch is decided by (seed, epoch, step): stretches cut from whole recordings, judged frame by frame, and single
events, judged as a whole. With teachers, their answers to the same changed sounds are part of the targets (soft
labels). Not for choosing thresholds (`training.detector.thresholds`) nor for the loop itself.

Source: Hinton et al. 2015 (1503.02531), distillation; Kim et al. 2026, QLung (2606.11915), margins; Bae et al. 2023
(2305.14032), Patch-Mix; on cells of the input instead of tokens, as `training.losses.patch_mix` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.detector.augment import mixed_style
from training.detector.examples import ClipSampler, Example, StretchSampler
from training.detector.hyperparameters import Recipe
from training.detector.loss import (
    clip_loss,
    consistency_loss,
    detector_loss,
    phase_loss,
    record_loss,
    soften,
    soften_clip,
    somewhere_loss,
)
from training.detector.model import STRIDE, Detector
from training.loop.distributed import World, shared
from training.loop.learner import Batch, Losses
from training.losses.patch_mix import Projector, cell_mix, draw_lambda, patch_mix_contrastive
from training.losses.qlung import AngularClassifier, class_margins, dfam_loss

CELL = (8, 8)  # frames and bands that Patch-Mix moves together


class Student(nn.Module):
    """The detector with what only its training needs.

    Args:
        recipe: sizes and losses.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.detector = Detector(recipe.network)
        self.detector.stem.to(memory_format=torch.channels_last)  # 15 % faster on CPU
        size = 2 * recipe.network.hidden
        self.projector = Projector(size) if recipe.losses.patch_mix else None


class EdgeLearner:
    """Learns the detector of one fold.

    Args:
        recipe: what, and how.
        stretches: draws stretches of recordings.
        clips: draws clips.
        seed: of this network.
        world: the processes that train it together.
        teachers: networks whose answers are mixed into the targets; in evaluation mode.
    """

    def __init__(
        self,
        recipe: Recipe,
        stretches: StretchSampler,
        clips: ClipSampler,
        seed: int,
        world: World,
        teachers: Sequence[Detector] = (),
    ) -> None:
        self._recipe, self.stretches, self._clips, self._seed, self._world = recipe, stretches, clips, seed, world
        torch.manual_seed(seed)
        self.network = Student(recipe)
        if world.size > 1:  # what follows the gathering sees the whole batch already: heads, projector
            for part in self.network.detector.body():
                shared(part, world)
        self.steps, self.micro_batches = recipe.steps, 1
        self._teachers = [teacher.to(world.device) for teacher in teachers]
        counts = [max(1, count) for count in clips.counts]  # a fold may lack a label
        self._margins = class_margins(counts).to(world.device) if recipe.losses.margin else None

    def batch(self, epoch: int, step: int) -> Batch:
        """Stretches and clips; every process draws all of them and takes its share."""
        recipe, world = self._recipe, self._world
        rng = np.random.default_rng([self._seed, epoch, step])
        stretches, delays = self._drawn(rng)
        clips = [self._clips.draw(rng) for _ in range(recipe.clips)]
        mine, my_clips = world.share(len(stretches)), world.share(len(clips))
        s = [stretches[i] for i in mine]
        c = [clips[i] for i in my_clips]
        arrays: dict[str, list[Any]] = {
            "frames": [x.frames for x in s],
            "valid": [x.valid for x in s],
            "targets": [x.truth.targets for x in s],
            "weights": [x.truth.weights for x in s],
            "phases": [x.truth.phases for x in s],
            "shares": [x.truth.shares for x in s],
            "record": [x.truth.record for x in s],
            "somewhere": [x.truth.somewhere for x in s],
            "clip_frames": [x.frames for x in c],
            "clip_valid": [x.valid for x in c],
            "clip_targets": [x.target for x in c],
            "delays": delays,
        }
        stacked = {name: np.stack(rows).astype(np.float32) for name, rows in arrays.items() if rows}
        if rng.random() < recipe.augment.device.mix_style:
            stacked["frames"] = mixed_style(stacked["frames"], stacked["valid"], rng)
        if self._recipe.teachers and self._teachers:
            stacked["teachers"] = self._chosen(rng)
        return {name: torch.from_numpy(rows) for name, rows in stacked.items()}

    def _chosen(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """(B, N) numbers of the teachers of this step, the same in each row."""
        some = rng.permutation(len(self._teachers))[: self._recipe.teachers]
        return np.tile(some.astype(np.float32), (self._recipe.loop.batch, 1))

    def _drawn(self, rng: np.random.Generator) -> tuple[list[Example], list[float]]:
        """The stretches of a batch; for consistency the second half is the first, each so many score frames later."""
        recipe = self._recipe
        if not recipe.losses.consistency:
            return [self.stretches.draw(rng) for _ in range(recipe.loop.batch)], []
        drawn = [self.stretches.draw(rng) for _ in range(recipe.loop.batch // 2)]
        later = rng.integers(1, 2 * STRIDE, len(drawn)) / 2
        length = recipe.sequence_frames
        both = [x.begun(0.0, length) for x in drawn] + [
            x.begun(float(by), length) for x, by in zip(drawn, later, strict=True)
        ]
        return both, (later / STRIDE).tolist()

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Frame-wise losses of the stretches, losses of the clips, and their weighted sum."""
        detector = network.detector
        assert isinstance(detector, Detector)
        gather = self._world.gather
        logits = gather(detector(batch["frames"], batch["valid"]).float())
        heard = gather(batch["valid"].reshape(len(batch["valid"]), -1, STRIDE).amin(2))
        sure, weights = gather(batch["weights"]), self._recipe.losses
        losses = {"frames": detector_loss(logits, gather(self._soft_targets(batch)), heard, sure)}
        total = losses["frames"]
        if self.stretches.has_cycles:
            of_cycles = (gather(batch[name]) for name in ("phases", "shares", "somewhere"))
            losses["cycles"] = somewhere_loss(logits, heard, *of_cycles)
            total = total + losses["cycles"]
        if weights.phase:
            of_phases = (gather(batch[name]) for name in ("phases", "shares"))
            losses["phases"] = phase_loss(logits, gather(batch["targets"]), heard, sure, *of_phases)
            total = total + weights.phase * losses["phases"]
        if weights.record:
            losses["record"] = record_loss(logits, heard, gather(batch["record"]))
            total = total + weights.record * losses["record"]
        if weights.consistency:
            first, second = logits.chunk(2)
            in_both = torch.minimum(*heard.chunk(2))
            losses["consistency"] = consistency_loss(first, second, batch["delays"], in_both)
            total = total + weights.consistency * losses["consistency"]
        if self._recipe.clips:
            of_clips = self._clip_losses(network, batch, rng)
            total = total + weights.clip * of_clips["clips"] + weights.margin * of_clips.get("margin", 0.0)
            total = total + weights.patch_mix * of_clips.get("patch_mix", 0.0)
            losses |= of_clips
        return losses | {"total": total}

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Nothing: the schedule decides when it ends, and no held-out patient votes."""
        return {}

    def _clip_losses(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        detector, gather = network.detector, self._world.gather
        assert isinstance(detector, Detector)
        frames, valid = batch["clip_frames"], batch["clip_valid"]
        embedding = gather(detector.embedding(frames, valid).float())
        targets = gather(self._soft_clip_targets(batch))
        logits = detector.clip_head(embedding)
        losses = {"clips": clip_loss(logits, targets)}
        labels = gather(batch["clip_targets"]).argmax(1)
        if self._margins is not None:
            classifier = detector.clip_head[-1]
            assert isinstance(classifier, AngularClassifier)
            losses["margin"] = dfam_loss(classifier.cosines(embedding), labels, self._margins[labels])
        if isinstance(network.projector, Projector):
            share = draw_lambda(1.0, rng)
            order = torch.randperm(len(embedding), generator=rng).to(embedding.device)
            mixed, share = cell_mix(gather(frames)[:, None], CELL, "both", share, order, rng)
            clean = gather(valid)
            either = torch.maximum(clean, clean[order])  # a cell may come from wherever either of them sounds
            mine = list(self._world.share(len(mixed)))
            of_mixed = gather(detector.embedding(mixed[mine, 0], either[mine]).float())
            losses["patch_mix"] = patch_mix_contrastive(network.projector(of_mixed), embedding, share, order)
        return losses

    @torch.no_grad()
    def _soft_targets(self, batch: Batch) -> Tensor:
        if "teachers" not in batch:
            return batch["targets"]
        of_this_step = [self._teachers[int(number)] for number in batch["teachers"][0]]
        answers = torch.stack([teacher(batch["frames"], batch["valid"]).float() for teacher in of_this_step])
        return soften(batch["targets"], answers, self._recipe.losses.soft)

    @torch.no_grad()
    def _soft_clip_targets(self, batch: Batch) -> Tensor:
        if not self._teachers:
            return batch["clip_targets"]
        answers = [teacher.answer(batch["clip_frames"], batch["clip_valid"])[1].float() for teacher in self._teachers]
        return soften_clip(batch["clip_targets"], torch.stack(answers), self._recipe.losses.soft)
