"""What a stretch of samples says by itself, whatever the model: silence, clipping, a constant, not a number.

Frames cannot tell: they lack what is below their lowest band, and do not exist where a sample is not a number. Samples
are summed as whole multiples of `UNIT`, so stretches add up exactly in any cut. Not for lost samples: they are no part
of the sound, and the source counts them.
"""

from __future__ import annotations

import math

import numpy as np

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
    """The sums of one stretch."""

    def __init__(self) -> None:
        self.samples = 0
        """Samples that arrived and were not lost."""
        self._numbers = self._clipped = self._sum = self._energy = 0

    def push(self, block: Block) -> None:
        """Take some samples."""
        samples = block.samples if block.valid.all() else block.samples[block.valid]
        self.samples += len(samples)
        size = np.abs(samples)
        if not size.max(initial=0.0) < FULL_SCALE:  # not a number, too
            numbers = np.isfinite(samples)
            self._clipped += int(np.count_nonzero(size[numbers] >= FULL_SCALE))
            samples = np.clip(samples[numbers], -1, 1)
        self._numbers += len(samples)
        # A power of two, and whole numbers of 21 bits: exact in float32.
        units = np.rint(samples * np.float32(1 / UNIT)).astype(np.int64)
        self._sum += int(units.sum())
        self._energy += int(units @ units)

    def add(self, other: SampleCounts) -> None:
        """Take what another stretch has taken."""
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
