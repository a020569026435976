"""FHIR: the same resources as on the first day, taken by the published models, and coded as their owners code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.observation import Observation as ObservationR5
from fhir.resources.R4B.observation import Observation as ObservationR4B
from pydantic import ValidationError

from edge.contract import read_record
from edge.contract.events import EventMessage
from edge.contract.trend import TrendMessage
from edge.server.exports.fhir import LOCAL, SNOMED, SOUNDS, breath_observation, burden_observation, sound_observation
from tests.edge.server.exports.messages import GOLDEN, LIVE, breathing, event, trend

WHERE = {"site": "ward-b", "node": "edge-7"}


def of_event(body: dict[str, Any]) -> dict[str, Any]:
    record = read_record(body)
    assert isinstance(record, EventMessage)
    return sound_observation(record)


def of_trend(body: dict[str, Any]) -> dict[str, Any]:
    record = read_record({**WHERE, **body})
    assert isinstance(record, TrendMessage)
    return burden_observation(record)


def of_breath(body: dict[str, Any]) -> dict[str, Any]:
    record = read_record({**WHERE, **body})
    assert isinstance(record, TrendMessage)
    made = breath_observation(record)
    assert made is not None
    return made


OBSERVATIONS = {
    "observation-breath": of_breath(breathing()),
    "observation-breath-unknown": of_breath(breathing(known=False)),
    "observation-sound": of_event(event("end", 2, 1.5)),
    "observation-burden": of_trend(trend()),
    "observation-not-measured": of_trend(trend(known=False)),
}


@pytest.mark.golden
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_a_resource_is_as_on_the_first_day(name: str) -> None:
    assert OBSERVATIONS[name] == json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("release", [ObservationR4B, ObservationR5])
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_an_observation_is_valid_in_r4_and_r5(name: str, release: Any) -> None:
    taken = release.model_validate_json(json.dumps(OBSERVATIONS[name]))
    assert json.loads(taken.model_dump_json(exclude_none=True))["code"] == OBSERVATIONS[name]["code"]


def test_a_rate_is_no_vital_sign_and_no_number_where_it_is_not_known() -> None:
    known, unknown = OBSERVATIONS["observation-breath"], OBSERVATIONS["observation-breath-unknown"]
    assert known["valueQuantity"] == {
        "value": 24.5,
        "unit": "breaths/min",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }
    assert [(each["system"], each["code"]) for each in known["code"]["coding"]] == [
        ("http://loinc.org", "9279-1"),
        ("urn:iso:std:iso:11073:10101", "151562"),
    ]
    assert (known["status"], [each["coding"][0]["code"] for each in known["category"]]) == ("preliminary", ["exam"])
    assert "valueQuantity" not in unknown
    assert unknown["dataAbsentReason"]["text"] == "too little measured"
    parts = [each for each in unknown["component"] if "answered" not in each["code"]["coding"][0]["code"]]
    assert all("dataAbsentReason" in each and "valueQuantity" not in each for each in parts)
    record = read_record({**WHERE, **trend()})
    assert isinstance(record, TrendMessage)
    assert breath_observation(record) is None, "a model that does not hear breath"


def test_the_validator_refuses_an_observation_without_a_code() -> None:
    broken = {key: value for key, value in OBSERVATIONS["observation-sound"].items() if key != "code"}
    with pytest.raises(ValidationError):
        ObservationR5.model_validate_json(json.dumps(broken))


def test_each_event_class_has_the_code_of_its_sound_and_the_name_of_ours() -> None:
    for label, (_, code, _) in SOUNDS.items():
        codings = of_event(event("onset", 1, None, label))["valueCodeableConcept"]["coding"]
        assert [each["code"] for each in codings] == [code, label]
        assert [each["system"] for each in codings] == [SNOMED, f"{LOCAL}/CodeSystem/sound"]


def test_a_sound_without_a_code_of_snomed_keeps_our_own() -> None:
    value = of_event(event("onset", 1, None, "squawk"))["valueCodeableConcept"]
    assert [each["code"] for each in value["coding"]] == ["squawk"]


def test_a_sound_that_lasts_has_no_end() -> None:
    assert OBSERVATIONS["observation-sound"]["effectivePeriod"] == {
        "start": "2027-01-15T08:00:00.000Z",
        "end": "2027-01-15T08:00:01.500Z",
    }
    assert of_event(event("onset", 1, None))["effectivePeriod"] == {"start": "2027-01-15T08:00:00.000Z"}


def test_what_was_not_measured_has_a_reason_and_no_value() -> None:
    def values(tree: Any) -> Iterator[str]:
        if isinstance(tree, dict):
            yield from tree
            for each in tree.values():
                yield from values(each)
        elif isinstance(tree, list):
            for each in tree:
                yield from values(each)

    resource = OBSERVATIONS["observation-not-measured"]
    coverage = resource["component"].pop()
    assert coverage["valueQuantity"] == {
        "value": 25.0,
        "unit": "%",
        "system": "http://unitsofmeasure.org",
        "code": "%",
    }
    assert "dataAbsentReason" in resource
    assert not [key for key in values(resource["component"]) if key.startswith("value")]
    resource["component"].append(coverage)


def test_a_burden_is_that_of_the_last_minute_with_its_interval_and_unit() -> None:
    resource = OBSERVATIONS["observation-burden"]
    assert resource["effectivePeriod"] == {"start": "2027-01-15T07:59:00.000Z", "end": "2027-01-15T08:00:00.000Z"}
    found = {each["code"]["coding"][0]["code"]: each for each in resource["component"]}
    assert found["burden-continuous"]["valueQuantity"]["value"] == 12.5
    assert found["burden-continuous"]["valueQuantity"]["code"] == "s/min"
    assert found["burden-continuous-interval"]["valueRange"]["high"]["value"] == 15.25


def test_what_comes_in_mode_test_is_marked_as_test_data_and_what_is_operational_is_not() -> None:
    assert OBSERVATIONS["observation-sound"]["meta"]["tag"][0]["code"] == "HTEST"
    assert "meta" not in of_event(event("end", 2, 1.5, node=LIVE))


def test_no_resource_names_a_patient() -> None:
    assert {each["subject"]["type"] for each in OBSERVATIONS.values()} == {"Location"}
