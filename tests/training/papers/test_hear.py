"""The masked auto-encoder: exact counts, nothing seen through the mask, and the error by loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from training.detector.model import parameter_count
from training.papers.hear import (
    RECIPE,
    MaskedAutoencoder,
    MaskedEncoder,
    MaskedSpec,
    masked_error,
    patchify,
    random_masking,
    sinusoids,
)

TINY = MaskedSpec(
    frames=12, bands=8, patch=2, size=16, depth=2, heads=2, decoder_size=8, decoder_depth=2, decoder_heads=2
)


def _shaken(module: torch.nn.Module) -> torch.nn.Module:
    """With weights large enough to matter."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return module.eval()


def test_hears_clip_has_96_patches_of_which_24_are_seen() -> None:
    spec = MaskedSpec()
    assert (spec.grid, spec.patches, spec.kept, spec.ratio) == ((12, 8), 96, 24, 0.75)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(2, 96), st.data())
def test_exactly_the_kept_are_seen_and_the_others_masked(batch: int, patches: int, data: st.DataObject) -> None:
    stored = data.draw(st.integers(1, patches))
    seen, masked = random_masking(batch, patches, stored, torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    for places, mask in zip(seen, masked, strict=True):
        assert sorted(set(places.tolist())) == sorted(places.tolist()) == (~mask).nonzero().flatten().tolist()
        assert len(places) == stored


def test_masks_follow_the_generator_differ_between_clips_and_spare_no_place() -> None:
    draws = [random_masking(300, 96, 24, torch.Generator().manual_seed(s))[1] for s in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0][0], draws[0][1])
    assert ((draws[0].float().mean(0) - 0.75).abs() < 0.12).all()


def test_patches_go_row_by_row() -> None:
    frames = torch.arange(24.0).reshape(1, 1, 4, 6)
    assert patchify(frames, 2)[0].tolist() == [
        [0, 1, 6, 7],
        [2, 3, 8, 9],
        [4, 5, 10, 11],
        [12, 13, 18, 19],
        [14, 15, 20, 21],
        [16, 17, 22, 23],
    ]


def test_patches_are_those_that_the_embedding_sees() -> None:
    encoder, frames = MaskedEncoder(TINY), torch.randn(2, 1, 12, 8)
    weight, bias = encoder.patch_embed.proj.weight.flatten(1), encoder.patch_embed.proj.bias
    assert torch.allclose(patchify(frames, 2) @ weight.T + bias, encoder.tokens(frames), atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_error_equals_loops_over_masked_patches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, target, masked = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 5, 4)) * 3 + 7, rng.random((2, 5)) < 0.6
    masked[0, 0] = True
    errors = []
    for b, p in zip(*masked.nonzero(), strict=True):
        pixels = target[b, p]
        pixels = (pixels - pixels.mean()) / math.sqrt(pixels.var(ddof=1) + 1e-6)
        errors.append(((predicted[b, p] - pixels) ** 2).mean())
    found = masked_error(torch.tensor(predicted), torch.tensor(target), torch.tensor(masked))
    assert found.item() == pytest.approx(np.mean(errors))


def test_seen_patches_have_no_gradient_of_their_prediction() -> None:
    predicted = torch.randn(2, 6, 4, requires_grad=True)
    masked = torch.tensor([[True, False, True, False, False, True]] * 2)
    masked_error(predicted, torch.randn(2, 6, 4), masked).backward()
    assert predicted.grad is not None
    assert torch.equal(predicted.grad.abs().sum(2) > 0, masked)


def test_what_is_masked_does_not_reach_the_reconstruction_and_what_is_seen_does() -> None:
    torch.manual_seed(0)
    network, frames = _shaken(MaskedAutoencoder(TINY)), torch.randn(1, 1, 12, 8, requires_grad=True)
    stored, masked = random_masking(1, TINY.patches, TINY.kept)
    network.reconstruct(frames, stored).square().sum().backward()
    assert frames.grad is not None
    assert torch.equal(patchify(frames.grad, 2).abs().sum(2) > 0, ~masked)


def test_encoder_works_on_the_visible_tokens_alone_in_any_order() -> None:
    torch.manual_seed(0)
    network, frames = _shaken(MaskedAutoencoder(TINY)), torch.randn(2, 1, 12, 8)
    stored, _ = random_masking(2, TINY.patches, TINY.kept)
    seen: list[int] = []
    network.encoder.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[1]))
    pixels = network.reconstruct(frames, stored)
    assert seen == [TINY.kept] == [6]
    assert torch.allclose(network.reconstruct(frames, stored.flip(1)), pixels, atol=1e-5)


def test_embedding_is_the_mean_of_all_tokens_after_the_norm() -> None:
    torch.manual_seed(0)
    encoder, frames = _shaken(MaskedEncoder(TINY)), torch.randn(2, 1, 12, 8)
    everything = torch.arange(TINY.patches).expand(2, -1)
    expected = encoder.visible(frames, everything).mean(1)
    assert torch.allclose(encoder(frames, torch.ones(2, 12)), expected, atol=1e-5)
    assert torch.allclose(encoder.encode(encoder.tokens(frames)), expected, atol=1e-5)


def test_what_was_not_heard_has_no_part_in_the_embedding() -> None:
    torch.manual_seed(0)
    encoder, frames, valid = _shaken(MaskedEncoder(TINY)), torch.randn(2, 1, 12, 8), torch.ones(2, 12)
    valid[1, 6:] = 0
    embeddings = encoder(frames, valid)
    scored = torch.arange(3 * 4)[None]
    assert torch.allclose(encoder.visible(frames[1:], scored).mean(1), embeddings[1:], atol=1e-5)
    frames[1, :, 6:] = 99.0
    assert torch.allclose(encoder(frames, valid), embeddings)
    assert encoder(frames, 0 * valid).isfinite().all()


def test_clips_of_another_length_are_padded_as_unheard_or_cut() -> None:
    torch.manual_seed(0)
    encoder, frames = _shaken(MaskedEncoder(TINY)), torch.randn(1, 1, 15, 8)
    assert torch.equal(encoder(frames, torch.ones(1, 15)), encoder(frames[:, :, :12], torch.ones(1, 12)))
    silent = frames[:, :, :12].clone()
    silent[:, :, 6:] = 0
    valid = torch.ones(1, 12)
    valid[:, 6:] = 0
    assert torch.allclose(encoder(frames[:, :, :6], torch.ones(1, 6)), encoder(silent, valid), atol=1e-6)


def _loss(network: MaskedAutoencoder, frames: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    kept, masked = random_masking(len(frames), TINY.patches, TINY.kept, generator)
    return masked_error(network.reconstruct(frames, kept), patchify(frames, TINY.patch), masked)


def test_loss_follows_the_generator_and_falls_when_trained() -> None:
    torch.manual_seed(0)
    network = MaskedAutoencoder(TINY)
    frames = torch.sin(torch.arange(96.0) / 5).reshape(1, 1, 12, 8).repeat(4, 1, 1, 1)
    first = _loss(network, frames, torch.Generator().manual_seed(3))
    assert torch.equal(first, _loss(network, frames, torch.Generator().manual_seed(3)))
    optimizer, generator = torch.optim.AdamW(network.parameters(), 2e-2), torch.Generator().manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        _loss(network, frames, generator).backward()
        optimizer.step()
    assert _loss(network, frames, torch.Generator().manual_seed(3)) < 0.5 * first


def test_positions_tell_rows_from_columns_at_known_angles() -> None:
    places = sinusoids((3, 4), 8).reshape(3, 4, 8)
    expected = [math.sin(2), math.sin(2 / 100), math.cos(2), math.cos(2 / 100)]
    expected += [math.sin(3), math.sin(3 / 100), math.cos(3), math.cos(3 / 100)]
    assert places[2, 3].tolist() == pytest.approx(expected, abs=1e-6)
    assert torch.equal(places[1, :, :4], places[1, :1, :4].expand(4, -1))
    assert len({tuple(row) for row in places.flatten(0, 1).tolist()}) == 12


def test_stated_sizes() -> None:
    small, paper = (MaskedSpec(**RECIPE.sizes[size]["sizes"]) for size in ("small", "paper"))
    network = MaskedAutoencoder(small)
    assert parameter_count(network.encoder) == 695_904  # 6 (12 D^2 + 13 D) + 257 D + 2 D, D = 96
    assert len(network.blocks) == paper.decoder_depth == 8
    with torch.device("meta"):
        assert parameter_count(MaskedEncoder(paper)) == 302_574_592
    assert network.encoder.embedding_size == 96


def test_sizes_that_cannot_be_are_explained() -> None:
    with pytest.raises(ConfigError, match="decoder_size: expected a multiple of 4 and of 3 heads, found 64"):
        MaskedSpec(decoder_size=64)
    with pytest.raises(ConfigError, match="patch: expected a divisor of 200 frames"):
        MaskedSpec(frames=200)
    with pytest.raises(ConfigError, match=r"ratio: of 96 patches some must be masked.*found a ratio of 1"):
        MaskedSpec(ratio=1.0)
