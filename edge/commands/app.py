"""The `laennec` command: its list of commands, and how every error is printed.

Not for work: each command reads its arguments, calls one module and prints. Imports that take long (numba,
onnxruntime) stay inside the commands that need them. An error of the operator or of the outside world is one line on
stderr, `laennec: ...`, and exit code 2.
"""

from __future__ import annotations

import errno
import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from edge import __version__
from edge.commands import EXIT_INTERRUPTED, EXIT_MISTAKE
from edge.commands.board import app as board_app
from edge.commands.box import bench, devices, doctor
from edge.commands.demo import demo
from edge.commands.export import app as export_app
from edge.commands.files import adapt, detect, spectrogram
from edge.commands.history import app as history_app
from edge.commands.history import ingest
from edge.commands.init import init
from edge.commands.link import app as link_app
from edge.commands.model import app as model_app
from edge.commands.replay import replay
from edge.commands.run import run
from edge.commands.score import score
from edge.commands.ward import alarms, budget, limits, resend
from edge.errors import LaennecError, not_installed

app = typer.Typer(
    name="laennec",
    help="Listens to breathing at the bedside: wheezes and crackles as events over MQTT. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


# `laennec --help` lists them in this order.
app.command(short_help="Write the first settings, by six questions.")(init)
app.command(short_help="Detect sounds and publish events over MQTT.")(run)
app.command(short_help="Print the events of sound files.")(detect)
app.command(short_help="Draw the spectrogram of a sound file.")(spectrogram)
app.command(short_help="Score an archive of recordings, to tables.")(score)
app.command(short_help="List the microphones.")(devices)
app.command(short_help="Play a synthetic recording, show its events.")(demo)
app.command(short_help="Check everything that a node needs.")(doctor)
app.command(short_help="Publish again events that a broker lost.")(resend)
app.command(short_help="Choose limits for a budget of alarms.")(budget)
app.command(short_help="Propose limits of the respiratory rate for an age.")(limits)
app.command(short_help="List what the alarms did, and who answered.")(alarms)
app.add_typer(board_app, name="board", short_help="Show the ward in a browser; answer alarms.")
app.command(short_help="Score the clip of an event again.")(replay)
app.add_typer(export_app, name="export", short_help="Hand on what a ward says: CSV, Parquet, FHIR.")
app.command(short_help="Write what a ward says into a database.")(ingest)
app.add_typer(history_app, name="history", short_help="Ask the history: events, burden, coverage.")
app.add_typer(model_app, name="model", short_help="Show the model; manage signed models.")
app.command(short_help="Measure a device of your own.")(adapt)
app.command(short_help="Find how many beds this box sustains.")(bench)
app.add_typer(link_app, name="link", short_help="Test links to wearable stethoscopes.")


def _version(is_requested: bool) -> None:
    if is_requested:
        print(f"laennec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""


def _replace_closed_outputs() -> None:
    """The null device for an output that the shell closed (`>&-`), for which Python has None."""
    if None in (sys.stdin, sys.stdout, sys.stderr):  # no file may get their numbers: libraries in C write to 2
        while os.open(os.devnull, os.O_RDWR) <= 2:
            pass
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends


def main() -> None:
    """Entry point of the command: run it, and turn errors into one line."""
    # Where scipy is installed, Numba loads its linear algebra, which the edge never calls: 30 MB of 200.
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]
    _replace_closed_outputs()
    for output in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal's encoding lacks
        if isinstance(output, TextIOWrapper):
            output.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except LaennecError as error:
        print(f"laennec: {error}", file=sys.stderr)
        sys.exit(EXIT_MISTAKE)
    except ImportError as error:
        if (missing := not_installed(error)) is None:
            raise
        print(f"laennec: {missing}", file=sys.stderr)
        sys.exit(EXIT_MISTAKE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.filename is not None or error.errno not in OUTPUT_FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"laennec: cannot write to standard output ({error.strerror}); make room there", file=sys.stderr)
        sys.exit(EXIT_MISTAKE)
