"""Other clip heads: what a teacher adds to a regression, what angles can tell, and how heads are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError
from training.datasets import Recording
from training.detector.clip_head_trial import Material, angular, compare, judged, regression
from training.tasks import CLIP_LABELS, Clip

LABELS = ("Normal", "Wheeze", "Fine Crackle")


def _clips(count: int, patient: str) -> tuple[Clip, ...]:
    recording = Recording(Path(f"{patient}.wav"), patient, "CAS", ())
    return tuple(Clip(recording, i, i + 1.0, LABELS[i % 3], i) for i in range(count))


def _material() -> Material:
    """Three clusters that can be told apart by their direction."""
    rng, centres = np.random.default_rng(0), np.array([[4.0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 4, 0]])
    learnt, apart = (centres[np.arange(count) % 3] + rng.normal(0, 0.5, (count, 4)) for count in (60, 30))
    return Material(_clips(60, "one"), _clips(30, "other"), learnt, apart)


def _names(answers: np.ndarray) -> list[str]:
    return [CLIP_LABELS[i] for i in answers.argmax(1)]


def test_a_teacher_that_says_the_labels_teaches_nothing_new_and_one_that_errs_is_believed_for_a_half() -> None:
    material = _material()
    labels = np.eye(len(CLIP_LABELS))[material.labels]
    plain = regression(material)(material.of_apart)
    np.testing.assert_allclose(regression(material, labels)(material.of_apart), plain, atol=1e-3)
    wheeze, fine = CLIP_LABELS.index("Wheeze"), CLIP_LABELS.index("Fine Crackle")
    erring = labels.copy()
    erring[labels[:, wheeze] == 1] = np.eye(len(CLIP_LABELS))[fine]
    said = np.exp(regression(material, erring)(material.of_apart))[1::3, wheeze].mean()  # of the wheezes
    alone = np.exp(plain)[1::3, wheeze].mean()
    assert 0.3 * alone < said < 0.7 * alone


@pytest.mark.parametrize("margin_weight", [0.0, 0.4])
def test_the_angular_head_learns_directions(margin_weight: float) -> None:
    material = _material()
    head = angular(material, margin_weight)
    assert _names(head(material.of_apart)) == [c.label for c in material.apart]
    np.testing.assert_allclose(head(3 * material.of_apart), head(material.of_apart), atol=1e-4)  # lengths say nothing


def test_heads_are_judged_on_the_same_clips_by_both_tasks() -> None:
    material = _material()
    right = regression(material)(material.of_apart)
    crackles_for_wheezes = right[:, [CLIP_LABELS.index(name) for name in _exchanged()]]
    found = judged({"right": [right[:10], right[10:]], "exchanged": [crackles_for_wheezes]}, material.apart)
    assert found["right"]["1-2 score"].estimate().value == 1
    assert found["exchanged"]["1-1 score"].estimate().value == 1  # adventitious all the same
    assert found["exchanged"]["1-2 sensitivity"].estimate().value == 0


def _exchanged() -> list[str]:
    other = {"Wheeze": "Fine Crackle", "Fine Crackle": "Wheeze"}
    return [other.get(name, name) for name in CLIP_LABELS]


def test_a_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a finished training"):
        compare(tmp_path, tmp_path, tmp_path, None)
