"""Lost packets in training stretches: what is filled is the past, what is not filled is not valid."""

from __future__ import annotations

import numpy as np
import pytest

from edge.detector.concealment import Concealment
from edge.errors import ConfigError
from edge.features import FrontEnd
from edge.features.spec import GAMMATONE
from edge.types import Block
from training.detector.hyperparameters import Recipe
from training.detector.packet_loss import PacketLoss, PacketLossSpec, draw_lost, holes

SPEC = Recipe().features  # 8 kHz, 64 samples to a frame, tapers of 512 and 128 samples
FRAMES, SAMPLES = 400, 400 * 64
ALWAYS = PacketLossSpec(share=1.0)


def _lost(*stretches: tuple[int, int]) -> np.ndarray:
    lost = np.zeros(SAMPLES, np.bool_)
    for first, stop in stretches:
        lost[first:stop] = True
    return lost


def _without(levels: np.ndarray, lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    valid = np.ones(FRAMES, np.bool_)
    return PacketLoss(SPEC, ALWAYS).without(levels, valid, lost, np.random.default_rng(0))


def _noise_levels(lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels of noise, concealed where it was lost, as the edge hears it."""
    sound = np.random.default_rng(1).normal(0, 0.1, SAMPLES + 448).astype(np.float32)
    front_end, concealment = FrontEnd(SPEC), Concealment(SPEC.rate_hz)
    levels, valid = np.zeros((FRAMES, SPEC.width)), np.zeros(FRAMES, np.bool_)
    for block in concealment.push(Block(0, sound, ~np.append(lost, np.zeros(448, np.bool_)))):
        for frames in front_end.push(block):
            at = slice(frames.start, frames.start + len(frames.valid))
            levels[at], valid[at] = frames.values * 20 - 75, frames.valid
    return levels, valid


def test_frames_are_valid_exactly_where_the_edge_says_so() -> None:
    lost = _lost((3000, 3160), (3200, 3360), (6000, 6480), (9000, 9481), (12000, 12001), (20000, 24000))
    _, valid = _without(np.zeros((FRAMES, SPEC.width), np.float32), lost)
    settled = -(-SPEC.history_samples // SPEC.hop_samples)  # a stretch begins in the middle of a stream
    assert valid[settled:].tolist() == _noise_levels(lost)[1][settled:].tolist()
    assert 0 < (~valid).sum() < 170


def test_steady_noise_stays_as_loud_as_concealed_noise_is() -> None:
    lost = np.repeat(np.random.default_rng(2).random(SAMPLES // 160) < 0.08, 160)
    is_valid, valid = _noise_levels(lost)
    mixed, _ = _without(_noise_levels(_lost())[0].astype(np.float32), lost)
    assert abs(10 * np.log10((10 ** (is_valid[valid] / 10)).mean() / (10 ** (mixed[valid] / 10)).mean())) < 1.0  # dB


def test_a_filled_hole_shows_the_frames_before_it_in_reverse() -> None:
    levels = np.full((FRAMES, SPEC.width), -90.0, np.float32)
    levels[185:190] = -40.0  # centres at samples 12096 to 12352: 48 to 304 before the hole
    mixed, valid = _without(levels, _lost((12400, 12880)))
    short = slice(48, 96)  # the taper of 128 samples lies in the hole where its frame is one of 191 to 195
    assert valid.all()
    np.testing.assert_allclose(mixed[191:194, short], -40.0, atol=0.5)
    assert mixed[196, short].max() < -60.0
    np.testing.assert_array_equal(mixed[202:], levels[202:])


def test_a_loud_low_sound_is_heard_faintly_in_high_bands_at_the_edges_of_a_filled_hole() -> None:
    levels = np.full((FRAMES, SPEC.width), -100.0, np.float32)
    levels[:, [4, 52]] = -20.0
    mixed, _ = _without(levels, _lost((12400, 12560)))
    high = mixed[190, 72:96]
    assert -95.0 < high.max() < -50.0
    assert (np.diff(high) < 3.0).all()  # 12 dB to the octave downwards, but for wider bands


def test_what_lies_before_the_recording_fills_nothing() -> None:
    valid = np.arange(FRAMES) >= 100
    losses = PacketLoss(SPEC, ALWAYS)
    _, after = losses.without(
        np.zeros((FRAMES, SPEC.width), np.float32), valid, _lost((6500, 6700)), np.random.default_rng(0)
    )
    settled = (6700 + SPEC.history_samples - 1) // 64 + 1
    assert not after[:settled].any()
    assert after[settled:].all()


def test_holes_are_told_with_what_was_heard_before_them() -> None:
    is_valid = np.array([0, 1, 1, 1, 0, 0, 1, 0], np.bool_)
    assert holes(is_valid) == [(0, 1, 0), (4, 6, 3), (7, 8, 1)]


def test_losses_are_as_frequent_as_the_spec_says() -> None:
    rng, spec = np.random.default_rng(0), PacketLossSpec()
    shares = [draw_lost(10 * 8000, 8000, spec, rng).mean() for _ in range(400)]
    assert 0.04 < np.mean(shares) < 0.12
    assert min(shares) < 0.01
    losses = PacketLoss(SPEC, spec)
    levels, valid = np.zeros((FRAMES, SPEC.width), np.float32), np.ones(FRAMES, np.bool_)
    untouched = sum(losses.draw(levels, valid, rng)[0] is levels for _ in range(400))
    assert 0.58 < untouched / 400 < 0.72


def test_what_was_given_is_left_as_it_is() -> None:
    levels, valid = np.zeros((FRAMES, SPEC.width), np.float32), np.ones(FRAMES, np.bool_)
    for seed in range(10):
        drawn, its_valid = PacketLoss(SPEC, ALWAYS).draw(levels, valid, np.random.default_rng(seed))
        assert drawn.dtype == np.float32
        assert drawn.shape == levels.shape
        assert its_valid.shape == valid.shape
    assert not levels.any()
    assert valid.all()


def test_frames_that_do_not_lie_between_two_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match="packet losses need mel frames"):
        PacketLoss(GAMMATONE, PacketLossSpec())
