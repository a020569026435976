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
from edge.errors import LaennecError

if TYPE_CHECKING:
    from edge.detector.detect import Coverage, Record

FILES_HELP = "Sound files, folders of them, or - for standard input."
SCORES_HELP = "Also the score of every class, each 32 ms (JSON lines)."


def detect(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help=FILES_HELP)],
    jsonl: JsonlOption = False,
    scores: Annotated[bool, typer.Option("--scores", help=SCORES_HELP)] = False,
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
        for path in _searched([sound_path(each) for each in files]):
            try:
                if isinstance(path, LaennecError):
                    raise path
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
