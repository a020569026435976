"""`laennec doctor`: checks of everything that a node needs, each with what to do."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from edge.commands import ModelOption

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
    from edge.doctor import worst
    from edge.doctor.examine import DoctorOptions, as_json, as_line, examine

    logging.getLogger("edge").addHandler(logging.NullHandler())  # the checks say what matters
    checks = []
    for check in examine(DoctorOptions(config, model, self_test, listen)):
        checks.append(check)
        if not json:
            print(as_line(check), flush=True)
    if json:
        print(as_json(checks))
    if worst(checks) == "fail":
        raise typer.Exit(EXIT_FAIL)
