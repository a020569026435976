"""`laennec ingest`: what the nodes of a broker say, into a database; and whether those who do that are there."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import stop_on_signals
from edge.commands.broker_settings import broker_of
from edge.commands.database_option import DatabaseOption
from edge.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections import Counter

    from edge.settings.mqtt import Mqtt

EXIT_ABSENT = 1
ANSWER_S = 2.0  # how long retained messages may take to come
TOLD = ("events", "gaps", "alarms", "minutes", "copies", "self-tests", "refused")


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
    from edge.history.database import default_url
    from edge.history.service import IngestService, IngestSettings

    settings = IngestSettings(broker_of(config), database or default_url(), name)
    with stop_on_signals() as stop:
        service = IngestService(settings, stop)
        try:
            service.run()
        finally:
            print(_told(service.counts))


def _told(counts: Counter[str]) -> str:
    return "ingested " + ", ".join(f"{counts[kind]} {kind}" for kind in TOLD)


def _check(broker: Mqtt) -> None:
    """Print a line for each ingester that the broker knows of."""
    from edge.delivery.mqtt_client import ClientFactory
    from edge.delivery.one_off_session import OneOffSession
    from edge.history.presence import judge, topic_of

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
        print(f"{'ok  ' if each.is_well else 'FAIL'}  {each.name:<14} {each.words}")
    if not verdicts:
        print(f"laennec: {where}: no ingester has ever been there; start  laennec ingest", file=sys.stderr)
    if not verdicts or not all(each.is_well for each in verdicts):
        raise typer.Exit(EXIT_ABSENT)
