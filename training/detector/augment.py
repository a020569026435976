"""How sounds are made harder, on levels in dB: another room, another microphone, another voice beside.

Everything happens on the frames of `edge.features`: a gain adds, a colour adds for each band, two sounds together add
as powers. That is exact for the expected power of independent sounds, and a hundred times cheaper than computing frames
again. Draws from the generator it is given; cuts nothing (`training.detector.examples`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.features import FeatureSpec, Log
from training.detector.packet_loss import PacketLoss, PacketLossSpec
from training.detector.warp import WarpSpec

SILENCE_DB = -200.0  # adds nothing to any sound


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How hard the windows are made; probabilities and ranges."""

    negative: float = 0.16
    """Share of windows that are cut from a negative: cough, speech, cry, heart alone."""
    disturb: float = 0.3
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
    gap: float = 0.1
    """Share of stretches with some gaps of any cause, of 32 to 312 ms."""
    warp: WarpSpec = field(default_factory=WarpSpec)
    """Speed and pitch."""
    losses: PacketLossSpec = field(default_factory=PacketLossSpec)
    """What a link loses."""
    weight: dict[str, float] = field(default_factory=lambda: {"Normal": 1.0, "Poor Quality": 0.4})
    """How often a recording is drawn, by record label (and its length to the power 1/2)."""
    adventitious_weight: float = 2.0
    """The same for the other record labels."""
    clip_negative: float = 0.15
    """Share of clips with a negative added, 5 to 30 dB under them."""
    clip_mixup: float = 0.0
    """Share of clips with another one added and their labels shared out (mixup, Zhang et al. 2018), in powers."""


class Changes:
    """The changes of one recipe.

    Args:
        spec: what a frame is; log-compressed in dB without deltas.
        augment: how hard.

    Raises:
        ConfigError: for other frames.
    """

    def __init__(self, spec: FeatureSpec, augment: AugmentSpec) -> None:
        """Keep what turns frames into levels and back."""
        if not isinstance(spec.compression, Log) or spec.compression.unit != "db" or spec.deltas:
            raise ConfigError(f"training: needs frames in dB without deltas, found {spec.compression}")
        self.spec, self.augment = spec, augment
        self.floor_db = spec.compression.floor
        self.losses = PacketLoss(spec, augment.losses)
        self._offset, self._scale = np.array(spec.offset, np.float32), np.array(spec.scale, np.float32)

    def levels(self, frames: NDArray[np.floating]) -> NDArray[np.float32]:
        """(T, M) features to levels in dB."""
        return np.asarray(frames, np.float32) * self._scale + self._offset

    def frames(self, levels: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(T, M) levels in dB to features, 0 where not valid, (T,)."""
        frames = (np.maximum(levels, self.floor_db) - self._offset) / self._scale
        return np.asarray(frames * valid[:, None], np.float32)

    def colour(self, levels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Another microphone: tilt, one slow ripple, perhaps a low-pass, perhaps a noise floor."""
        augment, windows = self.augment, self.spec.windows
        place = np.linspace(0, 1, self.spec.bands)
        ripple = np.sin(np.pi * place * rng.uniform(0.5, 3) + rng.uniform(0, 6))
        curve = rng.normal(0, augment.colour_db) * (place - 0.5) + rng.normal(0, augment.colour_db / 2) * ripple
        if rng.random() < augment.low_pass:
            curve -= np.maximum(0, place - rng.uniform(0.45, 1)) * rng.uniform(20, 80)
        levels = levels + np.tile(curve, windows).astype(np.float32)
        if rng.random() < augment.noise:
            floor = np.tile(rng.normal(0, 6) * 2 * (place - 0.5), windows) + rng.uniform(-105, -75)
            levels = add_powers(levels, floor + rng.normal(0, 3, levels.shape))
        return levels

    def blank(self, levels: NDArray[np.float32], valid: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """Blank some bands at the mean level, and some stretches of time as gaps; in place."""
        augment, spec = self.augment, self.spec
        if rng.random() < augment.band_mask and valid.any():
            first = int(rng.integers(0, spec.bands))
            blanked = np.zeros(spec.bands, np.bool_)
            blanked[first : first + int(rng.integers(1, spec.bands // 5 + 1))] = True
            levels[:, np.tile(blanked, spec.windows)] = levels[valid].mean()
        if rng.random() < augment.gap:
            for _ in range(int(rng.integers(1, 4))):
                first = int(rng.integers(0, len(valid)))
                valid[first : first + int(rng.integers(4, 40))] = False


def beside(
    levels: NDArray[np.float32], valid: NDArray[np.bool_], other: NDArray[np.float32], other_valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Add another sound where it is valid, (T,); its levels, (T, M), as they are."""
    if not (other_valid.any() and valid.any()):
        return levels
    return add_powers(levels, np.where(other_valid[:, None], other, SILENCE_DB))


def as_loud(
    other: NDArray[np.float32], other_valid: NDArray[np.bool_], levels: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The other sound with the peak of this one."""
    if not (other_valid.any() and valid.any()):
        return other
    return np.asarray(other + levels[valid].max() - other[other_valid].max(), np.float32)


def add_powers(a: NDArray[np.float32], b: NDArray[np.floating]) -> NDArray[np.float32]:
    """Level of two independent sounds together, dB."""
    return np.asarray(10 * np.log10(10 ** (a / 10) + 10 ** (b / 10)), np.float32)
