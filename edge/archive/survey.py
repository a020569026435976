"""What an archive holds, as numbers: added up recording by recording. Pure, and of no more than the tables say.

Not a score: labels are looked at for one thing, how often the detector speaks where people heard nothing. Patient, age
and site are those that the names tell: SPRSound's `PATIENT_AGE_SEX_SITE_NUMBER`, ICBHI's
`PATIENT_INDEX_SITE_MODE_DEVICE`.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

SPRSOUND = re.compile(r"(?P<patient>\d+)_(?P<age>\d+(\.\d+)?)_[01]_(?P<site>p\d)_\d+")
ICBHI = re.compile(r"(?P<patient>\d{3})_\w+?_(?P<site>[A-Z][a-z])_[a-z]{2}_\w+")
NORMAL = "Normal"
WORST = 6  # recordings that are named
LEAST_S = 5.0  # of a recording must be measured, or its burden says little


@dataclass(frozen=True, slots=True)
class Named:
    """What the name of a recording tells; None: nothing."""

    patient: str | None = None
    age_years: int | None = None
    site: str | None = None


@dataclass
class Tally:
    """Sums over some recordings."""

    recordings: int = 0
    measured_s: float = 0.0
    expected_s: Counter[str] = field(default_factory=Counter)
    """By group."""

    def burden(self, group: str) -> float | None:
        """Expected seconds of sound in a measurable minute; None: nothing was measured."""
        return 60 * self.expected_s[group] / self.measured_s if self.measured_s else None


@dataclass
class Survey:
    """What was added up so far."""

    status: Counter[str] = field(default_factory=Counter)
    """Recordings that are ok, cut_off, damaged."""
    groups: tuple[str, ...] = ()
    whole: Tally = field(default_factory=Tally)
    patients: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    ages: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    sites: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    missing_s: Counter[str] = field(default_factory=Counter)
    """Seconds that were not measured, by cause."""
    normal_s: float = 0.0
    """Seconds of recordings that are labelled Normal."""
    normal_events: int = 0
    """Events in them."""
    labelled: int = 0
    worst: list[tuple[float, str]] = field(default_factory=list)
    """(burden of all groups, name), a heap of the highest."""

    def add(self, row: Mapping[str, Any], expected_s: Mapping[str, float], label: str | None) -> None:
        """One recording.

        Args:
            row: of the table `recordings`.
            expected_s: of the table `burden`, by group.
            label: what people called it; None: nobody did.
        """
        self.status[row["status"]] += 1
        if row["length_s"] is None:
            return
        self.groups = self.groups or tuple(expected_s)
        self.missing_s.update(json.loads(row["missing_s"]))
        if row["unverified_s"]:
            self.missing_s["unknown_sound"] += row["unverified_s"]
        named, measured_s = named_by(row["name"]), row["measured_s"]
        for tally in self._tallies(named):
            tally.recordings += 1
            tally.measured_s += measured_s
            tally.expected_s.update(expected_s)
        if label is not None:
            self.labelled += 1
        if label == NORMAL:
            self.normal_s += row["length_s"]
            self.normal_events += row["events"]
        if measured_s >= LEAST_S:
            heapq.heappush(self.worst, (60 * sum(expected_s.values()) / measured_s, row["name"]))
            if len(self.worst) > WORST:
                heapq.heappop(self.worst)

    @property
    def false_alarms_per_hour(self) -> float | None:
        """Events in an hour of what people called Normal; None: nothing was."""
        return 3600 * self.normal_events / self.normal_s if self.normal_s else None

    def _tallies(self, named: Named) -> list[Tally]:
        found = [self.whole]
        if named.patient is not None:
            found.append(self.patients[named.patient])
        if named.age_years is not None:
            found.append(self.ages[named.age_years])
        if named.site is not None:
            found.append(self.sites[named.site])
        return found


def named_by(name: str) -> Named:
    """Patient, age and site, as far as the name of a recording tells them."""
    stem = PurePath(name).stem
    found = SPRSOUND.fullmatch(stem) or ICBHI.fullmatch(stem)
    if found is None:
        return Named()
    parts = found.groupdict()
    age = parts.get("age")
    return Named(parts["patient"], None if age is None else int(float(age)), parts["site"])
