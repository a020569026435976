"""Alarms as HL7 FHIR R6 DeviceAlerts, one for each episode of an alarm, folded from its changes by pure functions.

Not for alarming anybody: R6 says of DeviceAlert that it documents, and so does this. R6 is not final: the elements are
those of HL7's own definition of the resource (github.com/HL7/fhir, version 6.0.0, after the first full ballot). Its
`presencePeriod` is left out, for that definition gives it two types under one name, which JSON cannot write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge.delivery.records import TransitionRecord
from edge.neighbours.fhir_codes import ALARMS, LOCAL, Json, bed, box, concept, identifier, local, meta

HL7_ALERT = "http://hl7.org/fhir/devicealert-"
TYPE = {"Phy": ("physiological", "Physiological"), "Tec": ("technical", "Technical")}
PRIORITY = {"Hi": ("high", "High Priority"), "Me": ("medium", "Medium Priority"), "Lo": ("low", "Low Priority")}
PRESENCE = {"On": ("on", "On"), "Latch": ("latched", "Latched"), "Off": ("off", "Off"), "Ack": ("ack", "Acknowledged")}
ANNUNCIATED = ("On", "Latch")  # signals that are shown and heard
PAUSED = ("audio paused", "inactivated")  # causes after which the signal is silent for a while


@dataclass(frozen=True)
class Episode:
    """What is known of one episode of one alarm."""

    last: TransitionRecord
    """Its latest change."""
    raised: str | None = None
    """When it was first signalled."""
    silent: str | None = None
    """Since when it is no longer: over, or acknowledged."""
    acknowledged_by: str | None = None


def device_alerts(changes: Iterable[TransitionRecord], system: str = LOCAL) -> list[Json]:
    """One resource for each episode, in the order in which they began.

    Args:
        changes: of any number of alarms, copies included; of one alarm in any order.
        system: base of the URIs of local codes and identifiers.
    """
    episodes: dict[str, Episode] = {}
    for each in sorted(changes, key=lambda change: change.rev):
        if each.episode is not None:  # else it was never raised: only its limit was set, or it was paused
            name = _name(each)
            episodes[name] = _followed(episodes.get(name), each)
    return [device_alert(each, system) for each in sorted(episodes.values(), key=lambda each: each.raised or "")]


def device_alert(episode: Episode, system: str = LOCAL) -> Json:
    """One episode of one alarm as it stands."""
    last = episode.last
    text = f"burden of {last.condition} sounds" if last.kind == "Phy" else last.condition
    codings = [ALARMS[last.condition]] if last.condition in ALARMS else []
    by = {} if episode.acknowledged_by is None else {"acknowledgedBy": _practitioner(episode.acknowledged_by)}
    return {
        "resourceType": "DeviceAlert",
        **meta(last.mode),
        "identifier": [identifier(system, "alarm", _name(last))],
        "status": "completed" if last.signal == "Off" else "in-progress",
        "type": _coded("type", *TYPE[last.kind]),
        "priority": _coded("priority", *PRIORITY[last.priority]),
        "code": concept(text, *codings, local(system, "alarm", last.condition, text)),
        "subject": _subject(last, system),
        "presence": last.presence,
        "device": box(system, last.site, last.node),
        "acknowledged": episode.acknowledged_by is not None,
        **by,
        "label": f"{last.stream or last.node}: {text}",
        "signal": [_signal(episode)],
    }


def _name(change: TransitionRecord) -> str:
    return f"{change.site}/{change.node}/{change.stream or ''}/{change.condition}/{change.episode}"


def _followed(before: Episode | None, change: TransitionRecord) -> Episode:
    """An episode after one more change of it."""
    at, is_annunciated = change.time.changed, change.signal in ANNUNCIATED
    known = before or Episode(change)
    by = change.by.by if change.by is not None and change.cause == "acknowledged" else known.acknowledged_by
    silent = None if is_annunciated else known.silent or at
    return replace(known, last=change, raised=known.raised or at, silent=silent, acknowledged_by=by)


def _signal(episode: Episode) -> Json:
    last = episode.last
    state = ("paused", "Paused") if last.cause in PAUSED else ("on", "On")
    indication = {"start": episode.raised} | ({} if episode.silent is None else {"end": episode.silent})
    return {
        "activationState": _coded("activationState", *state),
        "presence": _coded("presence", *PRESENCE[last.signal]),
        "indication": indication,
    }


def _subject(change: TransitionRecord, system: str) -> Json:
    if change.stream is None:
        return box(system, change.site, change.node)
    return bed(system, change.site, change.node, change.stream)


def _practitioner(name: str) -> Json:
    return {"type": "Practitioner", "display": name}


def _coded(kind: str, code: str, name: str) -> Json:
    return concept(name, (f"{HL7_ALERT}{kind}", code, name))
