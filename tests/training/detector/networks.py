"""Networks as trained ones are, streams with holes, and what the detector must say of them by its definition.

`by_definition` looks at a whole stream at once, with absolute score frames and none of the state of the real one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.detector.layers import Context
from training.detector.model import STRIDE, Answer, Detector, NetworkSpec

SMALL = NetworkSpec(
    images=2, bands=8, stem=(4, 4, 8), hidden=16, dilations=(1, 2, 4, 1), ahead=(2, 1, 0, 2), memory=(4.0, 40.0)
)
LOOKAHEAD = 7  # score frames, of SMALL: 1 of the stem, 2 x 1 + 1 x 2 + 0 x 4 + 2 x 1 of its blocks


def trained(spec: NetworkSpec = SMALL, seed: int = 0) -> Detector:
    """Random weights, and norms whose statistics fit the noise below about as well as those of a trained network."""
    torch.manual_seed(seed)
    detector, valid = Detector(spec), torch.ones(4, 160)
    norms = [module for module in detector.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.3)
    with torch.no_grad():
        detector.train()(noise(valid, spec), valid)
        for norm in norms:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean += torch.randn(norm.num_features) * norm.running_var.sqrt() / 4
            norm.running_var *= 0.5 + torch.rand(norm.num_features)
    return detector.eval()


def noise(valid: Tensor, spec: NetworkSpec = SMALL, seed: int = 0) -> Tensor:
    """Frames (B, T, M) for a validity (B, T); what is not valid is noise as well."""
    return torch.randn(*valid.shape, spec.images * spec.bands, generator=torch.Generator().manual_seed(seed))


def runs(*lengths: int, length: int, begins_valid: bool = True) -> Tensor:
    """Validity (1, length) of so many valid frames, so many that are not, and so on; valid after the last."""
    values = [float(index % 2 != begins_valid) for index, count in enumerate(lengths) for _ in range(count)]
    return torch.tensor([(values + [1.0] * length)[:length]])


@torch.no_grad()
def in_steps(detector: Detector, frames: Tensor, valid: Tensor, lengths: list[int]) -> Answer:
    """The whole form's answer, from steps of these lengths, over and over."""
    wait = detector.spec.lookahead
    frames, valid = F.pad(frames, (0, 0, 0, wait * STRIDE)), F.pad(valid, (0, wait * STRIDE))
    state, begin, answers = frames.new_zeros(len(frames), detector.state_size), 0, []
    while begin < valid.shape[1]:
        end = begin + lengths[len(answers) % len(lengths)]
        answers.append(detector.step(frames[:, begin:end], valid[:, begin:end], state))
        begin, state = end, answers[-1].state
    logits, hidden, scored, _ = zip(*answers, strict=True)
    return Answer(
        torch.cat(logits, 1)[:, wait:], torch.cat(hidden, 2)[..., wait:], torch.cat(scored, 1)[:, wait:], state
    )


@torch.no_grad()
def by_definition(detector: Detector, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, T / STRIDE, K) and hidden frames (B, h, T / STRIDE); before and after the stream all is zero."""
    spec, batch = detector.spec, len(frames)
    scored = (valid.reshape(batch, -1, STRIDE).sum(2) > 0).float()[:, None, None]
    image = (frames * valid[..., None]).reshape(batch, -1, spec.images, spec.bands).permute(0, 2, 3, 1)
    image = torch.cat([image, valid[:, None, None].expand(-1, 1, spec.bands, -1)], 1)
    seen = detector.stem(F.pad(image, (5, 7)))  # score frame t sees frames 4 t - 5 to 4 t + 7
    x = detector.project(seen.reshape(batch, -1, 1, scored.shape[3])) * scored
    for index, (dilation, ahead) in enumerate(zip(spec.dilations, spec.ahead, strict=True)):
        if index == len(detector.early):
            x = context_by_definition(detector.context, spec.memory, x, scored)
        block = [*detector.early, *detector.late][index]
        around = F.pad(x, ((spec.kernel - 1 - ahead) * dilation, ahead * dilation))
        x = F.relu(x + block.block(around)) * scored
    return detector.head(x).squeeze(2).transpose(1, 2), x.squeeze(2)


def context_by_definition(context: Context, memory: tuple[float, ...], x: Tensor, scored: Tensor) -> Tensor:
    """(B, h, 1, T) with what was heard until each score frame added; one step of each leaky sum after the other."""
    statistics = []
    for constant in memory:
        keep, total, means = math.exp(-1 / constant), torch.zeros(len(x), 2 * x.shape[1] + 1), []
        for now, is_heard in zip(x.squeeze(2).unbind(2), scored[:, :, 0].unbind(2), strict=True):
            total = keep * total + torch.cat([now, now**2, is_heard], 1)
            means.append(total[:, :-1] / (total[:, -1:] + 1))
        mean, power = torch.stack(means, 2).chunk(2, 1)
        statistics += [mean, torch.sqrt(power + 1e-4)]
    return F.relu(x + context.mix(torch.cat(statistics, 1)[:, :, None])) * scored
