"""Codes and small parts of FHIR resources: the code of a sound, the unit of a number, the bed and the box.

Not for whole resources (`edge.neighbours.fhir_observation`).

Where the codes come from:
    sounds         SNOMED CT, as in the value set of lung findings of IHE Paramedicine (PCC.PCS); it has one code for
                   crackles, so fine and coarse are told apart by the text and the local code
    units          UCUM
    the rest       none that we know of: not for seconds of adventitious sound in a minute, its coverage, or a score.
                   They have local codes below `LOCAL`, an address that is reserved for examples (RFC 2606): a
                   hospital that stores them gives its own (`--system`).
"""

from __future__ import annotations

from typing import Any

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
UNITS = {"s/min": "s/min", "%": "%", "1": "1"}
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
