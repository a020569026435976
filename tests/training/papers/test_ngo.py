"""The Inception-residual blocks by reference, and what the assembled backbones must not depend on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.detector.model import parameter_count
from training.papers.ngo2022 import (
    AxisAttention,
    InceptionResidual,
    InceptionResidual2022,
    InceptionSpec,
    LinearCombination,
    SelfAttention,
)
from training.papers.ngo2023 import AttentionPooling, InceptionResidual2023, SpatioTemporalFocusing

TINY = InceptionSpec(bands=16, channels=(8, 16), heads=2, embedding_size=6)


def _tiny(year: int) -> tuple[nn.Module, int]:
    """A backbone, always with the same weights, and its number of spectrograms."""
    torch.manual_seed(0)
    return (InceptionResidual2022(2, TINY), 2) if year == 2022 else (InceptionResidual2023(TINY), 1)


def _settled(module: nn.Module) -> nn.Module:
    """In evaluation, with batch norms that do something."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.bias)
    return module.eval()


def _normed(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 8), (8, 8)])
def test_block_is_four_filters_a_merge_and_a_skip(inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    block = _settled(InceptionResidual(inputs, outputs))
    assert [branch.kernel_size for branch in block.branches] == [(1, 1), (3, 3), (1, 5), (5, 1)]
    x = torch.randn(2, inputs, 9, 7)
    quarter = [F.conv2d(x, b.weight, padding=tuple(k // 2 for k in b.kernel_size)) for b in block.branches]
    inner = _normed(torch.cat(quarter, 1), block.norm).clamp_min(0)
    merged = _normed(torch.einsum("oi,bitm->botm", block.merge[0].weight[..., 0, 0], inner), block.merge[1])
    skip = x if inputs == outputs else torch.einsum("oi,bitm->botm", block.skip.weight[..., 0, 0], x)
    assert torch.allclose(block(x), (merged + skip).clamp_min(0), atol=1e-5)


def test_block_sees_two_frames_and_two_bands_to_each_side() -> None:
    torch.manual_seed(0)
    block = _settled(InceptionResidual(1, 8))
    x = torch.zeros(1, 1, 15, 15, requires_grad=True)
    block.merge(block.norm(torch.cat([b(x) for b in block.branches], 1)))[0, :, 7, 7].sum().backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero()
    assert seen.min(0).values.tolist() == [5, 5]
    assert seen.max(0).values.tolist() == [9, 9]


def test_combination_starts_as_the_mean_and_weighs_every_dimension_by_itself() -> None:
    combination, e = LinearCombination(2, 3), torch.tensor([[[1.0, 2.0, 3.0], [3.0, 6.0, -3.0]]])
    assert combination(e).tolist() == [[2.0, 4.0, 0.0]]
    with torch.no_grad():
        combination.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]))
    assert combination(e).tolist() == [[1.0, 6.0, 3.0]]
    assert parameter_count(combination) == 6


def test_each_spectrogram_contributes_equally_at_first() -> None:
    e = torch.randn(2, 3, 4, requires_grad=True)
    LinearCombination(3, 4)(e).sum().backward()
    assert e.grad is not None
    assert torch.allclose(e.grad, torch.full_like(e, 1 / 3))


def test_focusing_is_the_map_times_both_gates() -> None:
    torch.manual_seed(0)
    focusing, x, scored = SpatioTemporalFocusing(4), torch.randn(2, 4, 6, 5), torch.ones(2, 6)
    scored[1, 4:] = 0
    time = torch.sigmoid(F.conv1d(x.mean(3), focusing.time.weight, focusing.time.bias, padding=1))[:, 0]
    over_time = torch.stack([x[0].mean(1), x[1, :, :4].mean(1)])
    bands = torch.sigmoid(F.conv1d(over_time, focusing.frequency.weight, focusing.frequency.bias, padding=1))[:, 0]
    assert torch.allclose(focusing(x, scored), torch.einsum("bctm,bt,bm->bctm", x, time, bands), atol=1e-6)
    assert parameter_count(SpatioTemporalFocusing(128)) == 770


def _attended(query: Tensor, sequence: Tensor, mha: nn.MultiheadAttention) -> Tensor:
    """Attention of one example by loops over heads and queries: (Q, D) and (L, D) to (Q, D)."""
    (wq, wk, wv), (bq, bk, bv) = mha.in_proj_weight.chunk(3), mha.in_proj_bias.chunk(3)
    q, k, v = query @ wq.T + bq, sequence @ wk.T + bk, sequence @ wv.T + bv
    each, rows = q.shape[1] // mha.num_heads, []
    for one in q:
        parts = []
        for h in range(mha.num_heads):
            part = slice(h * each, (h + 1) * each)
            weights = torch.softmax(k[:, part] @ one[part] / each**0.5, 0)
            parts.append(weights @ v[:, part])
        rows.append(torch.cat(parts) @ mha.out_proj.weight.T + mha.out_proj.bias)
    return torch.stack(rows)


def test_attention_is_residual_normed_and_pooled_over_what_was_heard() -> None:
    torch.manual_seed(0)
    attention, x, scored = SelfAttention(8, 2), torch.randn(2, 5, 8), torch.ones(2, 5)
    scored[1, 3:] = 0
    found = attention(x, scored)
    for row, length in enumerate((5, 3)):
        one = x[row, :length]
        mean = F.layer_norm(one + _attended(one, one, attention.attention), (8,)).mean(0)
        assert torch.allclose(found[row], mean, atol=1e-5)


def test_pooling_is_what_one_learned_query_attends_to() -> None:
    torch.manual_seed(0)
    pooling, x, scored = AttentionPooling(8, 2), torch.randn(2, 5, 8), torch.ones(2, 5)
    scored[1, 2:] = 0
    found = pooling(x, scored)
    assert torch.allclose(found[0], _attended(pooling.query[0], x[0], pooling.attention)[0], atol=1e-5)
    assert torch.allclose(found[1], _attended(pooling.query[0], x[1, :2], pooling.attention)[0], atol=1e-5)


def test_axis_attention_takes_the_three_averages() -> None:
    torch.manual_seed(0)
    attention, x, scored = AxisAttention(8, 4, 6, 2), torch.randn(1, 8, 5, 4), torch.ones(1, 5)
    parts = [
        attention.over_time(x.mean(3).mT, scored),
        attention.over_bands(x.mean(2).mT, torch.ones(1, 4)),
        attention.over_spectra(attention.widen(x.mean(1)), scored),
    ]
    assert torch.allclose(attention(x, scored), attention.project(torch.cat(parts, 1)), atol=1e-5)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 3), st.integers(1, 3))
def test_embeddings_for_any_number_of_spectrograms_frames_and_planes(
    s: int, frames: int, batch: int, planes: int
) -> None:
    spec = InceptionSpec(bands=8, planes=planes, channels=(4, 8), heads=2, embedding_size=6)
    for network, count in ((InceptionResidual2022(s, spec), s), (InceptionResidual2023(spec), 1)):
        embeddings = network.eval()(torch.randn(batch, count, frames, planes * 8), torch.ones(batch, frames))
        assert embeddings.shape == (batch, network.embedding_size)
        assert embeddings.isfinite().all()


@pytest.mark.parametrize("year", [2022, 2023])
def test_what_was_not_heard_and_how_far_a_clip_is_padded_change_nothing(year: int) -> None:
    network, count = _tiny(year)
    _settled(network)
    frames, valid = torch.randn(2, count, 21, 16), torch.ones(2, 21)
    valid[1, 14:] = 0
    embeddings = network(frames, valid)
    noise = torch.randn(2, count, 30, 16) * 100
    longer = torch.cat([torch.where(valid[:, None, :, None] > 0, frames, noise[:, :, :21]), noise], 2)
    assert torch.allclose(network(longer, F.pad(valid, (0, 30))), embeddings, atol=1e-5)
    assert torch.allclose(network(frames[1:, :, :14], valid[1:, :14]), embeddings[1:], atol=1e-5)
    assert not torch.allclose(network(frames, torch.ones(2, 21))[1], embeddings[1], atol=1e-3)
    assert network(frames, 0 * valid).isfinite().all()
    with torch.no_grad():  # torch takes another way through attention here
        assert torch.allclose(network(frames, valid), embeddings, atol=1e-5)
        assert network(frames, 0 * valid).isfinite().all()


def test_planes_are_channels_of_the_image() -> None:
    torch.manual_seed(0)
    network = InceptionResidual2023(InceptionSpec(bands=8, planes=2, channels=(4,), heads=2))
    seen: list[Tensor] = []
    network.stages.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    frames = torch.randn(1, 1, 6, 16)
    network.eval()(frames, torch.ones(1, 6))
    assert torch.equal(seen[0][0, 0], frames[0, 0, :, :8])
    assert torch.equal(seen[0][0, 1], frames[0, 0, :, 8:])


@pytest.mark.parametrize("year", [2022, 2023])
def test_every_weight_learns(year: int) -> None:
    network, count = _tiny(year)
    network.train()(torch.randn(3, count, 19, 16), torch.ones(3, 19)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    silent = [name for name, p in network.named_parameters() if not p.grad.any()]
    assert all("in_proj" not in name and "branches" not in name and "norm" not in name for name in silent)


def test_stated_sizes() -> None:
    assert parameter_count(InceptionResidual2022(2)) == 667_008
    assert parameter_count(InceptionResidual2023()) == 167_490


def test_sizes_that_cannot_be_are_explained() -> None:
    with pytest.raises(ConfigError, match=r"channels: expected multiples of 4, found \(6,\)"):
        InceptionSpec(channels=(6,))
    with pytest.raises(ConfigError, match="heads: expected a divisor of 8 channels, found 3"):
        InceptionSpec(channels=(8,), heads=3)
    with pytest.raises(ConfigError, match="bands: 3 stages halve the bands each"):
        InceptionSpec(bands=7)
