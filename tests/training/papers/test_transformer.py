"""The Audio Spectrogram Transformer against torch's own encoder layers with the same weights."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edge.errors import ConfigError
from training.detector.model import parameter_count
from training.papers.transformer import AudioSpectrogramTransformer, TransformerSpec, resized

TINY = TransformerSpec(size=24, depth=3, heads=4, frames=76, bands=46)  # 4 rows, 7 columns


def _network(spec: TransformerSpec = TINY, seed: int = 0) -> AudioSpectrogramTransformer:
    """With weights large enough to matter."""
    torch.manual_seed(seed)
    network = AudioSpectrogramTransformer(spec).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return network


def _by_torch(network: AudioSpectrogramTransformer, frames: Tensor) -> Tensor:
    """The whole network in torch's own modules; patches by loops."""
    spec = network.spec
    rows, columns = spec.grid
    kernel, bias = network.patch_embed.proj.weight.flatten(1), network.patch_embed.proj.bias
    patches = [
        frames[:, :, 10 * t : 10 * t + 16, 10 * f : 10 * f + 16].transpose(2, 3).flatten(1) @ kernel.T + bias
        for f, t in itertools.product(range(rows), range(columns))
    ]
    leaders = [network.cls_token[0].expand(len(frames), -1), network.dist_token[0].expand(len(frames), -1)]
    x = torch.stack(leaders + patches, 1) + network.pos_embed
    for block in network.blocks:
        layer = nn.TransformerEncoderLayer(
            spec.size, spec.heads, 4 * spec.size, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        )
        names = {"attn.qkv.": "self_attn.in_proj_", "attn.proj.": "self_attn.out_proj."}
        names |= {"mlp.fc1.": "linear1.", "mlp.fc2.": "linear2."}
        weights = {}
        for key, value in block.state_dict().items():
            start = next((name for name in names if key.startswith(name)), "")
            weights[names.get(start, "") + key.removeprefix(start)] = value
        layer.load_state_dict(weights)
        x = layer(x)
    x = nn.functional.layer_norm(x, (spec.size,), network.norm.weight, network.norm.bias, 1e-6)
    return (x[:, 0] + x[:, 1]) / 2


def test_network_equals_torchs_own_layers() -> None:
    network, frames = _network(), torch.randn(2, 1, 76, 46)
    expected = _by_torch(network, frames)
    assert expected.std() > 0.1
    assert torch.allclose(network(frames, torch.ones(2, 76)), expected, atol=1e-4)
    assert torch.allclose(network.encode(network.tokens(frames)), expected, atol=1e-4)


def test_several_spectrograms_are_channels() -> None:
    network = _network(TransformerSpec(size=8, depth=1, heads=2, frames=36, bands=26, spectrograms=2))
    frames = torch.randn(2, 2, 36, 26)
    assert torch.allclose(network(frames, torch.ones(2, 36)), _by_torch(network, frames), atol=1e-4)


def test_published_sizes() -> None:
    spec = TransformerSpec()
    assert spec.grid == (12, 101)
    assert spec.patches(798) == 79
    with torch.device("meta"):
        network = AudioSpectrogramTransformer(spec)
    assert parameter_count(network) == 86_187_264
    assert parameter_count(network.blocks[0]) == 12 * 768**2 + 13 * 768


@settings(deadline=None, max_examples=15)
@given(st.integers(16, 120), st.integers(1, 3))
def test_inputs_of_any_length_have_embeddings(frames: int, batch: int) -> None:
    network = AudioSpectrogramTransformer(TransformerSpec(8, 1, 2, frames=76, bands=26)).eval()
    x = torch.randn(batch, 1, frames, 26)
    assert network.tokens(x).shape == (batch, 2 * ((frames - 16) // 10 + 1), 8)
    assert network(x, torch.ones(batch, frames)).shape == (batch, network.embedding_size)


def _places(rows: int, columns: int) -> Tensor:
    """Positions that say their row and column."""
    return torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()[None]


def test_positions_of_a_shorter_input_are_the_middle_ones_as_the_authors_cut_them() -> None:
    cut = resized(_places(12, 101), (12, 101), (12, 79)).reshape(12, 79, 2)
    assert cut[3, :, 1].tolist() == list(range(50 - 39, 50 - 39 + 79))
    assert cut[:, 5, 0].tolist() == list(range(12))
    cut = resized(_places(12, 101), (12, 101), (5, 101)).reshape(5, 101, 2)
    assert cut[:, 0, 0].tolist() == list(range(6 - 2, 6 - 2 + 5))


def test_positions_of_a_longer_input_are_interpolated() -> None:
    longer = resized(_places(3, 4), (3, 4), (3, 8)).reshape(3, 8, 2)
    assert longer[1, :, 1].tolist() == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    assert longer[1, :, 0].tolist() == [1] * 8
    same = _places(3, 4)
    assert torch.equal(resized(same, (3, 4), (3, 4)), same)


def test_what_was_not_heard_changes_nothing_and_is_not_attended_to() -> None:
    network, frames, valid = _network(), torch.randn(2, 1, 76, 46), torch.ones(2, 76)
    valid[1, 33:] = 0
    embeddings = network(frames, valid)
    frames[1, :, 33:] += 100
    assert torch.allclose(network(frames, valid), embeddings)
    scored = network.valid_patches(valid)[1].reshape(4, 7)
    assert scored.all(0).tolist() == scored.any(0).tolist() == [True] * 4 + [False] * 3
    tokens = network.tokens(frames * valid[:, None, :, None]).unflatten(1, (4, 7))
    tokens[1, :, 4:] = 55.0
    assert torch.allclose(network.encode(tokens.flatten(1, 2), network.valid_patches(valid)), embeddings, atol=1e-5)
    assert network(frames, 0 * valid).isfinite().all()


def test_tokens_mixed_before_positions_keep_their_place() -> None:
    network, frames = _network(), torch.randn(2, 1, 76, 46)
    tokens = network.tokens(frames)
    swapped = tokens.clone()
    swapped[0, 9] = tokens[1, 9]
    by_hand = frames.clone()
    by_hand[0] = frames[1]
    assert torch.equal(swapped[0, 9], network.tokens(by_hand)[0, 9])
    assert not torch.allclose(network.encode(swapped)[0], network.encode(tokens)[0], atol=1e-4)


def test_every_weight_learns() -> None:
    network = AudioSpectrogramTransformer(TINY)
    network(torch.randn(2, 1, 76, 46), torch.ones(2, 76)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_sizes_that_cannot_be_are_explained() -> None:
    with pytest.raises(ConfigError, match="heads: expected a divisor of size 10, found 3"):
        TransformerSpec(size=10, heads=3)
    with pytest.raises(ConfigError, match="patch: expected no more than 1024 frames and 8 bands, found 16"):
        TransformerSpec(bands=8)
