"""`--report`: an archive's tables, added up recording by recording, as a page of numbers: `report/report.md`.

Not for scoring, and not a judgement of a model (`training.evaluation`): labels are looked at for one thing, how often
the detector speaks where people heard nothing. They are read where they lie beside the sound as SPRSound has them
(`NAME.json` with `record_annotation`); patient, age and site are those that the names tell: SPRSound's
`PATIENT_AGE_SEX_SITE_NUMBER`, ICBHI's `PATIENT_INDEX_SITE_MODE_DEVICE`. Shards are read one after the other.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from edge.files import written_whole
from edge.server.archive.listing import path_of_name
from edge.server.exports.tables import read_parquet

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


MOST_LABEL_BYTES = 1 << 20
MOST_ROWS = 100  # patients, ages or sites in a table


def make_report(out: Path) -> Path:
    """Write what the tables hold, and which recordings have the highest burden.

    Args:
        out: folder of the tables.

    Returns:
        The page.
    """
    folder = out / "report"
    folder.mkdir(exist_ok=True)
    survey = surveyed(out)
    lines = [*_numbers(survey), *_tables(survey), "", "## The highest burdens", ""]
    for place, (burden, name) in enumerate(sorted(survey.worst, reverse=True), 1):
        lines.append(f"{place}. {burden:.1f} s/min, {_plain(name)}")
    with written_whole(folder / "report.md") as file:
        file.write("\n".join([*lines, ""]).encode())
    return folder / "report.md"


def surveyed(out: Path) -> Survey:
    """The numbers of all shards."""
    survey = Survey()
    for path in sorted((out / "recordings").glob("part-*.parquet")):
        expected: dict[str, dict[str, float]] = defaultdict(dict)
        for row in read_parquet(out / "burden" / path.name):
            expected[row["name"]][row["group"]] = row["expected_s"]
        for row in read_parquet(path):
            survey.add(row, expected[row["name"]], label_of(row["name"]))
    return survey


def label_of(name: str) -> str | None:
    """What people called a recording, where a file beside it says so."""
    try:
        with path_of_name(name).with_suffix(".json").open("rb") as file:
            tree = json.loads(file.read(MOST_LABEL_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    label = tree.get("record_annotation") if isinstance(tree, Mapping) else None
    return label if isinstance(label, str) else None


def _numbers(survey: Survey) -> list[str]:
    status, alarms = survey.status, survey.false_alarms_per_hour
    total_s = survey.whole.measured_s + sum(survey.missing_s.values())
    lines = [
        "# What the archive holds",
        "",
        f"- {sum(status.values())} recordings: {status['ok']} whole, {status['cut_off']} cut off,"
        f" {status['damaged']} damaged",
        f"- {survey.whole.measured_s / 3600:.2f} h measured of {total_s / 3600:.2f} h",
        f"- patients, ages and sites by the names: {len(survey.patients)}, {len(survey.ages)}, {len(survey.sites)}",
    ]
    for group in survey.groups:
        burden = survey.whole.burden(group)
        lines.append(f"- burden of {group} sounds: {'unknown' if burden is None else f'{burden:.2f} s/min'}")
    of_labels = "no labels" if alarms is None else f"{alarms:.1f} in an hour of recordings labelled Normal"
    return [*lines, f"- false alarms: {of_labels} ({survey.labelled} recordings have a label)"]


def _tables(survey: Survey) -> list[str]:
    """Burden by patient, age and site, and what was not measured."""
    parts: list[tuple[str, Mapping[str, Tally]]] = [
        ("age, years", {f"{age}": survey.ages[age] for age in sorted(survey.ages)}),
        ("site", {name: survey.sites[name] for name in sorted(survey.sites)}),
        ("patient", {name: survey.patients[name] for name in sorted(survey.patients)}),
    ]
    lines = []
    for title, tallies in parts:
        if tallies:
            lines += ["", f"| {title} | {' | '.join(f'{each}, s/min' for each in survey.groups)} |"]
            lines.append("|---" * (1 + len(survey.groups)) + "|")
        for name, tally in list(tallies.items())[:MOST_ROWS]:
            burdens = (tally.burden(group) for group in survey.groups)
            lines.append(f"| {name} | {' | '.join('unknown' if b is None else f'{b:.2f}' for b in burdens)} |")
    if survey.missing_s:
        lines += ["", "| not measured | hours |", "|---|---|"]
        lines += [f"| {cause} | {seconds / 3600:.2f} |" for cause, seconds in sorted(survey.missing_s.items())]
    return lines


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: a name may hold anything."""
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"
