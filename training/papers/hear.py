"""Baur et al. 2024, HeAR (arXiv 2403.02522): a masked auto-encoder on spectrogram patches; its encoder is kept.

    clip (1, 192, 128) -> 96 patches of 16 x 16 -> 24 of them, at random, through the encoder
      -> decoder with a mask token at the other 72 -> their pixels;  loss: mean squared error on the masked ones alone

The encoder never sees a masked patch, so three quarters of the work is saved. For an embedding all patches are seen
and their mean is taken; a linear probe on it answers a task (`training.clips.probe`). HeAR: ViT-L, 75 % masked, 8
decoder layers, 2-s clips of PCEN frames. Ours: no class token, mean of the tokens as embedding, targets normalised by
patch, the sizes of `small`.

Beside it stands its detector of health sounds that are not breath, so that a cough or speech does not pass for a lung
sound: eight independent probabilities of a 2-s clip.

    frames (1, 200, 48) PCEN -> convolution, stride 2 -> depthwise-separable blocks -> mean over valid frames -> 8

Labels, window and front-end are those of HeAR's released detector, a MobileNetV3 of 1 M weights; the body here is
smaller and ours (no squeeze-and-excitation, ReLU6: it quantizes).
Source: He et al. 2022, MAE (2111.06377) and its authors' implementation; github.com/google-health/hear; Howard et al.
2017, MobileNet (1704.04861).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.options import Published
from training.papers.pooling import masked_mean, padded
from training.papers.transformer import EPSILON, Block, PatchEmbed, initialise, token

RECIPE = Published(
    name="hear",
    source="Baur et al. 2024, HeAR: Health Acoustic Representations (arXiv 2403.02522); front-end and event detector: "
    "github.com/Google-Health/hear (Apache-2.0)",
    follows=(
        "2-s clips at 16 kHz, each scaled to -1..1; 128 mel bands with PCEN (alpha 0.8, s 0.04, delta 2, r 1/2), 200 "
        "frames resized to 192",
        "masked auto-encoder, patches of 16 x 16, 75 % masked, decoder of 8 blocks",
        "frozen embeddings with linear probes; a clip longer than 2 s has the mean of its pieces' embeddings",
        "detector of eight health sounds on 48 PCEN bands, independent probabilities",
    ),
    chosen=(
        "what it hears: the recordings under DATA, without labels, instead of 313 million clips; an encoder of 6 "
        "blocks of 96 and a decoder of 8 of 64 (size small)",
        "the detector is taught what there are sounds of: Cough, Speech, Breathe; an infant's cry has no label among "
        "the eight and is taught as none of them, heart sounds too",
        "size small: Muon 5e-3 (error on masked patches after 12 epochs, patients kept apart: .553; AdamW at 1e-3: "
        ".586)",
        "mean of the tokens of sound as embedding (the silence that fills a shorter clip has no part in it), targets "
        "normalised by patch; logistic regression, its strength chosen on validation patients",
    ),
    keys={
        "method": "masked",
        "seed": 0,
        "features": {"pcen": {"preset": "hear", "scale": [0.25]}},  # its front-end; the scale is ours
        "clip": {"seconds": 2.0, "pad": "zero", "full_scale": True},  # its clips
        "overlap": 0.0,  # ours
        "detector_features": {"preset": "hear", "bands": 48, "scale": [0.25]},  # its detector's; the scale is ours
        "detector": {  # ours, but for the names of the labels
            "epochs": 8,
            "batch": 32,
            "learning_rate": 2e-3,
            "labels": {"cough": "Cough", "speech": "Speech", "breath": "Breathe"},
        },
        "loop": {  # ours
            "epochs": 40,
            "batch": 64,
            "learning_rate": 1e-3,
            "weight_decay": 0.05,
            "schedule": "one-cycle",
            "average": 0.99,
            "monitor": "loss",
            "lower_is_better": True,
        },
    },
    sizes={
        "small": {  # ours
            "sizes": {"size": 96, "depth": 6, "heads": 3, "decoder_size": 64, "decoder_heads": 2},
            "loop": {"epochs": 12, "optimizer": "muon", "learning_rate": 5e-3},
        },
        "paper": {  # ViT-L as HeAR; the decoder's width and the loop are MAE's
            "sizes": {"size": 1024, "depth": 24, "heads": 16, "decoder_size": 512, "decoder_heads": 16},
            "micro_batches": 4,  # ours: four times 64 clips fit 20 GB, with the gradients of 256
            "loop": {"epochs": 400, "batch": 256, "learning_rate": 1.5e-4},
        },
    },
    parts={  # the encoder stays as it was drawn
        "without pre-training": {"detector": None, "loop": {"epochs": 1, "learning_rate": 1.0e-12}},
    },
)


@dataclass(frozen=True, slots=True)
class MaskedSpec:
    """Sizes of the masked autoencoder; clip, patch, depth of the decoder and share are HeAR's, the others ours."""

    frames: int = 192
    """T of a clip, a multiple of the patch."""
    bands: int = 128
    """M, a multiple of the patch."""
    patch: int = 16
    """Side of a patch, frames and bands."""
    size: int = 192
    """D of the encoder, a multiple of 4 and of its heads."""
    depth: int = 6
    """Blocks of the encoder."""
    heads: int = 3
    """Of the encoder's attention."""
    decoder_size: int = 96
    """Width of the decoder, a multiple of 4 and of its heads."""
    decoder_depth: int = 8
    """Blocks of the decoder; 8 in HeAR."""
    decoder_heads: int = 3
    """Of the decoder's attention."""
    ratio: float = 0.75
    """Share of the patches that is masked."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be.

        Raises:
            ConfigError: naming the field, its value and what fits.
        """
        for name, size, heads in (
            ("size", self.size, self.heads),
            ("decoder_size", self.decoder_size, self.decoder_heads),
        ):
            if size % heads or size % 4:
                raise ConfigError(f"{name}: expected a multiple of 4 and of {heads} heads, found {size}")
        if self.frames % self.patch or self.bands % self.patch:
            raise ConfigError(
                f"patch: expected a divisor of {self.frames} frames and {self.bands} bands, found {self.patch}"
            )
        if not 0 < self.kept < self.patches:
            raise ConfigError(
                f"ratio: of {self.patches} patches some must be masked and some not; found a ratio of {self.ratio}"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows (time) and columns (frequency) of patches: 12 and 8."""
        return self.frames // self.patch, self.bands // self.patch

    @property
    def patches(self) -> int:
        """P, number of patches of a clip."""
        return self.grid[0] * self.grid[1]

    @property
    def kept(self) -> int:
        """Patches that the encoder sees while training, 24."""
        return int(self.patches * (1 - self.ratio))


class MaskedEncoder(nn.Module):
    """The backbone: patches to tokens, and all of them or those that are kept through the blocks.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: MaskedSpec) -> None:
        super().__init__()
        self.spec, self.embedding_size = spec, spec.size
        self.patch_embed = PatchEmbed(1, spec.size, spec.patch, spec.patch)
        self.register_buffer("positions", sinusoids(spec.grid, spec.size), persistent=False)
        self.blocks = nn.ModuleList(Block(spec.size, spec.heads) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.size, eps=EPSILON)
        self.apply(initialise)

    def tokens(self, frames: Tensor) -> Tensor:
        """(B, 1, T, M) to embedded patches without positions, (B, P, D); T is padded or cut to the spec's frames."""
        return self.patch_embed(F.pad(frames, (0, 0, 0, self.spec.frames - frames.shape[2])))

    def encode(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """(B, P, D), and perhaps (B, P) bool, True for valid patches, to the embedding (B, D)."""
        valid = torch.ones_like(tokens[..., 0], dtype=torch.bool) if valid is None else valid
        attended = valid | ~valid.any(1, keepdim=True)  # a clip without a valid frame attends to itself
        return masked_mean(self._through(tokens + self.positions, attended), valid.to(tokens))

    def visible(self, frames: Tensor, kept: Tensor) -> Tensor:
        """Tokens of the kept patches alone.

        Args:
            frames: (B, 1, T, M).
            kept: (B, V) int64, their places.

        Returns:
            (B, V, D), in the order of `kept`.
        """
        return self._through(_taken(self.tokens(frames) + self.positions, kept), None)

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, 1, T, M) and (B, T), 1 where valid, to (B, D); patches without a valid frame have no part in it."""
        return self.encode(self.tokens(frames * valid[:, None, :, None]), self.valid_patches(valid))

    def valid_patches(self, valid: Tensor) -> Tensor:
        """(B, T), 1 where valid, to (B, P) bool: True for patches with a valid frame."""
        valid = F.pad(valid, (0, self.spec.frames - valid.shape[1]))
        rows = valid.unflatten(1, (-1, self.spec.patch)).amax(2) > 0
        return rows.repeat_interleave(self.spec.grid[1], 1)

    def _through(self, x: Tensor, valid: Tensor | None) -> Tensor:
        for block in self.blocks:
            x = block(x, valid)
        return self.norm(x)


class MaskedAutoencoder(nn.Module):
    """Encoder and decoder for the pre-training; keep `encoder` afterwards.

    Args:
        spec: sizes.
    """

    def __init__(self, spec: MaskedSpec) -> None:
        super().__init__()
        self.spec, size = spec, spec.decoder_size
        self.encoder = MaskedEncoder(spec)
        self.narrow = nn.Linear(spec.size, size)
        self.mask_token = token(size)
        self.register_buffer("positions", sinusoids(spec.grid, size), persistent=False)
        self.blocks = nn.ModuleList(Block(size, spec.decoder_heads) for _ in range(spec.decoder_depth))
        self.norm = nn.LayerNorm(size, eps=EPSILON)
        self.pixels = nn.Linear(size, spec.patch**2)
        for part in (self.narrow, self.blocks, self.pixels):
            part.apply(initialise)

    def reconstruct(self, frames: Tensor, kept: Tensor) -> Tensor:
        """Pixels of every patch from the kept ones.

        Args:
            frames: (B, 1, T, M).
            kept: (B, V) int64, places of the patches that are seen.

        Returns:
            (B, P, patch^2), as `patchify` orders them.
        """
        seen = self.narrow(self.encoder.visible(frames, kept))
        blank = self.mask_token.expand(len(frames), self.spec.patches, -1)
        x = blank.scatter(1, kept[..., None].expand_as(seen), seen.to(blank)) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.pixels(self.norm(x))


def random_masking(
    batch: int, patches: int, kept: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Other places for each clip of a batch, exactly `kept` of them seen.

    Returns:
        (B, kept) int64, places that are seen, and (B, P) bool, True where masked.
    """
    order = torch.rand(batch, patches, generator=generator).argsort(1)[:, :kept]
    return order, torch.ones(batch, patches, dtype=torch.bool).scatter(1, order, value=False)


def patchify(frames: Tensor, patch: int) -> Tensor:
    """(B, 1, T, M) to (B, P, patch^2): patches row by row, pixels of each row by row."""
    x = frames.squeeze(1).unflatten(2, (-1, patch)).unflatten(1, (-1, patch))  # (B, rows, patch, columns, patch)
    return x.transpose(2, 3).flatten(3).flatten(1, 2)


def masked_error(predicted: Tensor, target: Tensor, masked: Tensor) -> Tensor:
    """Mean squared error over the pixels of masked patches, each less its mean and over its standard deviation.

    He et al. found that better than the pixels themselves; the deviation is unbiased, 1e-6 is added to its square.

    Args:
        predicted: (B, P, patch^2).
        target: (B, P, patch^2).
        masked: (B, P) bool, True for patches that count.

    Returns:
        Scalar.
    """
    variance, mean = torch.var_mean(target, -1, keepdim=True)
    target = (target - mean) / (variance + 1e-6).sqrt()
    error = (predicted - target).square().mean(-1)
    return (error * masked).sum() / masked.sum()


def sinusoids(grid: tuple[int, int], size: int) -> Tensor:
    """Fixed positions: a quarter each of sine and cosine of the row, sine and cosine of the column.

    Args:
        grid: rows and columns of patches.
        size: D, a multiple of 4; frequencies 10000^(-4 k / D).

    Returns:
        (rows * columns, D), row by row.
    """
    rows, columns = grid
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).double()
    angles = places[:, :, None] * 10000 ** -(torch.arange(size // 4) * 4.0 / size).double()  # (P, 2, D / 4)
    return torch.cat([angles.sin(), angles.cos()], 2).flatten(1).float()


def _taken(x: Tensor, places: Tensor) -> Tensor:
    """(B, P, D) and (B, V) to (B, V, D)."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))


LABELS = ("Cough", "Snore", "Baby Cough", "Breathe", "Sneeze", "Throat Clear", "Laugh", "Speech")
STEM = 16  # channels of the first convolution; ours, as all sizes of the detector
WIDTHS = (32, 64, 64, 128, 128)  # channels after each block
STRIDES = (1, 2, 1, 2, 1)  # of each block, over time and frequency, 1 or 2


class Separable(nn.Module):
    """Depthwise 3 x 3 and pointwise convolution, each with batch norm and ReLU6.

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: over time and frequency, 1 or 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norms = nn.ModuleList((nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T, M) to (B, outputs, T / stride, M / stride)."""
        x = F.relu6(self.norms[0](self.depthwise(x)))
        return F.relu6(self.norms[1](self.pointwise(x)))


class SeparableBody(nn.Module):
    """The detector up to its embedding; 35 584 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM), nn.ReLU6())
        sizes = zip((STEM, *WIDTHS), WIDTHS, STRIDES, strict=False)
        self.blocks = nn.ModuleList(Separable(inputs, outputs, stride) for inputs, outputs, stride in sizes)
        self.dropout = nn.Dropout(0.1)

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, 1, T, M) and (B, T), 1 where valid, to (B, D)."""
        frames, valid = padded(frames, valid, 2 * 2 ** STRIDES.count(2))
        valid = _every_second(valid)
        x = self.stem(frames) * valid[:, None, :, None]
        for block in self.blocks:
            valid = _every_second(valid) if block.stride == 2 else valid
            x = block(x) * valid[:, None, :, None]
        number = valid.sum(1, keepdim=True).clamp_min(1) * x.shape[3]
        return self.dropout(x.sum((2, 3)) / number)


class EventDetector(nn.Module):
    """One logit for each of `LABELS`; those without examples are left out of the loss, and stay untrained."""

    def __init__(self) -> None:
        super().__init__()
        self.body = SeparableBody()
        self.head = nn.Linear(WIDTHS[-1], len(LABELS))

    def forward(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, 1, T, M) and (B, T), 1 where valid, to logits (B, 8); their sigmoid is the probability of each label."""
        return self.head(self.body(frames, valid))


def event_loss(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of the answers that are known.

    Args:
        logits: (B, 8).
        targets: (B, 8), 0 to 1; anything finite where not known.
        known: (8,) or (B, 8) bool; False for labels without examples, or that nobody annotated in that clip.

    Returns:
        Mean over what is known; 0, with a gradient of 0, if nothing is.
    """
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weights = known.to(losses).expand_as(losses)
    return (losses * weights).sum() / weights.sum().clamp_min(1)


def _every_second(valid: Tensor) -> Tensor:
    """(B, T) to (B, T / 2): a frame of a stride of 2 was valid if either of its two was."""
    return F.max_pool1d(valid[:, None], 2).squeeze(1)
