"""`laennec detect`: the events of sound files, as a table or as JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import (
    EXIT_INTERRUPTED,
    EXIT_MISTAKE,
    AdaptationOption,
    ChannelOption,
    JsonlOption,
    ModelOption,
    RuntimeOption,
    sound_path,
    stop_on_signals,
)
from edge.errors import ConfigError, LaennecError

if TYPE_CHECKING:
    import threading

    from edge.artefact.model import Model
    from edge.detector.detect import Coverage, DetectOptions, Record

FILES_HELP = "Sound files, folders of them, or - for standard input."
RATE_HELP = "The respiratory rate instead of events, each 5 s of a file (JSON lines)."
SCORES_HELP = "Also the score of every class, each 32 ms (JSON lines)."


def detect(  # noqa: PLR0913 - the options of the command
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=FILES_HELP)],
    jsonl: JsonlOption = False,
    scores: Annotated[bool, typer.Option("--scores", help=SCORES_HELP)] = False,
    rate: Annotated[bool, typer.Option("--rate", help=RATE_HELP)] = False,
    channel: ChannelOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
    adaptation: AdaptationOption = None,
) -> None:
    """Print the events of sound files, at full speed and without a broker."""
    with stop_on_signals() as stop:
        from edge.artefact.adaptation import load_adaptation
        from edge.artefact.runtime import open_model
        from edge.detector.detect import DetectOptions, detect_file
        from edge.features import warm_up

        warm_up()
        artefact, failed = open_model(model, runtime or "auto"), False
        options = DetectOptions(channel, scores, load_adaptation(adaptation, artefact) if adaptation else None)
        show = _print_lines if jsonl or scores else _print_table
        if rate and scores:
            raise ConfigError("--rate and --scores: expected one of them; give two commands")
        for path in _searched([sound_path(each) for each in files]):
            try:
                if isinstance(path, LaennecError):
                    raise path
                if rate:
                    _print_rates(path, artefact, options, stop)
                else:
                    coverage = show(path, detect_file(path, artefact, options, stop))
                    failed |= not coverage.measurable_s and not stop.is_set()
                    if coverage.broken is not None:
                        raise coverage.broken
            except LaennecError as error:
                failed = True
                print(f"laennec: {error}", file=sys.stderr)
            if stop.is_set():
                raise typer.Exit(EXIT_INTERRUPTED)
        if failed:
            raise typer.Exit(EXIT_MISTAKE)


def _searched(named: list[Path]) -> Iterator[Path | LaennecError]:
    """The files to read in their order; for a folder without any, why."""
    from edge.sources.file_search import sound_files

    for path in named:
        try:
            yield from sound_files(path)
        except LaennecError as error:
            yield error


def _print_rates(path: Path, model: Model, options: DetectOptions, stop: threading.Event) -> None:
    """The respiratory rate of one file, or why it is not known."""
    from edge.archive.breath_rate import rates_of_file
    from edge.detector.detect import as_line

    for record in rates_of_file(path, model, options, stop):
        print(as_line(record))


def _print_lines(path: Path, records: Generator[Record, None, Coverage]) -> Coverage:
    """All records of one file, and at last what there is to say of all of it."""
    from edge.detector.detect import as_line, last_records

    while True:
        try:
            print(as_line(next(records)))
        except StopIteration as end:
            coverage: Coverage = end.value
            for record in last_records(path, coverage):
                print(as_line(record))
            return coverage


def _print_table(path: Path, records: Generator[Record, None, Coverage]) -> Coverage:
    """The events of one file; a file that cannot be read leaves no head that looks like a quiet one."""
    from edge.detector.detect import ROW_HEAD, as_row, last_lines

    count = 0
    while True:
        try:
            record = next(records)
        except StopIteration as end:
            coverage: Coverage = end.value
            found = {0: "no event", 1: "1 event"}.get(count, f"{count} events")
            head = "" if count else f"{path}\n"
            print(f"{head}{found} in {coverage.read_s:.1f} s of sound, {coverage.measurable_s:.1f} s measurable")
            for line in last_lines(coverage):
                print(line)
            return coverage
        if not count:
            print(f"{path}\n{ROW_HEAD}")
        count += 1
        print(as_row(record))
