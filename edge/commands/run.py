"""`laennec run`: a node, from its settings to the end of its streams."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.commands import (
    EXIT_MISTAKE,
    AdaptationOption,
    ChannelOption,
    ModelOption,
    RuntimeOption,
    overridden,
    stop_on_signals,
)
from edge.errors import ConfigError, LaennecError
from edge.settings.names import LIVE

logger = logging.getLogger(__name__)


def run(  # noqa: PLR0913 - the options of the command
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE", help="A sound file, `mic`, or `mic:DEVICE` (see `laennec devices`); or several."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (YAML); deploy/ward.example.yaml shows all.")] = None,
    model: ModelOption = None,
    channel: ChannelOption = None,
    host: Annotated[str | None, typer.Option(help="Host of the MQTT broker; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the MQTT broker; default 1883.")] = None,
    node: Annotated[str | None, typer.Option(help="Name of this node in MQTT topics; default: its host name.")] = None,
    stream: Annotated[str | None, typer.Option(help="Name of the bed in MQTT topics; default bed1, bed2 ...")] = None,
    outbox: Annotated[
        Path | None, typer.Option(help="SQLite file in which events wait for the broker.", readable=False)
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Play files as fast as possible, not in real time.")] = False,
    runtime: RuntimeOption = None,
    adaptation: AdaptationOption = None,
) -> None:
    """Detect sounds and publish events over MQTT, until Ctrl-C or the end of all files."""
    options: dict[str, Any] = {
        "source": source,
        "model": model,
        "channel": channel,
        "host": host,
        "port": port,
        "node": node,
        "stream": stream,
        "outbox": outbox,
        "runtime": runtime,
        "adaptation": adaptation,
    }
    folder = None
    if config is not None:  # where its relative paths begin, but not those of the command line
        folder = config.parent
        options |= {
            "source": [*map(_from_here, source or ())],
            "model": _from_here(model),
            "outbox": _from_here(outbox),
        }
        options["adaptation"] = _from_here(adaptation)
    from edge.log import setup
    from edge.settings import node as settings
    from edge.settings.yaml_file import read_yaml

    setup()
    tree = read_yaml(config) if config is not None else {}
    effective = settings.parse_config(_overridden(tree, options, fast), str(config or "command line"), folder)
    with stop_on_signals() as stop:
        _serve(effective, stop, is_ward=not source, origin=str(config or "command line"))


def _serve(effective: Any, stop: threading.Event, is_ward: bool, origin: str) -> None:
    """Run all streams to their end; in a ward a missing microphone is waited for, at a prompt it is an error."""
    from edge.delivery.outbox import Outbox
    from edge.detector.warm import warm_up
    from edge.features.spec import FeatureSpec
    from edge.model.model import DEFAULT_PATH, LIGHT_PATH
    from edge.node import capacity
    from edge.node.model_comparison import open_shadow
    from edge.node.service import Service
    from edge.node.systemd import Notifier
    from edge.settings.errors import together

    notifier = Notifier.from_environment()
    notifier.send(STATUS="loading the model")
    warm_up()  # before the model: the compiler's memory is free again before the runtime needs it
    lines: list[str] = []  # for the log, after what may be an operator's mistake
    path, artefact, errors = _open_model(effective, lines)
    if artefact is None or errors:  # all mistakes at once, those of the sources too; nothing is made on the disk
        with ExitStack() as opened:
            rate_hz = FeatureSpec().rate_hz if artefact is None else artefact.rate_hz
            raise together(origin, [*errors, *_open_sources(effective, rate_hz, is_ward, opened)[1]])
    lighter = LIGHT_PATH if path in (None, DEFAULT_PATH) and LIGHT_PATH.exists() else None
    if line := capacity.warning(artefact, len(effective.streams), lighter):
        logger.warning(line)
    shadow = open_shadow(effective, artefact)
    with ExitStack() as opened:
        outbox = Outbox(effective.outbox_path(), effective.outbox.max_mb, effective.outbox.max_age_h)
        opened.callback(outbox.close)
        sources, errors = _open_sources(effective, artefact.rate_hz, is_ward, opened)
        if errors:
            raise together(origin, errors)
        for line in lines:
            logger.info("%s", line)
        outcome = Service(effective, artefact, sources, outbox, notifier, shadow).run(stop)
    for failure in outcome.failures:
        print(f"laennec: {failure}", file=sys.stderr)
    cause, reason = outcome.unaccepted
    is_undelivered = bool(cause) and (cause != "unreachable" or not stop.is_set())  # a network may be away for hours
    begin = f"nothing was delivered, {reason}; " if is_undelivered else ""
    if outcome.waiting or is_undelivered:
        waiting = f"{outcome.waiting} messages wait in {effective.outbox_path()}; the next run delivers them"
        print(f"laennec: {begin}{waiting}", file=sys.stderr)
    print(outcome.totals)
    is_unmeasured = not (is_ward or stop.is_set() or outcome.failures or outcome.totals.measurable_s)
    if is_unmeasured:
        print("laennec: nothing of this sound can be judged;  laennec detect FILE  says why", file=sys.stderr)
    if is_unmeasured or is_undelivered or outcome.failures:
        raise typer.Exit(EXIT_MISTAKE)


def _open_model(effective: Any, lines: list[str]) -> tuple[Path | None, Any, list[LaennecError]]:
    """The model's path, the model (None: it does not open), and what the settings ask of it that it does not have."""
    from edge.commands.doctor.model import misfits
    from edge.commands.doctor.sources import whole_adaptation
    from edge.model.releases.store import active_model
    from edge.model.runtime import open_model
    from edge.settings.errors import errors_of

    try:
        path = active_model(effective)
        artefact = open_model(path, effective.runtime, lines.append)
    except LaennecError as error:
        return None, None, [error]
    adaptations = sorted({stream.adaptation for stream in effective.streams} - {None})
    checks = [partial(whole_adaptation, each, artefact, effective.models) for each in adaptations]
    return path, artefact, [*misfits(effective, artefact), *errors_of(checks)]


def _open_sources(
    effective: Any, rate_hz: int, is_ward: bool, opened: ExitStack
) -> tuple[list[Any], list[LaennecError]]:
    """The sources of all streams, and why some of them cannot be opened."""
    from edge.sources.opening import open_or_retry, open_source

    sources, errors, streams = list[Any](), list[LaennecError](), effective.streams
    try:
        bridge = _bridge(effective, rate_hz)
    except LaennecError as error:
        bridge, streams = None, [item for item in streams if not item.source.startswith("link:")]
        errors.append(error)
    for item in streams:
        look = partial(open_source, item.source, rate_hz, item.channel, item.pace, bridge)
        try:
            sources.append(open_or_retry(item.source, look) if is_ward else look())
        except LaennecError as error:
            errors.append(error)
        else:
            opened.callback(sources[-1].close)
    return sources, errors


def _bridge(effective: Any, rate_hz: int) -> Any:
    """The reader of the microcontrollers' links; None if no stream needs it."""
    if not any(item.source.startswith("link:") for item in effective.streams):
        return None
    from edge.sources.bridge import open_bridge

    return open_bridge(effective.link, rate_hz, effective.outbox_path().with_name(f"links-{effective.node}.json"))


def _overridden(tree: object, options: dict[str, Any], fast: bool) -> object:
    """The settings of the file, overridden by those of the command line."""
    if not isinstance(tree, dict):
        return tree
    of_sections = {"mqtt": {key: options[key] for key in ("host", "port")}, "outbox": {"path": options["outbox"]}}
    merged = overridden(tree, of_sections)
    for key in ("model", "node", "runtime"):
        if options[key] is not None:
            merged[key] = options[key]
    if options["source"]:
        named = _streams(options["source"], options["stream"], options["channel"])
        merged["streams"] = [{**each, "adaptation": options["adaptation"]} for each in named]
    elif any(options[key] is not None for key in ("stream", "channel", "adaptation")):
        raise ConfigError(
            "--stream, --channel and --adaptation belong to --source; in a configuration file they stand under streams"
        )
    elif not tree:
        raise ConfigError("nothing to listen to: give --source FILE, --source mic, or --config with streams")
    streams = merged.get("streams")
    if fast and isinstance(streams, list):
        _refuse_fast(streams)
        merged["streams"] = [{**item, "pace": False} if isinstance(item, dict) else item for item in streams]
    return merged


def _refuse_fast(streams: list[Any]) -> None:
    """Refuse --fast for what comes in its own time, also when it is played from a capture."""
    sources = [str(item.get("source", "")) for item in streams if isinstance(item, dict)]
    live = [source for source in sources if source.partition(":")[0] in LIVE]
    if live:
        raise ConfigError(
            f"--fast is for files; {live[0]} comes at its own pace, also from a capture: leave --fast out"
        )


def _streams(sources: list[str], stream: str | None, channel: int | None) -> list[dict[str, Any]]:
    """Streams of the sources that the command line names, called bed1, bed2 ... unless it is one with a name."""
    if len(sources) > 1 and stream is not None:
        raise ConfigError("--stream names one bed, and several sources are given; leave it out, or use --config")
    ids = [stream or f"bed{number}" for number in range(1, len(sources) + 1)]
    return [{"id": ident, "source": source, "channel": channel} for ident, source in zip(ids, sources, strict=True)]


def _from_here(named: Path | str | None) -> str | None:
    """A path of the command line as a full one; anything else that can be named in its place, as it is."""
    text = None if named is None else str(named)
    if text is None or text.startswith("~") or text == "-" or text.partition(":")[0] in LIVE:
        return text
    return str(Path(text).absolute())
