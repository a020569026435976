"""The shape of R6 DeviceAlert, for tests: its elements as HL7 defines them, their types those of fhir.resources (R5).

Written from the structure definition in github.com/HL7/fhir (version 6.0.0, after the first full ballot); no package
on PyPI has R6 yet. Required bindings are checked, and the extensible ones that have codes for what we say.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fhir.resources.codeableconcept import CodeableConcept
from fhir.resources.identifier import Identifier
from fhir.resources.meta import Meta
from fhir.resources.period import Period
from fhir.resources.reference import Reference
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

BASE = "http://hl7.org/fhir/devicealert-"


def _of(kind: str, *codes: str) -> Any:
    """A concept with a coding of the value set that the element is bound to."""

    def check(concept: CodeableConcept) -> CodeableConcept:
        assert [(each.system, each.code in codes) for each in concept.coding] == [(f"{BASE}{kind}", True)]
        return concept

    return Annotated[CodeableConcept, AfterValidator(check)]


class Part(BaseModel):
    """An element that knows no others than its own."""

    model_config = ConfigDict(extra="forbid")


class AlertSignal(Part):
    """DeviceAlert.signal."""

    activationState: _of("activationState", "on", "off", "paused")  # type: ignore[valid-type]  # noqa: N815
    presence: _of("presence", "on", "latched", "off", "ack") | None = None  # type: ignore[valid-type]
    indication: Period | None = None


class DeviceAlert(Part):
    """The resource; only what is 1..1 has no default."""

    resourceType: Literal["DeviceAlert"]  # noqa: N815
    meta: Meta | None = None
    identifier: list[Identifier] = Field(default_factory=list)
    status: Literal["in-progress", "completed", "entered-in-error", "unknown"]
    category: list[CodeableConcept] = Field(default_factory=list)
    type: _of("type", "physiological", "technical") | None = None  # type: ignore[valid-type]
    priority: _of("priority", "high", "medium", "low", "info") | None = None  # type: ignore[valid-type]
    code: CodeableConcept
    subject: Reference
    encounter: Reference | None = None
    presence: bool
    device: Reference | None = None
    location: Reference | None = None
    acknowledged: bool | None = None
    acknowledgedBy: Reference | None = None  # noqa: N815
    label: str | None = None
    signal: list[AlertSignal] = Field(default_factory=list)
