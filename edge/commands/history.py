"""`laennec ingest` and `laennec history`.

What the nodes of a broker publish, into a database, and whether those who do that are there; what is in it, for a ward
engineer, and old rows removed.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.commands import JsonlOption, stop_on_signals
from edge.commands.export import broker_of
from edge.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections import Counter

    from edge.server.history.queries import Query, ResultTable
    from edge.settings.broker import Mqtt

    Question = Callable[[Any, Query], ResultTable]  # of a connection

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="sqlite:///FILE (default: in the user's state directory) or postgresql://USER@HOST/NAME; also"
        " LAENNEC_DATABASE. A password belongs into PGPASSFILE (~/.pgpass).",
    ),
]

LONGEST_DAYS = 36_500

app = typer.Typer(no_args_is_help=True, help="Events, burden and coverage out of the database of `laennec ingest`.")

DayOption = Annotated[
    str | None, typer.Option(metavar="DAY", help="2026-11-22 (UTC), or a month: 2026-11. Default: today.")
]
BedOption = Annotated[str | None, typer.Option(help="bed1, edge-7/bed1 or ward-b/edge-7/bed1; default: all.")]
SiteOption = Annotated[str | None, typer.Option(help="Beds of this site alone.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="CSV instead of a table.")]


@app.command()
def events(
    database: DatabaseOption = None,
    day: DayOption = None,
    bed: BedOption = None,
    site: SiteOption = None,
    label: Annotated[str | None, typer.Option(help="Of this class alone, such as wheeze.")] = None,
    jsonl: JsonlOption = False,
    csv: CsvOption = False,
) -> None:
    """List the sounds of a day, each as it was said last."""
    from edge.server.history.queries import events as find

    query = _query(day, bed, site)
    _show(database, lambda connection: find(connection, query, label), jsonl, csv)


@app.command()
def burden(
    database: DatabaseOption = None,
    day: DayOption = None,
    bed: BedOption = None,
    site: SiteOption = None,
    hours: Annotated[bool, typer.Option("--hours", help="A row for each hour of each bed.")] = False,
    jsonl: JsonlOption = False,
    csv: CsvOption = False,
) -> None:
    """List the burden of each bed: over the whole time and in its worst hour, or hour by hour."""
    from edge.server.history.queries import burden_by_bed, burden_by_hour

    query = _query(day, bed, site)
    find = burden_by_hour if hours else burden_by_bed
    _show(database, lambda connection: find(connection, query), jsonl, csv)


def _listing(question: Callable[[], Question]) -> None:
    """Make a command of what `question` imports: it is asked for a day and some beds."""

    def command(
        database: DatabaseOption = None,
        day: DayOption = None,
        bed: BedOption = None,
        site: SiteOption = None,
        jsonl: JsonlOption = False,
        csv: CsvOption = False,
    ) -> None:
        query, find = _query(day, bed, site), question()
        _show(database, lambda connection: find(connection, query), jsonl, csv)

    app.command(question.__name__, help=question.__doc__)(command)


@_listing
def coverage() -> Question:
    """List how much of the time each bed was measured, and why not."""
    from edge.server.history.queries import coverage

    return coverage


@_listing
def alarms() -> Question:
    """List what the alarms did, and who answered."""
    from edge.server.history.queries import alarms

    return alarms


@_listing
def breath() -> Question:
    """List how each bed breathed, hour by hour: respiratory rate, and shares with sound (0 to 1); no vital sign."""
    from edge.server.history.breath_queries import breath_by_hour

    return breath_by_hour


@_listing
def pauses() -> Question:
    """List the pauses of breath that were told: no vital sign, and where a length is missing it is not known."""
    from edge.server.history.breath_queries import pauses

    return pauses


@app.command("holes", hidden=True)  # its name before
@app.command()
def missing(database: DatabaseOption = None, jsonl: JsonlOption = False, csv: CsvOption = False) -> None:
    """List messages that nodes have numbered and that did not come."""
    from edge.server.history.queries import missing_numbers

    _show(database, missing_numbers, jsonl, csv)


@app.command()
def prune(
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How long events, gaps, alarms and minutes stay.")],
    hours_days: Annotated[
        int | None, typer.Option("--hours-days", min=1, max=LONGEST_DAYS, help="How long hours stay; default: as long.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Take away what is older."""
    from edge.server.history.database import check_tables, default_url, open_database
    from edge.server.history.database import prune as take_away

    engine = open_database(database or default_url(), writes=True)
    try:
        check_tables(engine)
        for what, count in sorted(take_away(engine, round(time.time() * 1000), days, hours_days or days).items()):
            print(f"{what}: {count} taken away")
    finally:
        engine.dispose()


def _show(database: str | None, find: Callable[[Any], ResultTable], jsonl: bool, csv: bool) -> None:
    from edge.server.history.database import check_tables, default_url, open_database, transaction
    from edge.server.history.queries import show

    engine = open_database(database or default_url())
    try:
        check_tables(engine)
        with transaction(engine) as connection:
            answer = find(connection)
    finally:
        engine.dispose()
    show(answer, "jsonl" if jsonl else "csv" if csv else "table")


def _query(day: str | None, bed: str | None, site: str | None) -> Query:
    from edge.server.history.queries import Query

    begin, end = _bounds(day)
    if bed is not None and bed.count("/") > 2:
        raise ConfigError(f"--bed: expected bed1, edge-7/bed1 or ward-b/edge-7/bed1, found {bed!r}")
    return Query(round(begin.timestamp() * 1000), round(end.timestamp() * 1000), bed, site)


def _bounds(day: str | None) -> tuple[datetime, datetime]:
    """Begin and end of a day or a month, UTC."""
    text = day or datetime.now(timezone.utc).date().isoformat()
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
            begin = datetime.fromisoformat(f"{text}-01").replace(tzinfo=timezone.utc)
            return begin, (begin + timedelta(days=32)).replace(day=1)
        begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
        return begin, begin + timedelta(days=1)
    except (ValueError, OverflowError):
        raise ConfigError(f"--day: expected a day such as 2026-11-22, or a month, found {text!r}") from None


EXIT_ABSENT = 1
ANSWER_S = 2.0  # how long retained messages may take to come
COUNTED = ("events", "gaps", "alarms", "minutes", "copies", "self-tests", "refused")


def ingest(
    config: Annotated[Path | None, typer.Option(help="Settings (YAML); of them the broker: `mqtt`.")] = None,
    database: DatabaseOption = None,
    name: Annotated[str, typer.Option(help="Of this ingester; the broker keeps what it missed by it.")] = "history",
    check: Annotated[
        bool, typer.Option("--check", help="Say whether each ingester of the broker is there; exit code 1 if not.")
    ] = False,
) -> None:
    """Write events, gaps, trends and alarms of all nodes of a broker into a database, until Ctrl-C."""
    from edge.log import setup

    if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
        raise ConfigError(f"--name: expected 1 to 32 of a-z, 0-9 and '-', found {name!r}")
    setup()
    if check:
        return _check(broker_of(config))
    from edge.server.history.database import default_url
    from edge.server.history.service import IngestService, IngestSettings

    settings = IngestSettings(broker_of(config), database or default_url(), name)
    with stop_on_signals() as stop:
        service = IngestService(settings, stop)
        try:
            service.run()
        finally:
            print(_counts_text(service.counts))


def _counts_text(counts: Counter[str]) -> str:
    return "ingested " + ", ".join(f"{counts[kind]} {kind}" for kind in COUNTED)


def _check(broker: Mqtt) -> None:
    """Print a line for each ingester that the broker knows of."""
    from edge.delivery.mqtt_client import ClientFactory
    from edge.delivery.one_off_session import OneOffSession
    from edge.server.history.presence import judge, topic_of

    where = f"broker {broker.host}:{broker.tcp_port}"
    try:
        with OneOffSession(ClientFactory(broker, f"laennec-check.{time.time_ns():x}")) as session:
            if not session.is_accepted:
                raise SourceError(f"{where}: {session.connack_text or 'gives no answer'}; check mqtt in the settings")
            session.subscribe([topic_of(broker.prefix, "+")])
            session.wait_for_message("", ANSWER_S)  # nothing comes there: until the time is over
            found = dict(session.received)
    except (OSError, ValueError) as error:
        raise SourceError(f"{where}: {error}") from None
    verdicts = [judge(topic.rpartition("/")[2], payload, time.time()) for topic, payload in sorted(found.items())]
    for each in verdicts:
        print(f"{'ok  ' if each.is_healthy else 'FAIL'}  {each.name:<14} {each.words}")
    if not verdicts:
        print(f"laennec: {where}: no ingester has ever been there; start  laennec ingest", file=sys.stderr)
    if not verdicts or not all(each.is_healthy for each in verdicts):
        raise typer.Exit(EXIT_ABSENT)
