"""Sounds and burdens as HL7 FHIR Observations, built by pure functions: the same resource is valid in R4, R4B and R5.

Not for sending them, not for a patient (the subject is the bed), and not a diagnosis: the status is `preliminary`, for
nobody has looked at it. What was not measured has a `dataAbsentReason` and no value, so that it is never read as none.

Where the codes come from:
    rate           LOINC, IEEE 11073-10101
    sounds         SNOMED CT, as in the value set of lung findings of IHE Paramedicine (PCC.PCS); it has one code for
                   crackles, so fine and coarse are distinguished by the text and the local code
    units          UCUM
    the rest       none that we know of: not for seconds of adventitious sound in a minute, its coverage, or a score.
                   They have local codes below `LOCAL`, an address that is reserved for examples (RFC 2606): a
                   hospital that stores them gives its own (`--system`).

Source: hl7.org/fhir/R4/observation.html, hl7.org/fhir/R5/observation.html.
"""

from __future__ import annotations

from typing import Any

from edge.contract.events import EventMessage
from edge.contract.fields import rfc3339
from edge.contract.trend import BreathShare, GroupBurden, TrendMessage, Window

Json = dict[str, Any]

LOCAL = "https://laennec.example/fhir"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"

ADDED_SOUNDS = (SNOMED, "53972003", "Added respiratory sounds")
SOUNDS = {
    "wheeze": (SNOMED, "56018004", "Wheezing"),
    "rhonchus": (SNOMED, "24612001", "Wheeze - rhonchi"),
    "stridor": (SNOMED, "70407001", "Stridor"),
    "fine_crackle": (SNOMED, "48409008", "Respiratory crackles"),
    "coarse_crackle": (SNOMED, "48409008", "Respiratory crackles"),
}
RESPIRATORY_RATE = (
    ("http://loinc.org", "9279-1", "Respiratory rate"),
    ("urn:iso:std:iso:11073:10101", "151562", "MDC_RESP_RATE"),
)
UNITS = {"s/min": "s/min", "%": "%", "1": "1", "/min": "breaths/min"}
"""UCUM code -> what a person reads."""


def concept(text: str, *codings: tuple[str, str, str]) -> Json:
    """A CodeableConcept of (system, code, display), the more general first."""
    return {
        "coding": [{"system": system, "code": code, "display": name} for system, code, name in codings],
        "text": text,
    }


def local(system: str, kind: str, code: str, name: str) -> tuple[str, str, str]:
    """A code that nobody but us has, of the code system `kind`."""
    return f"{system}/CodeSystem/{kind}", code, name


def quantity(value: float, unit: str) -> Json:
    """A number with its unit, coded in UCUM."""
    return {"value": value, "unit": UNITS[unit], "system": UCUM, "code": unit}


def identifier(system: str, kind: str, value: str) -> Json:
    """An identifier of ours."""
    return {"system": f"{system}/id/{kind}", "value": value}


def bed(system: str, site: str, node: str, stream: str) -> Json:
    """Reference to a bed: who lies there is not known here, the hospital's own system puts the patient in."""
    name = f"{site}/{node}/{stream}"
    return {"type": "Location", "identifier": identifier(system, "bed", name), "display": name}


def box(system: str, site: str, node: str) -> Json:
    """Reference to the box that listens."""
    name = f"{site}/{node}"
    return {"type": "Device", "identifier": identifier(system, "node", name), "display": f"Laennec {name}"}


def meta(mode: str | None) -> Json:
    """Mark of what is no patient's: in mode Test, HL7's tag of test data."""
    if mode != "Test":
        return {}
    tag = {"system": f"{HL7}/v3-ActReason", "code": "HTEST", "display": "test health data"}
    return {"meta": {"tag": [tag]}}


NOTE = "Found by a program in sound; no person has confirmed it. Not a medical device."
METHOD = {"text": "automatic detection in chest sound"}


def sound_observation(event: EventMessage, system: str = LOCAL) -> Json:
    """One sound, by the latest that is known of it.

    Args:
        event: the message of its highest rev; an `end` gives the period an end.
        system: base of the URIs of local codes and identifiers.
    """
    label = event.label.replace("_", " ")
    codings = [SOUNDS[event.label]] if event.label in SOUNDS else []
    end = {} if event.end_s is None else {"end": rfc3339(event.end_s)}
    return {
        **_observation(event.site, event.node, event.stream, system),
        **meta(event.mode),
        "identifier": [identifier(system, "event", event.id)],
        "code": concept("Added respiratory sound", ADDED_SOUNDS),
        "effectivePeriod": {"start": rfc3339(event.at_s)} | end,
        "valueCodeableConcept": concept(label, *codings, local(system, "sound", event.label, label)),
        "component": [
            _score(system, name, value)
            for name, value in (
                ("peak", event.scores.peak),
                ("mean", event.scores.mean),
                ("threshold", event.scores.threshold),
            )
        ],
    }


def burden_observation(trend: TrendMessage, system: str = LOCAL) -> Json:
    """The burden of one bed in the shortest window of a trend, the last minute: those of two do not overlap."""
    window = min(trend.windows, key=lambda each: each.s)
    parts = [part for name, group in window.groups.items() for part in _burden(system, name, group)]
    coverage = {
        "code": _local(system, "coverage", "Measured share of the time"),
        "valueQuantity": quantity(round(100 * window.coverage, 4), "%"),
    }
    return {
        **_observation(trend.site, trend.node, trend.stream, system),
        **meta(trend.mode),
        "identifier": [identifier(system, "trend", trend.key)],
        "code": _local(system, "burden", "Burden of added respiratory sounds"),
        "effectivePeriod": {"start": rfc3339(trend.ts - window.s), "end": rfc3339(trend.ts)},
        **_absent(window),
        "component": [*parts, coverage],
    }


def breath_observation(trend: TrendMessage, system: str = LOCAL) -> Json | None:
    """The respiratory rate of one bed in the last minute, and how much of its breathing has sounds.

    No vital sign that anybody cleared: it is not in the category `vital-signs`, of which records compute scores.

    Returns:
        None of a model without breath.
    """
    window = min(trend.breath or (), key=lambda each: each.s, default=None)
    if window is None:
        return None
    rate = window.breaths_per_min
    answered = {
        "code": _local(system, "rate-answered", "Share of the time in which the rate was known"),
        "valueQuantity": quantity(round(100 * window.answered, 4), "%"),
    }
    parts = [
        part
        for group, sounds in window.sounds.items()
        for of, share in (("time", sounds.of_time), ("breaths", sounds.of_breaths))
        for part in _share(system, group, of, share)
    ]
    return {
        **_observation(trend.site, trend.node, trend.stream, system),
        **meta(trend.mode),
        "identifier": [identifier(system, "breath", trend.key)],
        "code": concept("Respiratory rate by sound", *RESPIRATORY_RATE),
        "effectivePeriod": {"start": rfc3339(trend.ts - window.s), "end": rfc3339(trend.ts)},
        **({"dataAbsentReason": _reason(window.why)} if rate is None else {"valueQuantity": quantity(rate, "/min")}),
        "component": [answered, *parts],
    }


def _share(system: str, group: str, of: str, share: BreathShare) -> list[Json]:
    """Percent of the breathing with sounds of a group, and the interval of 95 %."""
    name = f"Share of {of if of == 'breaths' else 'breathing time'} with {group} sounds"
    code = _local(system, f"{group}-of-{of}", name)
    if share.share is None or share.low is None or share.high is None:
        return [{"code": code, "dataAbsentReason": _reason(share.why)}]
    percent, low, high = (quantity(round(100 * each, 4), "%") for each in (share.share, share.low, share.high))
    ends = {"code": _local(system, f"{group}-of-{of}-interval", f"{name}, interval of 95 %")}
    return [{"code": code, "valueQuantity": percent}, {**ends, "valueRange": {"low": low, "high": high}}]


def _observation(site: str, node: str, stream: str, system: str) -> Json:
    category = concept("Exam", (f"{HL7}/observation-category", "exam", "Exam"))
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "category": [category],
        "subject": bed(system, site, node, stream),
        "device": box(system, site, node),
        "method": METHOD,
        "note": [{"text": NOTE}],
    }


def _local(system: str, code: str, name: str) -> Json:
    return concept(name, local(system, "measure", code, name))


def _score(system: str, name: str, value: float) -> Json:
    return {"code": _local(system, f"score-{name}", f"Score, {name}"), "valueQuantity": quantity(value, "1")}


def _absent(window: Window) -> Json:
    """Why there is no value, where half of the window was not measured."""
    return {} if window.known else {"dataAbsentReason": _reason()}


def _reason(name: str = "less than half of the time could be measured") -> Json:
    return concept(name, (f"{HL7}/data-absent-reason", "unknown", "Unknown"))


def _burden(system: str, group: str, burden: GroupBurden) -> list[Json]:
    """Seconds of sound in a measurable minute, and the interval of 95 %."""
    name = f"Burden of {group} sounds"
    code = _local(system, f"burden-{group}", name)
    if burden.s_per_min is None:
        return [{"code": code, "dataAbsentReason": _reason()}]
    parts: list[Json] = [{"code": code, "valueQuantity": quantity(burden.s_per_min, "s/min")}]
    if burden.low is not None and burden.high is not None:
        interval = {"low": quantity(burden.low, "s/min"), "high": quantity(burden.high, "s/min")}
        code = _local(system, f"burden-{group}-interval", f"{name}, interval of 95 %")
        parts.append({"code": code, "valueRange": interval})
    return parts
