"""Audio Spectrogram Transformer: overlapping patches of a spectrogram as tokens of a DeiT.

    image (S, M, T) -> 16 x 16 patches every 10 -> tokens (P, D) -> [cls, distillation, tokens] + positions
      -> pre-norm blocks -> layer norm -> mean of cls and distillation (D)

A patch (f, t) is token f * columns + t. `tokens` and `encode` are separate so that patches can be mixed between them
(`losses.patch_mix`). Positions belong to the grid of the spec; an input of another length takes them as the authors
do: the middle ones if it is shorter, bilinear interpolation if it is longer. Public weights: `audioset_weights.py`.
The published Patch-Mix code exchanges the two axes of the positions by the order of its arguments; this does not.
Source: Gong et al. 2021 (2104.01778) and the authors' implementation; Touvron et al. 2021, DeiT (2012.12877).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.networks.vit import EPSILON, Block, PatchEmbed, initialise, token

Fit = Literal["cut", "interpolate"]


@dataclass(frozen=True, slots=True)
class TransformerSpec:
    """Sizes."""

    size: int = 768
    """D, a multiple of heads."""
    depth: int = 12
    """Blocks."""
    heads: int = 12
    """Of each block's attention."""
    frames: int = 1024
    """Frames of the grid that positions are learned on; inputs may have others."""
    bands: int = 128
    """M, at least a patch."""
    spectrograms: int = 1
    """S, channels of the image."""
    patch: int = 16
    """Side of a patch, frames and bands."""
    stride: int = 10
    """From one patch to the next, frames and bands."""
    dropout: float = 0.0
    """Probability on residual branches; the paper has none."""
    fit: Fit = "cut"
    """Positions of a shorter input: `cut` from the middle as the authors do, or `interpolate`."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be.

        Raises:
            ConfigError: naming the field, its value and what fits.
        """
        if self.size % self.heads:
            raise ConfigError(f"heads: expected a divisor of size {self.size}, found {self.heads}")
        if min(self.frames, self.bands) < self.patch:
            raise ConfigError(
                f"patch: expected no more than {self.frames} frames and {self.bands} bands, found {self.patch}"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows (frequency) and columns (time) of patches that positions are learned for."""
        return self.patches(self.bands), self.patches(self.frames)

    def patches(self, length: int) -> int:
        """Patches along an axis of `length` frames or bands."""
        return (length - self.patch) // self.stride + 1


BASE = TransformerSpec()  # as published: 86.2 M weights, 87 M with its AudioSet classifier
SMALL = TransformerSpec(
    size=160, depth=4, heads=4, frames=400, bands=64, dropout=0.1
)  # our choice for two cores: 1.3 M


class AudioSpectrogramTransformer(nn.Module):
    """The backbone.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: TransformerSpec = SMALL) -> None:
        super().__init__()
        self.spec, self.embedding_size = spec, spec.size
        rows, columns = spec.grid
        self.patch_embed = PatchEmbed(spec.spectrograms, spec.size, spec.patch, spec.stride)
        self.cls_token, self.dist_token = token(spec.size), token(spec.size)
        self.pos_embed = token(spec.size, 2 + rows * columns)
        self.blocks = nn.ModuleList(Block(spec.size, spec.heads, spec.dropout) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.size, eps=EPSILON)
        self.apply(initialise)

    def tokens(self, frames: Tensor) -> Tensor:
        """(B, S, T, M) to embedded patches without positions, (B, P, D); T at least a patch."""
        return self.patch_embed(frames.transpose(2, 3))

    def encode(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """Embedding of patches, mixed or not.

        Args:
            tokens: (B, P, D), from `tokens`.
            valid: (B, P) bool, True for patches that may be attended to; all without it.

        Returns:
            (B, D).
        """
        rows, columns = self.spec.grid
        places = resized(self.pos_embed[:, 2:], (rows, columns), (rows, tokens.shape[1] // rows), self.spec.fit)
        leaders = torch.cat([self.cls_token, self.dist_token], 1) + self.pos_embed[:, :2]
        x = torch.cat([leaders.expand(len(tokens), -1, -1), tokens + places], 1)
        always = None if valid is None else F.pad(valid, (2, 0), value=True)
        for block in self.blocks:
            x = block(x, always)
        return self.norm(x[:, :2]).mean(1)

    def valid_patches(self, valid: Tensor) -> Tensor:
        """(B, T), 1 where valid, to (B, P) bool: True for patches with a valid frame."""
        columns = F.max_pool1d(valid[:, None], self.spec.patch, self.spec.stride).squeeze(1) > 0
        return columns.repeat(1, self.spec.grid[0])

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, S, T, M) and (B, T), 1 where valid, to (B, D); patches without a valid frame are not attended to."""
        return self.encode(self.tokens(frames * valid[:, None, :, None]), self.valid_patches(valid))


def resized(places: Tensor, grid: tuple[int, int], wanted: tuple[int, int], fit: Fit = "cut") -> Tensor:
    """Positions of one grid of patches for another, each axis by itself.

    Args:
        places: (1, rows * columns, D), row by row.
        grid: rows and columns they were learned for.
        wanted: rows and columns of the input.
        fit: what a shorter axis takes: its middle, or a bilinear interpolation. A longer one is interpolated.

    Returns:
        (1, rows' * columns', D).
    """
    image = places.transpose(1, 2).unflatten(2, grid)  # (1, D, rows, columns)
    for axis in (3, 2):
        have, want = image.shape[axis], wanted[axis - 2]
        if have > want and fit == "cut":
            image = image.narrow(axis, have // 2 - want // 2, want)
        elif have != want:
            size = (image.shape[2], want) if axis == 3 else (want, image.shape[3])
            image = F.interpolate(image, size, mode="bilinear")
    return image.flatten(2).transpose(1, 2)
