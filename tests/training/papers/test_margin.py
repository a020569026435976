"""Angular margins: by hand, against angles computed with acos, and what must not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from training.papers.qlung import AngularClassifier, class_margins, dfam_loss, mixed_margin

SPRSOUND_EVENTS = (5159, 912, 452, 49, 39, 30, 15)  # training events: N, FC, W, CC, R, W+C, S
ICBHI_CYCLES = (2063, 1215, 501, 363)  # official training cycles: normal, crackle, wheeze, both


def test_class_margins_of_the_published_sets() -> None:
    binary = class_margins((5159, 6656 - 5159))
    assert binary.tolist() == pytest.approx([0.074, 0.431], abs=6e-4)
    seven = class_margins(SPRSOUND_EVENTS)
    assert seven.tolist() == pytest.approx([0.026, 0.204, 0.276, 0.505, 0.528, 0.555, 0.626], abs=6e-4)
    assert class_margins(ICBHI_CYCLES).tolist() == pytest.approx([0.101, 0.177, 0.305, 0.351], abs=6e-4)


@settings(deadline=None)
@given(st.integers(2, 20), st.integers(1, 1000), st.floats(0.01, 1))
def test_classes_of_equal_size_have_the_target_as_margin(classes: int, count: int, target: float) -> None:
    assert class_margins([count] * classes, target).tolist() == pytest.approx([target] * classes, rel=1e-5)


def test_a_class_without_examples_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="class 1 has 0 training examples"):
        class_margins((5, 0, 3))
    with pytest.raises(ConfigError, match="two classes or more"):
        class_margins((5,))


def test_mixed_margin_by_hand() -> None:
    mixed = mixed_margin(torch.tensor([1.0, 0.0, 0.4]), torch.tensor([0.2, 0.2, 0.6]), kappa=0.5, gamma=0.25)
    assert mixed.tolist() == pytest.approx([0.25 * 0.5 + 0.75 * 0.2, 0.75 * 0.2, 0.25 * 0.5 * 0.4 + 0.75 * 0.6])


def test_published_defaults_mix_half_of_each() -> None:
    assert mixed_margin(torch.tensor([0.8]), torch.tensor([0.3])).item() == pytest.approx(0.5 * 0.5 * 0.8 + 0.5 * 0.3)


def test_dfam_by_hand_for_two_classes() -> None:
    theta, other, margin = 0.7, 1.9, 0.3
    cosines = torch.tensor([[math.cos(other), math.cos(theta)]], dtype=torch.float64)
    right, wrong = math.exp(15 * math.cos(theta + margin)), math.exp(15 * math.cos(other))
    loss = dfam_loss(cosines, torch.tensor([1]), torch.tensor([margin], dtype=torch.float64))
    assert loss.item() == pytest.approx(-math.log(right / (right + wrong)), rel=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_dfam_equals_a_loop_over_angles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles, margins = rng.uniform(0.05, math.pi - 0.05, (5, 4)), rng.uniform(0, 0.9, 5)
    labels = rng.integers(0, 4, 5)
    losses = []
    for row, label, margin in zip(angles, labels, margins, strict=True):
        logits = [9 * math.cos(a + margin * (k == label)) for k, a in enumerate(row)]
        losses.append(math.log(sum(math.exp(z) for z in logits)) - logits[label])
    found = dfam_loss(torch.tensor(np.cos(angles)), torch.tensor(labels), torch.tensor(margins), scale=9)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-7, abs=1e-9)


def test_dfam_without_a_margin_is_scaled_cross_entropy_and_a_margin_costs() -> None:
    torch.manual_seed(0)
    cosines, labels = torch.rand(6, 3) * 1.6 - 0.8, torch.randint(3, (6,))
    plain = torch.nn.functional.cross_entropy(15 * cosines, labels)
    assert dfam_loss(cosines, labels, torch.zeros(6)).item() == pytest.approx(plain.item(), rel=1e-5)
    assert dfam_loss(cosines, labels, torch.full((6,), 0.2)) > plain


def test_dfam_is_finite_with_finite_gradients_at_angles_of_zero_and_pi() -> None:
    cosines = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0000001, 0.0]], requires_grad=True)
    loss = dfam_loss(cosines, torch.tensor([0, 0, 0]), torch.full((3,), 0.5))
    loss.backward()
    assert cosines.grad is not None
    assert cosines.grad.isfinite().all()
    widened = [math.cos(0.5), math.cos(math.pi + 0.5), math.cos(0.5)]
    expected = [math.log1p(math.exp(15 * (other - own))) for own, other in zip(widened, [-1, 1, 0], strict=True)]
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)


def test_dfam_keeps_the_formula_beyond_pi() -> None:
    margin = torch.tensor([0.5], dtype=torch.float64)

    def cost(theta: float) -> float:
        cosines = torch.tensor([[math.cos(theta), 0.0]], dtype=torch.float64)
        return dfam_loss(cosines, torch.tensor([0]), margin).item()

    assert cost(math.pi - 0.1) < cost(math.pi - 0.5)


def test_dfam_gradient() -> None:
    torch.manual_seed(1)
    cosines = (torch.rand(4, 3, dtype=torch.float64) * 1.6 - 0.8).requires_grad_()
    margins = torch.rand(4, dtype=torch.float64) / 2
    assert torch.autograd.gradcheck(lambda x: dfam_loss(x, torch.tensor([0, 2, 1, 0]), margins), (cosines,))


def test_dfam_of_half_precision_cosines_is_computed_in_single() -> None:
    cosines = torch.tensor([[0.9995, 0.9]]).half()
    exact = dfam_loss(cosines.double(), torch.tensor([0]), torch.tensor([0.4]))
    assert dfam_loss(cosines, torch.tensor([0]), torch.tensor([0.4])).item() == pytest.approx(exact.item(), rel=1e-4)


def test_classifier_is_37_times_the_cosine_whatever_the_lengths() -> None:
    classifier = AngularClassifier(2, 3)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 5.0], [-1.0, -1.0]]))
    logits = classifier(torch.tensor([[3.0, 3.0]]))
    assert logits[0].tolist() == pytest.approx([37 * 0.5**0.5, 37 * 0.5**0.5, -37.0], rel=1e-6)
    assert torch.allclose(classifier(torch.tensor([[300.0, 300.0]])), logits)
    assert sum(p.numel() for p in classifier.parameters()) == 6
