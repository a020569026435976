"""How sounds are made harder, on levels in dB: another room, another microphone, another voice beside.

Everything happens on the frames of `edge.features`: a gain adds, a colour adds for each band, two sounds together add
as powers. That is exact for the expected power of independent sounds, and a hundred times cheaper than computing frames
again. Draws from the generator it is given; cuts nothing (`training.detector.examples`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from edge.errors import ConfigError
from edge.features import FeatureSpec, Log
from edge.features.logmel import mel_edges_hz
from training.detector.packet_loss import PacketLoss, PacketLossSpec
from training.detector.warp import WarpSpec

SILENCE_DB = -200.0  # adds nothing to any sound
NEPER_DB = np.float32(10 / np.log(10))  # of power: exp and log take a third of the time of powers of ten


@dataclass(frozen=True, slots=True)
class DisturbanceSpec:
    """How often, and how loud over the `reference` of the stretch; none of it has a label."""

    hum: float = 0.08
    """Share of stretches with hum of the mains and its harmonics, steady."""
    hum_db: tuple[float, float] = (-15.0, 10.0)
    """Level of its strongest line, uniform, dB."""
    noise: float = 0.25
    """Share of stretches with noise of a band of frequencies, steady or slowly changing."""
    noise_db: tuple[float, float] = (-25.0, 6.0)
    """Its level in the band where it is strongest, uniform, dB; louder, it would hide the breath that is labelled."""
    noise_low: float = 0.6
    """Share of that noise that ends below 500 Hz: the released model of 2026 took it for a wheeze."""
    noise_changes: float = 0.5
    """Share of that noise that swells, fades, begins or stops in the stretch."""
    rubbing: float = 0.2
    """Share of stretches with one to eight broad bursts of .05 to .6 s, falling with frequency."""
    rubbing_db: tuple[float, float] = (0.0, 25.0)
    """Level of such a burst in the band where it is strongest, uniform, dB."""
    clicks: float = 0.1
    """Share of stretches with one to three clicks: louder and broader than a crackle, and alone."""
    clicks_db: tuple[float, float] = (10.0, 30.0)
    """Peak of a click, uniform, dB."""
    floor_db: tuple[float, float] = (2.0, 15.0)
    """How far below the converter's floor of a recording its own noise lies, uniform, dB: heard when amplified."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """Another stethoscope: how it colours sound, each a curve over the bands; and what it lets through of the heart.

    Measured against SPRSound's, over each recording's own 200 to 400 Hz: 25 to 40 dB more below 100 Hz and 18 to 29 dB
    more above 800 Hz (Meditron, Littmann 3200, AKG C417L, another hospital's, a manikin's).
    """

    low_shelf: float = 0.5
    """Share of stretches with a shelf below a corner."""
    low_shelf_hz: tuple[float, float] = (60.0, 110.0)
    """Its corner, uniform, Hz."""
    low_shelf_db: tuple[float, float] = (-5.0, 40.0)
    """Its gain, uniform, dB."""
    high_shelf: float = 0.5
    """Share of stretches with a shelf above a corner."""
    high_shelf_hz: tuple[float, float] = (400.0, 800.0)
    """Its corner, uniform, Hz."""
    high_shelf_db: tuple[float, float] = (-5.0, 30.0)
    """Its gain, uniform, dB."""
    equaliser: float = 0.5
    """Share of stretches with a smooth curve through random points, one for each octave."""
    equaliser_db: float = 6.0
    """Standard deviation of those points, dB."""
    heart: float = 0.3
    """Share of stretches with heart beats or rumble added."""
    heart_db: tuple[float, float] = (-15.0, 15.0)
    """Level of that in the band where it is strongest, over the `reference`, uniform, dB."""
    mix_style: float = 0.4
    """Share of batches in which mean and deviation of each band over time are shared with another stretch
    (Freq-MixStyle, Kim et al. 2022, 2206.12513)."""


@dataclass(frozen=True, slots=True)
class AugmentSpec:
    """How hard the stretches are made; probabilities and ranges."""

    negative: float = 0.16
    """Share of stretches that are cut from a negative: cough, speech, cry, heart alone."""
    disturb: float = 0.3
    """Share of stretches with a negative added."""
    disturb_db: tuple[float, float] = (-5.0, 30.0)
    """Peak of that negative over the `reference`, uniform, dB. Nine of ten Normal recordings of SPRSound have the peak
    above 450 Hz of what nobody annotated there (401 recordings; quartiles 10, 17 and 22 dB)."""
    mix: float = 0.3
    """Share of chest stretches with another chest stretch added, labels joined."""
    gain_db: float = 8.0
    """Standard deviation of the gain, dB."""
    colour_db: float = 4.0
    """Standard deviation of the tilt from the lowest to the highest band, dB."""
    low_pass: float = 0.3
    """Share of stretches whose upper bands are taken away, as cloth and bodies do."""
    noise: float = 0.3
    """Share of stretches with a steady noise floor added."""
    band_mask: float = 0.5
    """Share of stretches with some neighbouring bands blanked."""
    gap: float = 0.1
    """Share of stretches with some gaps of any cause, of 32 to 312 ms."""
    warp: WarpSpec = field(default_factory=WarpSpec)
    """Speed and pitch."""
    losses: PacketLossSpec = field(default_factory=PacketLossSpec)
    """What a link loses."""
    disturbances: DisturbanceSpec = field(default_factory=DisturbanceSpec)
    """Hum, filtered noise, rubbing and clicks."""
    device: DeviceSpec = field(default_factory=DeviceSpec)
    """Other stethoscopes."""
    infants: float = 3.0
    """How much more often a recording of a patient under one year is drawn: a tenth of the recordings."""
    weight: dict[str, float] = field(default_factory=lambda: {"Normal": 1.0, "Poor Quality": 0.4})
    """How often a recording is drawn, by record label (and its length to the power 1/2)."""
    adventitious_weight: float = 2.0
    """The same for the other record labels."""


class Changes:
    """The changes of one recipe.

    Args:
        spec: what a frame is; log-compressed in dB without deltas.
        augment: how hard.

    Raises:
        ConfigError: for other frames.
    """

    def __init__(self, spec: FeatureSpec, augment: AugmentSpec) -> None:
        if not isinstance(spec.compression, Log) or spec.compression.unit != "db" or spec.deltas:
            raise ConfigError(f"training: needs frames in dB without deltas, found {spec.compression}")
        self.spec, self.augment = spec, augment
        self.floor_db = spec.compression.floor
        self.losses = PacketLoss(spec, augment.losses)
        self._octaves = np.log2(mel_edges_hz(spec)[1:-1])
        self._offset, self._scale = np.array(spec.offset, np.float32), np.array(spec.scale, np.float32)

    def levels(self, frames: NDArray[np.floating]) -> NDArray[np.float32]:
        """(T, M) features to levels in dB."""
        return np.asarray(frames, np.float32) * self._scale + self._offset

    def frames(self, levels: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(T, M) levels in dB to features, 0 where not valid, (T,)."""
        frames = (np.maximum(levels, self.floor_db) - self._offset) / self._scale
        return np.asarray(frames * valid[:, None], np.float32)

    def over_reference(
        self,
        other: NDArray[np.float32],
        other_valid: NDArray[np.bool_],
        levels: NDArray[np.float32],
        valid: NDArray[np.bool_],
        over_db: float,
    ) -> NDArray[np.float32]:
        """The other sound, (T, M), with its peak so far over the `reference` of this one."""
        if not (other_valid.any() and valid.any()):
            return other
        own_db = reference(levels[:, : self.spec.bands], valid)
        return np.asarray(other + (own_db + over_db - other[other_valid].max()), np.float32)

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
            floor = np.tile(rng.normal(0, 6) * 2 * (place - 0.5), windows) + rng.uniform(-105, -85)
            levels = add_powers(levels, floor + rng.normal(0, 3, levels.shape))
        return levels

    def device(self, levels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """(T, M) levels as another stethoscope would have them, dB."""
        device, octaves = self.augment.device, self._octaves
        curve = np.zeros(self.spec.bands)
        if rng.random() < device.low_shelf:
            curve += rng.uniform(*device.low_shelf_db) * shelf(np.log2(rng.uniform(*device.low_shelf_hz)) - octaves)
        if rng.random() < device.high_shelf:
            curve += rng.uniform(*device.high_shelf_db) * shelf(octaves - np.log2(rng.uniform(*device.high_shelf_hz)))
        if rng.random() < device.equaliser:
            points = np.arange(np.floor(octaves[0]), octaves[-1] + 1)
            heights = rng.normal(0, device.equaliser_db, len(points))
            curve += PchipInterpolator(points, heights)(np.clip(octaves, points[0], points[-1]))
        return np.asarray(levels + np.tile(curve, self.spec.windows).astype(np.float32), np.float32)

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


def shelf(octaves: NDArray[np.floating]) -> NDArray[np.floating]:
    """Share of a shelf's gain in dB, so many octaves beyond its corner: a half there, nearly all an octave further."""
    return 1 / (1 + np.exp(-4 * octaves))


def mixed_style(
    frames: NDArray[np.float32], valid: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Each stretch with mean and deviation over time of every band partly of another stretch of the batch.

    Args:
        frames: (B, T, M), 0 where not valid.
        valid: (B, T), 1 where valid.
        rng: of this batch.

    Source: Kim et al. 2022, Domain generalization with relaxed instance frequency-wise normalization (2206.12513).
    """
    there = np.asarray(valid[:, :, None], np.float32)
    count = np.maximum(there.sum(1, keepdims=True), 1)
    mean = frames.sum(1, keepdims=True) / count
    deviation = np.sqrt((there * (frames - mean) ** 2).sum(1, keepdims=True) / count) + np.float32(1e-2)
    order = rng.permutation(len(frames))
    order = np.where(count[order, 0, 0] > 1, order, np.arange(len(frames)))  # a style of nothing is none
    own = rng.beta(0.4, 0.4, (len(frames), 1, 1)).astype(np.float32)
    new_mean = own * mean + (1 - own) * mean[order]
    new_deviation = own * deviation + (1 - own) * deviation[order]
    return np.asarray(((frames - mean) / deviation * new_deviation + new_mean) * there, np.float32)


def beside(
    levels: NDArray[np.float32], valid: NDArray[np.bool_], other: NDArray[np.float32], other_valid: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Add another sound where it is valid, (T,); its levels, (T, M), as they are."""
    if not (other_valid.any() and valid.any()):
        return levels
    return add_powers(levels, np.where(other_valid[:, None], other, SILENCE_DB))


def reference(levels: NDArray[np.float32], valid: NDArray[np.bool_]) -> float:
    """How loud breath and heart are: the median over the valid frames of the strongest band, dB.

    Args:
        levels: (T, bands) of the longest window.
        valid: (T,), some True.

    The peak of a recording says less: it is somebody's voice or hand on the microphone, 18 to 42 dB above the reference
    in nine of ten Normal recordings of SPRSound, whose references lie within 9 dB.
    """
    return float(np.median(levels.max(1)[valid]))


def add_powers(a: NDArray[np.float32], b: NDArray[np.floating]) -> NDArray[np.float32]:
    """Level of two independent sounds together, dB."""
    together = np.exp(np.asarray(a, np.float32) / NEPER_DB) + np.exp(np.asarray(b, np.float32) / NEPER_DB)
    return np.asarray(NEPER_DB * np.log(together), np.float32)
