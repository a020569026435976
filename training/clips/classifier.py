"""A backbone, a head and losses as one network; any of `training.networks` with any of `training.losses`.

Tokens are mixed where a backbone has them (`tokens`, `encode`), cells of the spectrogram where it has none. Not for
training it (`views.py`), nor for probabilities of clips (`trained.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge.errors import ConfigError
from edge.features import FeatureSpec
from training.clips.objectives import Objectives, PatchMixSpec
from training.clips.schema import ClassifierRecipe, NetworkChoice
from training.loop.checkpoint import load
from training.losses.patch_mix import Axis, cell_mix, draw_lambda, grid_mix, patch_mix
from training.losses.qlung import AngularClassifier
from training.networks import masked
from training.networks.ngo import InceptionResidual2022, InceptionResidual2023, InceptionSpec
from training.networks.separable import EventSpec, SeparableBody
from training.networks.transformer import AudioSpectrogramTransformer, TransformerSpec, load_public_checkpoint


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
        if not hasattr(self.backbone, "tokens"):
            image, kept = cell_mix(frames, spec.cell, spec.axis, lam, pairs, rng)
            either = torch.maximum(own[1], other[1])
            return self.backbone(*own), self.backbone(image[:count], either), kept
        tokens = self.backbone.tokens(frames * valid[:, None, :, None])
        if spec.axis == "both":
            mixture, kept = patch_mix(tokens, lam, pairs, rng)
        else:
            rows = self.backbone.spec.grid[0]
            axis = self._of_grid(spec.axis)
            mixture, kept = grid_mix(tokens, (rows, tokens.shape[1] // rows), axis, lam, pairs, rng)
        own_patches, either = (self._attended_patches(v) for v in (own[1], torch.maximum(own[1], other[1])))
        return self.backbone.encode(tokens[:count], own_patches), self.backbone.encode(mixture[:count], either), kept

    def _attended_patches(self, valid: Tensor) -> Tensor | None:
        """Patches that may be attended to; None for all, which is faster."""
        return None if bool(valid.all()) else self.backbone.valid_patches(valid)

    def _of_grid(self, axis: Axis) -> Axis:
        """The axis as `grid_mix` calls it, whose rows are bands; those of the masked encoder are moments."""
        swapped: dict[Axis, Axis] = {"time": "frequency", "frequency": "time"}
        return swapped.get(axis, axis) if isinstance(self.backbone, masked.MaskedEncoder) else axis


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
    if choice.kind in ("inception-2022", "inception-2023"):
        planes = {"bands": spec.bands, "planes": spec.width // spec.bands}
        sizes = _sized(InceptionSpec, choice, planes)
        if choice.kind == "inception-2022":
            return InceptionResidual2022(spectrograms, sizes)
        _one_spectrogram(choice, spectrograms)
        return InceptionResidual2023(sizes)
    if choice.kind == "separable":
        return SeparableBody(_sized(EventSpec, choice, {}), spectrograms)
    if choice.kind == "ast":
        shape = {"frames": frames, "bands": spec.width, "spectrograms": spectrograms}
        network = AudioSpectrogramTransformer(_sized(TransformerSpec, choice, shape))
        if choice.checkpoint:
            load_public_checkpoint(network, Path(choice.checkpoint))
        return network
    _one_spectrogram(choice, spectrograms)
    encoder = masked.MaskedEncoder(
        _sized(masked.MaskedSpec, choice, {"frames": frames - frames % _patch(choice), "bands": spec.width})
    )
    if choice.checkpoint:
        parts = load(Path(choice.checkpoint) / "best.pt")["network"]
        kept = {key.removeprefix("encoder."): x for key, x in parts.items() if key.startswith("encoder.")}
        try:
            encoder.load_state_dict(kept)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"network.checkpoint = {choice.checkpoint}: of other sizes ({reason})") from None
    return encoder


def _patch(choice: NetworkChoice) -> int:
    return int(choice.sizes.get("patch", masked.MaskedSpec().patch))


def _sized(kind: type, choice: NetworkChoice, given: dict[str, Any]) -> Any:
    assert is_dataclass(kind)
    known = {field.name for field in fields(kind)} - given.keys()
    unknown = sorted(choice.sizes.keys() - known)
    if unknown:
        raise ConfigError(f"network.sizes: {unknown[0]} is not known to {choice.kind}; expected {', '.join(known)}")
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in choice.sizes.items()}
    return kind(**{**given, **lists})


def _one_spectrogram(choice: NetworkChoice, count: int) -> None:
    if count != 1:
        raise ConfigError(
            f"network.kind = {choice.kind}: takes one spectrogram, the recipe has {count}; choose another"
        )
