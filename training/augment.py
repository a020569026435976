"""Windows for training, cut from continuous recordings as the edge would cut them, and made harder.

Everything happens on the frames of `edge.features`, as levels in dB: a gain adds, a colour adds for each band, two
sounds together add as powers. That is exact for the expected power of independent sounds, and a hundred times cheaper
than computing frames again. Windows may reach beyond the recording: what is not there is not valid, as at the bedside.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.features import FeatureSpec, Log
from edge.windows import WindowSpec
from training.datasets import Recording

SILENCE_DB = -200.0  # adds nothing to any sound


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How hard the windows are made; probabilities and ranges."""

    negative: float = 0.12
    """Share of windows that are cut from a negative: cough, speech, cry, heart alone."""
    disturb: float = 0.25
    """Share of windows with a negative added."""
    mix: float = 0.3
    """Share of chest windows with another chest window added, labels joined."""
    gain_db: float = 5.0
    """Standard deviation of the gain, dB."""
    colour_db: float = 4.0
    """Standard deviation of the tilt from the lowest to the highest band, dB."""
    low_pass: float = 0.3
    """Share of windows whose upper bands are taken away, as cloth and bodies do."""
    noise: float = 0.3
    """Share of windows with a steady noise floor added."""
    band_mask: float = 0.5
    """Share of windows with some neighbouring bands blanked."""
    gap: float = 0.3
    """Share of windows with short gaps."""
    weight: dict[str, float] = field(default_factory=lambda: {"Normal": 1.0, "Poor Quality": 0.4})
    """How often a recording is drawn, by record label (and its length to the power 1/2)."""
    adventitious_weight: float = 2.0
    """The same for the other record labels."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training window."""

    frames: NDArray[np.float32]
    """(W, M) features."""
    valid: NDArray[np.float32]
    """(W,) 1 where heard."""
    targets: NDArray[np.float32]
    """(W / score_frames, K) as `training.targets`."""
    breath_known: float
    """1 when the breath phases are annotated, else 0."""


class Cutter:
    """Draws training windows from some recordings.

    Args:
        recordings: chest recordings and negatives.
        frames: (T, M) of each.
        targets: (T / score_frames, K) of each.
        spec: what a frame is.
        window: what a window is.
        augment: how hard.
    """

    def __init__(
        self,
        recordings: list[Recording],
        frames: list[NDArray[np.float16]],
        targets: list[NDArray[np.float32]],
        specs: tuple[FeatureSpec, WindowSpec, AugmentSpec],
    ) -> None:
        """Compute how often each recording is drawn."""
        self._recordings, self._frames, self._targets = recordings, frames, targets
        self._spec, self._window, self._augment = specs
        if not isinstance(self._spec.compression, Log) or self._spec.compression.unit != "db" or self._spec.deltas:
            raise ConfigError(f"training: needs frames in dB without deltas, found {self._spec.compression}")
        self._floor_db = self._spec.compression.floor
        length = np.sqrt([len(f) for f in frames])
        kinds = np.array([r.record_label for r in recordings])
        negative = np.array([r.is_negative for r in recordings])
        weight = np.array([self._augment.weight.get(k, self._augment.adventitious_weight) for k in kinds])
        self._chest = _normalised(np.where(negative, 0, weight) * length)
        shares = {k: length[kinds == k].sum() for k in set(kinds)}  # every kind of negative is drawn equally often
        self._negative = _normalised(np.where(negative, length, 0) / np.array([shares[k] for k in kinds]))

    def draw(self, rng: np.random.Generator) -> Example:
        """One window."""
        augment = self._augment
        is_chest = rng.random() >= augment.negative or not self._negative.any()
        levels, heard, targets, recording = self._cut(self._chest if is_chest else self._negative, rng)
        levels += rng.normal(0, augment.gain_db) if is_chest else rng.uniform(-35, 5)
        if rng.random() < augment.disturb and self._negative.any():
            levels = self._disturb(levels, heard, rng)
        if is_chest and rng.random() < augment.mix:
            levels, heard, targets = self._mix(levels, heard, targets, rng)
        levels = self._colour(levels, rng)
        self._blank(levels, heard, rng)
        spec = self._spec
        frames = (np.maximum(levels, self._floor_db) - np.array(spec.offset)) / np.array(spec.scale)
        known = float(not recording.is_negative and recording.record_label != "Poor Quality")
        return Example((frames * heard[:, None]).astype(np.float32), heard.astype(np.float32), targets, known)

    def _cut(
        self, weights: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], Recording]:
        """A window of one recording: levels in dB, validity, targets; up to half of it may lie outside."""
        i = int(rng.choice(len(weights), p=weights))
        frames, targets, window = self._frames[i], self._targets[i], self._window
        half, spec = window.window_frames // 2, self._spec
        stride = window.score_frames
        start = int(rng.integers(-half, max(len(frames) - half, 1))) // stride * stride
        cut = np.zeros((window.window_frames, self._spec.width), np.float32)
        heard = np.zeros(window.window_frames, np.bool_)
        _place(frames, start, cut)
        heard[max(0, -start) : max(0, len(frames) - start)] = True
        cut_targets = np.zeros((window.window_frames // stride, targets.shape[1]), np.float32)
        _place(targets, start // stride, cut_targets)
        levels = cut * np.array(spec.scale, np.float32) + np.array(spec.offset, np.float32)
        return levels, heard, cut_targets, self._recordings[i]

    def _disturb(
        self, levels: NDArray[np.float32], heard: NDArray[np.bool_], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Add a negative whose peak lies between 25 dB under and 5 dB above the window's."""
        other, present, _, _ = self._cut(self._negative, rng)
        if not (present.any() and heard.any()):
            return levels
        other += levels[heard].max() - other[present].max() + rng.uniform(-25, 5)
        return _add_powers(levels, np.where(present[:, None], other, SILENCE_DB))

    def _mix(
        self,
        levels: NDArray[np.float32],
        heard: NDArray[np.bool_],
        targets: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """Add another chest window and join the labels; only where both are heard, if that is enough."""
        other, present, more, _ = self._cut(self._chest, rng)
        both = heard & present
        if both.sum() < len(both) // 6:
            return levels, heard, targets
        levels = _add_powers(levels, other + rng.normal(0, self._augment.gain_db))
        return levels, both, np.maximum(targets, more)

    def _colour(self, levels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Another microphone: tilt, one slow ripple, perhaps a low-pass, perhaps a noise floor."""
        augment, windows = self._augment, self._spec.windows
        place = np.linspace(0, 1, self._spec.bands)
        ripple = np.sin(np.pi * place * rng.uniform(0.5, 3) + rng.uniform(0, 6))
        curve = rng.normal(0, augment.colour_db) * (place - 0.5) + rng.normal(0, augment.colour_db / 2) * ripple
        if rng.random() < augment.low_pass:
            curve -= np.maximum(0, place - rng.uniform(0.45, 1)) * rng.uniform(20, 80)
        levels = levels + np.tile(curve, windows).astype(np.float32)
        if rng.random() < augment.noise:
            floor = np.tile(rng.normal(0, 6) * 2 * (place - 0.5), windows) + rng.uniform(-105, -75)
            levels = _add_powers(levels, floor + rng.normal(0, 3, levels.shape))
        return levels

    def _blank(self, levels: NDArray[np.float32], heard: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """Blank some bands at the window's mean level, and some stretches of time as gaps; in place."""
        augment, spec = self._augment, self._spec
        if rng.random() < augment.band_mask and heard.any():
            first = int(rng.integers(0, spec.bands))
            blanked = np.zeros(spec.bands, np.bool_)
            blanked[first : first + int(rng.integers(1, spec.bands // 5 + 1))] = True
            levels[:, np.tile(blanked, spec.windows)] = levels[heard].mean()
        if rng.random() < augment.gap:
            for _ in range(int(rng.integers(1, 4))):
                first = int(rng.integers(0, len(heard)))
                heard[first : first + int(rng.integers(4, 40))] = False


def _place(source: NDArray[np.float32] | NDArray[np.float16], start: int, into: NDArray[np.float32]) -> None:
    """Copy source[start : start + len(into)] into `into`, leaving what does not exist."""
    low, high = max(0, start), min(len(source), start + len(into))
    if high > low:
        into[low - start : high - start] = source[low:high]


def _add_powers(a: NDArray[np.float32], b: NDArray[np.floating]) -> NDArray[np.float32]:
    """Level of two independent sounds together, dB."""
    return np.asarray(10 * np.log10(10 ** (a / 10) + 10 ** (b / 10)), np.float32)


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    return weights / total if total else weights
