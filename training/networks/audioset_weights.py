"""Load the public AudioSet checkpoint of the Audio Spectrogram Transformer, which the user has fetched.

The file is `audioset_10_10_0.4593.pth` of the authors' repository (github.com/YuanGongND/ast, BSD-3-Clause): a
state dict whose keys are those of a DeiT under `module.v.`, beside an AudioSet classifier that is left out here.
Only tensors are read (`weights_only`), so a file can do no more than fail to fit. Nothing is downloaded.
"""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import torch
from torch import Tensor

from edge.errors import ConfigError
from training.networks.transformer import AudioSpectrogramTransformer, resized

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
        network: of the file's size (`transformer.BASE` for the public one), one spectrogram, patches of 16.
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
    return torch.cat([places[:, :2], resized(places[:, 2:], grid, network.spec.grid, network.spec.fit)], 1)
