"""`laennec history`: what an ingester has written, for a ward engineer; and old rows away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.commands import JsonlOption
from edge.commands.database_option import DatabaseOption
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.history.queries import Answer, Asked

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
    from edge.history.queries import events as ask

    asked = _asked(day, bed, site)
    _show(database, lambda connection: ask(connection, asked, label), jsonl, csv)


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
    from edge.history.queries import burden_by_bed, burden_by_hour

    asked = _asked(day, bed, site)
    ask = burden_by_hour if hours else burden_by_bed
    _show(database, lambda connection: ask(connection, asked), jsonl, csv)


@app.command()
def coverage(
    database: DatabaseOption = None,
    day: DayOption = None,
    bed: BedOption = None,
    site: SiteOption = None,
    jsonl: JsonlOption = False,
    csv: CsvOption = False,
) -> None:
    """List how much of the time each bed was measured, and why not."""
    from edge.history.queries import coverage as ask

    asked = _asked(day, bed, site)
    _show(database, lambda connection: ask(connection, asked), jsonl, csv)


@app.command()
def alarms(
    database: DatabaseOption = None,
    day: DayOption = None,
    bed: BedOption = None,
    site: SiteOption = None,
    jsonl: JsonlOption = False,
    csv: CsvOption = False,
) -> None:
    """List what the alarms did, and who answered."""
    from edge.history.queries import alarms as ask

    asked = _asked(day, bed, site)
    _show(database, lambda connection: ask(connection, asked), jsonl, csv)


@app.command()
def holes(database: DatabaseOption = None, jsonl: JsonlOption = False, csv: CsvOption = False) -> None:
    """List messages that nodes have numbered and that did not come."""
    from edge.history.queries import holes_of

    _show(database, holes_of, jsonl, csv)


@app.command()
def prune(
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How long events, gaps, alarms and minutes stay.")],
    hours_days: Annotated[
        int | None, typer.Option("--hours-days", min=1, max=LONGEST_DAYS, help="How long hours stay; default: as long.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Take away what is older."""
    from edge.history.database import check_tables, default_url, open_database
    from edge.history.retention import prune as take_away

    engine = open_database(database or default_url(), writes=True)
    try:
        check_tables(engine)
        for what, count in sorted(take_away(engine, round(time.time() * 1000), days, hours_days or days).items()):
            print(f"{what}: {count} taken away")
    finally:
        engine.dispose()


def _show(database: str | None, ask: Callable[[Any], Answer], jsonl: bool, csv: bool) -> None:
    from edge.history.database import check_tables, default_url, open_database, transaction
    from edge.history.printing import show

    engine = open_database(database or default_url())
    try:
        check_tables(engine)
        with transaction(engine) as connection:
            answer = ask(connection)
    finally:
        engine.dispose()
    show(answer, "jsonl" if jsonl else "csv" if csv else "table")


def _asked(day: str | None, bed: str | None, site: str | None) -> Asked:
    from edge.history.queries import Asked

    begin, end = _bounds(day)
    if bed is not None and bed.count("/") > 2:
        raise ConfigError(f"--bed: expected bed1, edge-7/bed1 or ward-b/edge-7/bed1, found {bed!r}")
    return Asked(round(begin.timestamp() * 1000), round(end.timestamp() * 1000), bed, site)


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
