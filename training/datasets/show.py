"""A checked data set as lines of text for a terminal. Judges nothing: `training.datasets.check` does.

`largest` is the share of the patient with most of a class: of fifteen stridors fourteen are one child's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from training.datasets.check import Checked, Row
from training.datasets.findings import MAX_BAD_SHARE, Finding
from training.datasets.records import Recording

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
