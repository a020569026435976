"""`python -m tests.benchmarks.history`: a hospital's history, generated, and how long one waits for its answers.

By default a month of the hours of 2,000 beds, and a day of events of 64 of them; on SQLite, and on PostgreSQL where
this machine has it. Rows are made by the database itself, and then each question is asked five times; the median and
the longest are printed, and what of it this process computed, in ms. Also how many messages a second the writer takes.
Not a test: it prints, whatever it finds. `--beds 100 --days 3` is a look at it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, Engine, insert, text

from edge.contract import parse_record
from edge.server.history.database import open_database, transaction
from edge.server.history.ingester import BATCH
from edge.server.history.queries import Query, ResultTable, burden_by_bed, burden_by_hour, coverage, events
from edge.server.history.tables import BEDS, HOUR_MS, Batch
from edge.server.history.writer import HistoryWriter
from tests.edge.server.exports.messages import BED, event
from tests.edge.server.history.messages import minute
from tests.edge.server.history.postgres import MISSING, Postgres

BEGIN_MS = 1_793_491_200_000  # 2026-11-01
DAY_MS = 24 * HOUR_MS
WARD = 64  # beds of a site
SOUNDS_A_DAY = 240  # of one bed: ten an hour
MESSAGES = 3  # of one sound: onset, update, end
ROUNDS = 5
LARGE = ("-c", "shared_buffers=512MB", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "jit=off")
# Rows of numbers 0 to N - 1, without a table.
COUNT = "WITH RECURSIVE {name}(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM {name} WHERE n < {most} - 1)"


def generate(engine: Engine, beds: int, days: int) -> None:
    """Beds in wards of 64; the hours of all, and the events of each."""
    rows = [{"site": f"ward-{n // WARD:02d}", "node": f"edge-{n // 8:03d}", "stream": f"bed{n}"} for n in range(beds)]
    with transaction(engine) as connection:
        connection.execute(insert(BEDS), rows)
    numbers = COUNT.format(name="numbers", most=24)
    for day in range(days):  # a month at once would be one transaction of an hour's work
        begin_ms = BEGIN_MS + day * DAY_MS
        _run(
            engine,
            f"""
            INSERT INTO hours (bed_id, hour_ms, minutes, measured_ms, judged_ms, continuous_ms, discontinuous_ms)
            {numbers} SELECT id, {begin_ms} + n * CAST({HOUR_MS} AS BIGINT), 60, 3500000 - id % 97 * 1000,
            3400000 - id % 97 * 1000, (id * 7919 + n * 104729) % 300000, (id * 6007 + n * 7907) % 90000
            FROM beds, numbers
        """,
        )
        _run(
            engine,
            f"""
            INSERT INTO losses (bed_id, hour_ms, cause, lost_ms)
            {numbers} SELECT id, {begin_ms} + n * CAST({HOUR_MS} AS BIGINT), 'speech', 100000 FROM beds, numbers
        """,
        )
    _events(engine, min(days, 3))
    with transaction(engine) as connection:
        connection.execute(text("ANALYZE"))


def _events(engine: Engine, days: int) -> None:
    """Onset, update and end of each sound; of the first wards, for else the file would hold nothing but them."""
    sounds = f"{COUNT.format(name='sounds', most=SOUNDS_A_DAY)}, revs(r) AS (SELECT 1 UNION SELECT 2 UNION SELECT 3)"
    kinds = "CASE r WHEN 1 THEN 'onset' WHEN 2 THEN 'update' ELSE 'end' END"
    pad = "lpad({}, {}, '0')" if engine.dialect.name == "postgresql" else "printf('%0{1}d', {0})"
    for day in range(days):
        begin_ms = BEGIN_MS + day * DAY_MS
        numbers = [pad.format("CAST(id AS TEXT)" if "lpad" in pad else "id", 6)]
        numbers += [pad.format("CAST(n AS TEXT)" if "lpad" in pad else "n", 6)]
        ident = f"'01M82V69XRE' || '{day:03d}' || {numbers[0]} || {numbers[1]}"
        onset = f"{begin_ms} + n * CAST({DAY_MS // SOUNDS_A_DAY} AS BIGINT) + id % 60000"
        _run(
            engine,
            f"""
            INSERT INTO events (id, rev, onset_ms, bed_id, type, mode, label, end_ms, peak, mean, threshold, verified,
            end_reason, late, boot_id, seq, model_id, model_sha256)
            {sounds} SELECT {ident}, r, {onset}, id, {kinds}, 'Operational', 'wheeze', {onset} + 1500, 0.9, 0.8, 0.6,
            TRUE, CASE r WHEN 3 THEN 'quiet' END, FALSE, 'b3f1b3f1', n * 3 + r, 'laennec-default-1.0.0',
            '{"a" * 64}' FROM beds, sounds, revs WHERE id <= {4 * WARD}
        """,
        )


def _run(engine: Engine, statement: str) -> None:
    with transaction(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(statement))


def request(engine: Engine, days: int) -> None:
    """Each question, several times."""
    day = Query(BEGIN_MS, BEGIN_MS + DAY_MS, site="ward-00")
    month = Query(BEGIN_MS, BEGIN_MS + days * DAY_MS)
    bed = Query(BEGIN_MS, BEGIN_MS + days * DAY_MS, bed="bed7")
    questions: list[tuple[str, Callable[[Connection], ResultTable]]] = [
        (f"a day of {WARD} beds: events", lambda c: events(c, day)),
        (f"a day of {WARD} beds: burden by hour", lambda c: burden_by_hour(c, day)),
        (f"a day of {WARD} beds: coverage", lambda c: coverage(c, day)),
        (f"{days} days of one bed: burden by hour", lambda c: burden_by_hour(c, bed)),
        (f"{days} days of all beds: hourly burden, by bed", lambda c: burden_by_bed(c, month)),
        (f"{days} days of all beds: coverage", lambda c: coverage(c, month)),
        (f"{days} days of all beds: each hour as a row", lambda c: burden_by_hour(c, month)),
    ]
    for words, question in questions:
        times_ms, rows, computed_s = [], 0, time.process_time()
        for _ in range(ROUNDS):
            begin_s = time.perf_counter()
            with transaction(engine) as connection:
                rows = len(question(connection).rows)
            times_ms.append((time.perf_counter() - begin_s) * 1000)
        computed_ms = (time.process_time() - computed_s) * 1000 / ROUNDS
        print(
            f"  {words:<52} {statistics.median(times_ms):6.0f} ms, longest {max(times_ms):6.0f},"
            f" computed {computed_ms:6.0f}; {rows} rows"
        )


def take(url: str, batches: int) -> None:
    """How many messages a second become rows: parsing, and batches of one trend and one event for each bed."""
    messages: list[tuple[str, dict[str, Any]]] = []
    for number in range(batches * BATCH // 2):
        bed = BED.replace("bed1", f"bed{number % 500}")
        named = {"stream": bed.rpartition("/")[2]}
        ident = f"01M82V69XRES0V4E6QY2{number:06d}"
        messages.append((f"{bed}/trend", {**minute(number // 500), **named}))
        messages.append(
            (f"{bed}/event", {**event("onset", 1, None), **named, "id": ident, "seq": number + 1, "seq_start": 1})
        )
    payloads = [(topic, json.dumps(body).encode()) for topic, body in messages]
    writer, begin_s = HistoryWriter(url), time.perf_counter()
    for begin in range(0, len(payloads), BATCH):
        batch = Batch()
        for topic, payload in payloads[begin : begin + BATCH]:
            batch.add(parse_record("laennec/v1", topic, payload)[0])
        writer.write(batch)
    seconds = time.perf_counter() - begin_s
    writer.close()
    print(f"  {len(payloads)} messages in batches of {BATCH}: {len(payloads) / seconds:.0f} a second")


def measure(url: str, beds: int, days: int) -> None:
    """One database from empty to its answers."""
    HistoryWriter(url).prepare()
    engine = open_database(url, writes=True)
    begin_s = time.perf_counter()
    generate(engine, beds, days)
    print(f"  generated {beds} beds, {days} days in {time.perf_counter() - begin_s:.0f} s")
    engine.dispose()
    reader = open_database(url)
    request(reader, days)
    reader.dispose()
    take(url, 20)


def main() -> None:
    """Both databases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beds", type=int, default=2000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    if options.only != "postgresql":
        with TemporaryDirectory(prefix="laennec-history-") as folder:
            path = Path(folder) / "history.sqlite"
            print("SQLite")
            measure(f"sqlite:///{path}", options.beds, options.days)
            print(f"  file: {path.stat().st_size / 1e6:.0f} MB")
    if options.only != "sqlite":
        if MISSING:
            print(f"PostgreSQL: not on this machine: {', '.join(MISSING)}")
            return
        with Postgres(LARGE) as server:
            print("PostgreSQL")
            measure(server.new_database(), options.beds, options.days)


if __name__ == "__main__":
    main()
