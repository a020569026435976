"""The sections of a node's settings that are more than a few keys, and the age of a bed's patient.

The age is `8 months`, `4 years` or `adult`; nothing else of a patient is in the settings.

Not for what they rule: alarms (`edge.ward.alarm_rules`; the limits of one bed are set by a person over MQTT, who says
why), where a clip begins (`edge.clips.recorder`), the threshold that opens an event (`streams[].thresholds`), what is
announced to Home Assistant (`edge.node.home_assistant`; who may write there says the broker). Numbers are seconds if
nothing else is said. Without a limit nothing physiological is ever signalled; without a section `clips` no sound is
kept; a metrics port that is taken, or a self-test that fails, is reported and stands in the way of no bed.

    alarms:
      burden:
        continuous: {limit_s_per_min: 6, priority: Me, escalate_s: 180}
      breath:
        pause: {after_s: 15, priority: Hi}
        rate_high: {limit_per_min: 40}
      technical:
        clock: {enabled: false}
    clips: {of: [event, alarm], max_mb: 500, keep_days: 7}
    metrics: {port: 9108}
    self_test: {every_s: 3600}
    home_assistant: {user: home-assistant}
    streams[].tracking:
      wheeze: {minimum_s: 0.3, keep: 0.6, quiet_s: 0.2}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from edge.contract.fields import Priority
from edge.settings.broker import PREFIX_PATTERN
from edge.settings.errors import MistakesError
from edge.settings.section import Host, PathBeside, Section

ADULT_YEARS = 18.0
_PATTERN = re.compile(r"(\d{1,3}) (day|week|month|year)s?")
_YEARS = {"day": 1 / 365.25, "week": 7 / 365.25, "month": 1 / 12, "year": 1.0}


def years_of(age: str) -> float:
    """Years of an age in words; an adult has `ADULT_YEARS`.

    Raises:
        ValueError: if it is none.
    """
    if age == "adult":
        return ADULT_YEARS
    found = _PATTERN.fullmatch(age)
    years = float(found[1]) * _YEARS[found[2]] if found else -1.0
    if not 0 <= years <= 130:
        raise ValueError("is no age; write '8 months', '4 years' or 'adult'")
    return years


def _checked(age: str) -> str:
    years_of(age)
    return age


Age = Annotated[str, AfterValidator(_checked)]

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
    priority: Priority = "Me"
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
    priority: Priority = "Hi"
    """Of both: a loose sensor may be a patient who does not breathe."""


class RateAlarm(BreathAlarm):
    """The respiratory rate reached a limit."""

    limit_per_min: Annotated[float, Field(ge=4, le=90)] | None = None
    """Breaths per minute, from which on, or down to which, it is signalled; None: only where a person sets one."""
    priority: Priority = "Me"
    delay_s: Seconds = 30.0


class BreathAlarms(Section):
    """The physiological alarms of breath, on every bed of this node; none without its section."""

    pause: PauseAlarm | None = None
    rate_high: RateAlarm | None = None
    rate_low: RateAlarm | None = None

    @model_validator(mode="after")
    def _has_room(self) -> BreathAlarms:
        low, high = self.rate_low, self.rate_high
        limits = [None if each is None else each.limit_per_min for each in (low, high)]
        if limits[0] is not None and limits[1] is not None and limits[0] >= limits[1]:
            found = f"{limits[0]:g} and {limits[1]:g}"
            raise ValueError(f"rate_low.limit_per_min must be below rate_high.limit_per_min, found {found}")
        return self


class TechnicalAlarm(Section):
    """What a technical alarm is other than by default; None: as the program has it."""

    enabled: bool = True
    priority: Priority | None = None
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
    mistakes = [
        f"alarms.burden.{name}: the model has no group {name!r}; it has {', '.join(known)}"
        for name in alarms.burden
        if name not in known
    ]
    if mistakes:
        raise MistakesError("settings", mistakes)


MARGIN_S = 15.0  # what is decided and scored lies so far behind the newest sound at most, with what may wait


class ClipSettings(Section):
    """What of the sound is kept; people may always ask for a clip by the command `clip`, if the broker lets them."""

    path: PathBeside | None = None
    """Folder; None: `laennec/clips-<node>` in the state directory of the service or the user."""
    of: tuple[Literal["event", "alarm"], ...] = ("event", "alarm")
    """What makes a clip by itself; an alarm: a physiological one that is raised."""
    pre_s: Annotated[float, Field(ge=8, le=120)] = 15.0
    """From the begin of the clip to the onset."""
    post_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    """From the end of the sound to that of the clip."""
    longest_s: Annotated[float, Field(ge=10, le=300)] = 60.0
    """No clip is longer; one of an alarm is as long."""
    memory_s: Annotated[float, Field(ge=20, le=900)] = 120.0
    """Sound of each stream in memory (16 kB a second), and the most that a command may ask for."""
    max_mb: Annotated[float, Field(ge=1, le=1_000_000)] = 500.0
    """On disk, MB; the oldest clips go first, those of events before others, and never another for one of an event."""
    keep_days: Annotated[float, Field(gt=0, le=3660)] = 7.0
    """How long a clip is kept, days of the wall clock; one from before the clock was set, from when it was."""
    speech: Literal["drop", "keep"] = "drop"
    """What becomes of a clip in which speech was found; `keep` only marks it."""

    @model_validator(mode="after")
    def _fits(self) -> ClipSettings:
        if self.longest_s < self.pre_s + self.post_s + 1:
            raise ValueError(
                f"longest_s is {self.longest_s:g}; pre_s and post_s need {self.pre_s + self.post_s + 1:g} or more"
            )
        if self.memory_s < self.longest_s + MARGIN_S:
            raise ValueError(
                f"memory_s is {self.memory_s:g}; clips of longest_s need {self.longest_s + MARGIN_S:g} or more"
            )
        return self


EventSeconds = Annotated[float, Field(gt=0, le=60)]


class ClassTracking(Section):
    """Of one class; None: as the model has it."""

    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of an event's mean score that a pause has which belongs to it; of a model without change points, share of
    its threshold above which it lasts."""
    minimum_s: EventSeconds | None = None
    """How long a sound must last to become an event."""
    quiet_s: EventSeconds | None = None
    """How long it must be quiet for an event to end; shorter pauses belong to it."""


LEAST_EVERY_S = (
    20.0  # a test takes up to this long: 5 s until the sound, 10 s until it is late, and rest before the next
)


class Metrics(Section):
    """Numbers for Prometheus over HTTP, without encryption or password: whoever reaches the port may read them."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """TCP port of `/metrics`; None: no metrics."""
    host: Host = "127.0.0.1"
    """Address to listen at: by default this machine alone; `0.0.0.0` is every network that the box is in."""


class SelfTestSettings(Section):
    """A synthetic wheeze on a virtual bed, through the model and the broker and back."""

    every_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 3600.0
    """From one test to the next, seconds; 0: no tests."""

    @field_validator("every_s")
    @classmethod
    def _is_off_or_long_enough(cls, value: float) -> float:
        if 0 < value < LEAST_EVERY_S:
            raise ValueError(f"must be 0 (no tests) or at least {LEAST_EVERY_S:.0f} s, which one test takes")
        return value


USER_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"


class HomeAssistant(Section):
    """A retained message for each bed, from which Home Assistant makes a device with its entities."""

    discovery_prefix: Annotated[str, Field(pattern=PREFIX_PATTERN, max_length=64)] = "homeassistant"
    """First levels of the topics that Home Assistant looks at, as it is set there."""
    user: Annotated[str, Field(pattern=USER_PATTERN)] | None = None
    """Home Assistant's user at the broker, in whose name its buttons give commands; None: there are no buttons."""
