"""`laennec budget`: which limits of the burden keep a budget of alarms per bed and day, and what they find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption
from edge.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from edge.artefact.burden_limits import BurdenLimits, LimitRow
    from edge.ward.budget import Expected

HISTORY_HELP = "History of a node (*.history beside its outbox): choose by the beds of this ward."


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
    from edge.artefact.model import load_model

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
    from edge.delivery.trend_history import history_path
    from edge.settings.config import load_config

    if config is None or history is not None:
        return history
    return history_path(outbox_of(load_config(config)))


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
    print(f"by the validation of {name}: simulated beds of patients that the network never heard, limits for each")
    print("  fold chosen on the others. A new ward may have more: count there (--config) before anybody is called")


def _print_of_ward(path: Path, table: BurdenLimits | None, most: float) -> None:
    from edge.delivery.trend_history import read_history
    from edge.ward.budget import DAY_S, limits_within
    from edge.ward.ward_record import beds_of

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
    from edge.artefact.burden_limits import FOUND_WITHIN_S, PREVALENCES

    beds = f"{table.adventitious_beds} beds"
    print(f"{origin}found within {FOUND_WITHIN_S // 60} min, where the sound is in so much of what is heard ({beds}):")
    print("  " + ", ".join(f"{100 * p:.0f} %: {found:.2f}" for p, found in zip(PREVALENCES, row.found, strict=True)))
    if row.delay_s is not None:
        print(f"  median delay at 100 %: {row.delay_s:.0f} s")
