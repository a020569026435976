"""Sound without breath is a pause once it has lasted; lost and masked sound never is; any cut gives the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import BreathSound, Fault
from edge.ward.pauses import Pause, Pauses
from tests.edge.ward.breathing import FRAME_S, at, part, regular

STILL_S = (30.0, 50.0)
NEVER = np.array([1000.0])  # a breath behind everything


def _pauses(*sounds: BreathSound, touches: bool = True, limit_s: float = 10.0) -> list[Pause]:
    pauses = Pauses(FRAME_S, limit_s)
    return [each for sound in sounds for each in pauses.push(sound, touches)] + pauses.flush()


def _bed() -> BreathSound:
    """Breath, `STILL_S` without any, and breath."""
    parts = regular(24, 30.0), at(NEVER, 20.0), regular(24, 20.0)
    joined = (np.concatenate(each) for each in zip(*(each[1:5] for each in parts), strict=True))
    return BreathSound(0, *joined)


def test_breath_that_goes_on_is_no_pause() -> None:
    assert _pauses(regular(24, 60.0)) == []


@pytest.mark.parametrize("limit_s", [6.0, 10.0, 15.0])
def test_a_pause_is_told_within_3_s_of_its_limit_and_is_over_with_the_next_breath(limit_s: float) -> None:
    onset, end = _pauses(_bed(), limit_s=limit_s)
    assert (onset.kind, end.kind, end.why, end.onset) == ("onset", "end", "breath", onset.onset)
    assert onset.stop * FRAME_S == pytest.approx(STILL_S[0] + limit_s, abs=3.0)
    assert end.stop * FRAME_S == pytest.approx(STILL_S[1] + 1.0, abs=1.5)


def test_a_pause_shorter_than_the_limit_is_none() -> None:
    assert _pauses(_bed(), limit_s=30.0) == []


def test_a_score_that_is_raised_over_sound_that_does_not_swell_is_no_breath() -> None:
    bed, still = _bed(), [round(each / FRAME_S) for each in STILL_S]
    score = bed.score.copy()
    score[still[0] : still[1]] += 0.5  # as the texture of a chest may do; the odds are 9.9 - 9.1 * .56 - 1.3 * 1
    assert [each.kind for each in _pauses(bed._replace(score=score))] == ["onset", "end"]


@pytest.mark.parametrize("band", [0, 1, 2])
def test_faint_breath_that_swells_in_one_band_is_no_pause(band: int) -> None:
    bed = regular(24, 60.0, loud=0.5)
    bands_db = np.full_like(bed.bands_db, -60.0)
    bands_db[:, band] = bed.bands_db[:, band]
    assert _pauses(bed._replace(bands_db=bands_db)) == []


@pytest.mark.parametrize("gain_db", [-40.0, 40.0])
def test_a_gain_changes_nothing(gain_db: float) -> None:
    bed = _bed()
    assert _pauses(bed._replace(bands_db=bed.bands_db + np.float32(gain_db))) == _pauses(bed)


@pytest.mark.parametrize("touches", [True, False])
def test_without_evidence_of_contact_it_is_told_all_the_same_and_says_so(touches: bool) -> None:
    found = _pauses(_bed(), touches=touches)
    assert [each.touches for each in found] == [touches, touches]


@pytest.mark.parametrize("fault", ["speech", "rubbing", "mains hum", "dead microphone"])
def test_what_is_masked_is_no_pause(fault: Fault) -> None:
    bed, still = _bed(), [round(each / FRAME_S) for each in STILL_S]
    masked = part(bed, still[0], still[1], fault)
    masked = masked._replace(bands_db=masked.bands_db + np.float32(8))
    assert _pauses(part(bed, 0, still[0]), masked, part(bed, still[1], len(bed.score))) == []


@pytest.mark.parametrize("fault", ["mains hum", "steady tone"])
def test_hum_that_was_there_while_breath_was_heard_masks_no_pause(fault: Fault) -> None:
    bed, begin = _bed(), round((STILL_S[0] + 4) / FRAME_S)
    hum = part(bed, begin, len(bed.score), fault)
    assert [each.kind for each in _pauses(part(bed, 0, begin), hum)] == ["onset", "end"]
    assert _pauses(bed._replace(fault=fault)) == []  # nobody knows whether breath can be heard beside it


def test_a_sensor_that_does_not_touch_masks_nothing() -> None:
    bed, still = _bed(), [round(each / FRAME_S) for each in STILL_S]
    parts = part(bed, 0, still[0]), part(bed, still[0], still[1], "no contact"), part(bed, still[1], len(bed.score))
    assert [each.kind for each in _pauses(*parts, touches=False)] == ["onset", "end"]


def test_lost_sound_is_no_pause_and_ends_one_without_a_word_of_breath() -> None:
    bed, still = _bed(), [round(each / FRAME_S) for each in STILL_S]
    assert _pauses(part(bed, 0, still[0]), part(bed, still[1], len(bed.score))) == []
    lost = round(45 / FRAME_S)
    onset, end = _pauses(part(bed, 0, lost), part(bed, still[1], len(bed.score)))
    assert (onset.kind, end.kind, end.why, end.stop) == ("onset", "end", "lost sound", lost)


def test_short_losses_hide_no_pause() -> None:
    bed = _bed()
    usable = np.ones(len(bed.score), np.bool_)
    usable[::20] = False  # a frame in each 0.6 s
    assert [each.kind for each in _pauses(bed._replace(usable=usable))] == ["onset", "end"]


def test_nothing_is_known_before_a_window_of_sound_and_after_a_loss() -> None:
    pauses, bed = Pauses(FRAME_S), _bed()
    pauses.push(part(bed, 0, round(9 / FRAME_S)))
    assert not pauses.is_known
    pauses.push(part(bed, round(9 / FRAME_S), round(12 / FRAME_S)))
    assert pauses.is_known
    pauses.push(part(bed, round(14 / FRAME_S), round(15 / FRAME_S)))
    assert not pauses.is_known


@given(st.lists(st.integers(1, 2200), max_size=8))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    bed = _bed()
    bed.usable[1300:1330] = bed.usable[700:720] = False
    bounds = [0, *sorted({each for each in cuts if each < len(bed.score)}), len(bed.score)]
    pieces = [part(bed, begin, end) for begin, end in pairwise(bounds)]
    assert _pauses(*pieces) == _pauses(bed)


def test_a_limit_out_of_range_says_so() -> None:
    with pytest.raises(ValueError, match="expected 6 to 60, found 5"):
        Pauses(FRAME_S, 5.0)
