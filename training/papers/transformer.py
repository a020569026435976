"""Audio Spectrogram Transformer: overlapping patches of a spectrogram as tokens of a DeiT.

    image (S, M, T) -> 16 x 16 patches every 10 -> tokens (P, D) -> [cls, distillation, tokens] + positions
      -> pre-norm blocks -> layer norm -> mean of cls and distillation (D)

A patch (f, t) is token f * columns + t. `tokens` and `encode` are separate so that patches can be mixed between them
(`training.papers.patchmix`). Positions belong to the grid of the spec; an input of another length takes them as the
authors do: the middle ones if it is shorter, bilinear interpolation if it is longer.
The published Patch-Mix code exchanges the two axes of the positions by the order of its arguments; this does not.
Blocks are DeiT's, with the names of its public checkpoints: x + attn(norm1(x)), then x + mlp(norm2(x)); GELU; layer
norms with epsilon 1e-6; bias on query, key, value. The masked auto-encoder (`hear`) has the same.

Public AudioSet weights are a file that the user has fetched, `audioset_10_10_0.4593.pth` of the authors' repository
(github.com/YuanGongND/ast, BSD-3-Clause): keys of a DeiT under `module.v.`, beside a classifier that is left out here.
Only tensors are read (`weights_only`), so a file can do no more than fail to fit. Nothing is downloaded.
Source: Gong et al. 2021 (2104.01778) and the authors' implementation; Dosovitskiy et al. 2021 (2010.11929); Touvron et
al. 2021, DeiT (2012.12877).
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError

EPSILON = 1e-6  # of the layer norms, as the public checkpoints were trained


class Attention(nn.Module):
    """Multi-head self-attention; query, key and value from one matrix.

    Args:
        size: D, a multiple of heads.
        heads: each sees D / heads dimensions.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.proj = nn.Linear(size, size)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(B, L, D), and (B, L) bool, True for tokens that may be attended to, to (B, L, D)."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, L, D / h)
        mask = None if valid is None else valid[:, None, None, :]
        attended = F.scaled_dot_product_attention(query, key, value, mask)
        return self.proj(attended.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with a GELU between.

    Args:
        size: D.
        hidden: between them.
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size, hidden)
        self.fc2 = nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """One transformer layer; 12 D^2 + 13 D weights.

    Args:
        size: D.
        heads: of the attention.
        dropout: probability on both residual branches; 0 in the papers.
    """

    def __init__(self, size: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size, eps=EPSILON)
        self.attn = Attention(size, heads)
        self.norm2 = nn.LayerNorm(size, eps=EPSILON)
        self.mlp = Mlp(size, 4 * size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, L, D), and perhaps (B, L) bool, True for tokens that may be attended to, to (B, L, D)."""
        x = x + self.dropout(self.attn(self.norm1(x), valid))
        return x + self.dropout(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Patches of an image to tokens.

    Args:
        channels: of the image.
        size: D.
        patch: side of a square patch.
        stride: from one patch to the next; below `patch` they overlap.
    """

    def __init__(self, channels: int, size: int, patch: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, size, patch, stride)

    def forward(self, image: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, rows * columns, D), row by row."""
        return self.proj(image).flatten(2).transpose(1, 2)


def initialise(module: nn.Module) -> None:
    """DeiT's start: normal weights of .02 cut at 2, biases 0; for `Module.apply`."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def token(size: int, count: int = 1) -> nn.Parameter:
    """(1, count, D) learned tokens or positions, started as DeiT does."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, count, size), std=0.02))


@dataclass(frozen=True, slots=True)
class TransformerSpec:
    """Sizes of the transformer; as they stand here, the published ones: 86.2 M weights."""

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


class AudioSpectrogramTransformer(nn.Module):
    """Audio spectrogram transformer as a backbone.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: TransformerSpec) -> None:
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
        places = resized(self.pos_embed[:, 2:], (rows, columns), (rows, tokens.shape[1] // rows))
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


def resized(places: Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Positions of one grid of patches for another, each axis by itself.

    Of a longer axis the middle is taken, as the authors do; a shorter one is interpolated, bilinear.

    Args:
        places: (1, rows * columns, D), row by row.
        grid: rows and columns they were learned for.
        wanted: rows and columns of the input.

    Returns:
        (1, rows' * columns', D).
    """
    image = places.transpose(1, 2).unflatten(2, grid)  # (1, D, rows, columns)
    for axis in (3, 2):
        have, want = image.shape[axis], wanted[axis - 2]
        if have > want:
            image = image.narrow(axis, have // 2 - want // 2, want)
        elif have < want:
            size = (image.shape[2], want) if axis == 3 else (want, image.shape[3])
            image = F.interpolate(image, size, mode="bilinear")
    return image.flatten(2).transpose(1, 2)


PREFIX = "module.v."
HEADS = ("head.", "head_dist.")  # ImageNet classifiers that the file carries and AST does not use
ROWS = 12  # of the checkpoint's grid: 128 bands, patches of 16 every 10; 101 columns for 1024 frames
DAMAGE = (  # what torch.load raised for some file of 3000 with a few bytes changed, and their like
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, struct.error, pickle.UnpicklingError),
)
SOURCE = "fetch audioset_10_10_0.4593.pth from the pretrained models of github.com/YuanGongND/ast"


def load_public_checkpoint(network: AudioSpectrogramTransformer, path: Path) -> None:
    """Put the file's weights into the network, positions resized to the network's grid.

    Args:
        network: of the file's size (`TransformerSpec()` for the public one), one spectrogram, patches of 16.
        path: of the file.

    Raises:
        ConfigError: if it is missing, damaged, or made for another network; the message says what differs.
    """
    weights = {
        key.removeprefix(PREFIX): value
        for key, value in _read(path).items()
        if key.startswith(PREFIX) and not key.removeprefix(PREFIX).startswith(HEADS)
    }
    expected = network.state_dict()
    missing, unknown = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if missing or unknown:
        raise ConfigError(
            f"{path}: expected an AST checkpoint of {network.spec.depth} blocks with keys {PREFIX}...; "
            f"missing {missing[:4]} ({len(missing)}), unknown {unknown[:4]} ({len(unknown)}); {SOURCE}, "
            "and use a network of its size"
        )
    weights["pos_embed"] = _positions(weights["pos_embed"], network, path)
    for key, value in expected.items():
        if weights[key].shape != value.shape:
            raise ConfigError(
                f"{path}: {PREFIX}{key} has the shape {tuple(weights[key].shape)}, expected {tuple(value.shape)}; "
                "set the network's size, patch and spectrograms as the checkpoint's"
            )
    network.load_state_dict(weights)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such checkpoint; {SOURCE}, or train without it")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise ConfigError(f"{path}: is not a readable checkpoint ({str(error)[:120]}); {SOURCE} again") from error
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise ConfigError(f"{path}: expected a state dict of tensors, found {type(content).__name__}; {SOURCE}")
    return content


def _positions(places: Tensor, network: AudioSpectrogramTransformer, path: Path) -> Tensor:
    """(1, 2 + P, D) of the file to those of the network's grid."""
    if places.ndim != 3 or places.shape[1] <= 2 or (places.shape[1] - 2) % ROWS:
        raise ConfigError(
            f"{path}: {PREFIX}pos_embed has the shape {tuple(places.shape)}, expected (1, 2 + {ROWS} * columns, size), "
            f"the grid of 128 bands; {SOURCE}"
        )
    grid = (ROWS, (places.shape[1] - 2) // ROWS)
    return torch.cat([places[:, :2], resized(places[:, 2:], grid, network.spec.grid)], 1)
