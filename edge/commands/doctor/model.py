"""Checks of the model and what runs it, of a second model, of the metrics port, and the self-test.

Not a measure of accuracy on patients (`training.evaluation`): the self-test pushes the bundled synthetic recording
through the real pipeline, so a model that passes shows that everything works together, from the file reader to the
tracker. A port is tried by taking it for an instant, without listening; where the service runs, its page is asked for.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.doctor import Check, fail, ok, warn
from edge.errors import LaennecError
from edge.model.model import Model
from edge.node.model_comparison import load_shadow
from edge.settings.errors import errors_of, together
from edge.settings.node import Config, check_classes
from edge.settings.sections import Metrics, check_groups

if TYPE_CHECKING:
    from edge.settings.names import RuntimeName

JETSON = Path("/etc/nv_tegra_release")  # on every Jetson
REPAIR = "copy or export it again, or name another model"


def chosen(named: Path | None, config: Config | None) -> tuple[Path | None, list[Check]]:
    """The artefact that a run would use, and a check of the active release if it is one of the model store."""
    if named is not None or config is None or config.model is not None:
        return named or (config.model if config is not None else None), []
    from edge.model.releases.store import active_model

    try:
        path = active_model(config)
    except LaennecError as error:
        return None, [fail("release", str(error), "as it says; until then the node does not start")]
    active = [] if path is None else [ok("release", f"{path.parent.name[:12]} is active: {path}")]
    return path, active


def model(path: Path | None, config: Config | None) -> tuple[Check, Model | None]:
    """Load the artefact as a run would, which checks its seal, its metadata and its graph."""
    from edge.model.runtime import open_model

    try:
        loaded = open_model(path, configured_runtime(config))
    except LaennecError as error:
        return fail("model", str(error), REPAIR), None
    if errors := [] if config is None else misfits(config, loaded):
        found = str(together("settings", errors))
        return fail("model", found, "change the configuration, or name another model"), loaded
    found = f"{loaded.id}, sha256 {loaded.sha256[:12]}, features {loaded.features_sha256[:12]}, {loaded.runtime}"
    return ok("model", found), loaded


def misfits(config: Config, loaded: Model) -> list[LaennecError]:
    """What the settings ask of the loaded model and it does not have: classes, groups of classes."""
    groups = [group.name for group in loaded.groups]
    return errors_of((partial(check_classes, config, loaded), partial(check_groups, config.alarms, groups)))


def runtime(path: Path | None, config: Config | None) -> list[Check]:
    """Which runtimes this machine has, which variants of the model are there, and which of them is used and why."""
    from edge.model.model import DEFAULT_PATH
    from edge.model.runtime import find_variants, runtime_facts

    try:
        facts = runtime_facts(path, configured_runtime(config))
        variants = ", ".join(artefact.variant.name for artefact in find_variants(path or DEFAULT_PATH))
    except LaennecError as error:
        return [fail("runtime", str(error), REPAIR)]
    missing = facts.missing if facts.gpu is not None or JETSON.exists() else ""
    if not facts.missing and facts.runtime == "onnxruntime" and configured_runtime(config) == "auto":
        missing = "the GPU is not used; set  runtime: tensorrt  and run  laennec doctor --self-test"
    has = [f"onnxruntime {facts.onnxruntime}"]
    has += [f"TensorRT {facts.tensorrt}"] * bool(facts.tensorrt)
    has += [f"{facts.gpu.name}, compute capability {facts.gpu.compute_capability}"] if facts.gpu else []
    found = f"{facts.variant} in {facts.runtime}; has {', '.join(has)}"
    if missing:  # a GPU that does nothing is not what the owner wants
        return [ok("variants", variants), warn("runtime", found, missing)]
    return [ok("variants", variants), ok("runtime", found)]


def configured_runtime(config: Config | None) -> RuntimeName:
    """The runtime of the settings; `auto` without any."""
    return "auto" if config is None else config.runtime


METRICS_TIMEOUT_S = 5.0


def shadow(config: Config, live: Model) -> list[Check]:
    """Whether the second model of the settings loads, and fits the live one; nothing without one."""
    try:
        other = load_shadow(config, live)
    except LaennecError as error:
        return [fail("shadow", f"{error}; the live model would work alone", "change `shadow`, or copy it again")]
    if other is None:
        return []
    found = f"{other.id}, sha256 {other.sha256[:12]}, {other.runtime}; beside {live.id} ({live.sha256[:12]})"
    if other.sha256 == live.sha256:
        return [warn("shadow", f"{found}: it is the live model itself", "name another artefact as `shadow`, or none")]
    return [ok("shadow", found)]


def metrics(settings: Metrics, is_running: bool) -> list[Check]:
    """Whether the port of the metrics can be had, or is that of the running service; nothing without one.

    Args:
        settings: the section `metrics`.
        is_running: whether the service runs.
    """
    if settings.port is None:
        return []
    where = f"{settings.host}:{settings.port}"
    if is_running and _is_answered(settings.host, settings.port):
        return [ok("metrics", f"{where}: the running service answers")]
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((settings.host, settings.port))
    except OSError as error:
        advice = "choose another metrics.port or metrics.host, or end the program that has it: ss -ltnp"
        return [fail("metrics", f"{where}: cannot be had ({error.strerror or error})", advice)]
    if is_running:
        advice = "restart it; if that does not help, its log says why"
        return [warn("metrics", f"{where}: free, though the service runs", advice)]
    return [ok("metrics", f"{where}: free")]


def _is_answered(host: str, port: int) -> bool:
    """Whether a page of metrics of a node is there."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    with closing(HTTPConnection(here, port, timeout=METRICS_TIMEOUT_S)) as connection:
        try:
            connection.request("GET", "/metrics")
            return b"laennec_uptime_seconds" in connection.getresponse().read()
        except (OSError, HTTPException):
            return False


NEAR_S = 0.5  # largest distance between a sound and the event that counts as found
LEAST_SHARE = 0.75  # of the sounds; another model than the bundled one may miss some, a broken engine misses all
MOST_FALSE_ALARMS = 2
MAY_MISS = (
    1  # the bundled model misses the faintest of the eight: seven clicks with half a second of nothing among them
)
SELF_TEST_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Comparison:
    """The sounds of the recording against the events of the detector."""

    sounds: int
    """Sounds in the recording that the model has a class for."""
    found: int
    """Sounds with an event."""
    false_alarms: int
    """Events without a sound."""


def self_test(model: Model) -> Check:
    """Detect on the recording at full speed and compare its events with its sounds."""
    from edge.api.detect import detect_file
    from edge.api.detector import Detector
    from edge.api.recording import Event
    from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH

    truth, stop = json.loads(DEMO_TRUTH.read_text())["sounds"], threading.Event()
    timer = threading.Timer(SELF_TEST_TIMEOUT_S, stop.set)
    timer.start()
    try:
        items = list(detect_file(DEMO_AUDIO, Detector(model), None, stop))
    except LaennecError as error:
        return fail("self-test", str(error), "deploy or install again")
    finally:
        timer.cancel()
    if stop.is_set():
        return fail(
            "self-test", f"did not finish 56 s of sound in {SELF_TEST_TIMEOUT_S:.0f} s", "this box is too slow, or busy"
        )
    groups = {label: group.name for group in model.groups for label in group.classes}
    return verdict(compare(truth, [item.record() for item in items if isinstance(item, Event)], groups))


def compare(sounds: list[dict[str, Any]], events: list[dict[str, Any]], groups: dict[str, str]) -> Comparison:
    """Pair sounds and events of one group (a coarse crackle for a fine one will do) that overlap or begin together.

    Args:
        sounds: label, onset_s and end_s of each.
        events: the same.
        groups: name of the group of each class that the model reports; sounds of other classes are left out.
    """
    known = [sound for sound in sounds if sound["label"] in groups]

    def fits(event: dict[str, Any], sound: dict[str, Any]) -> bool:
        is_near = event["onset_s"] < sound["end_s"] + NEAR_S and event["end_s"] > sound["onset_s"] - NEAR_S
        return is_near and groups[event["label"]] == groups[sound["label"]]

    found = sum(any(fits(event, sound) for event in events) for sound in known)
    false_alarms = sum(not any(fits(event, sound) for sound in known) for event in events)
    return Comparison(len(known), found, false_alarms)


def verdict(comparison: Comparison) -> Check:
    """The check that a comparison amounts to."""
    found = f"{comparison.found} of {comparison.sounds} synthetic sounds found, {comparison.false_alarms} false alarms"
    if comparison.found < LEAST_SHARE * comparison.sounds or comparison.false_alarms > MOST_FALSE_ALARMS:
        return fail(
            "self-test", found, "the model, its runtime or the features are broken: go back to the last version"
        )
    if comparison.found < comparison.sounds - MAY_MISS or comparison.false_alarms:
        return warn("self-test", found, "expected with another model than the bundled one, else deploy again")
    return ok("self-test", found)
