"""Batches are decided by seed, epoch and step; shares of processes are slices of the batch of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from tests.training.clips.ward import make_ward, tiny_recipe, ward_clips
from training.clips.batches import Batches, ClipSet, augmented, padded
from training.clips.cut import ClipPolicy
from training.clips.front_end import computed_clip_frames
from training.clips.schema import Augment, Masks, Sampler, Validation
from training.clips.sides import limited, part
from training.datasets import read_datasets
from training.tasks import TASKS

AUGMENT = Augment(masks=Masks(bands=6, frames=10), gain=0.2, shift=0.3)


@pytest.fixture(scope="module")
def clip_set(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    ward = make_ward(tmp_path_factory.mktemp("ward"), 4)
    clips = ward_clips(ward)
    frames = computed_clip_frames(clips, tiny_recipe().features, ClipPolicy(seconds=0.8, pad="none"))
    quality = np.linspace(0, 1, len(clips), dtype=np.float32)
    return ClipSet(TASKS["1-1"], tuple(clips), frames, np.arange(len(clips)), quality, 16)


def _batches(clip_set: ClipSet, augment: Augment = AUGMENT, **sampler: float) -> Batches:
    return Batches(clip_set, 8, augment, Sampler(**sampler), 3)  # type: ignore[arg-type]


def test_a_batch_is_the_same_whenever_it_is_asked_for(clip_set: ClipSet) -> None:
    batches = _batches(clip_set)
    later = batches.batch(5, 0, with_partners=False)["frames"]
    batches.batch(0, 0, with_partners=False)
    torch.testing.assert_close(_batches(clip_set).batch(5, 0, with_partners=False)["frames"], later, rtol=0, atol=0)
    assert not torch.equal(batches.batch(6, 0, with_partners=False)["frames"], later)


def test_an_epoch_has_every_clip_once(clip_set: ClipSet) -> None:
    batches = _batches(clip_set)
    seen = np.concatenate([batches.batch(1, s, False)["quality"].numpy() for s in range(batches.steps)])
    assert sorted(seen) == sorted(clip_set.quality)


def test_a_balanced_sampler_draws_rare_labels_as_often(clip_set: ClipSet) -> None:
    few = ClipSet(clip_set.task, clip_set.clips[:10], clip_set.frames, np.arange(10), clip_set.quality[:10], 16)
    rare = np.bincount(few.labels).min() / 10
    drawn = np.concatenate([_batches(few, balance=1.0).batch(0, s, False)["labels"].numpy() for s in range(100)])
    assert rare < 0.45
    assert abs((drawn == np.bincount(few.labels).argmin()).mean() - 0.5) < 0.06


def test_the_partner_of_a_clip_is_augmented_as_it_is_in_its_own_place(clip_set: ClipSet) -> None:
    batch = _batches(clip_set).batch(0, 0, with_partners=True)
    torch.testing.assert_close(batch["others"], batch["frames"][batch["partner"]], rtol=0, atol=0)


def test_mixup_is_the_convex_sum_that_kept_says(clip_set: ClipSet) -> None:
    plain = _batches(clip_set, Augment()).batch(0, 0, with_partners=False)["frames"]
    mixed = _batches(clip_set, Augment(mixup=1.0)).batch(0, 0, with_partners=False)
    kept, partner = mixed["kept"][0], mixed["partner"]
    torch.testing.assert_close(mixed["frames"], kept * plain + (1 - kept) * plain[partner])


def test_masks_blank_whole_bands_and_frames_with_the_mean() -> None:
    frames = np.random.default_rng(0).normal(3, 1, (2, 50, 32)).astype(np.float32)
    masks = Masks(probability=1.0, bands=8, frames=20, count=2)
    for seed in range(30):
        changed = augmented(frames, Augment(masks=masks), 16, np.random.default_rng(seed))
        blank = changed[0] != frames[0]
        rows, columns = blank.all(1), blank.all(0)
        assert (blank == (rows[:, None] | columns)).all()
        assert (columns[:16] == columns[16:]).all()  # the same bands of every plane
        assert np.allclose(changed[0][blank], frames[0].mean())
        assert columns[:16].sum() < 2 * 8
        assert rows.sum() < 2 * 20


def test_a_gain_moves_levels_and_not_their_deltas() -> None:
    frames = np.zeros((1, 5, 32), np.float32)
    changed = augmented(frames, Augment(gain=1.0), 16, np.random.default_rng(0))
    assert np.unique(changed[..., :16]).size == 1
    assert changed[0, 0, 0] != 0
    assert not changed[..., 16:].any()
    assert not frames.any()


def test_clips_of_other_lengths_are_padded_and_marked(clip_set: ClipSet) -> None:
    frames, valid = padded(clip_set.frames, [0, 1])
    assert frames.shape[2] == valid.shape[1] == clip_set.frames.lengths[:2].max()
    np.testing.assert_array_equal(valid.sum(1), clip_set.frames.lengths[:2])
    np.testing.assert_array_equal(frames[0, :, : clip_set.frames.lengths[0]], clip_set.frames.clip(0))


def test_the_sides_of_a_split_share_no_patient(tmp_path: Path) -> None:
    recordings = [r for r in read_datasets(make_ward(tmp_path)) if r.is_real_chest]
    sides = part(recordings, Validation(folds=3, fold=1))
    assert not {r.patient for r in sides.training} & {r.patient for r in sides.validation}
    assert len(sides.training) + len(sides.validation) == len(recordings)
    with pytest.raises(ConfigError, match=r"validation.folds = 2, patients of the training part: 1; expected two"):
        part(recordings[:1], Validation(folds=2))


def test_who_validates_does_not_depend_on_the_other_sets(tmp_path: Path) -> None:
    ward = [r for r in read_datasets(make_ward(tmp_path)) if r.is_real_chest]
    cycles = [replace(r, dataset="icbhi", patient=f"icbhi-{r.patient}") for r in ward[:3]]
    coughs = [replace(r, dataset="", patient=f"cough-{n}", is_negative=True) for n, r in enumerate(ward[:6])]
    alone = part(ward, Validation(folds=3, fold=1))
    among = part([*cycles, *ward, *coughs], Validation(folds=3, fold=1))
    real = [r.patient for r in among.validation if r.dataset == ward[0].dataset]
    assert real == [r.patient for r in alone.validation]
    assert 0 < sum(r.is_negative for r in among.validation) < 6, "both sides have some"


def test_a_trial_has_a_clip_of_every_label(clip_set: ClipSet) -> None:
    few = limited(clip_set.clips, 2, 0)
    assert {clip.label for clip in few} == {"Normal", "Adventitious"}
    assert limited(clip_set.clips, 100, 0) == list(clip_set.clips)
