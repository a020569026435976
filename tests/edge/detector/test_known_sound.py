"""What lies outside the known is named with its dB, and what the floor hides is no reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import firwin2, lfilter

from edge.detector.statistics import Measured
from edge.detector.training_domain import UNKNOWN_DB, excess, reasons, relative_spectrum
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import known_noise, noise, statistics

SPEC = LoudnessModel.spec
KNOWN = known_noise(-42.0)
IN_BANDS_DB = 10 * np.log10(2450 / 4000)  # of white noise


def _of(samples: np.ndarray) -> Measured:
    return statistics(samples).measured()


def test_another_piece_of_the_same_sound_is_inside() -> None:
    assert reasons(_of(noise(-42.0 - IN_BANDS_DB, 10.0, seed=3)), KNOWN, SPEC) == []


@pytest.mark.parametrize(
    ("gain_db", "line"),
    [
        (-40.0, "level -82 dBFS: too low, expected -73 to -1"),
        (46.0, "level 4 dBFS: too high, expected -73 to -1"),
    ],
)
def test_a_level_that_cannot_be_brought_to_that_of_the_training_is_named(gain_db: float, line: str) -> None:
    assert reasons(_of(noise(-42.4 - IN_BANDS_DB + gain_db, 10.0)), KNOWN, SPEC) == [line]


def test_what_was_added_to_a_stream_is_no_part_of_its_level() -> None:
    received = _of(noise(-42.4 - IN_BANDS_DB, 10.0))
    assert reasons(received, KNOWN, SPEC, added_db=29.0) == []
    assert reasons(received, KNOWN, SPEC, added_db=32.0) == ["level -74 dBFS: too low, expected -73 to -1"]


def test_what_was_outside_must_come_further_inside_to_be_known_again() -> None:
    received = _of(noise(-42.4 - IN_BANDS_DB, 10.0))
    for added_db, first, again in ((29.0, [], []), (31.0, [], ["too low"]), (32.0, ["too low"], ["too low"])):
        found = [reasons(received, KNOWN, SPEC, added_db, was) for was in (False, True)]
        assert [["too low" for line in lines if "too low" in line] for lines in found] == [first, again]


@pytest.mark.parametrize(
    ("gains_db", "line"), [((0, 0, 15, 15), "dB less below 600 Hz"), ((0, 0, -15, -15), "dB less above 600 Hz")]
)
def test_another_microphone_is_named_by_its_bands(gains_db: tuple[float, ...], line: str) -> None:
    curve = firwin2(513, [0, 0.12, 0.15, 1], 10 ** (np.array(gains_db) / 20))
    samples = lfilter(curve, 1, noise(-42.0 - IN_BANDS_DB - (12 if gains_db[2] > 0 else 0), 10.0)).astype(np.float32)
    (found,) = reasons(_of(samples), replace(KNOWN, gain_db=(-30.0, 30.0)), SPEC)
    assert found.startswith("spectrum outside what the model knows: ")
    assert line in found


def test_noise_that_never_pauses_is_outside_where_breath_is_known() -> None:
    breath = replace(KNOWN, contrast_db=(8.0, 12.0, 20.0))
    (line,) = reasons(_of(noise(-42.4 - IN_BANDS_DB, 10.0)), breath, SPEC)
    assert line == "sound hardly above its noise floor: 2 dB, expected 8 to 20"


def test_a_faint_stream_whose_upper_bands_lie_at_the_floor_has_no_strange_spectrum() -> None:
    known = replace(KNOWN, gain_db=(-80.0, 0.0))
    found = excess(_of(noise(-42.4 - IN_BANDS_DB - 70, 10.0)), known, SPEC)
    assert found.scores[2] == pytest.approx(0.0, abs=0.5)


def test_a_band_at_the_floor_is_known_only_to_be_no_higher() -> None:
    quiet = Measured(-50.0, 10.0, np.array([-60.0, -70, -80, -90, -99, -100, -100, -100]))
    assert (relative_spectrum(quiet, SPEC) == UNKNOWN_DB).tolist() == [False] * 4 + [True] * 4
    silent_above = [(x, x, x) for x in (-10.0, -20.0, -30.0, -40.0, *[UNKNOWN_DB] * 4)]
    known = replace(KNOWN, level_db=(-51.0, -50.0, -49.0), spectrum_db=tuple(silent_above))
    assert excess(quiet, known, SPEC).spectrum_db.tolist() == [0.0] * 8
    hiss = replace(quiet, spectrum_db=np.array([-60.0, -70, -80, -90, -80, -80, -80, -80]))
    assert excess(hiss, known, SPEC).spectrum_db.tolist() == [0.0] * 4 + [17.0] * 4
    assert "spectrum outside what the model knows: 20 dB more above" in reasons(hiss, known, SPEC)[-1]
