"""What people said of events: true, false, or another sound; with who and when, on the board's disk for good.

Not for showing (`edge.board.bed_events`) or handing on (`edge.board.label_export`). A file of JSON lines that is only
ever appended to, synced before anybody is told that a label is kept; of an event the last label counts, and those
before stay in the file. A line that a power cut tore is left out and counted, never the lines around it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from edge.contract.topics import Place
from edge.durable import sync
from edge.errors import ConfigError
from edge.private_files import make_private_folder, open_private, restrict

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
    """None: no end was told of."""
    peak: float
    threshold: float
    clip: str
    """Id of the clip that holds it; empty: none is known."""


@dataclass(frozen=True)
class Label:
    """What a person said of an event."""

    event: EventFacts
    place: Place
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
