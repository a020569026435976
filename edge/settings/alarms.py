"""The section `alarms` of the settings: what is signalled, how urgently, and when.

Not for the rules (`edge.ward.alarm_rules`), and not for one bed: its limits are set by a person over MQTT, who says
why. Without a limit nothing physiological is ever signalled. Numbers are seconds if nothing else is said.

    alarms:
      burden:
        continuous: {limit_s_per_min: 6, priority: Me, escalate_s: 180}
      breath:
        pause: {after_s: 15, priority: Hi}
        rate_high: {limit_per_min: 40}
      technical:
        clock: {enabled: false}
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.errors import ConfigError
from edge.settings.section import Section

Technical = Literal[
    "signal-lost",
    "not-measurable",
    "contact",
    "battery",
    "outbox",
    "model",
    "clock",
    "self-test",
    "alarm-log",
    "delivery",
]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class BurdenAlarm(Section):
    """The physiological alarm of one group of classes, on every bed of this node."""

    limit_s_per_min: Annotated[float, Field(gt=0, le=60)] | None = None
    """Expected seconds of sound in a measurable minute, over 5 min, from which it is signalled; None: never."""
    priority: Literal["Lo", "Me", "Hi"] = "Me"
    delay_s: Seconds = 0.0
    """How long the burden must stay there first."""
    latching: bool | None = None
    """Whether the signal stays when it is over, until somebody acknowledges it; None: all but Lo. Hi always does."""
    escalate_s: Annotated[float, Field(ge=10, le=86_400)] | None = None
    """If nobody acknowledges it for so long, the priority is raised by one; None: never."""
    group_s: Seconds = 300.0
    """What returns within so long belongs to the same episode."""

    @property
    def is_latching(self) -> bool:
        """With the default resolved."""
        return self.priority != "Lo" if self.latching is None else self.latching


class BreathAlarm(Section):
    """What the alarms of breath have in common."""

    delay_s: Seconds = 0.0
    """How long it must last first."""
    latching: bool | None = None
    """Whether the signal stays when it is over, until somebody acknowledges it; None: all but Lo. Hi always does."""
    escalate_s: Annotated[float, Field(ge=10, le=86_400)] | None = None
    """If nobody acknowledges it for so long, the priority is raised by one; None: never."""


class PauseAlarm(BreathAlarm):
    """No breath is heard in sound that can be measured: two alarms, with evidence of contact and without."""

    after_s: Annotated[float, Field(ge=6, le=60)] = 10.0
    """From which length on it is a pause."""
    priority: Literal["Lo", "Me", "Hi"] = "Hi"
    """Of both: a loose sensor may be a patient who does not breathe."""


class RateAlarm(BreathAlarm):
    """The respiratory rate reached a limit."""

    limit_per_min: Annotated[float, Field(ge=4, le=90)]
    """Breaths per minute, from which on, or down to which, it is signalled."""
    priority: Literal["Lo", "Me", "Hi"] = "Me"
    delay_s: Seconds = 30.0


class BreathAlarms(Section):
    """The physiological alarms of breath, on every bed of this node; none without its section."""

    pause: PauseAlarm | None = None
    rate_high: RateAlarm | None = None
    rate_low: RateAlarm | None = None

    @model_validator(mode="after")
    def _has_room(self) -> BreathAlarms:
        low, high = self.rate_low, self.rate_high
        if low is not None and high is not None and low.limit_per_min >= high.limit_per_min:
            found = f"{low.limit_per_min:g} and {high.limit_per_min:g}"
            raise ValueError(f"rate_low.limit_per_min must be below rate_high.limit_per_min, found {found}")
        return self


class TechnicalAlarm(Section):
    """What a technical alarm is other than by default; None: as the program has it."""

    enabled: bool = True
    priority: Literal["Lo", "Me", "Hi"] | None = None
    delay_s: Seconds | None = None
    latching: bool | None = None
    escalate_s: Annotated[float, Field(ge=10, le=86_400)] | None = None


class AlarmHistory(Section):
    """How much is kept of what alarms did (`laennec alarms`), beside the last 8 MB."""

    days: Annotated[float, Field(ge=1, le=3660)] = 30.0
    """How long."""
    max_mb: Annotated[float, Field(ge=1, le=100_000)] = 64.0
    """And at most how much, MB: beyond it the oldest loses first what changed no signal."""


class AlarmSettings(Section):
    """What is signalled, and for how long that is kept."""

    history: AlarmHistory = AlarmHistory()

    burden: dict[str, BurdenAlarm] = Field(default_factory=dict)
    """By group of classes, such as `continuous` and `discontinuous`."""
    breath: BreathAlarms = BreathAlarms()
    """Pauses and limits of the respiratory rate."""
    technical: dict[Technical, TechnicalAlarm] = Field(default_factory=dict)


def check_groups(alarms: AlarmSettings, groups: Iterable[str]) -> None:
    """Refuse a group that the loaded model does not have.

    Raises:
        ConfigError: naming the key and the groups that there are.
    """
    known = list(groups)
    for name in alarms.burden:
        if name not in known:
            raise ConfigError(f"alarms.burden.{name}: the model has no group {name!r}; it has {', '.join(known)}")
