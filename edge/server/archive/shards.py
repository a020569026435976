"""The results of an archive as Parquet: for each table a folder of shards, each of so many recordings, in their order.

Not for scoring. A shard is written whole, once all of its recordings have a result, and again only where these have
changed; the same results make the same bytes, in whatever order they came.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edge.contract.tables import Cell, Columns, Row
from edge.errors import SourceError
from edge.server.archive.ledger import Ledger, ScoredRecording
from edge.server.exports.tables import write_parquet

RECORDINGS = 500  # in a shard
OF_ALL: Columns = {"name": "text", "sound_sha256": "text", "model_sha256": "text"}
COLUMNS: Mapping[str, Columns] = {
    "recordings": {
        **OF_ALL,
        "status": "text",
        "reason": "text",
        "length_s": "number",
        "measured_s": "number",
        "unverified_s": "number",
        "missing_s": "text",
        "gain_db": "number",
        "verified": "truth",
        "outside": "text",
        "events": "integer",
    },
    "events": {
        **OF_ALL,
        "label": "text",
        "onset_s": "number",
        "end_s": "number",
        "score": "number",
        "mean": "number",
        "threshold": "number",
        "end_reason": "text",
        "verified": "truth",
    },
    "burden": {**OF_ALL, "group": "text", "expected_s": "number", "burden_s_per_min": "number"},
    "answers": {**OF_ALL, "task": "text", "label": "text", "probability": "number", "is_answer": "truth"},
}
"""Table -> column -> what it holds. `missing_s`: a JSON object of seconds that were not measured, by cause."""


class Shards:
    """Writes the shards of one folder, one after the other."""

    def __init__(self, folder: Path, ledger: Ledger, model_sha256: str, recordings: int = RECORDINGS) -> None:
        """Nothing is written before `advance`.

        Raises:
            SourceError: the folders cannot be made.
        """
        self._folder, self._ledger, self._model, self._size = folder, ledger, model_sha256, recordings
        self._number, self._before = 0, ""
        try:
            for table in COLUMNS:
                (folder / table).mkdir(exist_ok=True)
        except OSError as error:
            raise SourceError(f"{error.filename}: cannot be made ({error.strerror}); choose another --out") from None

    def advance(self) -> None:
        """Write what is complete, up to the first shard that is not.

        Raises:
            SourceError: the disk does not take it.
        """
        while (found := self._ledger.shard(self._before, self._size)) is not None and found[0]:
            names, digest = found
            paths = {table: self._path(table, self._number) for table in COLUMNS}
            if self._ledger.written(self._number) != digest or not all(path.exists() for path in paths.values()):
                self._ledger.record_written(self._number, "")  # a kill may leave some tables of this and some of before
                self._write(names, paths)
                self._ledger.record_written(self._number, digest)
            self._number, self._before = self._number + 1, names[-1]

    def finish(self) -> None:
        """Write the rest, and remove shards of an archive that was larger once."""
        self.advance()
        for table in COLUMNS:
            for path in (self._folder / table).glob("part-*.parquet"):
                if path.name >= self._path(table, self._number).name:
                    path.unlink(missing_ok=True)

    def _path(self, table: str, number: int) -> Path:
        return self._folder / table / f"part-{number:06d}.parquet"

    def _write(self, names: list[str], paths: Mapping[str, Path]) -> None:
        for table, path in paths.items():
            rows = (row for each in self._ledger.results(names) for row in ROWS[table](each, self._model))
            try:
                write_parquet(path, COLUMNS[table], rows)
            except OSError as error:
                raise SourceError(
                    f"{path}: cannot be written ({error.strerror or error}); make room and run again with --resume"
                ) from None


def _recordings(one: ScoredRecording, model: str) -> Iterator[Row]:
    body = one.body
    row: dict[str, Cell] = {key: body.get(key) for key in COLUMNS["recordings"]}
    row["missing_s"] = json.dumps(body.get("missing_s", {}), sort_keys=True)
    row["events"] = len(body.get("events", []))
    yield {**row, **_key(one, model)}


def _parts(table: str) -> Callable[[ScoredRecording, str], Iterator[Row]]:
    def rows(one: ScoredRecording, model: str) -> Iterator[Row]:
        yield from ({**each, **_key(one, model)} for each in one.body.get(table, []))

    return rows


ROWS = {"recordings": _recordings, **{table: _parts(table) for table in ("events", "burden", "answers")}}


def _key(one: ScoredRecording, model: str) -> Row:
    return {"name": one.name, "sound_sha256": one.sound or None, "model_sha256": model}
