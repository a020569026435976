"""What an archive holds: sums known by hand, and a report of pictures and numbers made of the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from edge.model.model import load_model
from edge.server.archive.ledger import Ledger
from edge.server.archive.listing import items
from edge.server.archive.recording import Result, score
from edge.server.archive.report import WORST, Named, Survey, label_of, make_report, named_by, surveyed
from edge.server.archive.shards import Shards
from edge.sources.file_search import DEMO_AUDIO

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def row(name: str, events: int = 0, length_s: float | None = 60.0, status: str = "ok") -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "length_s": length_s,
        "measured_s": 50.0,
        "unverified_s": 2.0,
        "missing_s": '{"speech": 8.0}',
        "events": events,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/data/65097028_5.3_1_p3_3166.wav", Named("65097028", 5, "p3")),
        ("night/deep/65097028_0.6_0_p1_1.flac", Named("65097028", 0, "p1")),
        ("101_1b1_Al_sc_Meditron.wav", Named("101", None, "Al")),
        ("bed12.wav", Named()),
        ("2026_11_23.wav", Named()),
    ],
)
def test_names_tell_patient_age_and_site_where_they_are_those_of_a_data_set(name: str, expected: Named) -> None:
    assert named_by(name) == expected


def test_sums_are_those_of_a_hand() -> None:
    survey = Survey()
    survey.add(row("1_5.0_0_p1_1.wav", 3), {"continuous": 10.0}, "Normal")
    survey.add(row("1_5.5_0_p2_2.wav", 1), {"continuous": 0.0}, "CAS")
    survey.add(row("2_7.0_1_p1_3.wav", 0), {"continuous": 2.5}, None)
    survey.add(row("bad.wav", 0, None, "damaged"), {}, "Normal")
    assert survey.status == {"ok": 3, "damaged": 1}
    assert survey.whole.burden("continuous") == pytest.approx(60 * 12.5 / 150)
    assert survey.patients["1"].burden("continuous") == pytest.approx(60 * 10 / 100)
    assert (survey.ages[5].recordings, survey.sites["p1"].recordings) == (2, 2)
    assert survey.missing_s == {"speech": 24.0, "unknown_sound": 6.0}
    assert survey.false_alarms_per_hour == pytest.approx(3 * 60), "3 events in a minute that is Normal"
    assert max(survey.worst)[1] == "1_5.0_0_p1_1.wav"


def test_without_labels_there_are_no_false_alarms_and_nothing_measured_is_no_burden() -> None:
    assert Survey().false_alarms_per_hour is None
    assert Survey().whole.burden("continuous") is None


def test_only_the_worst_are_remembered() -> None:
    survey = Survey()
    for number in range(100):
        survey.add(row(f"{number}.wav"), {"continuous": float(number)}, None)
    assert sorted(name for _, name in survey.worst) == sorted(f"{n}.wav" for n in range(100 - WORST, 100))


def test_a_label_is_what_lies_beside_the_sound_and_nothing_else(tmp_path: Path) -> None:
    for name, text in (("a", '{"record_annotation": "Normal"}'), ("b", "[]"), ("c", "{"), ("d", '{"x": 1}')):
        (tmp_path / f"{name}.json").write_text(text)
    assert [label_of(str(tmp_path / f"{name}.wav")) for name in "abcde"] == ["Normal", None, None, None, None]


def test_a_report_has_numbers_and_names_the_worst_recordings(tmp_path: Path) -> None:
    model, place, out = load_model(), tmp_path / "in", tmp_path / "out"
    place.mkdir()
    samples, rate_hz = soundfile.read(DEMO_AUDIO, dtype="float32", stop=8000 * 20)
    soundfile.write(place / "7_3.0_1_p4_9.wav", samples, rate_hz)
    (place / "7_3.0_1_p4_9.json").write_text(json.dumps({"record_annotation": "Normal"}))
    (place / "hostile `name`.wav").write_bytes(b"no sound")
    with Ledger(out, {}, resume=False) as ledger:
        ledger.take_listing(items([str(place)]))
        for number, path in enumerate(sorted(place.glob("*.wav"))):
            ledger.put(Result(str(path), f"{number}" * 64, json.dumps(score(path, model))))
        Shards(out, ledger, model.sha256).finish()
        page = make_report(out).read_text()
    assert surveyed(out).patients.keys() == {"7"}
    assert "2 recordings: 1 whole, 0 cut off, 1 damaged" in page
    assert "false alarms: " in page
    assert "in an hour of recordings labelled Normal (2 recordings" not in page
    assert "| patient | continuous, s/min | discontinuous, s/min |\n|---|---|---|\n| 7 | " in page
    assert page.splitlines()[-1].startswith("1. ")
    assert [path.name for path in (out / "report").iterdir()] == ["report.md"]
