"""The linear probe is the regression of scikit-learn, folded into one layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from edge.errors import ConfigError
from tests.training.detector.edge import RECIPE
from training.detector.inference import clip_answers, clip_embeddings, fit_clip_head
from training.detector.model import Detector
from training.tasks import CLIP_LABELS


@pytest.mark.parametrize("labels", [(0, 2, 5), (0, 2), (3, 6)], ids=str)
def test_the_clip_head_says_what_the_regression_says(labels: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    detector = Detector(RECIPE.network).eval()
    rng = np.random.default_rng(0)
    truth = np.array(labels)[np.arange(60) % len(labels)]
    clips = [rng.normal(0.3 * label, 1, (40, RECIPE.features.width)).astype(np.float16) for label in truth]
    embeddings = clip_embeddings(detector, clips)
    fit_clip_head(detector, clips, truth)
    scaled = (embeddings - embeddings.mean(0)) / (embeddings.std(0) + 1e-4)
    expected = LogisticRegression(C=0.01, max_iter=1000).fit(scaled, truth).predict_proba(scaled)
    answered = np.exp(np.stack(clip_answers(detector, clips)))
    np.testing.assert_allclose(answered[:, list(labels)], expected, atol=1e-4)
    others = [i for i in range(len(CLIP_LABELS)) if i not in labels]
    assert answered[:, others].max() < 1e-6


def test_one_label_alone_is_refused() -> None:
    clips = [np.zeros((20, RECIPE.features.width), np.float16)] * 3
    with pytest.raises(ConfigError, match="clips of one label alone"):
        fit_clip_head(Detector(RECIPE.network).eval(), clips, np.zeros(3, np.int64))
