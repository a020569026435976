"""The losses of the papers as a recipe lists them: each with its numbers and a weight, in any combination.

An objective sees one `View` of the whole batch: embeddings, logits, labels, and what augmentation did to them. What a
label means in a mixture is decided here once: kept * L(own label) + (1 - kept) * L(the other's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from training.papers.ngo2022 import Mining, triplet_loss
from training.papers.ngo2023 import class_focal
from training.papers.patchmix import Projector, patch_mix_contrastive, patch_mix_cross_entropy
from training.papers.qlung import class_margins, dfam_loss, mixed_margin


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


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    weight: float = Field(1.0, gt=0)
    retired: ClassVar[dict[str, Any]] = {}
    """Keys of older runs, each with the one value that it had wherever it was used."""

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, fields: Any) -> Any:
        """Without the retired keys."""
        if not isinstance(fields, dict):
            return fields
        kept = {key: value for key, value in fields.items() if key not in cls.retired}
        for key, only in cls.retired.items():
            if fields.get(key, only) != only:
                raise ValueError(f"{key} = {fields[key]!r}: no longer trained, expected {only!r}")
        return kept


class CrossEntropySpec(_Spec):
    """Plain."""

    kind: Literal["cross-entropy"]
    retired: ClassVar[dict[str, Any]] = {"balance": 0.0, "smoothing": 0.0}


class FocalSpec(_Spec):
    """Focal loss of classes (`training.papers.ngo2023`)."""

    kind: Literal["focal"]
    gamma: float = Field(2.0, ge=0)
    retired: ClassVar[dict[str, Any]] = {"beta": 0.0}


class DfamSpec(_Spec):
    """Margins of quality and rarity (`training.papers.qlung`)."""

    kind: Literal["dfam"]
    scale: float = Field(15.0, gt=0)
    kappa: float = Field(0.5, ge=0)
    gamma: float = Field(0.5, ge=0, le=1)
    target: float = Field(0.2, ge=0)
    quality: Literal["each", "mean"] = "each"
    """`mean`: every clip has the mean quality of its batch, so that the margins of a class are constant."""


class PatchMixSpec(_Spec):
    """Patch-Mix, contrastive or with the cross-entropy of mixed labels (`training.papers.patchmix`)."""

    kind: Literal["patch-mix"]
    contrastive: bool = True
    temperature: float = Field(0.06, gt=0)
    alpha: float = Field(1.0, gt=0)
    """Of the Beta distribution of the share that stays."""
    retired: ClassVar[dict[str, Any]] = {"axis": "both", "cell": [8, 8]}


class TripletSpec(_Spec):
    """Triplets within the batch (`training.papers.ngo2022`)."""

    kind: Literal["triplet"]
    margin: float = Field(0.3, gt=0)
    mining: Mining = "hard"


ObjectiveSpec = Annotated[
    CrossEntropySpec | FocalSpec | DfamSpec | PatchMixSpec | TripletSpec,
    Field(discriminator="kind"),
]


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
