"""The operator's settings: one YAML file, read once, handed down frozen.

Not for the feature spec (it travels inside the model artefact) and not for secrets: a password is named by the file
that holds it or by the environment variable `LAENNEC_MQTT_PASSWORD`. Every mistake becomes a `ConfigError` that names
the full key, the value and the repair; nothing unknown is ignored.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, ValidationError, field_validator

from edge.errors import ConfigError
from edge.settings.alarms import AlarmSettings
from edge.settings.kinds import Outside, RuntimeName
from edge.settings.link import LinkSettings, check_streams
from edge.settings.mistakes import ID_PATTERN, closest, describe, shortened
from edge.settings.section import Section
from edge.settings.yaml_file import read_yaml

PASSWORD_VARIABLE = "LAENNEC_MQTT_PASSWORD"
SERVICE_STATE = Path("/var/lib/laennec")  # StateDirectory of the systemd unit

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Threshold = Annotated[float, Field(gt=0.0, lt=1.0)]


def _host_name() -> str:
    """The host name as an id, so that two boxes differ without any setting."""
    name = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")
    return name[:32] or "node"


class Stream(Section):
    """One bed or sensor position."""

    id: Id
    """Last level of its topics; unique on this node."""
    source: Annotated[str, Field(min_length=1)]
    """A path, or `mic`, or `mic:DEVICE`, or `link:DEVICE` or `link:DEVICE/STREAM` of a device in `link`."""
    channel: Annotated[int, Field(ge=1, le=64)] | None = None
    """Which channel of a source with several, counted from 1."""
    pace: bool = True
    """Whether a file is played in real time."""
    thresholds: dict[str, Threshold] = Field(default_factory=dict)
    """Score (0 to 1) that opens an event, per class, instead of the model's own."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Classes that become events here; None: all event classes of the model."""
    outside: Outside = "unverified"
    """What the stream is while its sound is not like what the model knows."""
    priority: Literal["low", "normal", "high"] = "normal"
    """In which order sound is left out where the box is too slow for all streams: low first."""


class Tls(Section):
    """Encryption towards the broker; its presence switches TLS on."""

    ca: Path | None = None
    """Certificate authority (PEM); None: those of the system."""
    cert: Path | None = None
    """Client certificate (PEM)."""
    key: Path | None = None
    """Key of the client certificate (PEM)."""


class Mqtt(Section):
    """The broker, and the times of the MQTT session with it; `username` None is an anonymous one."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: 8883 with `tls`, else 1883."""
    username: str | None = None
    password_file: Path | None = None
    """File whose first line is the password; else the environment variable `LAENNEC_MQTT_PASSWORD`."""
    tls: Tls | None = None
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=64)] = "laennec/v1"
    keepalive_s: Annotated[int, Field(ge=1, le=600)] = 15
    will_delay_s: Annotated[int, Field(ge=0, le=299)] = 10
    """How long a broken connection may last before the broker calls the node offline (MQTT 5)."""
    ack_timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    """A broker that has not acknowledged after this long is reconnected and sent everything again."""
    reconnect_min_s: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    reconnect_max_s: Annotated[float, Field(ge=0.1, le=600)] = 30.0
    """The wait between attempts to connect doubles from the first to the second, seconds."""

    @field_validator("tls", mode="before")
    @classmethod
    def _tls_is_not_empty(cls, value: object) -> object:
        if value is None:  # would silently be no encryption, with the password in clear text
            raise ValueError("is empty; write  tls: {}  for the system's certificates, or remove the key")
        return value

    @property
    def tcp_port(self) -> int:
        """The port to connect to."""
        return self.port or (1883 if self.tls is None else 8883)


class OutboxSettings(Section):
    """Where events wait for the broker, and how many may."""

    path: Path | None = None
    """SQLite file; None: `laennec/outbox-<node>.db` in the state directory of the service or the user."""
    max_mb: Annotated[float, Field(ge=1, le=100_000)] = 200.0
    """How much may wait, MB; beyond it the least important messages are dropped and counted."""
    max_age_h: Annotated[float, Field(gt=0, le=24 * 366)] = 168.0
    """How long a message may wait, hours; the time when the box is off does not count, nor does its wall clock."""


class Models(Section):
    """Where signed models are stored on this box, and whose signatures are trusted (`laennec model install`)."""

    path: Path | None = None
    """Folder of releases; None: `models` in the state directory of the service, where there is one, or the user's."""
    keys: Path = Path("/etc/laennec/model-keys")
    """Folder with the public keys (*.pem) of those whose models may be installed."""

    @property
    def store_path(self) -> Path:
        """The folder of releases, with `~` and the defaults resolved."""
        if self.path is not None:
            return _expanded(self.path, "models.path")
        # Whoever installs a model by hand on a box means the one that its service runs.
        by_hand = "STATE_DIRECTORY" not in os.environ and os.path.isdir(SERVICE_STATE)
        return (SERVICE_STATE if by_hand else _state_directory()) / "models"


class Config(Section):
    """Everything an operator can decide."""

    site: Id = "local"
    node: Id = Field(default_factory=_host_name)
    mode: Literal["Test", "Operational"] = "Test"
    """Written into every event; a consumer must not alarm on `Test`."""
    model: Path | None = None
    """Model artefact; None: the active one of `models`, else the bundled one."""
    models: Models = Models()
    runtime: RuntimeName = "auto"
    """What runs the model: `auto` leaves it to what this machine has and `laennec optimize` measured."""
    streams: Annotated[tuple[Stream, ...], Field(min_length=1)]
    link: LinkSettings | None = None
    """Microcontrollers that send sound over serial, UDP or BLE."""
    mqtt: Mqtt = Mqtt()
    outbox: OutboxSettings = OutboxSettings()
    alarms: AlarmSettings = AlarmSettings()

    def outbox_path(self) -> Path:
        """Where the outbox lives: the configured path, else systemd's or the user's state directory."""
        if self.outbox.path is not None:
            return _expanded(self.outbox.path, "outbox.path")
        return _state_directory() / f"outbox-{self.node}.db"


def _state_directory() -> Path:
    """Systemd's state directory of the service, else the user's own (XDG)."""
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    base = Path(state) if state else Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "laennec"
    return _expanded(base, "outbox.path and models.path")


def _expanded(path: Path, key: str) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{key}: {path} needs a home directory, and there is none; give a full path") from error


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
    return parse_config(read_yaml(path), str(path))


def parse_config(tree: object, origin: str) -> Config:
    """Validate settings that are already a tree of mappings and lists.

    Args:
        tree: what a YAML file holds, or what the command line was turned into.
        origin: named at the head of an error: a path or `command line`.

    Raises:
        ConfigError: naming the full key path, the value and what is allowed.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{origin}: expected keys such as `streams:` at the top, found {shortened(tree)}")
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])  # the likely cause
        raise ConfigError(f"{origin}: {describe(first, Config)}") from None
    ids = [stream.id for stream in config.streams]
    for index, name in enumerate(ids):
        if name in ids[:index]:
            raise ConfigError(f"{origin}: streams[{index}].id: {name!r} is used twice; every stream needs its own id")
    check_streams(config.link, [stream.source for stream in config.streams], origin)
    return config


def check_classes(config: Config, model: HasEventClasses) -> None:
    """Refuse a class in the settings that the loaded model cannot turn into events.

    Raises:
        ConfigError: naming the key, the closest class and all classes of the model.
    """
    for index, stream in enumerate(config.streams):
        named = [(f"streams[{index}].thresholds.{name}", name) for name in stream.thresholds]
        named += [(f"streams[{index}].classes", name) for name in stream.classes or ()]
        for key, name in named:
            if name not in model.event_classes:
                known = ", ".join(model.event_classes)
                raise ConfigError(
                    f"{key}: the model has no event class {name!r}{closest(name, model.event_classes)}; it has {known}"
                )


def password(settings: Mqtt) -> str | None:
    """The broker's password, from its file or the environment, never from the YAML itself.

    Raises:
        ConfigError: the file cannot be read.
    """
    if settings.password_file is None:
        return os.environ.get(PASSWORD_VARIABLE)
    try:
        with settings.password_file.expanduser().open(encoding="utf-8") as file:
            return file.readline(4096).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"mqtt.password_file: cannot read {settings.password_file}: {error}") from None
