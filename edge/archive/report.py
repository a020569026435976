"""`--report`: the tables of an archive as a page of numbers, `report/report.md` in the folder of the results.

Not for scoring, and not a judgement of a model (`training.evaluation` is). A label is read where it lies beside the
sound as SPRSound has it: `NAME.json` with `record_annotation`. Shards are read one after the other.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from edge.archive.item import path_of_name
from edge.archive.survey import Survey, Tally
from edge.durable import written_whole
from edge.tables.parquet_table import read_parquet

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
