"""`laennec alarms`: what the log of alarms says, for a person."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from edge.ward.alarm_records import Transition

ROW = "{:<19}  {:<12}  {:<14}  {:<4}  {:<6}  {:<14}  {}"
HEAD = ROW.format("time (UTC)", "bed", "alarm", "prio", "signal", "what happened", "who, why")
OF_MEASURING = ("known", "unknown", "present")  # of interest to whoever looks for a fault


def alarms(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="2026-11-21T03:00:00Z, or how long ago: 30min, 2h.")
    ] = "24h",
    bed: Annotated[str | None, typer.Option(help="Of this bed alone; `node` for what belongs to none.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also when a condition began, or was not known.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) of the node.")] = None,
    log: Annotated[Path | None, typer.Option(help="Another log than that of the settings.", readable=False)] = None,
) -> None:
    """List what the alarms of this box did and who acknowledged, paused or changed them; at last what is signalled."""
    from edge.delivery.alarm_log import before
    from edge.delivery.alarm_log_reading import read_all
    from edge.delivery.resend import parse_time
    from edge.ward.alarm_records import Transition

    path = log if log is not None else _log_of(config)
    begin_s = parse_time(since, "--since", time.time())
    reading = read_all(path, begin_s)
    transitions = [each for each in reading.records if isinstance(each, Transition)]
    if bed is not None:
        transitions = [each for each in transitions if (each.key.stream or "node") == bed]
    told = [each for each in transitions if everything or each.cause not in OF_MEASURING]
    shown = [each for each in told if _wall_s(each) >= begin_s]
    if shown:
        print(HEAD)
    for each in shown:
        print(_row(each))
    last = {each.key: each for each in transitions}
    active = [
        f"{each.key.stream or 'node'} {each.key.condition} ({each.state.signal})"
        for each in last.values()
        if each.state.signal != "Off"
    ]
    named = ", ".join(sorted(active))
    if reading.damaged:
        found = f"{_lines(reading.damaged, path)}: what is signalled now is not known, see the board"
        raise SourceError(found + (f"; by the lines that are whole: {named}" if named else ""))
    if not transitions:
        whose = "" if bed is None else f" of --bed {bed}"
        raise SourceError(f"log of alarms {path}: has none{whose}: what is signalled there is not known")
    print(f"{len(shown)} entries since {since}; signalled now: {named or 'nothing'}")
    if reading.damaged_before:
        raise SourceError(f"{_lines(reading.damaged_before, before(path))}: entries are missing above")


def _lines(number: int, path: Path) -> str:
    return f"{number} line{' of' if number == 1 else 's of'} {path} {'is' if number == 1 else 'are'} damaged or cut"


def _wall_s(each: Transition) -> float:
    """When it was, by the wall clock; of an old log, which does not say, by the one that was read at a start."""
    return each.at_s if each.wall_s is None else each.wall_s


def _row(each: Transition) -> str:
    from edge.contract.fields import rfc3339

    when = rfc3339(_wall_s(each))[:19].replace("T", " ")
    who = "" if each.by is None else f"{each.by.by}{': ' if each.by.why else ''}{each.by.why}"
    key, cause = each.key, each.cause + (f" ({each.repeats + 1} times)" if each.repeats else "")
    return ROW.format(when, key.stream or "node", key.condition, each.priority, each.state.signal, cause, who).rstrip()


def _log_of(path: Path | None) -> Path:
    from edge.delivery.alarm_log import log_beside
    from edge.delivery.outbox_reading import outbox_of
    from edge.settings.config import parse_config
    from edge.settings.yaml_file import read_yaml

    tree = {"streams": [{"id": "none", "source": "none"}]} if path is None else read_yaml(path)
    settings = parse_config(tree, str(path or "command line"))
    found = log_beside(outbox_of(settings), settings.node)
    if not found.exists():
        raise ConfigError(f"no log of alarms {found}; give --config with the settings of the node, or --log FILE")
    return found
