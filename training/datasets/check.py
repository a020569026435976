"""What lies under DATA, against what was published: the table of `make data-check`. Changes nothing.

Of each split: recordings, patients, hours, record labels and classes, each with how many patients it comes from, the
share of the one with most of it (a class of one patient cannot be learned), and the published number.

A checked data set as lines of text for a terminal.

`largest` is the share of the patient with most of a class: of fifteen stridors fourteen are one child's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile
from tqdm import tqdm

from edge.errors import ConfigError
from training.datasets.discovery import DatasetFolder
from training.datasets.files import MAX_BAD_SHARE, Finding, Found
from training.datasets.records import CLASSES, KNOWN_ON_BOTH_SIDES, Recording, patients_on_both_sides
from training.datasets.reference import PUBLISHED, Published

_UNIT = {"icbhi": "cycles", "hf_lung": "labels"}


@dataclass(frozen=True, slots=True)
class Row:
    """One count, found and published."""

    name: str
    """What is counted."""
    count: float
    """How many there are, or hours."""
    patients: int
    """Of how many patients."""
    largest: float
    """Share of the patient with most of it, 0 to 1."""
    published: float | None = None
    """What it should be; None where it is not known."""

    @property
    def verdict(self) -> str:
        """`ok`, or by how much it differs from what was published; empty where nothing is known."""
        if self.published is None:
            return ""
        difference = round(self.count - self.published, 2)
        return "ok" if difference == 0 else f"differs by {difference:+g}"


@dataclass(frozen=True, slots=True)
class Table:
    """Counts of one split of one data set."""

    split: str
    """`train`, `test`, `inter` and so on; `all` where there is no split."""
    rows: tuple[Row, ...]
    """In the order they are shown."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One data set: its counts beside the published ones, and what is wrong with it."""

    name: str
    """What it is called."""
    folder: Path
    """Where it lies."""
    tables: tuple[Table, ...] = ()
    """One for each split that is there."""
    recordings: tuple[Recording, ...] = ()
    """What was read."""
    absent: tuple[str, ...] = ()
    """Published splits of which nothing is there; no fault."""
    findings: tuple[Finding, ...] = ()
    """What is missing, damaged, there twice, or worth knowing."""

    @property
    def is_fine(self) -> bool:
        """True when nothing is damaged or missing and every known number is as published."""
        wrong = any(finding.kind in ("damaged", "missing") for finding in self.findings)
        return not wrong and not any(row.verdict.startswith("differs") for table in self.tables for row in table.rows)


def check(dataset: DatasetFolder, decode: bool = False) -> Checked:
    """Read and judge one set.

    Args:
        dataset: where it lies.
        decode: decode every sound to its end, instead of reading its header alone.
    """
    try:
        found = dataset.scan()
    except ConfigError as error:
        return Checked(dataset.name, dataset.folder, findings=(Finding("damaged", dataset.folder, str(error)),))
    if decode:
        found = found.with_findings(tuple(_undecodable(found.recordings)))
    splits = sorted({r.split for r in found.recordings}, key=lambda split: (split != "train", split))
    absent = [split for kind, split in PUBLISHED if kind == dataset.kind and split not in splits]
    return Checked(
        dataset.name,
        dataset.folder,
        tuple(_table(dataset, split, [r for r in found.recordings if r.split == split]) for split in splits),
        found.recordings,
        tuple(f"{split} ({PUBLISHED[dataset.kind, split].recordings} recordings)" for split in absent),
        (*found.findings, *_shared_patients(found), *_classes_without_events(found, dataset.kind)),
    )


def _table(dataset: DatasetFolder, split: str, recordings: list[Recording]) -> Table:
    known = PUBLISHED.get((dataset.kind, split), Published(dataset.kind, split, -1))
    people = Counter(r.patient for r in recordings)
    rows = [
        _row("recordings", people, known.recordings if known.recordings >= 0 else None),
        Row("patients", len(people), len(people), 0.0, known.patients),
        _row("hours", _hours(recordings), known.hours),
    ]
    groups: tuple[tuple[str, Iterable[tuple[str, str]], dict[str, int]], ...] = (
        ("", ((r.record_label or "no label", r.patient) for r in recordings), known.records),
        (
            f"{_UNIT.get(dataset.kind, 'events')}: ",
            ((event.name, r.patient) for r in recordings for event in r.events),
            known.events,
        ),
    )
    for prefix, pairs, published in groups:
        counts: dict[str, Counter[str]] = {name: Counter() for name in published}
        for name, patient in pairs:
            counts.setdefault(name, Counter())[patient] += 1
        rows += [
            _row(f"{prefix}{name}", of_patient, published.get(name, 0) if published else None)
            for name, of_patient in counts.items()
        ]
    return Table("all" if dataset.kind == "negatives" else split, tuple(rows))


def _hours(recordings: list[Recording]) -> dict[str, float]:
    hours: dict[str, float] = {}
    for recording in recordings:
        hours[recording.patient] = hours.get(recording.patient, 0.0) + recording.duration_s / 3600
    return hours


def _row(name: str, of_patient: Mapping[str, float], published: float | None) -> Row:
    total = sum(of_patient.values())
    largest = max(of_patient.values(), default=0) / total if total else 0.0
    return Row(name, round(total, 2), len(of_patient), largest, published)


def _undecodable(recordings: Iterable[Recording]) -> Iterable[Finding]:
    """Sounds whose header is right and whose samples are not."""
    for recording in tqdm(recordings, desc="decoding", unit="recording", mininterval=2):
        try:
            for _ in soundfile.blocks(recording.path, 1 << 16, dtype="float32"):
                pass
        except (OSError, soundfile.LibsndfileError) as error:
            yield Finding("damaged", recording.path, f"does not decode to its end ({error}); fetch it again")


def _shared_patients(found: Found) -> list[Finding]:
    """Patients on both sides of a split: a note where it is published so, damage elsewhere."""
    findings = []
    for dataset, patient, sides in patients_on_both_sides(found.recordings):
        where = f"patient {patient} is in {' and '.join(sides)}"
        known = (dataset, patient) in KNOWN_ON_BOTH_SIDES
        why = "as in the official split, which is kept as published" if known else "expected in one split"
        findings.append(Finding("note" if known else "damaged", found.folder, f"{where}, {why}"))
    return findings


def _classes_without_events(found: Found, kind: str) -> list[Finding]:
    """What a user's own training recordings have no example of: a model cannot learn it from them."""
    training = (r for r in found.recordings if r.split == "train")
    labels = {label for r in training for event in r.events for label in event.labels}
    lacking = [name for name in CLASSES[:-1] if name not in labels]
    if kind != "folder" or not lacking:
        return []
    return [Finding("note", found.folder, f"no example to train on: {', '.join(lacking)}")]


_TITLES = {
    "damaged": "damaged or wrong",
    "missing": "missing",
    "duplicate": "there twice, read once",
    "note": "to know",
}
FEW = 10
"""Findings of one kind that are listed unless all are asked for."""


def lines(checked: Checked, everything: bool = False) -> list[str]:
    """One set: a table for each split, what is not there, what is wrong, and a verdict.

    Args:
        checked: the set.
        everything: list every finding, not only the first `FEW` of a kind.
    """
    shown = [f"{checked.name}   {checked.folder}"]
    for table in checked.tables:
        known = any(row.published is not None for row in table.rows)
        title = f"  {table.split:<26}{'count':>8}{'patients':>10}{'largest':>9}"
        shown += ["", title + (f"{'published':>11}" if known else ""), *(_line(row) for row in table.rows)]
    if checked.absent:
        shown += ["", f"  not here: {', '.join(checked.absent)}"]
    for kind, title in _TITLES.items():
        of_kind = [finding for finding in checked.findings if finding.kind == kind]
        if of_kind:
            shown += ["", f"  {title}: {len(of_kind)}", *_listed(of_kind, checked, everything)]
    return [*shown, "", f"  {checked.name}: {verdict(checked)}"]


def patients(checked: Checked) -> list[str]:
    """One line for each patient: splits, recordings, minutes, and events by name."""
    of_patient: dict[str, list[Recording]] = {}
    for recording in checked.recordings:
        of_patient.setdefault(recording.patient, []).append(recording)
    shown = [f"  {'patient':<26}{'split':<14}{'recordings':>10}{'minutes':>9}  events"]
    for patient, theirs in sorted(of_patient.items()):
        splits = "+".join(sorted({r.split for r in theirs}))
        events = Counter(event.name for r in theirs for event in r.events)
        named = ", ".join(f"{count} {name}" for name, count in sorted(events.items()))
        minutes = sum(r.duration_s for r in theirs) / 60
        shown.append(f"    {patient:<24}{splits:<14}{len(theirs):>10}{minutes:>9.1f}  {named}".rstrip())
    return shown


def verdict(checked: Checked) -> str:
    """Whether everything is as published, in one line."""
    if checked.is_fine:
        known = any(row.published is not None for table in checked.tables for row in table.rows)
        return "fine, as published" if known else "fine"
    faults = [
        f"{sum(finding.kind == kind for finding in checked.findings)} {kind}"
        for kind in ("damaged", "missing")
        if any(finding.kind == kind for finding in checked.findings)
    ]
    differing = sum(row.verdict.startswith("differs") for table in checked.tables for row in table.rows)
    if differing:
        faults.append(f"{differing} numbers not as published")
    return "NOT FINE, " + ", ".join(faults)


def conclusion(faulty: Sequence[Checked]) -> str:
    """What is wrong with the sets that are not fine, and what it means, in one line."""
    named = "; ".join(f"{checked.name} is {verdict(checked)}" for checked in faulty)
    return (
        f"{named}. Training and evaluation leave out what is missing or damaged, and refuse a set of which more than "
        f"{MAX_BAD_SHARE:.0%} is damaged; fetch it again for the rest, or go on with what is there"
    )


def _line(row: Row) -> str:
    count = f"{row.count:.2f}" if row.name == "hours" else f"{row.count:.0f}"
    patients, most = (f"{row.patients}", f"{row.largest:.0%}") if row.largest else ("", "")
    published = "" if row.published is None else f"{row.published:{'.2f' if row.name == 'hours' else 'g'}}"
    return f"    {row.name:<24}{count:>8}{patients:>10}{most:>9}{published:>11}  {row.verdict}".rstrip()


def _listed(findings: list[Finding], checked: Checked, everything: bool) -> list[str]:
    """Paths below the set's folder, so that a line is short."""
    listed = findings if everything else findings[:FEW]
    shown = []
    for finding in listed:
        path = finding.path
        inside = path != checked.folder and path.is_relative_to(checked.folder)
        shown.append(
            f"    {path.relative_to(checked.folder)}: {finding.message}" if inside else f"    {finding.message}"
        )
    if len(listed) < len(findings):
        shown.append(f"    and {len(findings) - len(listed)} more; --all lists them")
    return shown
