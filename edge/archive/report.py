"""`--report`: the tables of an archive as pictures and a page of numbers, in the folder `report` of the results.

Not for scoring, and not a judgement of a model (`training.evaluation` is). A label is read where it lies beside the
sound as SPRSound has it: `NAME.json` with `record_annotation`. Shards are read one after the other.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from edge.archive.item import path_of_name
from edge.archive.report_drawing import draw_survey
from edge.archive.survey import Survey
from edge.artefact.model import Model
from edge.durable import written_whole
from edge.errors import LaennecError
from edge.pictures.drawing import draw
from edge.pictures.picture import picture_options
from edge.pictures.spectrogram import detected_events, spectrogram
from edge.tables.parquet_table import read_parquet

MOST_LABEL_BYTES = 1 << 20


def make_report(out: Path, model: Model, stop: threading.Event) -> Path:
    """Draw what the tables hold, and the worst recordings.

    Args:
        out: folder of the tables.
        model: that they were made with, for the spectrograms.
        stop: ends it early.

    Returns:
        The page.

    Raises:
        ConfigError: matplotlib is not installed, or a picture cannot be written.
    """
    folder = out / "report"
    folder.mkdir(exist_ok=True)
    survey = surveyed(out)
    draw_survey(survey, folder / "archive.png")
    lines = [*_numbers(survey), "", "![](archive.png)", "", "## The highest burdens", ""]
    for place, (burden, name) in enumerate(sorted(survey.worst, reverse=True), 1):
        if stop.is_set():
            break
        lines += [
            f"{place}. {burden:.1f} s/min, {_plain(name)}",
            "",
            _picture(name, folder / f"{place}.png", model, stop),
        ]
        lines.append("")
    with written_whole(folder / "report.md") as file:
        file.write("\n".join(lines).encode())
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
        "# What the archive holds", "",
        f"- {sum(status.values())} recordings: {status['ok']} whole, {status['cut_off']} cut off,"
        f" {status['damaged']} damaged",
        f"- {survey.whole.measured_s / 3600:.2f} h measured of {total_s / 3600:.2f} h",
        f"- patients, ages and sites by the names: {len(survey.patients)}, {len(survey.ages)}, {len(survey.sites)}",
    ]  # fmt: skip
    for group in survey.groups:
        burden = survey.whole.burden(group)
        lines.append(f"- burden of {group} sounds: {'unknown' if burden is None else f'{burden:.2f} s/min'}")
    of_labels = "no labels" if alarms is None else f"{alarms:.1f} in an hour of recordings labelled Normal"
    return [*lines, f"- false alarms: {of_labels} ({survey.labelled} recordings have a label)"]


def _picture(name: str, path: Path, model: Model, stop: threading.Event) -> str:
    """Draw one recording; a line for the page."""
    try:
        picture = spectrogram(picture_options(path_of_name(name), None, model, None, (0.0, None)), stop)
        draw(picture, detected_events(picture, model, stop), path)
    except LaennecError as error:
        return f"(cannot be drawn: {_plain(str(error))})"
    return f"![]({path.name})"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: a name may hold anything."""
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"
