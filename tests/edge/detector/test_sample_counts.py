"""Silence, clipping, a constant and what is no number are told from samples; a fine sound says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.statistics import SampleCounts
from edge.types import Block
from tests.edge.knowing import block, noise

FINE = noise(-40, 2.0)


def _reasons(samples: NDArray[np.float32]) -> list[str]:
    counts = SampleCounts()
    counts.push(block(samples))
    return counts.reasons()


def _with(value: float, share: float) -> NDArray[np.float32]:
    samples = FINE.copy()
    samples[: round(share * len(samples))] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(8000, np.float32), "silence: nothing above -90 dBFS"),
        (noise(-92, 1.0), "silence: nothing above -90 dBFS"),
        (_with(1.0, 0.02), "clipped: 2.0 % of the samples at full scale"),
        (_with(-np.inf, 0.5), "50 % of the samples are not numbers"),
        (_with(np.nan, 0.25), "25 % of the samples are not numbers"),
        (FINE + np.float32(0.9), "constant offset of 0.90 of full scale"),
        (FINE - np.float32(0.2), "constant offset of -0.20 of full scale"),
    ],
)
def test_a_sound_that_is_none_says_what_it_is(samples: NDArray[np.float32], reason: str) -> None:
    assert _reasons(samples) == [reason]


@pytest.mark.parametrize("samples", [FINE, noise(-88, 1.0), _with(1.0, 0.0005), np.zeros(0, np.float32)])
def test_a_fine_sound_says_nothing(samples: NDArray[np.float32]) -> None:
    assert _reasons(samples) == []


def test_lost_samples_are_no_part_of_the_sound() -> None:
    counts = SampleCounts()
    lost = np.arange(len(FINE)) >= len(FINE) // 2
    counts.push(Block(0, np.where(lost, np.float32(np.nan), FINE), ~lost))
    assert counts.samples == len(FINE) // 2
    assert counts.reasons() == []


def test_parts_add_up_to_the_whole() -> None:
    whole, sum_of_parts = SampleCounts(), SampleCounts()
    samples = _with(1.0, 0.01)
    whole.push(block(samples))
    for part in np.array_split(samples, 7):
        one = SampleCounts()
        one.push(block(part))
        sum_of_parts.add(one)
    assert vars(sum_of_parts) == vars(whole)
