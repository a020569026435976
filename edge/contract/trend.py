"""What is measured of a bed again and again: burden and breathing each minute, respiratory rate each 5 s. Retained.

Not for measuring (`edge.ward`). What is not known is null, and says why.
"""

from __future__ import annotations

import json
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from edge.contract.fields import (
    LONGEST_S,
    Absent,
    Body,
    BootId,
    Burden,
    Id,
    Index,
    Made,
    Mode,
    Name,
    Rate,
    Share,
    Text,
    WindowSeconds,
)
from edge.contract.message import Message, Part, Wire
from edge.contract.tables import Row

TREND_S = 60.0  # between two trends of a bed
TREND_EXPIRY_S = 180  # three missed, and the last one vanishes from the broker: what is not published is unknown
BREATH_S = 5.0  # between two rates of a bed
BREATH_EXPIRY_S = 20  # four missed
MAX_WINDOWS, MAX_GROUPS, MAX_CAUSES = 8, 8, 32
UNKNOWN: Body = {"properties": {name: {"type": "null"} for name in ("s_per_min", "low", "high")}}

Seconds = dict[Name, WindowSeconds]


class GroupBurden(Part):
    """Burden of a group of classes, seconds of sound in a measurable minute; null: unknown."""

    s_per_min: Burden | None
    low: Burden | None = Field(description="Lower end of the interval of 95 %: another stretch of the same breathing.")
    high: Burden | None


class Window(Part):
    """One length of looking back."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"known": {"const": False}}},
            "then": {"properties": {"groups": {"additionalProperties": UNKNOWN}}},
        }
    )

    s: Annotated[int, Field(ge=1, le=LONGEST_S)] = Field(description="Length, seconds.")
    known: bool = Field(description="Whether half of it was measured; else every burden is null.")
    coverage: Share = Field(description="Measured seconds / elapsed seconds.")
    measured_s: WindowSeconds
    unverified_s: WindowSeconds = Field(
        description="Seconds that could be judged but were not like what the model knows; not in measured_s."
    )
    groups: dict[Name, GroupBurden] = Field(
        max_length=MAX_GROUPS,
        description="By group of classes that exclude each other: continuous (wheeze, rhonchus, stridor), "
        "discontinuous (crackles).",
    )
    missing_s: Seconds = Field(
        default_factory=dict,
        max_length=MAX_CAUSES,
        description="Seconds that were not measured, by cause; with measured_s they add up to s. not_begun: before the "
        "first sound of the stream. no_sound: the source gave nothing. gap: lost on the way. overload: left out "
        "because the box was too slow. masked: the device said that it cannot be trusted, or it was no number. "
        "unknown_sound: not like what the model knows. All others are faults of the sound: no_contact, rubbing, "
        "clipping, dead_microphone, speech (or cry), mains_hum, steady_tone, faint.",
    )


class BreathShare(Part):
    """A share of the breathing; null: unknown, and why says why."""

    share: Share | None
    low: Share | None = Field(description="Lower end of the interval of 95 %.")
    high: Share | None
    why: Text = Field(max_length=40, description="Why it is unknown; empty where it is known.")


class BreathSounds(Part):
    """How much of the breathing has sounds of one group."""

    of_time: BreathShare = Field(description="Of breathing time: the wheeze rate, where the group is continuous.")
    of_breaths: BreathShare = Field(description="Of breaths, where the respiratory rate is known.")


class Breath(Part):
    """The breathing over one length of looking back."""

    s: Annotated[int, Field(ge=1, le=LONGEST_S)] = Field(description="Length, seconds.")
    measured_s: WindowSeconds
    breathing_s: WindowSeconds = Field(description="Of measured_s, expected seconds of breath sounds.")
    breaths: Annotated[int, Field(ge=0)] = Field(description="Whole ones that were counted, where the rate was known.")
    breaths_per_min: Annotated[float, Field(ge=4, le=90)] | None = Field(description="Median; null: unknown.")
    answered: Share = Field(description="Share of the time in which the rate was known.")
    why: Text = Field(max_length=40, description="Why the rate is unknown; empty where it is known.")
    sounds: dict[Name, BreathSounds] = Field(max_length=MAX_GROUPS, description="By group, as in windows.")

    def share_of_time(self, group: str) -> tuple[float, float, float] | None:
        """The share of breathing time with sounds of a group, and the ends of its interval; None: unknown."""
        found = self.sounds[group].of_time if group in self.sounds else None
        if found is None or found.share is None or found.low is None or found.high is None:
            return None
        return found.share, found.low, found.high


class Stop(Part):
    """Where in the stream it ends what it is of."""

    rate: Rate
    stop: Index = Field(description="Index one past the last sample.")


class TrendMessage(Message):
    """The burden of one bed.

    Expected seconds of adventitious sound in a minute that could be measured, over 1 min, 5 min and 1 h. With MQTT
    3.1.1 nothing expires, so compare its `ts`. It counts only while the node's own status counts and has the same
    boot_id. A burden that is null is unknown, never quiet: less than half of the window was measured. What was lost,
    what was before the stream began, and what was not like the model's training sound is not measured.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.trend/1",
        ("s/+/trend",),
        "the burden of the bed, each minute ([ward/README.md](../ward/README.md))",
        retained=True,
        expiry_s=TREND_EXPIRY_S,
    )

    mode: Mode | Absent = None
    stream: Id
    boot_id: BootId
    ts: Made
    sample: Stop
    windows: list[Window] = Field(min_length=1, max_length=MAX_WINDOWS)
    breath: list[Breath] | Absent = Field(
        None,
        max_length=MAX_WINDOWS,
        description="Respiratory rate, and how much of the breathing has sounds, over the lengths of windows and a "
        "night of 8 h; no vital sign that anybody cleared. Absent: a model without breath.",
    )
    site: Id = Field("", description="Not on the wire, as node: in what is stored they are of the topic.")
    node: Id = ""

    @property
    def at_s(self) -> float:
        """When it was said."""
        return self.ts

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.site}/{self.node}/{self.stream}/{self.boot_id}/{self.sample.stop}"

    def rows(self) -> list[Row]:
        """One of the table `trends` for each length and group."""
        windows, breaths = {each.s: each for each in self.windows}, {each.s: each for each in self.breath or ()}
        return [
            {
                "ts": self.ts,
                "site": self.site,
                "node": self.node,
                "stream": self.stream,
                "boot_id": self.boot_id,
                "window_s": length,
                **_burden(windows.get(length), name),
                "mode": self.mode,
                **_breathing(breaths.get(length), name),
            }
            for length in (*windows, *(each for each in breaths if each not in windows))
            for name in (windows[length].groups if length in windows else breaths[length].sounds)
        ]


def _burden(window: Window | None, name: str) -> Row:
    if window is None:
        return {"group": name}
    group = window.groups[name]
    return window.cells("known", "coverage", "measured_s", "unverified_s") | {
        "missing_s": json.dumps(window.missing_s, sort_keys=True),
        "group": name,
        "burden_s_per_min": group.s_per_min,
        "low_s_per_min": group.low,
        "high_s_per_min": group.high,
    }


def _breathing(breath: Breath | None, name: str) -> Row:
    if breath is None:
        return {}
    own = breath.cells("breaths_per_min", "answered", "breathing_s", "breaths") | {"rate_why": breath.why}
    sounds = breath.sounds.get(name)
    shares = {} if sounds is None else sounds.cells("of_time", "of_breaths")
    return own | {
        f"{of}_{key}".removesuffix("_share"): value
        for of, share in shares.items()
        for key, value in share.cells("share", "low", "high", "why").items()
    }


class BreathMessage(Message):
    """The respiratory rate of one bed by its sound, of its last 30 s, or all since the begin.

    With MQTT 3.1.1 nothing expires, so compare its `ts`. It counts only while the node's own status counts and has the
    same boot_id. A rate that is null is unknown, and `why` says why. It is no vital sign that anybody cleared, and no
    alarm follows from it.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.breath/1",
        ("s/+/breath",),
        "the respiratory rate of the bed, each 5 s, or why it is not known "
        "([ward/README.md](../ward/README.md#respiratory-rate))",
        retained=True,
        expiry_s=BREATH_EXPIRY_S,
    )
    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"breaths_per_min": {"type": "null"}}},
            "then": {"properties": {"why": {"minLength": 1}}},
            "else": {"properties": {"why": {"const": ""}}},
        }
    )

    mode: Mode | Absent = None
    stream: Id
    boot_id: BootId
    ts: Made
    sample: Stop
    breaths_per_min: Annotated[float, Field(ge=4, le=90)] | None = Field(description="Null: unknown.")
    confidence: Share = Field(description="Probability that the rate lies within 10 % of the best guess.")
    measurable: Share = Field(description="Share of the sound that was neither lost nor masked.")
    why: Text = Field(
        max_length=40,
        description="Why it is unknown: too short, lost sound, no breath heard, irregular, not clear, or what is wrong "
        "with the sound (speech, rubbing, ...); empty where it is known.",
    )
    spread: Annotated[float, Field(ge=1)] | Absent = Field(
        None,
        description="Longest time between two breaths of the window / shortest: from about 2 on, irregular. Absent: "
        "its breaths were not counted one by one.",
    )
