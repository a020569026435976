"""A journal of a ward: events, trends and changes of alarms of all nodes at a broker, as JSON lines by table and day.

Not for alarming anybody, and read by no alarm: it may be away. The broker keeps its session, and a line is on the disk
before its message is acknowledged (`edge.delivery.consumer`): a death at any moment loses nothing and may write a copy.
Copies stay in the file and are dropped by `read`; since a message lies in the file of the day on which it *happened*,
its copies lie in the same one, however late they come. A line that a death cut off was not acknowledged: the next start
removes it.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.contract import RECORDS, Record, filters, parse_record, read_record, table_of
from edge.contract.fields import rfc3339
from edge.contract.tables import COLUMNS
from edge.contract.topics import is_self_test
from edge.delivery.consumer import ReceivedMessage, Subscriber, Subscription
from edge.errors import SourceError
from edge.files import sync
from edge.log import RateLimitedLog
from edge.settings.broker import Mqtt

NAME = re.compile(rf"({'|'.join(COLUMNS)})-([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})\.jsonl")


class Journal:
    """The files of one folder, to be appended to by one process."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written before `append`.

        Raises:
            SourceError: the folder cannot be made.
        """
        self._folder = folder
        self._whole: set[Path] = set()  # files that end with a whole line
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"{folder}: cannot be made ({error.strerror}); choose another --out") from None

    def append(self, messages: Iterable[tuple[Record, bytes]]) -> None:
        """Write messages through to the disk: each as a record and as the line that `line_of` makes of it.

        Raises:
            SourceError: the disk does not take them all; none may be acknowledged.
        """
        lines: dict[Path, list[bytes]] = {}
        for record, line in messages:
            path = self._folder / f"{table_of(record)}-{rfc3339(record.at_s)[:10]}.jsonl"
            lines.setdefault(path, []).append(line)
        try:
            for path, some in lines.items():
                self._append(path, b"".join(some))
        except OSError as error:
            where = f"{self._folder}: cannot be written ({error.strerror or error})"
            raise SourceError(f"{where}; the broker keeps what comes. Make room and start again") from None

    def _append(self, path: Path, content: bytes) -> None:
        is_new = not path.exists()
        with path.open("ab") as file:
            if not is_new and path not in self._whole:
                file.truncate(_whole_bytes(path))
            file.write(content)
            sync(file)
        if is_new:
            sync(self._folder)
        self._whole.add(path)


@dataclass
class ReadCounts:
    """What was met in reading a file."""

    copies: int = 0
    damaged: int = 0
    """Lines that are no message."""


def journals(folder: Path) -> list[tuple[str, str, Path]]:
    """(table, day, file) of all files of a folder, by name.

    Raises:
        SourceError: there is none.
    """
    names = sorted(path for path in folder.glob("*.jsonl") if NAME.fullmatch(path.name)) if folder.is_dir() else []
    if not names:
        raise SourceError(f"{folder}: expected what  laennec export collect --out {folder}  makes, found none of it")
    return [(path.name.split("-")[0], path.stem.partition("-")[2], path) for path in names]


def read(path: Path, met: ReadCounts | None = None) -> Iterator[Record]:
    """The messages of a file, each once, in the order in which they came; a process may append meanwhile.

    Args:
        path: the file.
        met: counts copies and damaged lines.

    Raises:
        SourceError: it cannot be read.
    """
    found, seen = met or ReadCounts(), set[str]()
    try:
        with path.open("rb") as file:
            for line in file:
                record = _record(line)
                if record is None:
                    found.damaged += line.endswith(b"\n")
                elif record.key in seen:
                    found.copies += 1
                else:
                    seen.add(record.key)
                    yield record
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from None


def line_of(record: Record, body: dict[str, Any]) -> bytes:
    """The line of a message.

    Raises:
        ValueError: something in its body, perhaps where a record does not look, cannot be written as JSON in UTF-8.
    """
    named = {"site": record.site, "node": record.node, **body}  # a trend names neither itself
    try:
        return json.dumps(named, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (ValueError, RecursionError):  # a number beyond all floats, half of a character, a thousand levels
        raise ValueError("expected what JSON in UTF-8 can say in every field, found something else") from None


def _record(line: bytes) -> Record | None:
    try:
        body = json.loads(line)
        return read_record(body) if isinstance(body, dict) and line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        return None


def _whole_bytes(path: Path) -> int:
    """Length of a file without a last line that was cut off; a line is short, so the end is enough."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65_536))
        tail = file.read()
    return size - len(tail) + tail.rfind(b"\n") + 1


logger = logging.getLogger(__name__)


class Collector:
    """One subscriber; `run` until it is stopped. Its counts may be read from any thread."""

    def __init__(self, settings: Mqtt, name: str, journal: Journal) -> None:
        """Prepare; nothing is connected before `run`.

        Args:
            settings: the broker.
            name: of the client; the broker keeps what it missed under this name.
            journal: where messages go.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._prefix, self._journal = settings.prefix, journal
        topics = filters(settings.prefix, [RECORDS[table] for table in COLUMNS])
        subscription = Subscription(f"laennec-export.{name}", tuple(topics), "export")
        self._subscriber = Subscriber(settings, subscription, self)
        self._limited_log = RateLimitedLog(logger)
        self.counts: Counter[str] = Counter()
        """Messages by table, and `refused` (not as the contract says) and `self-test`, which are not kept."""

    def run(self, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Collect, and connect again whenever the connection is gone.

        Args:
            stop: ends it.
            tick: called a few times a second, while there is a connection or not.

        Raises:
            SourceError: the disk takes nothing, or the broker refuses this user or what it subscribes to.
        """
        self._subscriber.run(stop, tick)

    def connected(self) -> None:
        """Nothing waits here between two calls of `take`."""

    def take(self, came: list[ReceivedMessage]) -> list[ReceivedMessage]:
        """To the disk, as one; all of it may be acknowledged then.

        Raises:
            SourceError: the disk takes nothing.
        """
        if came:
            stored = [pair for message in came if (pair := self._to_store(message)) is not None]
            self._journal.append(stored)
            self.counts.update(table_of(record) for record, _ in stored)
        return came

    def _to_store(self, message: ReceivedMessage) -> tuple[Record, bytes] | None:
        if is_self_test(message.topic):
            self.counts["self-test"] += 1
            return None
        if not message.payload:  # a retained trend that was withdrawn
            return None
        try:
            record, body = parse_record(self._prefix, message.topic, message.payload)
            return record, line_of(record, body)
        except ValueError as error:
            self.counts["refused"] += 1
            self._limited_log.log("message", f'export message=refused topic={message.topic[:128]} reason="{error}"')
            return None
