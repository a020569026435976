"""Muon steps matrices as PyTorch's own does and the rest as AdamW; convolutions are matrices, one row to an output."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from training.loop.muon import Muon, orthogonal

RATE, DECAY = 6e-3, 0.02
STEPS = 5


def _stepped(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], gradients: list[list[Tensor]]) -> None:
    for several in gradients:
        for parameter, gradient in zip(parameters, several, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()


def _parameters(*shapes: tuple[int, ...]) -> list[nn.Parameter]:
    rng = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=rng)) for shape in shapes]


def _gradients(parameters: list[nn.Parameter]) -> list[list[Tensor]]:
    rng = torch.Generator().manual_seed(1)
    return [[torch.randn(p.shape, generator=rng) for p in parameters] for _ in range(STEPS)]


@pytest.fixture(params=[(12, 40), (40, 12), (16, 16)], ids=["wide", "tall", "square"])
def matrix(request: pytest.FixtureRequest) -> nn.Parameter:
    return _parameters(request.param)[0]


def test_a_matrix_is_stepped_as_pytorchs_muon_steps_it(matrix: nn.Parameter) -> None:
    other, gradients = copy.deepcopy(matrix), _gradients([matrix])
    begin = matrix.detach().clone()
    _stepped(Muon([matrix], RATE, DECAY), [matrix], gradients)
    theirs = torch.optim.Muon([other], lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")
    _stepped(theirs, [other], gradients)
    moved, difference = (matrix - begin).norm(), (matrix - other).norm()
    assert difference < 0.02 * moved  # theirs orthogonalises in bf16, of three digits


def test_a_vector_is_stepped_as_adamw_steps_it() -> None:
    parameters = _parameters((7,), ())
    others, gradients = copy.deepcopy(parameters), _gradients(parameters)
    _stepped(Muon(parameters, RATE, DECAY), parameters, gradients)
    _stepped(torch.optim.AdamW(others, RATE, weight_decay=DECAY), others, gradients)
    for mine, theirs in zip(parameters, others, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_a_convolution_is_stepped_as_the_matrix_of_its_rows() -> None:
    kernel = _parameters((6, 3, 1, 5))[0]
    flat = nn.Parameter(kernel.detach().flatten(1).clone())
    gradients = _gradients([kernel])
    _stepped(Muon([kernel], RATE), [kernel], gradients)
    _stepped(Muon([flat], RATE), [flat], [[g.flatten(1) for g in several] for several in gradients])
    torch.testing.assert_close(kernel.flatten(1), flat, rtol=0, atol=1e-7)


def test_a_step_is_as_large_as_adamws_usually_is(matrix: nn.Parameter) -> None:
    begin = matrix.detach().clone()
    _stepped(Muon([matrix], RATE, 0.0), [matrix], _gradients([matrix])[:1])
    effective = (matrix - begin).square().mean().sqrt().item()
    assert effective == pytest.approx(0.2 * RATE, rel=0.3)


def test_singular_values_become_one_within_a_quarter(matrix: nn.Parameter) -> None:
    left, _, right = torch.linalg.svd(matrix.detach(), full_matrices=False)
    values = torch.linspace(0.05, 3.0, left.shape[1])
    found = torch.linalg.svdvals(orthogonal(left * values @ right))
    assert found.min() > 0.65
    assert found.max() < 1.25


def test_the_turned_matrix_keeps_its_directions() -> None:
    left, _, right = torch.linalg.svd(_parameters((5, 9))[0].detach(), full_matrices=False)
    found = orthogonal(left * torch.tensor([5.0, 2.0, 1.0, 0.5, 0.3]) @ right)
    inside = left.T @ found @ right.T
    torch.testing.assert_close(inside, torch.diag(inside.diagonal()), rtol=0, atol=1e-5)
    assert (inside.diagonal() > 0).all()


def test_a_parameter_without_a_gradient_stays() -> None:
    parameters = _parameters((3, 3), (3,))
    before = [p.detach().clone() for p in parameters]
    Muon(parameters, RATE, DECAY).step()
    assert all(torch.equal(mine, old) for mine, old in zip(parameters, before, strict=True))


def test_it_goes_on_from_what_was_saved() -> None:
    parameters = _parameters((4, 6), (4,))
    gradients = _gradients(parameters)
    whole, parts = copy.deepcopy(parameters), copy.deepcopy(parameters)
    _stepped(Muon(whole, RATE, DECAY), whole, gradients)
    first = Muon(parts, RATE, DECAY)
    _stepped(first, parts, gradients[:2])
    second = Muon(parts, RATE, DECAY)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    _stepped(second, parts, gradients[2:])
    assert all(torch.equal(mine, other) for mine, other in zip(whole, parts, strict=True))


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="expected no closure"):
        Muon(_parameters((2, 2)), RATE).step(lambda: 0.0)
