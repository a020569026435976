"""`laennec detect` says at the end of a file what it was heard with, and that it is outside what the model knows."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from edge.api.recording import Event, Quality
from edge.commands.files import _Lines, _print_table
from edge.detector.sound_check import SoundAssessment

REASON = "level -84 dBFS: too low, expected -75 to -24"
PATH = Path("breath.wav")


UNKNOWN = SoundAssessment(False, REASON, "faint")
NO_CONTACT = SoundAssessment(
    False, "no breath and no heart to be heard: check patient and sensor", "no contact", measurable=False
)


LINES = _Lines(scores=False, rate=False, classes=("wheeze",), frame_s=0.032)


def _items(verdict: SoundAssessment, gain_db: float = 0.0) -> Generator[Event, None, Quality]:
    """One event."""
    yield Event("end", "wheeze", 1.0, 2.0, 0.9, 0.8, 0.5, "quiet", None)
    return Quality(10.0, 9.5, verdict, gain_db)


@pytest.mark.parametrize(
    ("verdict", "last"),
    [
        (UNKNOWN, f"unverified: {REASON}"),
        (
            NO_CONTACT,
            "not measurable: no breath and no heart to be heard: check patient and sensor "
            "(contact: press the sensor onto the skin, over the lung)",
        ),
        (SoundAssessment(True), "1 event in 10.0 s of sound, 9.5 s measurable"),
        (SoundAssessment(), "1 event in 10.0 s of sound, 9.5 s measurable"),
    ],
)
def test_the_table_ends_with_the_reason_if_there_is_one(
    verdict: SoundAssessment, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _print_table(PATH, _items(verdict))
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize("verdict", [UNKNOWN, NO_CONTACT, SoundAssessment()])
def test_json_lines_end_with_a_record_of_it(verdict: SoundAssessment, capsys: pytest.CaptureFixture[str]) -> None:
    LINES.show(PATH, _items(verdict))
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = {"file": "breath.wav", "verified": False, "measurable": verdict.measurable, "reason": verdict.reason}
    expected |= {} if verdict.measurable else {"cause": "contact"}
    assert records[0]["label"] == "wheeze"
    assert records[1:] == ([expected] if verdict.reason else [])


@pytest.mark.parametrize(
    ("gain_db", "expected"), [(21.7, "scored 22 dB louder"), (-9.2, "scored 9 dB fainter"), (0.4, ""), (0.0, "")]
)
def test_the_gain_is_said_where_there_is_one(gain_db: float, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    _print_table(PATH, _items(SoundAssessment(), gain_db))
    table = capsys.readouterr().out
    LINES.show(PATH, _items(SoundAssessment(), gain_db))
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()][1:]
    assert ("level: " in table) is bool(expected)
    assert expected in table
    assert records == ([{"file": "breath.wav", "gain_db": round(gain_db)}] if expected else [])
