"""The network of one recipe as it is trained: backbone, head, losses.

A loss sees one `View` of the whole batch: embeddings, logits, labels, and what augmentation did to them. What a label
means in a mixture is decided here once: kept * L(own label) + (1 - kept) * L(the other's). Not for training it
(`training.clips.batches`), nor for answers (`training.clips.trained`).

A backbone is an `nn.Module` with the attribute `embedding_size` and `forward(frames, valid) -> (B, D)`, where frames is
(B, S, T, M) float32, S spectrograms of one sound, normalised, and valid is (B, T) float32, 1 where valid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from edge.features import FeatureSpec
from training.clips.schema import (
    ClassifierRecipe,
    CrossEntropySpec,
    DfamSpec,
    FocalSpec,
    NetworkChoice,
    ObjectiveSpec,
    PatchMixSpec,
)
from training.papers.ngo2022 import InceptionResidual2022, InceptionSpec, triplet_loss
from training.papers.ngo2023 import InceptionResidual2023, class_focal
from training.papers.patchmix import Projector, draw_lambda, patch_mix, patch_mix_contrastive, patch_mix_cross_entropy
from training.papers.qlung import AngularClassifier, class_margins, dfam_loss, mixed_margin
from training.papers.transformer import AudioSpectrogramTransformer, TransformerSpec, load_public_checkpoint


class ClipClassifier(nn.Module):
    """The network of one recipe for one task.

    Args:
        recipe: backbone, head, losses.
        counts: (C,) training clips of each label.
        frames: T of a full clip.
    """

    def __init__(self, recipe: ClassifierRecipe, counts: Sequence[int], frames: int) -> None:
        super().__init__()
        self.backbone = build_backbone(recipe.network, list(recipe.features.values()), frames)
        size = int(self.backbone.embedding_size)
        self.head: nn.Module
        if recipe.head.kind == "angular":
            self.head = AngularClassifier(size, len(counts), recipe.head.scale)
        else:
            linear = nn.Linear(size, len(counts))
            self.head = nn.Sequential(nn.LayerNorm(size), linear) if recipe.head.normalise == "layer" else linear
        self.objectives = Objectives(recipe.losses, counts, size)

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, S, T, M) and (B, T), 1 where valid, to logits (B, C)."""
        return self.head(self.backbone(frames, valid))

    def cosines(self, embeddings: Tensor) -> Tensor:
        """(B, D) to (B, C) for an angular head, (B, 0) for a linear one."""
        return self.head.cosines(embeddings) if isinstance(self.head, AngularClassifier) else embeddings[:, :0]

    def compile(self, *arguments: Any, **options: Any) -> None:
        """Compile the backbone, and its blocks, which Patch-Mix calls by themselves."""
        self.backbone.compile(*arguments, **options)
        for block in getattr(self.backbone, "blocks", ()):
            block.compile(*arguments, **options)

    def mixed(
        self, own: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], spec: PatchMixSpec, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, float]:
        """Embeddings of clips, and of the same clips with patches of others in them; two passes, as published.

        Args:
            own: frames (B, S, T, M) and validity (B, T).
            other: the same of the clips that are mixed in.
            spec: of the mixing.
            rng: decides the share and the places.

        Returns:
            (B, D) clean, (B, D) mixed, and the share that stayed.
        """
        lam = draw_lambda(spec.alpha, rng)
        count = len(own[0])
        pairs = torch.arange(2 * count, device=own[0].device).roll(count)  # i takes from count + i
        frames, valid = torch.cat([own[0], other[0]]), torch.cat([own[1], other[1]])
        tokens = self.backbone.tokens(frames * valid[:, None, :, None])
        mixture, kept = patch_mix(tokens, lam, pairs, rng)
        own_patches, either = (self._attended_patches(v) for v in (own[1], torch.maximum(own[1], other[1])))
        return self.backbone.encode(tokens[:count], own_patches), self.backbone.encode(mixture[:count], either), kept

    def _attended_patches(self, valid: Tensor) -> Tensor | None:
        """Patches that may be attended to; None for all, which is faster."""
        return None if bool(valid.all()) else self.backbone.valid_patches(valid)


def build_backbone(choice: NetworkChoice, specs: Sequence[FeatureSpec], frames: int) -> nn.Module:
    """A backbone for these spectrograms.

    Args:
        choice: which, and its sizes.
        specs: of the spectrograms, S of them, of one width.
        frames: T of a full clip.

    Raises:
        ConfigError: for sizes that it does not have, or a checkpoint that does not fit.
    """
    spec, spectrograms = specs[0], len(specs)
    if choice.kind == "ast":
        shape = {"frames": frames, "bands": spec.width, "spectrograms": spectrograms}
        network = AudioSpectrogramTransformer(_sized(TransformerSpec, choice, shape))
        if choice.checkpoint:
            load_public_checkpoint(network, Path(choice.checkpoint))
        return network
    sizes = _sized(InceptionSpec, choice, {"bands": spec.bands, "planes": spec.width // spec.bands})
    if choice.kind == "inception-2022":
        return InceptionResidual2022(spectrograms, sizes)
    if spectrograms != 1:
        raise ConfigError(
            f"network.kind = {choice.kind}: takes one spectrogram, the recipe has {spectrograms}; choose another"
        )
    return InceptionResidual2023(sizes)


def _sized(kind: type, choice: NetworkChoice, given: dict[str, Any]) -> Any:
    assert is_dataclass(kind)
    known = {field.name for field in fields(kind)} - given.keys()
    unknown = sorted(choice.sizes.keys() - known)
    if unknown:
        raise ConfigError(f"network.sizes: {unknown[0]} is not known to {choice.kind}; expected {', '.join(known)}")
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in choice.sizes.items()}
    return kind(**{**given, **lists})


@dataclass(frozen=True)
class Mixed:
    """The same batch with patches of other clips in it."""

    embeddings: Tensor
    """(B, D)."""
    logits: Tensor
    """(B, C)."""
    kept: float
    """Share of a clip's own patches."""


@dataclass(frozen=True)
class View:
    """One batch."""

    embeddings: Tensor
    """(B, D)."""
    logits: Tensor
    """(B, C)."""
    cosines: Tensor
    """(B, C), of an angular head; empty for a linear one."""
    labels: Tensor
    """(B,) int64."""
    partner: Tensor
    """(B,) int64: clip i was, or would be, mixed with clip partner[i]."""
    kept: float
    """Share of a clip's own sound after mixup; 1 without it."""
    quality: Tensor
    """(B,) AQS, 0 to 1."""
    mixed: Mixed | None
    """After Patch-Mix, if an objective asks for it."""

    def by_label(self, loss: Callable[[Tensor], Tensor]) -> Tensor:
        """A loss of labels (B,), shared between both sounds of a mixture."""
        if self.kept == 1:
            return loss(self.labels)
        return self.kept * loss(self.labels) + (1 - self.kept) * loss(self.labels[self.partner])


class Objectives(nn.Module):
    """All losses of a recipe, with the weights that some of them learn.

    Args:
        specs: in the order in which they are written down.
        counts: (C,) training clips of each label, none of them 0.
        embedding_size: D.
    """

    def __init__(self, specs: Sequence[ObjectiveSpec], counts: Sequence[int], embedding_size: int) -> None:
        super().__init__()
        self.specs = tuple(specs)
        learned: dict[str, nn.Module] = {}
        for spec in self.specs:
            if isinstance(spec, PatchMixSpec) and spec.contrastive:
                learned["projector"] = Projector(embedding_size)
        self.learned = nn.ModuleDict(learned)
        self.register_buffer("margins", _margins(self.specs, counts), persistent=False)

    @property
    def patch_mix(self) -> PatchMixSpec | None:
        """Numbers of the Patch-Mix objective, if there is one."""
        return next((spec for spec in self.specs if isinstance(spec, PatchMixSpec)), None)

    def forward(self, view: View) -> dict[str, Tensor]:
        """Each loss by its kind, unweighted, and their weighted `total`."""
        losses = {spec.kind: self._one(spec, view) for spec in self.specs}
        total = torch.stack([spec.weight * losses[spec.kind] for spec in self.specs]).sum()
        return losses | {"total": total}

    def _one(self, spec: ObjectiveSpec, view: View) -> Tensor:
        if isinstance(spec, CrossEntropySpec):
            return view.by_label(lambda labels: F.cross_entropy(view.logits, labels))
        if isinstance(spec, FocalSpec):
            return view.by_label(lambda labels: class_focal(view.logits, labels, spec.gamma))
        if isinstance(spec, DfamSpec):
            return view.by_label(lambda labels: self._dfam(spec, view, labels))
        if isinstance(spec, PatchMixSpec):
            return self._patch_mix(spec, view)
        return view.by_label(lambda labels: triplet_loss(view.embeddings, labels, spec.margin, spec.mining))

    def _dfam(self, spec: DfamSpec, view: View, labels: Tensor) -> Tensor:
        quality = view.quality if spec.quality == "each" else view.quality.mean().expand_as(view.quality)
        margins = mixed_margin(quality, self.margins[labels], spec.kappa, spec.gamma)
        return dfam_loss(view.cosines, labels, margins, spec.scale)

    def _patch_mix(self, spec: PatchMixSpec, view: View) -> Tensor:
        assert view.mixed is not None
        mixed = view.mixed
        if not spec.contrastive:
            return patch_mix_cross_entropy(mixed.logits, view.labels, mixed.kept, view.partner)
        projected = self.learned["projector"](mixed.embeddings)
        return patch_mix_contrastive(projected, view.embeddings, mixed.kept, view.partner, spec.temperature)


def _margins(specs: Sequence[ObjectiveSpec], counts: Sequence[int]) -> Tensor:
    dfam = next((spec for spec in specs if isinstance(spec, DfamSpec)), None)
    with torch.device("cpu"):  # they are checked, which needs numbers, wherever the network is made
        return class_margins(counts, dfam.target) if dfam else torch.zeros(len(counts))
