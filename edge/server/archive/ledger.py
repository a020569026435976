"""What an archive holds and what was found in it so far: one SQLite file in the folder of the results.

Not the results themselves: tables are made of it (`edge.server.archive.shards`). What was scored is kept by the SHA-256
of the sound, so that a sound of two names is one result and a second start scores nothing again. Invariant: what a kill
leaves is a ledger of which some recordings are not scored, and nothing else is wrong with it. Memory does not grow with
the archive.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import ConfigError, SourceError
from edge.server.archive.listing import Item
from edge.server.archive.recording import Result, failed

FILE = "ledger.sqlite"
AT_ONCE = 1000  # items in one transaction, or in memory

TABLES = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item (
    name TEXT PRIMARY KEY, path BLOB NOT NULL, is_member INTEGER NOT NULL DEFAULT 0, size INTEGER NOT NULL,
    stamp INTEGER NOT NULL, scan INTEGER NOT NULL, sound TEXT
) WITHOUT ROWID;
DROP INDEX IF EXISTS item_place;
CREATE TABLE IF NOT EXISTS scored (sound TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard (number INTEGER PRIMARY KEY, digest TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One recording of the listing with its result."""

    name: str
    sound: str
    """SHA-256 of its bytes; empty where they cannot be read."""
    body: dict[str, Any]


class Ledger:
    """The ledger of one folder of results; of one process. Use it in a `with` block."""

    def __init__(self, folder: Path, about: dict[str, str], resume: bool) -> None:
        """Open or begin it.

        Args:
            folder: of the results; made if it is not there.
            about: what all recordings are scored with; must be the same in every run.
            resume: whether there may be results already.

        Raises:
            ConfigError: there are and may not be, or they were made otherwise.
            SourceError: the folder cannot be written, or another process writes it.
        """
        path = self._path = folder / FILE
        if path.exists() and not resume:
            raise ConfigError(f"{folder}: holds results already; give --resume to go on there, or another --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, isolation_level=None)
            self._base.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")  # the last results may be scored again after a power cut
            self._base.executescript(TABLES)
            self._base.execute("BEGIN IMMEDIATE")
        except (OSError, sqlite3.Error) as error:
            raise SourceError(f"{path}: cannot be opened ({error}); does another process write there?") from None
        known = dict(self._base.execute("SELECT key, value FROM about"))
        for key, value in about.items():
            if known.get(key, value) != value:
                self._base.close()
                raise ConfigError(f"{folder}: was made with {key} {known[key]}, found {value}; give another --out")
        self._base.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", about.items())
        self.commit()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, sqlite3.Error):
                self._base.execute("COMMIT")
        except sqlite3.Error as failed_commit:
            error = failed_commit
        finally:
            self._base.close()
        if isinstance(error, sqlite3.Error):
            raise SourceError(
                f"{self._path}: cannot be written ({error}); make room and run again with --resume"
            ) from None

    def commit(self) -> None:
        """What was put in is on the disk."""
        self._base.execute("COMMIT")
        self._base.execute("BEGIN IMMEDIATE")

    def take_listing(self, found: Iterable[Item]) -> int:
        """Take the listing of the archive: what has changed is to be scored, what is gone is forgotten.

        What could not even be read in an earlier run is tried again.

        Returns:
            How many recordings are forgotten.
        """
        self._base.execute("UPDATE item SET sound = NULL WHERE sound LIKE 'unreadable %'")
        row = self._base.execute("SELECT COALESCE(MAX(scan), 0) + 1 FROM item").fetchone()
        scan = int(row[0])
        for number, item in enumerate(found):
            self._base.execute(
                "INSERT INTO item VALUES (?1, ?2, 0, ?3, ?4, ?5, NULL) ON CONFLICT (name) DO UPDATE SET sound ="
                " CASE WHEN path = ?2 AND size = ?3 AND stamp = ?4 THEN sound END,"
                " path = ?2, size = ?3, stamp = ?4, scan = ?5",
                (item.name, item.path, item.size, item.stamp, scan),
            )
            if item.reason:
                self.put(failed(item.name, item.reason))
            if number % AT_ONCE == AT_ONCE - 1:
                self.commit()
        gone = self._base.execute("DELETE FROM item WHERE scan < ?", (scan,)).rowcount
        self.commit()
        return gone

    def put(self, result: Result) -> None:
        """Keep the result of one recording."""
        sound = result.sound_sha256 or f"unreadable {hashlib.sha256(result.body.encode()).hexdigest()}"
        self._base.execute("INSERT OR IGNORE INTO scored VALUES (?, ?)", (sound, result.body))
        self._base.execute("UPDATE item SET sound = ? WHERE name = ?", (sound, result.name))

    def counts(self) -> tuple[int, int]:
        """Recordings, and how many of them have a result."""
        row = self._base.execute("SELECT COUNT(*), COUNT(sound) FROM item").fetchone()
        return int(row[0]), int(row[1])

    def damaged(self) -> int:
        """Recordings that could not be read to their end."""
        query = "SELECT COUNT(*) FROM item JOIN scored USING (sound) WHERE json_extract(body, '$.status') <> 'ok'"
        return int(self._base.execute(query).fetchone()[0])

    def open_items(self) -> Iterator[tuple[str, bytes]]:
        """(name, path) of each recording without a result, once, in the order of the listing."""
        return self._paged("SELECT name, path FROM item WHERE sound IS NULL AND name > ?")

    def shard(self, first: str, size: int) -> tuple[list[str], str] | None:
        """The recordings of a shard, by name, and what distinguishes its contents from any other.

        Args:
            first: name of the last recording before it; empty for the first shard.
            size: recordings in a shard.

        Returns:
            None where one of them has no result yet; no names behind the end of the listing.
        """
        rows = self._base.execute(
            "SELECT name, sound FROM item WHERE name > ? ORDER BY name LIMIT ?", (first, size)
        ).fetchall()
        if any(sound is None for _, sound in rows):
            return None
        return [str(name) for name, _ in rows], hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def results(self, names: Iterable[str]) -> Iterator[ScoredRecording]:
        """Recordings with their results, in the order of `names`."""
        for name in names:
            query = "SELECT sound, body FROM item JOIN scored USING (sound) WHERE name = ?"
            sound, body = self._base.execute(query, (name,)).fetchone()
            yield ScoredRecording(name, "" if " " in sound else sound, json.loads(body))

    def written(self, number: int) -> str | None:
        """What identifies the contents of a shard that was written."""
        row = self._base.execute("SELECT digest FROM shard WHERE number = ?", (number,)).fetchone()
        return None if row is None else str(row[0])

    def record_written(self, number: int, digest: str) -> None:
        """A shard is on the disk; an empty digest: it is about to be written."""
        self._base.execute("INSERT OR REPLACE INTO shard VALUES (?, ?)", (number, digest))
        self.commit()

    def _paged(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Rows by name, some at once: whoever reads them may write meanwhile."""
        last = ""
        while rows := self._base.execute(f"{query} ORDER BY name LIMIT {AT_ONCE}", (last,)).fetchall():
            yield from rows
            last = rows[-1][0]
