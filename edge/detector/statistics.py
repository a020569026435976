"""Statistics of a segment of sound: of its samples (silence, clipping), and of the frames that the model gets.

Samples are counted by themselves, for frames lack what is below their lowest band, and do not exist where a sample is
not a number. Samples are summed as whole multiples of `UNIT`, so segments add up exactly in any cut. Not for lost
samples: they are no part of the sound, and the source counts them.

Those of frames are sums, too, so segments add up, and any cut of the sound gives the same numbers:

    level of a frame   power of all bands of the longest window, dB re full-scale rms
    level              the frame level that three quarters of the frames stay below
    noise floor        the frame level that a tenth of the frames stay below
    contrast           level - noise floor
    spectrum           in each of `GROUPS` groups of neighbouring bands, the mean of the bands' levels over all frames

Frame levels are counted in steps of `STEP_DB`, bands summed in thousandths of a dB: whole numbers, which add exactly.
The spectrum is a mean of decibels over loud and quiet frames: it shows the microphone and its noise, and a thump hardly
moves it (measured: a microphone of ICBHI lies further outside SPRSound than in the spectrum of the loud half). Not for
saying whether that is known (`edge.detector.training_domain`).

With unit `sine` a band has 0 dB for a full-scale sine; noise of power P (full scale: 1) then has the power
2 N P sum(h^2) / sum(h)^2 in all N / 2 bins together, h the taper and N the points of the transform, and the triangles
of neighbouring bands add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.features import FeatureSpec, Log, Mel
from edge.features.levels import exp2, log2
from edge.features.logmel import mel_edges_hz, taper
from edge.features.ring import Floats
from edge.kernels import kernel, part, plain
from edge.model.training_domain import GROUPS
from edge.types import Block, Fault

UNIT = 2.0**-20  # of full scale; a piece of a minute still fits 64 bits
FULL_SCALE = 0.99  # a sample from here on is clipped; converters stop a little below 1
MOST_CLIPPED = 1e-3  # share; the worst of 1949 SPRSound recordings has 4e-5, of five ICBHI ones 1.7e-3
MOST_CONSTANT = 0.1  # of full scale; the most in SPRSound is 2e-4, in ICBHI 9e-3
MOST_NOT_NUMBERS = 1e-2  # share
RETURN = 0.5  # hysteresis, of the three above
SILENT_DB = -90.0  # rms, dBFS; the faintest recording of SPRSound has -68
SILENT = f"silence: nothing above {SILENT_DB:.0f} dBFS"


class SampleCounts:
    """The sums of one segment."""

    def __init__(self) -> None:
        self.samples = 0
        """Samples that arrived and were not lost."""
        self._numbers = self._clipped = self._sum = self._energy = 0

    def push(self, block: Block) -> None:
        """Take some samples."""
        samples, valid = plain(block.samples, np.float32), plain(block.valid, np.bool_)
        received, numbers, clipped, total, energy = _count_samples(samples, valid)
        self.samples += received
        self._numbers += numbers
        self._clipped += clipped
        self._sum += total
        self._energy += energy

    def add(self, other: SampleCounts) -> None:
        """Take what another segment has taken."""
        self.samples += other.samples
        self._numbers += other._numbers
        self._clipped += other._clipped
        self._sum += other._sum
        self._energy += other._energy

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing but a constant."""
        return bool(self._numbers) and 10 * math.log10(max(self._variance, 1e-30)) < SILENT_DB

    @property
    def fault(self) -> Fault | None:
        """What is wrong with the samples, if one word says it."""
        if self.is_silent:
            return "dead microphone"
        return "clipping" if self._clipped > MOST_CLIPPED * self._numbers else None

    def reasons(self, was_outside: bool = False) -> list[str]:
        """What is wrong with the samples, for a person; nothing when they are as they should be, or there are none.

        Args:
            was_outside: the stream was outside until now; the limits are then `RETURN` of what they are.
        """
        found, not_numbers = [], self.samples - self._numbers
        part = RETURN if was_outside else 1.0
        if not_numbers > part * MOST_NOT_NUMBERS * self.samples:
            found.append(f"{100 * not_numbers / self.samples:.0f} % of the samples are not numbers")
        if self.is_silent:
            found.append(SILENT)
        if self._clipped > part * MOST_CLIPPED * self._numbers:
            found.append(f"clipped: {100 * self._clipped / self._numbers:.1f} % of the samples at full scale")
        if abs(self._constant) > part * MOST_CONSTANT:
            found.append(f"constant offset of {self._constant:.2f} of full scale")
        return found

    @property
    def _constant(self) -> float:
        """Mean, full scale = 1."""
        return self._sum * UNIT / max(self._numbers, 1)

    @property
    def _variance(self) -> float:
        """Mean square without the constant, full scale = 1."""
        return self._energy * UNIT**2 / max(self._numbers, 1) - self._constant**2


@kernel
def _count_samples(samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[int, int, int, int, int]:
    """Of the valid samples: how many there are, are numbers and are clipped; sum and energy in `UNIT`."""
    received, numbers, clipped, total, energy = 0, 0, 0, 0, 0
    for at in range(len(samples)):
        if not valid[at]:
            continue
        received += 1
        sample = samples[at]
        if np.isfinite(sample):
            numbers += 1
            if abs(sample) >= np.float32(FULL_SCALE):
                clipped += 1
            inside = min(max(sample, np.float32(-1)), np.float32(1))
            units = int(np.rint(inside * np.float32(1 / UNIT)))  # a power of two, 21 bits: exact in float32
            total += units
            energy += units * units
    return received, numbers, clipped, total, energy


STEP_DB, LOWEST_DB, STEPS = 0.5, -150.0, 400  # of the counted frame levels: -150 to +50 dB
UNIT_DB = 1e-3
OCTAVES_OF_DB, DB_OF_OCTAVE = np.float32(math.log2(10) / 10), 10 * math.log10(2)  # of powers
LOUD, QUIET = 0.75, 0.1  # shares of the frames below the level and below the noise floor


@dataclass(frozen=True, slots=True)
class Measured:
    """Statistics of one segment."""

    level_db: float
    """dBFS."""
    contrast_db: float
    """Level above the noise floor, dB."""
    spectrum_db: NDArray[np.float64]
    """(GROUPS,) mean level of each group of bands, dB as in the frames (not relative to anything)."""


def is_measurable(spec: FeatureSpec) -> bool:
    """Whether frames of this spec have levels: mel energies re a full-scale sine in dB, in enough bands."""
    analysis, compression = spec.analysis, spec.compression
    is_db = isinstance(compression, Log) and compression.unit == "db"
    is_mel = isinstance(analysis, Mel) and analysis.unit == "sine" and analysis.norm == "peak"
    return is_db and is_mel and spec.bands >= GROUPS


def floor_db(spec: FeatureSpec) -> float:
    """The lowest level that a band can have, dB."""
    assert isinstance(spec.compression, Log)
    return float(spec.compression.floor)


def group_edges(spec: FeatureSpec) -> NDArray[np.int64]:
    """(GROUPS + 1,) first band of each group, and one past the last."""
    return np.round(np.linspace(0, spec.bands, GROUPS + 1)).astype(np.int64)


def group_edges_hz(spec: FeatureSpec) -> NDArray[np.float64]:
    """(GROUPS + 1,) where each group begins, and where the last one ends, Hz."""
    edges = group_edges(spec)
    edges_hz = mel_edges_hz(spec)
    return np.asarray((edges_hz[edges] + edges_hz[edges + 1]) / 2)


LevelPlan = tuple[int, Floats, Floats, NDArray[np.int64], float]


class LevelScale:
    """What a frame says of its level.

    Args:
        spec: what a frame is.

    Raises:
        ValueError: if frames of this spec have no levels (`is_measurable`).
    """

    def __init__(self, spec: FeatureSpec) -> None:
        if not is_measurable(spec):
            raise ValueError("statistics need mel frames in dB re a full-scale sine")
        assert isinstance(spec.analysis, Mel)
        analysis, longest = spec.analysis, int(np.argmax(spec.analysis.windows_samples))
        part = slice(longest * spec.bands, (longest + 1) * spec.bands)
        scale, offset = (
            np.broadcast_to(np.asarray(each), spec.width)[part].astype(np.float32) for each in (spec.scale, spec.offset)
        )
        shape = taper(analysis.taper, analysis.windows_samples[longest], analysis.periodic)
        noise_db = float(10 * np.log10(2 * analysis.fft_size * np.sum(shape**2) / np.sum(shape) ** 2))
        self.plan = (longest * spec.bands, scale, offset, group_edges(spec), noise_db)
        """What kernels read (`level_step`)."""

    def count(self, values: NDArray[np.floating], valid: NDArray[np.bool_], levels: FrameLevels) -> None:
        """Add the levels of some frames, (T, M) and (T,) whether they are valid; others do not count."""
        values, valid = plain(values, np.float32), plain(valid, np.bool_)
        levels.frames += _count_frames(self.plan, values, valid, levels.counts, levels.sums)


@part
def level_step(plan: LevelPlan, row: Floats, levels_db: Floats, powers: Floats) -> int:
    """Which step of `STEP_DB` the level of one frame, (M,), is in; (bands,) their levels, dB, and powers as well."""
    first, scale, offset, _, noise_db = plan
    for band in range(scale.shape[0]):  # by itself, so that LLVM vectorises it
        levels_db[band] = row[first + band] * scale[band] + offset[band]
        powers[band] = exp2(levels_db[band] * OCTAVES_OF_DB)
    step = (DB_OF_OCTAVE * log2(powers.sum()) - noise_db - LOWEST_DB) / STEP_DB
    return int(min(max(step, 0), STEPS - 1))


def level_below(counts: Sequence[int], frames: int, share: float) -> float:
    """Level that this share of the frames stays below, dB; linear within a step.

    Args:
        counts: (STEPS,) frames in each step.
        frames: all of them, one or more.
        share: 0 to 1.
    """
    wanted, reached, step = share * frames, 0, 0
    while reached + counts[step] < wanted:
        reached += counts[step]
        step += 1
    return LOWEST_DB + STEP_DB * (step + (wanted - reached) / max(counts[step], 1))


@kernel
def _count_frames(
    plan: LevelPlan,
    values: Floats,
    valid: NDArray[np.bool_],
    counts: NDArray[np.int32],
    sums: NDArray[np.int64],
) -> int:
    """Add the valid frames to (STEPS,) how often each level came and (GROUPS,) sums in `UNIT_DB`; how many there are.

    Each frame for itself, so that any cut adds the same.
    """
    scale, edges = plan[1], plan[3]
    levels_db, powers, frames = np.empty_like(scale), np.empty_like(scale), 0
    for t in range(values.shape[0]):
        if not valid[t]:
            continue
        frames += 1
        counts[level_step(plan, values[t], levels_db, powers)] += 1
        for group in range(GROUPS):
            mean_db = levels_db[edges[group] : edges[group + 1]].sum() / np.float32(edges[group + 1] - edges[group])
            sums[group] += np.int64(np.rint(mean_db / np.float32(UNIT_DB)))
    return frames


@lru_cache(maxsize=8)  # one for all streams of a model
def level_scale(spec: FeatureSpec) -> LevelScale:
    """As `LevelScale`, made once."""
    return LevelScale(spec)


class FrameLevels:
    """How often each frame level came, and the levels of the groups, in one segment."""

    def __init__(self) -> None:
        self.counts = np.zeros(STEPS, np.int32)
        """(STEPS,) frames in each step of `STEP_DB`."""
        self.sums = np.zeros(GROUPS, np.int64)
        """(GROUPS,) mean level of a group of bands in each frame, added up, thousandths of a dB."""
        self.frames = 0
        """Valid frames that were taken."""

    def add(self, other: FrameLevels) -> None:
        """Take what another segment has taken; of the same spec."""
        self.counts += other.counts
        self.sums += other.sums
        self.frames += other.frames

    def quantile(self, share: float) -> float:
        """As `level_below`."""
        return level_below(self.counts.tolist(), self.frames, share)


class SoundStatistics:
    """The sums of one segment.

    Args:
        spec: what a frame is.

    Raises:
        ValueError: if frames of this spec have no levels (`is_measurable`).
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._scale, self._levels = level_scale(spec), FrameLevels()

    @property
    def frames(self) -> int:
        """Valid frames that were taken."""
        return self._levels.frames

    def push(self, values: NDArray[np.floating], valid: NDArray[np.bool_]) -> None:
        """Take some frames: (T, M) in the unit of the spec, and (T,) whether they are valid; others do not count."""
        self._scale.count(values, valid, self._levels)

    def add(self, other: SoundStatistics) -> None:
        """Take what another segment has taken; of the same spec."""
        self._levels.add(other._levels)

    def measured(self) -> Measured:
        """The statistics.

        Raises:
            ValueError: if no valid frame was taken.
        """
        if not self.frames:
            raise ValueError("no valid frame was taken")
        level_db = self._levels.quantile(LOUD)
        return Measured(level_db, level_db - self._levels.quantile(QUIET), self._levels.sums * UNIT_DB / self.frames)
