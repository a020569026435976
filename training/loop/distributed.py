"""Several processes that train one network, as if they were one.

    torchrun --nproc-per-node 2 -m training --recipe patchmix ...        gloo on CPUs, nccl on GPUs

Every process draws the same batch and takes its slice of it; what the backbone makes of the slices is gathered, with
gradients, and the losses see the whole batch (so a contrastive loss has all its negatives and a mean is one mean).
`DistributedDataParallel` averages the gradients; the backward pass of the gathering sums them. Batch norm takes its
moments, and dropout its masks, from the whole batch. What is not equal to one process: the order of additions (1e-6 of
the loss, growing with the steps), and dropout inside a fused attention kernel. Not for sharding a model or optimizer.

Processes that each train or judge something by themselves, side by side. Not for those that share one training.

They leave Ctrl-C to their parent and die with it, however it dies; when one of them fails, or the parent is stopped,
the others do not go on for half an hour.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn  # before a group is made: its functions keep the group of the moment as their default
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError


@dataclass(frozen=True)
class World:
    """The processes of this training, and this one's place among them."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """Which examples of a batch of `batch` are this process's.

        Raises:
            ConfigError: if the processes cannot share it evenly.
        """
        if batch % self.size:
            raise ConfigError(f"loop.batch = {batch}: {self.size} processes cannot share it; choose a multiple")
        each = batch // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def gather(self, share: Tensor) -> Tensor:
        """(B / size, ...) of every process to (B, ...), the same in all of them; gradients flow back."""
        return share if self.size == 1 else _Gather.apply(share.contiguous(), self.rank, self.size)

    def broadcast(self, value: Any) -> Any:
        """The value of the first process, in all of them; all must call it."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


class _Gather(torch.autograd.Function):
    """All processes' slices one after the other; the gradient of a slice is the sum of what every process makes of it.

    Every process computes the same loss L of the gathered batch, so that sum is size * dL / dslice, and the mean over
    processes that DistributedDataParallel takes is the gradient of L.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor, rank: int, size: int) -> Tensor:
        ctx.rank, ctx.size = rank, size
        parts = [torch.empty_like(share) for _ in range(size)]
        dist.all_gather(parts, share)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0].contiguous()
        dist.all_reduce(gradient)
        return gradient.chunk(ctx.size)[ctx.rank], None, None


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose moments are those of the whole batch; of slices of equal size, on any device.

    With means m_r and variances v_r of the slices, the batch has mean m = mean(m_r) and variance
    mean(v_r) + mean((m_r - m)^2). `torch.nn.SyncBatchNorm` does the same, on GPUs alone.
    """

    world = World()

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - PyTorch's name
        if input.dim() < 2:
            raise ValueError(f"expected (B, C, ...), found {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """(B / size, C, ...) to the same."""
        if not self.training or self.world.size == 1:
            return super().forward(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        x = input.float()
        variance, mean = torch.var_mean(x, axes, correction=0)
        moments = self.world.gather(torch.stack([mean, variance])[None])  # (R, 2, C)
        mean = moments[:, 0].mean(0)
        variance = moments[:, 1].mean(0) + (moments[:, 0] - mean).square().mean(0)
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1] * self.world.size)
        shape = [1, -1] + [1] * (x.dim() - 2)
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        shift = (self.bias if self.affine else 0.0) - mean * scale
        return (x * scale.reshape(shape) + shift.reshape(shape)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        pace = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, pace)
        self.running_var.lerp_(variance * count / max(count - 1, 1), pace)


class SharedDropout(nn.Dropout):
    """Dropout whose mask is a slice of the whole batch's: drawn once in every process, the same in all of them."""

    world = World()
    dims: int | None = None
    """Axes that a mask has of its own, from the first; None: all (Dropout1d and 2d drop whole channels: 2)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Any shape with the example first."""
        if not self.training or self.p == 0:
            return input
        count, *rest = input.shape
        own = rest if self.dims is None else rest[: self.dims - 1] + [1] * (len(rest) - self.dims + 1)
        mask = F.dropout(torch.ones(count * self.world.size, *own, device=input.device), self.p)
        return input * mask[self.world.rank * count :][:count].to(input.dtype)


def shared(module: nn.Module, world: World) -> nn.Module:
    """The module with every batch norm and dropout taking the whole batch into account; changed in place.

    Only for what sees slices (the backbone); what follows `World.gather` sees the whole batch already.
    """
    for name, child in list(module.named_children()):
        new = _shared_one(child, world)
        if new is child:
            shared(child, world)
        else:
            setattr(module, name, new)
    return module


def _shared_one(module: nn.Module, world: World) -> nn.Module:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        new = SharedBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
        )
        new.load_state_dict(module.state_dict())
        new.world = world
        return new
    if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d):
        dropout = SharedDropout(module.p)
        dropout.world, dropout.dims = world, None if isinstance(module, nn.Dropout) else 2
        return dropout
    return module


@contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun made, or that of one process; uses a GPU where there is one.

    Raises:
        ConfigError: if there are more processes than GPUs on a machine that has some.
    """
    rank, size, local = (int(os.environ.get(name, default)) for name, default in _TORCHRUN)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"torchrun --nproc-per-node: process {local} has no GPU, there are {torch.cuda.device_count()}"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if size == 1:
        yield World(device=device)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of which devices a backend could use
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(rank, size, device)
        dist.barrier()  # nobody leaves while another still speaks
    finally:
        dist.destroy_process_group()  # joins gloo's threads, if nobody holds the group: at exit they would abort


_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))  # environment variables of torchrun

Call = tuple[Any, ...]
"""A function that can be sent to another process, and its arguments."""


def side_by_side(count: int) -> ProcessPoolExecutor:
    """So many processes, begun anew: threads of the parent are not copied."""
    return ProcessPoolExecutor(count, get_context("spawn"), _die_with_parent)


def answers(processes: ProcessPoolExecutor, calls: Sequence[Call]) -> Iterator[Any]:
    """What the calls return, as they end.

    Raises:
        Exception: what one of them raised; the other processes are gone then.
    """
    try:
        for done in as_completed([processes.submit(*call) for call in calls]):
            yield done.result()
    except BaseException:
        for process in list(processes._processes.values()):
            process.kill()
        raise


def _die_with_parent() -> None:
    """Leave Ctrl-C to the parent, and die with it: Linux kills this process then, see prctl(2)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
