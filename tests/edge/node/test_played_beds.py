"""How many beds a box sustains: what is searched for, and that beds are really played."""

from __future__ import annotations

import numpy as np
import pytest

from edge.detector.recording import samples_of
from edge.model.model import load_model
from edge.node.capacity import HEADROOM, MOST_BEDS, Played, play, search
from edge.sources.file_search import DEMO_AUDIO


def _box(cores_for_a_bed: float, most: int, tried: list[int], beds: int) -> Played:
    """A box that is in time up to so many beds, whatever their share of a core."""
    tried.append(beds)
    return Played(beds, 20.0, 60.0 if beds <= most else 900.0, cores_for_a_bed * beds, 0.0)


@pytest.mark.parametrize("cost", [0.001, 0.0015, 0.01, 0.02])
def test_a_box_is_filled_up_to_its_headroom(cost: float) -> None:
    tried: list[int] = []
    best = search(lambda beds: _box(cost, MOST_BEDS, tried, beds), lambda _: None)
    assert best is not None
    assert 0.9 * (1 - HEADROOM) / cost <= best.beds <= (1 - HEADROOM) / cost


@pytest.mark.parametrize("most", [40, 100, 300])
def test_a_box_that_is_late_before_it_is_full_sustains_what_is_in_time(most: int) -> None:
    tried: list[int] = []
    best = search(lambda beds: _box(0.001, most, tried, beds), lambda _: None)
    assert best is not None
    assert most / 2 < best.beds <= most
    assert len(tried) <= 6


def test_a_box_that_sustains_nothing_says_so_and_no_number_is_tried_twice() -> None:
    tried: list[int] = []
    assert search(lambda beds: _box(2.0, 0, tried, beds), lambda _: None) is None
    assert len(set(tried)) == len(tried)


@pytest.mark.parametrize(
    ("p99_ms", "share", "left_out_s", "expected"),
    [(479.0, 0.7, 0.0, True), (480.0, 0.1, 0.0, False), (10.0, 0.71, 0.0, False), (10.0, 0.1, 0.1, False)],
)
def test_beds_are_sustained_in_time_with_headroom_and_nothing_left_out(
    p99_ms: float, share: float, left_out_s: float, expected: bool
) -> None:
    assert Played(8, 5.0, p99_ms, share, left_out_s).is_sustained is expected


@pytest.mark.rest  # six seconds of it
def test_beds_are_played_in_real_time_and_their_lateness_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.node.scheduling.MOST_WORK_S", 1e9)  # the figures of this machine are not looked at:
    monkeypatch.setattr("edge.node.inbox.LIMIT_S", 1e9)  # a slow one is late, and leaves nothing out
    model = load_model()
    sound = samples_of(DEMO_AUDIO, model.rate_hz)
    longer = (play(model, 3, seconds, sound) for seconds in (2.0, 20.0, 200.0))
    played = next(each for each in longer if each.p99_ms < np.inf)  # a very slow one decides nothing in 2 s
    assert (played.beds, played.left_out_s) == (3, 0.0)
    assert 0 < played.p50_ms <= played.p99_ms
    assert played.share > 0
