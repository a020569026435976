"""`laennec export`: what the nodes of a broker publish, and what people said of it on the board, as tables and files.

Messages are stored as JSON lines, and made into CSV, Parquet and FHIR; what people said of events on the board becomes
recordings for a training.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands import stop_on_signals
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.settings.broker import Mqtt


def broker_of(path: Path | None) -> Mqtt:
    """The section `mqtt` of a node's settings, or of a file that has it alone; None: the broker of this machine.

    Raises:
        ConfigError: the file cannot be read, or holds a mistake.
    """
    from edge.settings.node import parse_config
    from edge.settings.yaml_file import read_yaml

    tree = {} if path is None else read_yaml(path)
    no_beds = {"streams": [{"id": "none", "source": "none"}]}
    named = {**no_beds, **tree} if isinstance(tree, dict) else tree
    return parse_config(named, str(path or "command line"), None if path is None else path.parent).mqtt


app = typer.Typer(no_args_is_help=True, help="Events, trends and alarms of a ward, for other systems.")

PROGRESS_S = 60.0  # between two lines of what was collected

OutOption = Annotated[Path, typer.Option("--out", help="Folder of the files; made if it is not there.")]


@app.command()
def collect(
    out: OutOption,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML); of them the broker: `mqtt`.")] = None,
    name: Annotated[str, typer.Option(help="Of this client; the broker keeps what it missed by it.")] = "export",
) -> None:
    """Subscribe to all nodes of a broker and keep what they say, until Ctrl-C: a file for each table and day."""
    from edge.log import setup
    from edge.server.exports.journal import Collector, Journal

    setup()
    collector, printed_s = Collector(broker_of(config), name, Journal(out)), time.monotonic()

    def print_progress() -> None:
        nonlocal printed_s
        if time.monotonic() - printed_s >= PROGRESS_S:
            printed_s = time.monotonic()
            print(_counts_of(collector.counts), file=sys.stderr)

    with stop_on_signals() as stop:
        try:
            collector.run(stop, print_progress)
        finally:
            print(_counts_of(collector.counts))


@app.command()
def convert(
    out: OutOption,
    form: Annotated[
        list[str],
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="csv, parquet, fhir or fhir-breath (respiratory and wheeze rate: no vital sign); several times.",
        ),
    ],
    system: Annotated[
        str | None, typer.Option(metavar="URI", help="FHIR: base of the URIs of local codes and identifiers.")
    ] = None,
) -> None:
    """Make files of what was collected, beside it: those that are missing or older than their JSON lines."""
    from edge.server.exports.fhir import LOCAL
    from edge.server.exports.files import forms_of, is_current, made_of, make
    from edge.server.exports.journal import ReadCounts, journals

    _check_formats(form)
    for kind, _, journal in journals(out):
        for each in forms_of(kind, form):  # type: ignore[arg-type]
            made = made_of(journal, each)
            if is_current(made, journal):
                continue
            met = ReadCounts()
            count = make(journal, kind, each, (system or LOCAL).rstrip("/"), met)
            print(f"{made}: {count} rows, {met.copies} copies and {met.damaged} damaged lines left out")


@app.command()
def labels(
    out: OutOption,
    config: Annotated[Path, typer.Option(help="Settings of the board (YAML): of them `labels` and `clips`.")],
) -> None:
    """Hand on what people said of events on the board, with the clips, as recordings that a training reads.

    Clips go after some days (`clips.keep_days` of the node): export before that, or labels are left out.
    """
    from edge.server.board.clips import ClipIndex
    from edge.server.board.labels import LEFT_OUT, Labels, export_labels
    from edge.settings.board import load_board

    settings = load_board(config)
    if settings.clips is None:
        raise ConfigError(f"{config}: expected  clips: FOLDER  with the clips of the node, found none; add it")
    index, stored = ClipIndex(settings.clips.expanduser(), settings.sites), Labels(settings.labels_path())
    index.refresh()
    if index.why_none:
        raise ConfigError(f"clips: {index.why_none}; run as the owner of {index.folder}")
    made = export_labels(stored.all(), index.folder, index.clips, out)
    print(f"{out}: {made.labels} labels in {made.clips} clips; {len(made.left_out)} left out ({LEFT_OUT} says why)")
    if stored.damaged:
        print(f"{stored.damaged} damaged lines of {settings.labels_path()} left out", file=sys.stderr)


def _check_formats(formats: list[str]) -> None:
    from edge.server.exports.files import ENDINGS
    from edge.server.exports.tables import check_installed

    for each in formats:
        if each not in ENDINGS:
            raise ConfigError(f"--as: expected {', '.join(ENDINGS)}; found {each!r}")
    if "parquet" in formats:
        check_installed()


def _counts_of(counts: Counter[str]) -> str:
    from edge.contract.tables import COLUMNS

    rows = ", ".join(f"{counts[kind]} {kind}" for kind in COLUMNS)
    return f"collected {rows}; not kept: {counts['self-test']} of self-tests, {counts['refused']} not as they should be"
