"""The `laennec` command.

Not for work: each command reads its arguments, calls one module and prints. Imports that take long (numba,
onnxruntime) stay inside the commands that need them. A mistake or a broken thing is one line on stderr, `laennec: ...`,
and exit code 2.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from contextlib import ExitStack
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from edge import __version__
from edge.commands import (
    EXIT_INTERRUPTED,
    EXIT_MISTAKE,
    ChannelOption,
    ModelOption,
    RuntimeOption,
    stop_on_signals,
)
from edge.commands.detect import detect
from edge.commands.doctor import doctor
from edge.commands.link import app as link_app
from edge.commands.model import app as model_app
from edge.commands.optimize import optimize, tune
from edge.commands.resend import resend
from edge.commands.spectrogram import spectrogram
from edge.errors import ConfigError, LaennecError

app = typer.Typer(
    name="laennec",
    help="Listens to breathing at the bedside: wheezes and crackles as events over MQTT. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run(  # noqa: PLR0913 - the options of the command
    source: Annotated[
        str | None, typer.Option(help="A sound file, `mic`, or `mic:DEVICE` (see `laennec devices`).")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML); deploy/ward.example.yaml shows all.")] = None,
    model: ModelOption = None,
    channel: ChannelOption = None,
    host: Annotated[str | None, typer.Option(help="Host of the MQTT broker; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the MQTT broker; default 1883.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this box in MQTT topics; default: its host name.")] = None,
    stream: Annotated[str | None, typer.Option(help="Name of the bed in MQTT topics; default bed1.")] = None,
    outbox: Annotated[
        Path | None, typer.Option(help="SQLite file in which events wait for the broker.", readable=False)
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Play files as fast as possible, not in real time.")] = False,
    runtime: RuntimeOption = None,
) -> None:
    """Detect sounds and publish events over MQTT, until Ctrl-C or the end of all files."""
    given = {
        "source": source, "model": model, "channel": channel, "host": host, "port": port, "node": node,
        "stream": stream, "outbox": outbox, "runtime": runtime,
    }  # fmt: skip
    from edge.log import setup
    from edge.settings import config as settings
    from edge.settings.yaml_file import read_yaml

    setup()
    tree = read_yaml(config) if config is not None else {}
    effective = settings.parse_config(_overlaid(tree, given, fast), str(config or "command line"))
    with stop_on_signals() as stop:
        _serve(effective, stop, is_ward=source is None)


def _serve(effective: Any, stop: threading.Event, is_ward: bool) -> None:
    """Listen to all streams; in a ward a missing microphone is waited for, at a prompt it is an error."""
    from edge.artefact.runtime import open_model
    from edge.delivery.outbox import Outbox
    from edge.features import warm_up
    from edge.node.notify import Notifier
    from edge.node.service import Service
    from edge.releases.model_store import model_in_force
    from edge.settings.config import check_classes
    from edge.sources import open_source
    from edge.sources.pending import open_or_await

    notifier = Notifier.from_environment()
    notifier.tell(STATUS="loading the model")
    warm_up()  # before the model: the compiler is put away before the runtime needs room
    artefact = open_model(model_in_force(effective), effective.runtime)
    check_classes(effective, artefact)
    with ExitStack() as opened:
        outbox = Outbox(effective.outbox_path(), effective.outbox.max_mb, effective.outbox.max_age_h)
        opened.callback(outbox.close)
        sources, bridge = [], _bridge(effective, artefact.rate_hz)
        for item in effective.streams:
            look = partial(open_source, item.source, artefact.rate_hz, item.channel, item.pace, bridge)
            sources.append(open_or_await(item.source, look) if is_ward else look())
            opened.callback(sources[-1].close)
        outcome = Service(effective, artefact, sources, outbox, notifier).run(stop)
    for failure in outcome.failures:
        print(f"laennec: {failure}", file=sys.stderr)
    if outcome.waiting:
        print(
            f"laennec: {outcome.waiting} messages wait in {effective.outbox_path()}; the next run delivers them",
            file=sys.stderr,
        )
    print(outcome.tally)
    if outcome.failures:
        raise typer.Exit(EXIT_MISTAKE)


def _bridge(effective: Any, rate_hz: int) -> Any:
    """What reads the microcontrollers' links, if any stream is theirs."""
    if not any(item.source.startswith("link:") for item in effective.streams):
        return None
    from edge.sources.bridge import open_bridge

    return open_bridge(effective.link, rate_hz, effective.outbox_path().with_name(f"links-{effective.node}.json"))


def _overlaid(tree: object, given: dict[str, Any], fast: bool) -> object:
    """The settings of the file with those of the command line laid over them."""
    if not isinstance(tree, dict):
        return tree
    merged = {**tree}
    for key in ("model", "node", "runtime"):
        if given[key] is not None:
            merged[key] = given[key]
    for section, keys in (("mqtt", {"host": "host", "port": "port"}), ("outbox", {"path": "outbox"})):
        wanted = {key: given[name] for key, name in keys.items() if given[name] is not None}
        if wanted and isinstance(merged.get(section, {}) or {}, dict):
            merged[section] = {**(merged.get(section) or {}), **wanted}
    if given["source"] is not None:
        merged["streams"] = [{"id": given["stream"] or "bed1", "source": given["source"], "channel": given["channel"]}]
    elif given["stream"] is not None or given["channel"] is not None:
        raise ConfigError("--stream and --channel belong to --source; in a configuration file they stand under streams")
    elif not tree:
        raise ConfigError("nothing to listen to: give --source FILE, --source mic, or --config with streams")
    streams = merged.get("streams")
    if fast and isinstance(streams, list):
        merged["streams"] = [{**item, "pace": False} if isinstance(item, dict) else item for item in streams]
    return merged


def devices() -> None:
    """List the microphones that `--source mic:DEVICE` can take."""
    from edge.sources.microphone import list_devices

    found = list_devices()
    for device in found:
        print(device)
    if not found:
        print("no microphone found")


def demo(
    fast: Annotated[bool, typer.Option("--fast", help="As fast as possible, not in real time.")] = False,
    broker: Annotated[str, typer.Option(help="mosquitto, amqtt, or auto.")] = "auto",
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Play a synthetic recording through the detector and a broker, and show the events that an MQTT client gets."""
    from edge.commands.demo.play import run_demo

    with stop_on_signals() as stop:
        code = run_demo(fast, broker, (model, runtime), stop)
    if code:
        raise typer.Exit(code)


# `laennec --help` lists them in this order.
app.command(short_help="Detect sounds and publish events over MQTT.")(run)
app.command(short_help="Print the events of sound files.")(detect)
app.command(short_help="Draw the spectrogram of a sound file.")(spectrogram)
app.command(short_help="List the microphones.")(devices)
app.command(short_help="Play a synthetic recording, show its events.")(demo)
app.command(short_help="Check everything that a node needs.")(doctor)
app.command(short_help="Publish again events that a broker lost.")(resend)
app.add_typer(model_app, name="model", short_help="Show the model; manage signed models.")
app.command(short_help="Find the fastest variant of the model here.")(optimize)
app.command(hidden=True)(tune)
app.add_typer(link_app, name="link", short_help="Test links to wearable stethoscopes.")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"laennec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before the command."""


def main() -> None:
    """Entry point of the command: run it, and turn errors into one line."""
    # Where scipy is installed, Numba loads its linear algebra, which the edge never calls: 30 MB of 200.
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]
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


if __name__ == "__main__":
    main()
