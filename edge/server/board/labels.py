"""What people said of events (true, false, another sound): stored for good, and exported for a training.

Not for showing (`edge.server.board.bed_history`). A file of JSON lines that is only ever appended to, synced before
anybody is answered that a label is stored; of an event the last label counts, and those before stay in the file. A line
that a power cut tore is left out and counted, never the lines around it.

Exported are the clips and one table, `annotations.csv` (`training.datasets.folder` reads it). A person has said
something of one event, and nothing of the rest of its clip: each clip has a line `Unknown` without times, which says
so, so that the rest is taken neither for silent nor for sounding. An event that was called false is a line `Normal`:
breath without an adventitious sound. All clips of a bed count as of one patient, for nobody says who lay there: so no
patient is on both sides of a split, but one who was moved to another bed.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from edge.contract.topics import Address
from edge.errors import ConfigError
from edge.files import make_private_folder, open_private, restrict, sync, written_whole
from edge.server.exports.tables import cell_text

if TYPE_CHECKING:
    from edge.clips.clip import ClipEvent, ClipFile

Verdict = Literal["true", "false", "other"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
CLASSES = ("wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle", "crackle", "both")
"""What another sound may be called; `both`: wheeze and crackles. As `training.datasets` reads them."""


@dataclass(frozen=True)
class EventFacts:
    """One event, as far as it must be known to be labelled and found again."""

    id: str
    label: str
    """As the node said."""
    time: float
    """Of the onset, seconds since 1970 on the node's clock."""
    length_s: float | None
    """None: no end was published."""
    peak: float
    threshold: float
    clip: str
    """Id of the clip that holds it; empty: none is known."""


@dataclass(frozen=True)
class Label:
    """What a person said of an event."""

    event: EventFacts
    place: Address
    verdict: Verdict
    sound: str
    """What it is by that person's word: the class; empty: no adventitious sound."""
    by: str
    at: float
    """When, seconds since 1970 on the board's clock."""
    schema: Literal["laennec.label/1"] = "laennec.label/1"


_LABELS: TypeAdapter[Label] = TypeAdapter(Label)


class Labels:
    """The labels of a board; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Read what is there; nothing is written before `add`.

        Raises:
            ConfigError: the file is there and cannot be read.
        """
        self._path, self._mutex = path, threading.Lock()
        self._last: dict[str, Label] = {}
        self.damaged = 0
        """Lines that could not be read."""
        restrict(path)
        try:
            content = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise ConfigError(f"labels: cannot read {path}: {error.strerror}; give another file") from None
        self._is_torn = bool(content) and not content.endswith(b"\n")
        for line in filter(None, content.split(b"\n")):
            try:
                label = _LABELS.validate_json(line)
            except ValidationError:
                self.damaged += 1
            else:
                self._last[label.event.id] = label

    def of(self, event: str) -> Label | None:
        """What was said of an event last."""
        return self._last.get(event)

    def all(self) -> list[Label]:
        """What was said last of each event, the first event first."""
        return sorted(list(self._last.values()), key=lambda label: (label.event.time, label.event.id))

    def add(self, label: Label) -> None:
        """Keep a label; it is on the disk when this returns.

        Raises:
            OSError: the disk does not take it, and it is not kept.
        """
        line = _LABELS.dump_json(label) + b"\n"
        with self._mutex:
            make_private_folder(self._path.parent)
            is_new = not self._path.exists()
            with open_private(self._path, "ab") as file:
                begin, self._is_torn = b"\n" * self._is_torn, True  # until it is whole
                file.write(begin + line)
                sync(file)
            if is_new:
                sync(self._path.parent)
            self._is_torn = False
            self._last[label.event.id] = label


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
    _write(out / LEFT_OUT, [names, *[_left_out_row(label, why) for label, why in left_out]])
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


def _left_out_row(label: Label, why: str) -> tuple[str, ...]:
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
