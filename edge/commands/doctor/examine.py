"""Whether a node can work on this box: all checks in order, as lines of text or as JSON.

Not for the state of a running node (its `health` topic) and not for repairs. Source of the idea: the named health
checks of BirdNET-Go and the doctors of package managers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge import __version__
from edge.commands.doctor import Check, Verdict, fail, worst

if TYPE_CHECKING:
    from edge.model.model import Model
    from edge.settings.node import Config

SCHEMA = "laennec.doctor/1"
SHOWN: dict[Verdict, str] = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@dataclass(frozen=True)
class DoctorOptions:
    """What to check."""

    config: Path | None = None
    """Settings of the node; without them, sources, outbox and broker are not checked."""
    model: Path | None = None
    """Artefact; None for that of the settings, or the bundled one."""
    self_test: bool = False
    """Whether to run the detector on the synthetic recording."""
    listen: bool = False
    """Whether to record ten seconds from each microphone."""


def examine(options: DoctorOptions) -> Iterator[Check]:
    """All checks, each as soon as it is done; one that fails does not keep the others from being made.

    Raises:
        ConfigError: the file with the settings cannot be read.
    """
    from edge.commands.doctor import box
    from edge.commands.doctor import model as of_model

    config, checks = _configuration(options.config)
    yield from _safely("python", lambda: [box.python()])
    yield from _safely("packages", lambda: [box.packages()])
    yield from _safely("kernels", lambda: [box.kernels()])
    path, release = of_model.chosen(options.model, config)
    yield from release
    opened: list[Model | None] = [None]

    def open_model() -> list[Check]:
        check, opened[0] = of_model.model(path, config)
        return [check]

    if worst(release) != "fail":  # no other model is checked in the place of a release that is refused
        yield from _safely("model", open_model)
        yield from _safely("runtime", lambda: of_model.runtime(path, config))
    yield from _safely("memory", box.memory)
    yield from _safely("temperature", box.temperature)
    yield from _safely("power", box.power)
    yield from _safely("clock", lambda: [box.clock()])
    yield from checks
    if config is not None:
        yield from _settings_checks(config, opened[0], options.listen)
    if options.self_test and (model := opened[0]) is not None:
        yield from _safely("self-test", lambda: [of_model.self_test(model)])


def as_line(check: Check) -> str:
    """A check as one line of text, and what to do on a second one."""
    line = f"{SHOWN[check.verdict]}  {check.name:<14} {check.found}"
    return f"{line}\n{'':<21}-> {check.advice}" if check.advice else line


def as_json(checks: list[Check]) -> str:
    """All checks as one JSON object, for programs; later versions only add fields."""
    record = {"schema": SCHEMA, "software": f"laennec {__version__}", "verdict": worst(checks)}
    return json.dumps({**record, "checks": [check.as_record() for check in checks]}, ensure_ascii=False)


def _configuration(path: Path | None) -> tuple[Config | None, list[Check]]:
    """The settings and their check; None where they are not valid, or were not given."""
    from edge.commands.doctor import ok
    from edge.errors import ConfigError
    from edge.settings.node import parse_config
    from edge.settings.yaml_file import read_yaml

    if path is None:
        return None, []
    tree = read_yaml(path)
    try:
        config = parse_config(tree, str(path), path.parent)
    except ConfigError as error:
        return None, [fail("configuration", str(error), "correct the file; deploy/ward.example.yaml shows every key")]
    streams = ", ".join(stream.id for stream in config.streams)
    named = "" if "node" in config.model_fields_set else " (the host name, which boxes flashed from one image share)"
    return config, [ok("configuration", f"{path}: node {config.node}{named}, mode {config.mode}, streams {streams}")]


def _settings_checks(config: Config, model: Model | None, listen: bool) -> Iterator[Check]:
    """Checks of what the settings name: outbox, clips, broker, metrics, links, second model, sources."""
    from edge.commands.doctor import delivery, sources
    from edge.commands.doctor import model as of_model
    from edge.delivery.outbox_reading import outbox_of

    yield from _safely("outbox", lambda: delivery.outbox(config))
    if (of_clips := config.clips) is not None:
        yield from _safely("clips", lambda: [delivery.clips(config, of_clips)])
    yield from _safely("broker", lambda: [delivery.broker(config)])
    if (link := config.link) is not None:
        yield from _safely("link", lambda: sources.links(link))
    is_running = delivery.is_running(outbox_of(config))
    yield from _safely("metrics", lambda: of_model.metrics(config.metrics, is_running))
    yield from _safely("listen", lambda: [sources.listening(config)])
    if model is None:
        return
    yield from _safely("shadow", lambda: of_model.shadow(config, model))
    yield from _source_checks(config, model, is_running, listen)


def _source_checks(config: Config, model: Model, is_running: bool, listen: bool) -> Iterator[Check]:
    """Checks of the sources of all streams, and of the adaptations of their devices."""
    from edge.commands.doctor import sources
    from edge.settings.names import LINK

    for stream in config.streams:
        if stream.adaptation is not None:
            check = partial(sources.adapted, stream, model, config.models)
            yield from _safely(f"adaptation {stream.id}", lambda check=check: [check()])  # type: ignore[misc]
        if stream.source.partition(":")[0] == LINK:
            continue  # reading the settings has found its device in the list
        look = partial(sources.source, stream, model, is_running, listen)
        yield from _safely(f"source {stream.id}", lambda look=look: [look()])  # type: ignore[misc]


def _safely(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """The checks that `look` makes; an exception in it becomes a failed check."""
    try:
        return look()
    except Exception as error:
        return [fail(name, f"the check itself failed: {error!r}", "please report this line")]
