"""Labels of people as recordings that a training reads: the clips, and one table `annotations.csv`.

Not for the training (`training.datasets.folder` reads it, and says what each column may be). A person has said
something of one event, and nothing of the rest of its clip: each clip has a line `Unknown` without times, which says
so, so that the rest is taken neither for silent nor for sounding. An event that was called false is a line `Normal`:
breath without an adventitious sound. All clips of a bed count as of one patient, for nobody says who lay there: so no
patient is on both sides of a split, but one who was moved to another bed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.board.labels import CLASSES, Label
from edge.clips.clip import ClipEvent, ClipFile
from edge.durable import written_whole
from edge.errors import ConfigError
from edge.tables.csv_table import cell_text

TABLE, LEFT_OUT = "annotations.csv", "left-out.csv"
SILENT, REST = "Normal", "Unknown"  # as `training.datasets.folder` reads them


@dataclass(frozen=True)
class Exported:
    """What became of the labels."""

    labels: int
    clips: int
    left_out: tuple[tuple[Label, str], ...]
    """Each with why."""


def export_labels(labels: Sequence[Label], folder: Path | None, clips: Mapping[str, ClipFile], out: Path) -> Exported:
    """Write the clips of labelled events, their table, and the list of what was left out.

    Args:
        labels: what was said last of each event.
        folder: of the clips; None: there is none.
        clips: those that are there, by id.
        out: a folder, made if it is not there; what an earlier export wrote is written anew.

    Raises:
        ConfigError: it cannot be written, or holds another table.
    """
    places = {event.id: (about, event) for about in clips.values() for event in about.events}
    rows, copied, left_out = [], set(), []
    _make(out)
    for label in labels:
        why = _why_not(label, places)
        if not why:
            about, event = places[label.event.id]
            assert folder is not None, "clips lie in a folder"
            is_new = about.id not in copied
            if is_new and not _copy(folder, about.id, out):
                why = "its clip is not there any more"
            else:
                copied.add(about.id)
                rows += [_rest(about)] * is_new + [_line(label, about, event)]
        if why:
            left_out.append((label, why))
    _write(out / TABLE, [("file", "start_s", "end_s", "label", "patient"), *rows])
    names = ("event", "time", "said", "sound", "by", "why")
    _write(out / LEFT_OUT, [names, *[_told(label, why) for label, why in left_out]])
    return Exported(len(labels) - len(left_out), len(copied), tuple(left_out))


def _why_not(label: Label, places: Mapping[str, tuple[ClipFile, ClipEvent]]) -> str:
    """Why a label cannot be exported; empty if it can."""
    if label.event.id not in places:
        return "its clip is not there"
    about, _ = places[label.event.id]
    if not about.listed:
        return "more of its clip was lost than could be listed"
    if label.sound and label.sound not in CLASSES:
        return f"{label.sound!r} is no class of a training"
    return ""


def _rest(about: ClipFile) -> tuple[str, ...]:
    return _name(about.id), "", "", REST, _patient(about)


def _line(label: Label, about: ClipFile, event: ClipEvent) -> tuple[str, ...]:
    end = about.stop if event.end is None else min(event.end, about.stop)
    begin_s, end_s = ((index - about.start) / about.hearing.rate_hz for index in (event.onset, end))
    return _name(about.id), f"{begin_s:.3f}", f"{end_s:.3f}", label.sound or SILENT, _patient(about)


def _patient(about: ClipFile) -> str:
    return f"{about.hearing.site}-{about.hearing.node}-{about.hearing.stream}"


def _name(ident: str) -> str:
    return f"{ident}.flac"


def _told(label: Label, why: str) -> tuple[str, ...]:
    return label.event.id, f"{label.event.time:.3f}", label.verdict, label.sound, label.by, why


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be made ({error.strerror}); give another folder") from None
    if (out / TABLE).exists() and not (out / LEFT_OUT).exists():
        raise ConfigError(f"--out {out}: holds a table {TABLE} of somebody else; give another folder")


def _copy(folder: Path, ident: str, out: Path) -> bool:
    """Copy the sound of a clip; false if it has gone meanwhile."""
    try:
        content = (folder / _name(ident)).read_bytes()
    except OSError:
        return False
    _put(out / _name(ident), content)
    return True


def _write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([cell_text(cell) for cell in row] for row in rows)  # people wrote some of it
    _put(path, text.getvalue().encode())


def _put(path: Path, content: bytes) -> None:
    try:
        with written_whole(path) as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); make room, or give another folder") from None
