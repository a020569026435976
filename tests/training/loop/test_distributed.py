"""Two processes have the loss curve of one: started by torchrun, for real."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edge.errors import ConfigError
from training.loop import World, shared
from training.loop.distributed import SharedBatchNorm, SharedDropout


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(4), nn.BatchNorm2d(4, momentum=None), nn.BatchNorm2d(4, affine=False)]
)
def test_a_shared_batch_norm_of_one_process_is_batch_norm(layer: nn.Module) -> None:
    x = torch.randn(5, 4, 3) if isinstance(layer, nn.BatchNorm1d) else torch.randn(5, 4, 3, 2)
    own = shared(nn.Sequential(layer), World())
    assert isinstance(own[0], SharedBatchNorm)
    torch.testing.assert_close(own(x), layer(x))
    torch.testing.assert_close(dict(own[0].named_buffers()), dict(layer.named_buffers()))


def test_a_mask_of_a_slice_is_a_slice_of_the_mask_of_the_batch() -> None:
    x = torch.ones(6, 5, 4)
    for layer in (nn.Dropout(0.4), nn.Dropout2d(0.4)):
        whole = shared(nn.Sequential(layer), World())
        torch.manual_seed(3)
        expected = whole(x)
        for rank in range(2):
            torch.manual_seed(3)
            half = shared(nn.Sequential(layer), World(rank, 2))
            torch.testing.assert_close(half(x[:3]), expected[3 * rank :][:3])
    dropped = shared(nn.Sequential(nn.Dropout2d(0.5)), World())(x)
    assert isinstance(whole[0], SharedDropout)
    assert ((dropped == 0).all(-1) | (dropped == 2).all(-1)).all()


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    assert list(World(1, 2).share(6)) == [3, 4, 5]
    with pytest.raises(ConfigError, match=r"loop\.batch = 7: 2 processes cannot share it"):
        World(0, 2).share(7)
