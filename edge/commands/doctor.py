"""`laennec doctor`: checks of everything that a node needs, each with what to do."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import ModelOption

if TYPE_CHECKING:
    from edge.doctor.examine import DoctorOptions

EXIT_FAIL = 1


def doctor(
    config: Annotated[Path | None, typer.Option(help="Settings (YAML): also check its sources and broker.")] = None,
    model: ModelOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Also run the detector on a synthetic recording.")
    ] = False,
    listen: Annotated[bool, typer.Option("--listen", help="Also record 10 s from each microphone.")] = False,
) -> None:
    """Check everything that a node needs, and say what to do; exit code 1 if something fails."""
    from edge.doctor.examine import DoctorOptions

    raise typer.Exit(checked(DoctorOptions(config, model, self_test, listen), json))


def checked(options: DoctorOptions, is_json: bool = False) -> int:
    """Print what the checks find; the exit code."""
    from edge.doctor import worst
    from edge.doctor.examine import as_json, as_line, examine

    logging.getLogger("edge").addHandler(logging.NullHandler())  # the checks say what matters
    checks = []
    for check in examine(options):
        checks.append(check)
        if not is_json:
            print(as_line(check), flush=True)
    if is_json:
        print(as_json(checks))
    return EXIT_FAIL if worst(checks) == "fail" else 0
