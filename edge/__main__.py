"""The `laennec` command.

Not for work: each command reads its arguments, calls one module and prints. Imports that take long (numba,
onnxruntime) stay inside the commands that need them. A mistake or a broken thing is one line on stderr, `laennec: ...`,
and exit code 2.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from edge import __version__
from edge.commands import (
    EXIT_INTERRUPTED,
    EXIT_MISTAKE,
    ChannelOption,
    JsonlOption,
    ModelOption,
    RuntimeOption,
    stop_on_signals,
)
from edge.commands.doctor import doctor
from edge.commands.link import app as link_app
from edge.commands.model import app as model_app
from edge.commands.tune import tune
from edge.errors import ConfigError, LaennecError

app = typer.Typer(
    name="laennec",
    help="Listens to breathing at the bedside: wheezes and crackles as events over MQTT. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(link_app, name="link")
app.add_typer(model_app, name="model")
app.command()(doctor)
app.command()(tune)

FRONT_END_HELP = "log-mel, pcen, gammatone, morlet, morse, hear or SPEC.json; default: the model's."
SCORES_HELP = "Also the score of every class for every frame (JSON lines)."


@app.command()
def run(  # noqa: PLR0913 - the options of the command
    source: Annotated[str | None, typer.Option(help="A sound file, mic, or mic:DEVICE.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML) for everything else.")] = None,
    model: ModelOption = None,
    channel: ChannelOption = None,
    host: Annotated[str | None, typer.Option(help="Broker; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the broker; default 1883.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this box; default: its host name.")] = None,
    stream: Annotated[str | None, typer.Option(help="Name of the bed or position; default bed1.")] = None,
    outbox: Annotated[Path | None, typer.Option(help="File where events wait for the broker.", readable=False)] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Files as fast as they go, not in real time.")] = False,
    runtime: RuntimeOption = None,
) -> None:
    """Listen, and publish events over MQTT, until Ctrl-C or the end of all files."""
    given = {
        "source": source, "model": model, "channel": channel, "host": host, "port": port, "node": node,
        "stream": stream, "outbox": outbox, "runtime": runtime,
    }  # fmt: skip
    from edge import config as settings
    from edge.log import setup
    from edge.yaml_file import read_yaml

    setup()
    tree = read_yaml(config) if config is not None else {}
    effective = settings.parse_config(_overlaid(tree, given, fast), str(config or "command line"))
    with stop_on_signals() as stop:
        _serve(effective, stop, is_ward=source is None)


def _serve(effective: Any, stop: threading.Event, is_ward: bool) -> None:
    """Listen to all streams; in a ward a missing microphone is waited for, at a prompt it is an error."""
    from edge.config import check_classes
    from edge.features import warm_up
    from edge.notify import Notifier
    from edge.outbox import Outbox
    from edge.runtime import open_model
    from edge.service import Service
    from edge.shelf import model_in_force
    from edge.sources import open_source
    from edge.sources.absent import open_or_await

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


@app.command()
def detect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Sound files.", readable=False)],
    jsonl: JsonlOption = False,
    scores: Annotated[bool, typer.Option("--scores", help=SCORES_HELP)] = False,
    channel: ChannelOption = None,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Print the events of sound files, at full speed and without a broker."""
    with stop_on_signals() as stop:
        from edge.detect import ROW_HEAD, Wanted, as_line, as_row, detect_file
        from edge.features import warm_up
        from edge.runtime import open_model

        warm_up()
        artefact, failed = open_model(model, runtime or "auto"), False
        for path in files:
            if not (jsonl or scores):
                print(f"{path}\n{ROW_HEAD}")
            try:
                for record in detect_file(path, artefact, Wanted(channel, scores), stop):
                    print(as_line(record) if jsonl or scores else as_row(record))
            except LaennecError as error:
                failed = True
                print(f"laennec: {error}", file=sys.stderr)
            if stop.is_set():
                raise typer.Exit(EXIT_INTERRUPTED)
        if failed:
            raise typer.Exit(EXIT_MISTAKE)


@app.command()
def spectrogram(  # noqa: PLR0913 - the options of the command
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sound file.", readable=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The picture: .png, .pdf, .svg ...", readable=False)],
    frontend: Annotated[str | None, typer.Option(help=FRONT_END_HELP)] = None,
    events: Annotated[bool, typer.Option("--events", help="Draw the detector's events over it.")] = False,
    from_s: Annotated[float, typer.Option("--from", metavar="S", help="Begin there, seconds.")] = 0.0,
    to_s: Annotated[float | None, typer.Option("--to", metavar="S", help="End there, seconds.")] = None,
    channel: ChannelOption = None,
    model: ModelOption = None,
) -> None:
    """Draw what a front-end makes of a sound file: levels over time and frequency, as the model gets them."""
    with stop_on_signals() as stop:
        from edge import spectrogram as seen
        from edge.drawing import check_output, draw
        from edge.model import load_model
        from edge.picture import make_wish

        check_output(output)
        artefact = load_model(model) if events or frontend is None else None
        wish = make_wish(file, frontend, artefact, channel, (from_s, to_s))
        picture = seen.spectrogram(wish, stop)
        found = seen.sightings(picture, artefact, stop) if events and artefact is not None else None
        if stop.is_set():
            raise typer.Exit(EXIT_INTERRUPTED)
        draw(picture, found, output)
        if picture.broken is not None:
            raise picture.broken


@app.command()
def devices() -> None:
    """List the microphones that `--source mic:DEVICE` can take."""
    from edge.sources.microphone import list_devices

    found = list_devices()
    for device in found:
        print(device)
    if not found:
        print("no microphone found")


@app.command()
def demo(
    fast: Annotated[bool, typer.Option("--fast", help="As fast as it goes, not in real time.")] = False,
    broker: Annotated[str, typer.Option(help="mosquitto, amqtt, or auto.")] = "auto",
    model: ModelOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """Play a synthetic recording through the real detector and show its events as any MQTT client sees them."""
    from edge.demo import run_demo

    with stop_on_signals() as stop:
        code = run_demo(fast, broker, (model, runtime), stop)
    if code:
        raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"laennec {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Options that come before the command."""


def main() -> None:
    """Entry point of the command: run it, and turn errors into one line."""
    # Where scipy is installed, Numba loads its linear algebra, which the edge never calls: 30 MB of 200.
    sys.modules.setdefault("scipy", None)  # type: ignore[arg-type]
    try:
        app()
    except LaennecError as error:
        print(f"laennec: {error}", file=sys.stderr)
        sys.exit(EXIT_MISTAKE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
