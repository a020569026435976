"""A new patient at a bed: nothing that was measured of the one before is left, and the age holds over restarts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.node.alarm_inputs import bed_reading
from edge.node.inbox import NewPatient
from edge.node.patients import Patients
from edge.settings.node import Stream
from edge.types import Block
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import NODE, RATE_HZ, Driven, Published, Script, sound

pytestmark = pytest.mark.usefixtures("patient")

SETTINGS = Stream(id="bed1", source="script", pace=False)


class Aged(LoudnessModel):
    """Of children nothing is loud enough."""

    def thresholds_at(self, age_years: float | None) -> dict[str, float]:
        return {"wheeze": 0.95} if age_years is not None and age_years < 18 else {}


def seconds(first: int, stop: int) -> list[Block]:
    return [sound(1.0, (0.0, 0.5), start=s * RATE_HZ) for s in range(first, stop)]


def patients_of(folder: Path, settings: Stream = SETTINGS) -> Patients:
    return Patients(folder / "patients-node.json", [settings])


def test_what_was_measured_of_the_patient_before_is_gone_and_measured_anew() -> None:
    bed = Driven(SETTINGS, Script(), Published())
    bed.feed(*seconds(0, 200))
    before = bed.assess()
    assert before.reading is not None
    assert before.breath is not None
    bed.inbox.put(NewPatient(None))
    bed.settle()
    after = bed.assess()
    assert (after.patients, after.reading, after.covered, after.breath) == (1, None, (), None)
    assert bed_reading(bed, after.made_s).burden == {}
    bed.feed(*seconds(200, 260))
    later = bed.assess()
    assert later.reading is not None
    assert [window.is_known for window in later.reading.windows] == [True, False, False]
    assert 50 < later.reading.over(300).measured_s <= 60
    assert later.totals.received_s == pytest.approx(260.0), "what the machine did goes on"


def test_the_thresholds_are_those_of_the_new_age_and_no_event_lasts_from_one_patient_to_the_next() -> None:
    published = Published()
    bed = Driven(SETTINGS, Script(), published, Aged())
    bed.feed(*seconds(0, 5), sound(0.6, (0.0, 0.6), start=5 * RATE_HZ))
    bed.inbox.put(NewPatient("8 months"))
    bed.settle()
    assert [each["type"] for each in published.events()][-1] == "end"
    count = len(published.events())
    bed.feed(*seconds(6, 12))
    assert len(published.events()) == count
    bed.inbox.put(NewPatient("adult"))
    bed.settle()
    bed.feed(*seconds(12, 15))
    assert len(published.events()) > count


def test_who_admits_waits_for_no_disk_and_what_is_written_is_what_was_ordered_then(tmp_path: Path) -> None:
    works: list[Callable[[], None]] = []
    path = tmp_path / "patients-node.json"
    patients = Patients(path, [SETTINGS], works.append)
    patients.join([Driven(SETTINGS, Script(), Published())])
    patients.admit("bed1", "8 months")
    patients.admit("bed1", "4 years")
    assert not path.exists()
    works[0]()
    assert Patients(path, [SETTINGS]).settings("bed1").age == "8 months"
    works[1]()
    assert Patients(path, [SETTINGS]).settings("bed1").age == "4 years"


def test_until_the_detector_has_begun_anew_what_is_known_is_of_the_patient_before(tmp_path: Path) -> None:
    bed, patients = Driven(SETTINGS, Script(), Published()), patients_of(tmp_path)
    patients.join([bed])
    assert patients.is_known("bed1", bed.assess().patients)
    patients.admit("bed1", None)
    assert not patients.is_known("bed1", bed.assess().patients)
    bed.settle()
    assert patients.is_known("bed1", bed.assess().patients)


def test_the_broker_is_told_once_that_no_figure_counts_and_what_the_bed_is(tmp_path: Path) -> None:
    bed, patients = Driven(SETTINGS, Script(), Published()), patients_of(tmp_path)
    patients.join([bed])
    cleared, ages = list[str](), list[str | None]()

    def report() -> None:
        bed.assess()
        patients.publish(NODE, cleared.append, lambda settings, _stream: ages.append(settings.age))

    report()
    patients.admit("bed1", "4 years")
    report()
    assert (cleared, ages) == ([], [])
    bed.settle()
    report()
    report()
    assert cleared == [NODE.topic("s", "bed1", "trend"), NODE.topic("s", "bed1", "breath")]
    assert ages == ["4 years"]


def test_an_age_holds_until_another_comes_or_the_settings_have_another(tmp_path: Path) -> None:
    patients = patients_of(tmp_path)
    patients.join([Driven(SETTINGS, Script(), Published())])
    patients.admit("bed1", "8 months")
    assert patients_of(tmp_path).settings("bed1").age == "8 months"
    assert patients_of(tmp_path, SETTINGS.model_copy(update={"age": "adult"})).settings("bed1").age == "adult"
    patients.admit("bed1", None)
    assert patients_of(tmp_path).settings("bed1").age is None


def agreed(when: str) -> Stream:
    return Stream.model_validate({"id": "bed1", "source": "script", "pace": False, "listen": when})


def test_consent_of_the_patient_before_is_none_of_the_next_one_and_no_restart_brings_it_back(tmp_path: Path) -> None:
    settings = agreed("2026-11-25 14:05")
    patients = patients_of(tmp_path, settings)
    patients.join([Driven(settings, Script(), Published())])
    assert not patients.is_consent_over("bed1")
    patients.admit("bed1", "8 months")
    assert patients.is_consent_over("bed1")
    assert patients_of(tmp_path, settings).is_consent_over("bed1"), "a power cut"
    of_other_age = settings.model_copy(update={"age": "adult"})
    assert patients_of(tmp_path, of_other_age).is_consent_over("bed1")
    for later in (agreed("2026-11-25 18:30"), SETTINGS):
        assert not patients_of(tmp_path, later).is_consent_over("bed1")


def test_what_a_release_without_consent_cannot_read_is_not_written_where_there_was_none(tmp_path: Path) -> None:
    patients = patients_of(tmp_path)
    patients.join([Driven(SETTINGS, Script(), Published())])
    patients.admit("bed1", "8 months")
    assert json.loads((tmp_path / "patients-node.json").read_text()) == {"bed1": {"age": "8 months", "settings": None}}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"bed1": {"age": "old", "settings": null}}', b"\xff"])
def test_a_file_that_cannot_be_read_is_said_and_ages_are_those_of_the_settings(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "patients-node.json").write_bytes(content)
    assert patients_of(tmp_path).settings("bed1") == SETTINGS
    assert "cannot be read" in caplog.text


def test_nobody_is_admitted_where_nobody_listens(tmp_path: Path) -> None:
    bed, patients = Driven(SETTINGS, Script(), Published()), patients_of(tmp_path)
    patients.join([bed])
    assert patients.mistake("bed1") == ""
    bed.close()
    assert patients.mistake("bed1").startswith("nobody listens")
