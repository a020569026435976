"""The operator's settings of a node: one YAML file, read once, handed down frozen, and its hash.

Not for the feature spec (it travels inside the model artefact) and not for secrets: a password is named by the file
that holds it or by the environment variable `LAENNEC_MQTT_PASSWORD`. Every mistake becomes a `ConfigError` that names
the full key, the value and the repair; nothing unknown is ignored. The hash names what was in force, in `info` and in
every event; a default that changes with a release changes it too.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from edge.contract.fields import ID_PATTERN, SELF_TEST_STREAM
from edge.errors import ConfigError
from edge.settings.broker import PREFIX_PATTERN, Mqtt
from edge.settings.errors import MistakesError, closest, joined, mistakes_of, shortened
from edge.settings.link import PATTERNS, LinkSettings, mistakes_of_streams
from edge.settings.names import LIVE, STANDARD_INPUT, Outside, RuntimeName
from edge.settings.section import ModelPath, PathBeside, Section, beside_the_file, expanded, state_folder
from edge.settings.sections import (
    Age,
    AlarmSettings,
    ClassTracking,
    ClipSettings,
    HomeAssistant,
    Metrics,
    SelfTestSettings,
)
from edge.settings.yaml_file import read_yaml

SERVICE_STATE = Path("/var/lib/laennec")  # StateDirectory of the systemd unit
ID_WORDS = "an id; use 1 to 32 of a-z, 0-9 and '-'"
PREFIX_WORDS = "a prefix of topics; use A-Z, a-z, 0-9, '_' and '-', with '/' between its levels"

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Threshold = Annotated[float, Field(gt=0.0, lt=1.0)]


def host_name() -> str:
    """The host name as an id, so that two boxes differ without any setting."""
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")
    return name[:32] or "node"


def _source_beside(value: str, info: ValidationInfo) -> str:
    if _is_no_path(value):
        return value
    path = str(beside_the_file(Path(value), info))
    return f"./{path}" if _is_no_path(path) else path  # a file that is called so


def _is_no_path(source: str) -> bool:
    return source == STANDARD_INPUT or source.partition(":")[0] in LIVE


class Stream(Section):
    """One bed or sensor position."""

    id: Id
    """Last level of its topics; unique on this node."""
    source: Annotated[str, Field(min_length=1), AfterValidator(_source_beside)]
    """A path (a relative one begins at the folder of the settings; `./mic` is a file), `mic`, `mic:DEVICE`, or of a
    device in `link` `link:DEVICE` or `link:DEVICE/STREAM`."""
    channel: Annotated[int, Field(ge=1, le=64)] | None = None
    """Which channel of a source with several, counted from 1."""
    pace: bool = True
    """Whether a file is played in real time."""
    thresholds: dict[str, Threshold] = Field(default_factory=dict)
    """Score (0 to 1) that opens an event, per class, instead of the model's own."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Classes that become events here; None: all event classes of the model."""
    tracking: dict[str, ClassTracking] = Field(default_factory=dict)
    """How long and how strong a sound must be, per class, instead of the model's own."""
    update_s: Annotated[float, Field(ge=1, le=3600)] = 5.0
    """While a sound lasts, it is published again after so many seconds of it."""
    outside: Outside = "unverified"
    """What the stream is while its sound is not like what the model knows."""
    adaptation: PathBeside | None = None
    """What `laennec adapt` made for its device; None: scored as it is."""
    age: Age | None = None
    """Of the patient, as `8 months`, `4 years` or `adult`: which thresholds hold; None: those of everybody."""
    listen: bool | datetime | date | None = None
    """Whether people may listen to this bed live: this patient agreed, or not, or when (`2026-11-25 14:05`), by which
    one consent is kept apart from the next; None: as the ward's `listen` has it."""
    priority: Literal["low", "normal", "high"] = "normal"
    """In which order sound is left out where the box is too slow for all streams: low first."""

    @field_validator("id")
    @classmethod
    def _is_no_virtual_bed(cls, value: str) -> str:
        if value == SELF_TEST_STREAM:
            raise ValueError("is the bed of the node's own tests; choose another id")
        return value


class OutboxSettings(Section):
    """Where events wait for the broker, and how many may."""

    path: PathBeside | None = None
    """SQLite file; None: `laennec/outbox-<node>.db` in the state directory of the service or the user."""
    max_mb: Annotated[float, Field(ge=1, le=100_000)] = 200.0
    """How much may wait, MB; beyond it the least important messages are dropped and counted."""
    max_age_h: Annotated[float, Field(gt=0, le=24 * 366)] = 168.0
    """How long a message may wait, hours; the time when the box is off does not count, nor does its wall clock."""


class Models(Section):
    """Where signed models are stored on this box, and whose signatures are trusted (`laennec model install`)."""

    path: PathBeside | None = None
    """Folder of releases; None: `models` in the state directory of the service, where there is one, or the user's."""
    keys: PathBeside = Path("/etc/laennec/model-keys")
    """Folder with the public keys (*.pem) of those whose models may be installed."""
    signed_adaptations: bool = False
    """Use no adaptation of a stream but one that such a key signed (`edge.model.releases.signature`)."""

    @property
    def store_path(self) -> Path:
        """The folder of releases, with `~` and the defaults resolved."""
        if self.path is not None:
            return expanded(self.path, "models.path")
        # Whoever installs a model by hand on a box means the one that its service runs.
        by_hand = "STATE_DIRECTORY" not in os.environ and os.path.isdir(SERVICE_STATE)
        return (SERVICE_STATE if by_hand else state_folder("outbox.path, models.path and clips.path")) / "models"


class Config(Section):
    """Everything an operator can decide."""

    site: Id = "local"
    node: Id = Field(default_factory=host_name)
    mode: Literal["Test", "Operational"] = "Test"
    """Written into every event; a consumer must not alarm on `Test`."""
    model: ModelPath | None = None
    """`default` or `light`, the bundled ones, or a model artefact; None: the active one of `models`, else `default`."""
    models: Models = Models()
    shadow: ModelPath | None = None
    """A second model that scores the same and is only compared: no events, no alarms (`edge.node.model_comparison`)."""
    runtime: RuntimeName = "auto"
    """What runs the model: `auto` what its file is made for; `tensorrt` one of the variants beside it."""
    streams: Annotated[tuple[Stream, ...], Field(min_length=1)]
    link: LinkSettings | None = None
    """Microcontrollers that send sound over serial, UDP or BLE."""
    mqtt: Mqtt = Mqtt()
    outbox: OutboxSettings = OutboxSettings()
    alarms: AlarmSettings = AlarmSettings()
    metrics: Metrics = Metrics()
    self_test: SelfTestSettings = SelfTestSettings()
    clips: ClipSettings | None = None
    """What of the sound is kept; None: nothing."""
    look: bool = False
    """Whether people may look at a bed's live spectrogram, by the command `look`, if the broker lets them."""
    listen: bool = False
    """Whether people may listen to beds live, by the command `listen`, if the broker lets them; see `Stream.listen`."""
    home_assistant: HomeAssistant | None = None
    """How beds announce themselves to Home Assistant; None: not at all."""

    @field_validator("clips", "home_assistant", mode="before")
    @classmethod
    def _is_not_empty(cls, value: object, info: ValidationInfo) -> object:
        if value is None:  # would silently be off
            name = info.field_name
            raise ValueError(f"is empty; write  {name}: {{}}  for the defaults, or remove the key to do without {name}")
        return value

    def may_listen(self, stream: Stream) -> bool:
        """Whether people may listen to a stream of it."""
        return self.listen if stream.listen is None else bool(stream.listen)

    def clips_path(self) -> Path:
        """Where clips lie, if there are any: the configured folder, else beside where an outbox is by default."""
        if self.clips is not None and self.clips.path is not None:
            return expanded(self.clips.path, "clips.path")
        return state_folder("outbox.path, models.path and clips.path") / f"clips-{self.node}"

    def outbox_path(self) -> Path:
        """Where the outbox lives: the configured path, else systemd's or the user's state directory."""
        if self.outbox.path is not None:
            return expanded(self.outbox.path, "outbox.path")
        return state_folder("outbox.path, models.path and clips.path") / f"outbox-{self.node}.db"


class HasEventClasses(Protocol):
    """What `check_classes` needs to know of the loaded model."""

    @property
    def event_classes(self) -> tuple[str, ...]:
        """Classes that become events."""


def load_config(path: Path) -> Config:
    """Read one YAML file.

    Raises:
        ConfigError: unreadable, too large, not YAML, an unknown key, or a value out of its range.
    """
    return parse_config(read_yaml(path), str(path), path.parent)


def parse_config(tree: object, origin: str, folder: Path | None = None) -> Config:
    """Validate settings that are already a tree of mappings and lists.

    Args:
        tree: what a YAML file holds, or what the command line was turned into.
        origin: named at the head of an error: a path or `command line`.
        folder: where relative paths begin; None for the working directory.

    Raises:
        ConfigError: naming every mistake by its full key path, the value and what is allowed.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{origin}: expected keys such as `streams:` at the top, found {shortened(tree)}")
    try:
        config = Config.model_validate(tree, context={"folder": folder})
    except ValidationError as error:
        mistakes = mistakes_of(error, Config, {ID_PATTERN: ID_WORDS, PREFIX_PATTERN: PREFIX_WORDS, **PATTERNS})
        raise ConfigError(joined(origin, mistakes + _twice(tree.get("streams")) + _unlinked(tree))) from None
    sources = [stream.source for stream in config.streams]
    if mistakes := _twice(tree["streams"]) + mistakes_of_streams(config.link, sources):
        raise ConfigError(joined(origin, mistakes))
    return config


def _twice(streams: object) -> list[str]:
    """Mistakes of streams with the id of an earlier one; of what no stream can be, nothing is said here."""
    ids = _of_each(streams, "id")
    return [
        f"streams[{index}].id: {name!r} is used twice; every stream needs its own id"
        for index, name in enumerate(ids)
        if name and name in ids[:index]
    ]


def _unlinked(tree: Mapping[Any, Any]) -> list[str]:
    """Mistakes of streams of devices that the section `link` lacks, where that section itself has none."""
    try:
        link = None if tree.get("link") is None else LinkSettings.model_validate(tree["link"], context={"folder": None})
    except ValidationError:  # what is wrong in it is named already
        return []
    return mistakes_of_streams(link, _of_each(tree.get("streams"), "source"))


def _of_each(streams: object, key: str) -> list[str]:
    """A text of each stream, empty where it is none."""
    items = streams if isinstance(streams, Sequence) else ()
    found = [each.get(key) if isinstance(each, Mapping) else None for each in items]
    return [each if isinstance(each, str) else "" for each in found]


def check_classes(config: Config, model: HasEventClasses) -> None:
    """Refuse a class in the settings that the loaded model cannot turn into events.

    Raises:
        ConfigError: naming the key, the closest class and all classes of the model.
    """
    known, mistakes = model.event_classes, []
    for index, stream in enumerate(config.streams):
        named = [(f"streams[{index}].thresholds.{name}", name) for name in stream.thresholds]
        named += [(f"streams[{index}].tracking.{name}", name) for name in stream.tracking]
        named += [(f"streams[{index}].classes", name) for name in stream.classes or ()]
        mistakes += [
            f"{key}: the model has no event class {name!r}{closest(name, known)}; it has {', '.join(known)}"
            for key, name in named
            if name not in known
        ]
    if mistakes:
        raise MistakesError("settings", mistakes)


def config_hash(config: Config) -> str:
    """`sha256:` and 64 hexadecimal digits, of the settings with all defaults filled in."""
    effective = config.model_dump_json().encode()  # holds no secret, only the names of their files
    return f"sha256:{hashlib.sha256(effective).hexdigest()}"
