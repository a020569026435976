"""Commands for a ward: `laennec alarms`, `laennec limits`, `laennec budget`, `laennec resend`.

What the log of alarms says; which limits of the respiratory rate may be proposed for an age, and by whom; which limits
of the burden keep a budget of alarms per bed and day; events once more, for a broker that lost what it had
acknowledged.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import EXIT_INTERRUPTED, EXIT_MISTAKE, ModelOption, stop_on_signals
from edge.errors import ConfigError, ModelError, SourceError

if TYPE_CHECKING:
    from edge.delivery.resend import Progress
    from edge.model.alarm_limits import BurdenLimits, LimitRow
    from edge.settings.node import Config
    from edge.ward.alarm_budget import Expected
    from edge.ward.alarm_records import Transition

ROW = "{:<19}  {:<12}  {:<14}  {:<4}  {:<6}  {:<14}  {}"
HEAD = ROW.format("time (UTC)", "bed", "alarm", "prio", "signal", "what happened", "who, why")


def alarms(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="2026-11-21T03:00:00Z, or how long ago: 30min, 2h.")
    ] = "24h",
    bed: Annotated[str | None, typer.Option(help="Of this bed alone; `node` for what belongs to none.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also when a condition began, or was not known.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) of the node.")] = None,
    log: Annotated[Path | None, typer.Option(help="Another outbox than that of the settings.", readable=False)] = None,
) -> None:
    """List what the alarms of this box did and who acknowledged, paused or changed them; at last what is signalled."""
    from edge.delivery.outbox_reading import alarm_log
    from edge.delivery.resend import parse_time
    from edge.ward.alarm_records import NOT_PUBLISHED, Transition

    path = log if log is not None else _log_of(config)
    begin_s = parse_time(since, "--since", time.time())
    reading = alarm_log(path, begin_s)
    transitions = [each for each in reading.records if isinstance(each, Transition)]
    if bed is not None:
        transitions = [each for each in transitions if (each.key.stream or "node") == bed]
    changes = [each for each in transitions if everything or each.cause not in NOT_PUBLISHED]
    shown = [each for each in changes if _wall_s(each) >= begin_s]
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
        raise SourceError(f"{_lines(reading.damaged_before, path)}: entries are missing above")


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
    from edge.delivery.outbox_reading import outbox_of

    outbox = outbox_of(_settings(path, None, None, None))
    if not outbox.exists():
        raise ConfigError(f"no log of alarms: no outbox {outbox}; give --config with the settings of the node")
    return outbox


HISTORY_HELP = "Outbox of a node: choose by the beds of this ward."


def budget(
    per_bed_day: Annotated[float, typer.Option("--per-bed-day", help="Alarms that a bed may raise in a day.")],
    model: ModelOption = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings (YAML) of a node: choose by what its beds sounded like.")
    ] = None,
    history: Annotated[Path | None, typer.Option(help=HISTORY_HELP)] = None,
) -> None:
    """Print the limits of the burden over 5 min that keep a budget of alarms, and what they find.

    By the validation of the model, at simulated beds; with --config or --history by the last 24 h of a ward, where
    every alarm counts, whether anything was there or not.
    """
    from edge.model.model import load_model

    if not per_bed_day > 0:
        raise ConfigError(f"--per-bed-day {per_bed_day:g}: expected a number above 0, such as 1.5")
    path = _history(config, history)
    if path is None:
        artefact = load_model(model)
        if artefact.burden_limits is None:
            raise ModelError(
                f"model {artefact.id}: carries no limits of the burden; export it again with this version of Laennec, "
                "or choose by the beds of a ward with --config"
            )
        _print_of_model(artefact.id, artefact.burden_limits, per_bed_day)
    else:
        _print_of_ward(path, load_model(model).burden_limits, per_bed_day)


def _history(config: Path | None, history: Path | None) -> Path | None:
    from edge.delivery.outbox_reading import outbox_of
    from edge.settings.node import load_config

    if config is None or history is not None:
        return history
    return outbox_of(load_config(config))


def _print_of_model(name: str, table: BurdenLimits, most: float) -> None:
    row = table.row(most)
    if row is None:
        least = min(one.alarms for one in table.rows)
        raise ConfigError(f"--per-bed-day {most:g}: no limit of {name} keeps it; the fewest alarms are {least:g}")
    _print_limits(row.limits)
    between = f"{row.alarms_low:.2f} to {row.alarms_high:.2f}, 95 % over patients"
    print(f"alarms where nothing is to be found: {row.alarms:.2f} per bed and day ({between}),")
    print(f"  all of them from {row.alarming_beds} of {table.normal_beds} beds")
    _print_found(row, table, "")
    print(f"by the validation of {name}: simulated beds of patients that the network never met, limits for each")
    print("  fold chosen on the others. A new ward may have more: count there (--config) before anybody is called")


def _print_of_ward(path: Path, table: BurdenLimits | None, most: float) -> None:
    from edge.delivery.minutes import read_history
    from edge.ward.alarm_budget import DAY_S, beds_of, limits_within

    beds = beds_of(read_history(path))
    if not beds:
        raise ConfigError(f"history {path}: no bed was measured for five minutes yet; wait, or leave out --config")
    expected = limits_within(list(beds.values()), most)
    if expected is None:
        raise ConfigError(f"--per-bed-day {most:g}: no limit keeps it at these beds")
    _print_limits(expected.limits)
    days = sum(bed.known_s for bed in beds.values()) / DAY_S
    print(f"alarms they would have raised: {expected.alarms:.2f} per bed and day{_between(expected)},")
    print(f"  all of them from {expected.alarming_beds} of {len(beds)} beds, known for {days:.2f} days in all")
    row = None if table is None else table.row_of_limits(expected.limits)
    if table is not None and row is not None:
        _print_found(row, table, "at least, by the validation of the model at limits as high or higher: ")
    print(f"by {path}; whether anything was to be found at these beds, nobody knows")


def _between(expected: Expected) -> str:
    if expected.low is None or expected.high is None:
        return " (one bed: no interval)"
    return f" ({expected.low:.2f} to {expected.high:.2f}, 95 % over beds)"


def _print_limits(limits: dict[str, float]) -> None:
    from edge.ward.alarm_rules import HYSTERESIS

    print(f"limits of the burden over 5 min; an alarm ends below {HYSTERESIS:g} of its limit:")
    for group, limit in limits.items():
        print(f"  {group:14s} {limit:6.2f} s of sound in a measurable minute")
    keys = ", ".join(f"{group}: {{limit_s_per_min: {limit:.2f}}}" for group, limit in limits.items())
    print(f"in the settings:  alarms: {{burden: {{{keys}}}}}")


def _print_found(row: LimitRow, table: BurdenLimits, origin: str) -> None:
    from edge.model.alarm_limits import FOUND_WITHIN_S, PREVALENCES

    beds = f"{table.adventitious_beds} beds"
    print(f"{origin}found within {FOUND_WITHIN_S // 60} min, where the sound is in so much of what is scored ({beds}):")
    print("  " + ", ".join(f"{100 * p:.0f} %: {found:.2f}" for p, found in zip(PREVALENCES, row.found, strict=True)))
    if row.delay_s is not None:
        print(f"  median delay at 100 %: {row.delay_s:.0f} s")


PROGRESS_S = 2.0  # between two lines of progress


def resend(
    since: Annotated[str, typer.Option(metavar="TIME", help="2026-11-21T03:00:00Z, or how long ago: 30min, 2h, 7d.")],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="The same; default: now.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) of the node, with its broker.")] = None,
    outbox: Annotated[Path | None, typer.Option(help="Another outbox than that of the settings.")] = None,
    host: Annotated[str | None, typer.Option(help="Broker; default that of the settings, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the broker.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this node; default: its host name.")] = None,
) -> None:
    """Send again the events of a period, for example after the broker lost data; each is marked `resent`.

    TIME is when a sound began or ended, not when it was delivered: go back too far rather than too little. Consumers
    drop copies by (id, rev). The service may run meanwhile.
    """
    from edge.delivery import resend as work
    from edge.delivery.outbox_reading import outbox_of

    settings = _settings(config, node, host, port)
    path = outbox if outbox is not None else outbox_of(settings)
    period = work.parse_span(since, until, time.time())
    with stop_on_signals() as stop:
        last_s = time.monotonic()

        def show(progress: Progress) -> None:
            nonlocal last_s
            if time.monotonic() - last_s > PROGRESS_S:
                last_s = time.monotonic()
                print(f"{progress.acknowledged} of {progress.total}", file=sys.stderr, flush=True)

        progress = work.resend(settings, path, period, show, stop)
        print(f"{progress.acknowledged} of {progress.total} messages sent again, of events since {period.since}")
        if progress.without_subscriber:
            print(
                f"laennec: the broker took {progress.without_subscriber} of them but has no subscriber for them",
                file=sys.stderr,
            )
        if not progress.reports_refusals:
            print("laennec: this broker speaks MQTT 3.1.1, which reports no refusal: ask a consumer", file=sys.stderr)
        if stop.is_set():
            raise typer.Exit(EXIT_INTERRUPTED)
        if progress.refused:
            advice = "are site, node and user those that the broker knows?"
            print(f"laennec: the broker refused {progress.refused} ({progress.reason}); {advice}", file=sys.stderr)
            raise typer.Exit(EXIT_MISTAKE)


def _settings(path: Path | None, node: str | None, host: str | None, port: int | None) -> Config:
    """Settings of the file, overridden by those of the command line; no stream is opened."""
    from edge.settings.node import parse_config
    from edge.settings.yaml_file import read_yaml

    tree = {"streams": [{"id": "none", "source": "none"}]} if path is None else read_yaml(path)
    if isinstance(tree, dict):
        options = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
        mqtt = tree.get("mqtt") or {}
        tree = {**tree, **({"mqtt": {**mqtt, **options}} if options and isinstance(mqtt, dict) else {})}
        tree |= {"node": node} if node is not None else {}
    return parse_config(tree, str(path or "command line"), path and path.parent)


def limits(
    ages: Annotated[
        list[str], typer.Argument(metavar="AGE...", help="Such as '10 days', '8 months', '4 years', adult.")
    ],
) -> None:
    """Print limits of the respiratory rate that may be proposed for these ages, with their source.

    None is in force before somebody sets it: `alarms.breath` in the settings of the node, or the command `limit` of one
    bed. They are no advice for a patient.
    """
    from edge.settings.sections import years_of
    from edge.ward.proposed_limits import proposed_limits

    for age in ages:
        try:
            found = proposed_limits(years_of(age))
        except ValueError as error:
            raise ConfigError(f"AGE: {age!r} {error}") from None
        print(f"{age}: at {found.low} and below, at {found.high} and above, breaths/min ({found.source})")
    print("set in ward.yaml:  alarms: {breath: {rate_low: {limit_per_min: ...}, rate_high: {limit_per_min: ...}}}")
    print("of one bed: on the board, or by the command limit with condition rate-low or rate-high and limit_per_min")
