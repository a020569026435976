"""Sounds and burdens as HL7 FHIR Observations, built by pure functions: the same resource is valid in R4, R4B and R5.

Not for sending them, not for a patient (the subject is the bed), and not a diagnosis: the status is `preliminary`, for
nobody has looked at it. What was not measured has a `dataAbsentReason` and no value, so that it is never read as none.
Source: hl7.org/fhir/R4/observation.html, hl7.org/fhir/R5/observation.html.
"""

from __future__ import annotations

from edge.contract.events import EventMessage
from edge.contract.fields import rfc3339
from edge.contract.trend import GroupBurden, TrendMessage, Window
from edge.neighbours.fhir_codes import (
    ADDED_SOUNDS,
    HL7,
    LOCAL,
    SOUNDS,
    Json,
    bed,
    box,
    concept,
    identifier,
    local,
    meta,
    quantity,
)

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


def _reason() -> Json:
    name = "less than half of the time could be measured"
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
