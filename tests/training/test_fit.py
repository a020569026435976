"""A training is reproducible and survives a kill; the network keeps its promises about what it did not hear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from edge.windows import WindowSpec
from training.augment import AugmentSpec, Cutter
from training.datasets import Annotation, Recording
from training.detect import stream_logits
from training.fit import fit
from training.network import Detector, NetworkSpec, class_scores, parameter_count
from training.recipe import Recipe
from training.run import Job, _keep_to_the_data
from training.targets import WIDTH, frame_targets

RECIPE = replace(
    Recipe(),
    window=WindowSpec(80, 20, 20, 4),
    network=replace(NetworkSpec(), stem=(2, 4, 4), hidden=8, dilations=(1, 2)),
    epochs=3,
    steps=2,
    batch=4,
)


def _cutter() -> Cutter:
    rng = np.random.default_rng(0)
    recordings = [
        Recording(Path("a.flac"), "a", "CAS", (Annotation(0.3, 1.0, ("wheeze",)),)),
        Recording(Path("b.flac"), "b", "Normal", (Annotation(0.2, 0.9, ()),)),
        Recording(Path("c.flac"), "c", "cough", (), is_negative=True),
    ]
    frames = [rng.normal(0, 1, (200, RECIPE.features.width)).astype(np.float16) for _ in recordings]
    targets = [frame_targets(r, 50, RECIPE.frame_s) for r in recordings]
    return Cutter(recordings, frames, targets, (RECIPE.features, RECIPE.window, RECIPE.augment))


class KilledError(Exception):
    """Stands for a kill between two epochs."""


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = fit(_cutter(), RECIPE, 7, tmp_path / "whole.pt", lambda line: None)

    def kill_after_two(line: str) -> None:
        if "epoch 2" in line:
            raise KilledError

    with pytest.raises(KilledError):
        fit(_cutter(), RECIPE, 7, tmp_path / "killed.pt", kill_after_two)
    lines: list[str] = []
    resumed = fit(_cutter(), RECIPE, 7, tmp_path / "killed.pt", lines.append)
    assert len(lines) == 1
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_another_recipe_does_not_take_up_an_old_checkpoint(tmp_path: Path) -> None:
    fit(_cutter(), RECIPE, 7, tmp_path / "a.pt", lambda line: None)
    lines: list[str] = []
    fit(_cutter(), replace(RECIPE, weight_decay=0.5), 7, tmp_path / "a.pt", lines.append)
    assert len(lines) == RECIPE.epochs


def test_the_default_network_is_within_its_budget() -> None:
    assert parameter_count(Detector(Recipe().network)) < 400_000


def test_what_was_not_heard_cannot_change_a_score() -> None:
    network = Detector(RECIPE.network).eval()
    frames = torch.randn(1, 80, RECIPE.features.width)
    valid = torch.ones(1, 80)
    valid[0, 30:50] = 0
    other = frames.clone()
    other[0, 30:50] = 99.0
    with torch.no_grad():
        torch.testing.assert_close(network(frames, valid), network(other, valid), rtol=0, atol=0)


def test_the_scores_of_a_group_sum_to_its_probability() -> None:
    logits = torch.randn(20, WIDTH)
    scores = class_scores(logits, torch.tensor([1.0, 2.0, 1.0]), torch.tensor([0.0, -1.0, 0.5]))
    torch.testing.assert_close(scores[:, :3].sum(1), torch.sigmoid(2 * logits[:, 1] - 1))
    torch.testing.assert_close(scores[:, 3:5].sum(1), torch.sigmoid(logits[:, 2] + 0.5))
    torch.testing.assert_close(scores[:, 5], torch.sigmoid(logits[:, 0]))


@pytest.mark.parametrize("count", [0, 3, 50, 200])
def test_streaming_scores_cover_every_whole_score_frame(count: int) -> None:
    network = Detector(RECIPE.network).eval()
    frames = np.random.default_rng(0).normal(0, 1, (count, RECIPE.features.width)).astype(np.float16)
    assert stream_logits(network, frames, RECIPE).shape == (count // 4, WIDTH)


def test_training_windows_are_finite_and_say_what_was_heard() -> None:
    cutter, rng = _cutter(), np.random.default_rng(3)
    for _ in range(200):
        example = cutter.draw(rng)
        assert np.isfinite(example.frames).all()
        assert set(np.unique(example.valid)) <= {0.0, 1.0}
        assert not example.frames[example.valid == 0].any()
        assert ((example.targets >= 0) & (example.targets <= 1)).all()


def test_windows_without_augmentation_are_cuts_of_the_recording() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 1, (200, RECIPE.features.width)).astype(np.float16)
    recording = Recording(Path("a.flac"), "a", "Normal", (Annotation(0.2, 0.9, ()),))
    targets = frame_targets(recording, 50, RECIPE.frame_s)
    plain = AugmentSpec(0, 0, 0, 0, 0, 0, 0, 0, 0)
    cutter = Cutter([recording], [frames], [targets], (RECIPE.features, RECIPE.window, plain))
    floor = (-105.0 + 75.0) / 20.0  # dB of the default recipe
    for _ in range(20):
        example = cutter.draw(rng)
        heard = example.frames[example.valid > 0]
        first = next(i for i in range(200) if np.allclose(np.maximum(frames[i], floor), heard[0], atol=1e-5))
        expected = np.maximum(frames[first : first + len(heard)].astype(np.float32), floor)
        np.testing.assert_allclose(heard, expected, atol=1e-5)


def test_a_run_folder_is_not_taken_up_for_other_recordings(tmp_path: Path) -> None:
    def job(label: str) -> Job:
        sound = tmp_path / "a.flac"
        sound.write_bytes(b"sound")
        return Job(RECIPE, (Recording(sound, "a", label, ()),), tmp_path, tmp_path)

    _keep_to_the_data(job("Normal"))
    _keep_to_the_data(job("Normal"))
    with pytest.raises(ConfigError, match="begun with other recordings"):
        _keep_to_the_data(job("CAS"))
