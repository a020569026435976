"""Changes of a recording: as many as are told, as much lost as is told."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.changed_sound import Changed, changes

RATE_HZ = 8000
SOUND = np.arange(120 * RATE_HZ, dtype=np.float32)


def _changes(samples: np.ndarray = SOUND) -> list[Changed]:
    return changes(samples, RATE_HZ, np.random.default_rng(0))


def test_a_recording_begins_4_to_240_ms_later_16_times_and_nothing_else_is_changed() -> None:
    later = [one for one in _changes() if one.change == "begun later"]
    assert len(later) == 16
    for one in later:
        assert 32 <= one.later <= 1920
        assert one.valid.all()
        np.testing.assert_array_equal(one.samples, SOUND[one.later :])
    assert len({one.later for one in later}) > 10


@pytest.mark.parametrize(
    ("change", "share", "spread", "longest"),
    [
        ("1 % of packets lost", 0.01, 0.004, 480),
        ("5 % of packets lost", 0.05, 0.009, 800),
        ("20 ms lost each second", 0.02, 0.0003, 160),
        ("link up 1 s, down 0.3 s", 0.3 / 1.3, 0.004, 2400),
    ],
)
def test_a_link_loses_what_its_name_says(change: str, share: float, spread: float, longest: int) -> None:
    (one,) = [one for one in _changes() if one.change == change]
    assert one.later == 0
    assert one.samples is SOUND
    assert (~one.valid).mean() == pytest.approx(share, abs=spread)
    edges = np.flatnonzero(np.diff(one.valid, prepend=True, append=True)).reshape(-1, 2)
    gaps = (edges[:, 1] - edges[:, 0])[1:-1]  # without those that the recording cuts
    assert set(gaps % 160) == {0}
    assert 160 <= gaps.min() <= gaps.max() <= longest


def test_a_recording_that_is_too_short_to_begin_later_does_not() -> None:
    assert {one.later for one in _changes(SOUND[:1000])} <= {*range(1000)}
