"""The first settings of a node as commented YAML, for an operator to go on with; and what an answer for them may be.

Not for asking (`edge.commands.init`), not for reading settings (`edge.settings.node`), and not for every key
(`deploy/ward.example.yaml`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.errors import ConfigError
from edge.settings.names import LIVE
from edge.settings.yaml_file import parse_yaml

COMMENT_AT = 26  # column of the comments
NO_AGE = "unknown"


@dataclass(frozen=True)
class FirstStream:
    """One bed."""

    id: str
    source: str
    channel: int | None = None
    """Which of several, counted from 1."""
    age: str | None = None
    """Of the patient, in words; None: not known."""


@dataclass(frozen=True)
class FirstBroker:
    """Where events go."""

    host: str
    port: int
    tls: bool = False
    ca: Path | None = None
    """Certificate authority (PEM); None: those of the system."""
    username: str | None = None
    password_file: Path | None = None


def first_ward(site: str, node: str, streams: tuple[FirstStream, ...], broker: FirstBroker) -> str:
    """The file as text: what was chosen, and the keys that most wards want next as comments."""
    lines = [
        "# Made by `laennec init`;  laennec doctor --config FILE  checks it, and an unknown key is refused.",
        _line(
            f"site: {_text(site)}",
            "ids: a-z, 0-9, '-', at most 32; no patient names: all on the broker see them",
        ),
        _line(f"node: {_text(node)}", "each box needs its own"),
        _line("mode: Test", "consumers must not alarm on Test; Operational when you have validated it yourself"),
        "",
        _line("streams:", "`laennec devices` lists microphones; a path is a file, link:NAME a microcontroller"),
        *(line for stream in streams for line in _of_stream(stream)),
        "",
        "mqtt:",
        *_of_broker(broker),
        "",
        _line("# alarms:", "without a limit nothing of a patient is ever signalled;  laennec budget  chooses limits"),
        "#   burden:",
        _line("#     continuous: {limit_s_per_min: 6}", "seconds of wheeze, rhonchus or stridor in a minute"),
        _line("# clips: {}", "sound around events on this box's disk, for 7 days; without this line none is kept"),
        _line("# look: true", "people may look at a bed's live spectrogram"),
        _line("# listen: true", "people may listen to a bed live; only with consent (SAFETY.md)"),
        _line("# metrics: {port: 9108}", "for Prometheus, on this box alone"),
    ]
    return "\n".join(lines) + "\n"


def _of_stream(stream: FirstStream) -> list[str]:
    lines = [f"  - id: {_text(stream.id)}", f"    source: {_text(stream.source)}"]
    if stream.channel is not None:
        lines.append(_line(f"    channel: {stream.channel}", "of several, counted from 1"))
    age = f"    age: {_text(stream.age)}" if stream.age is not None else "    # age: 8 months"
    return [*lines, _line(age, "of the patient (8 months, 4 years, adult): thresholds of that age")]


def _of_broker(broker: FirstBroker) -> list[str]:
    lines = [f"  host: {_text(broker.host)}", f"  port: {broker.port}"]
    if broker.username is None:
        lines.append(_line("  # username: ward-b", "and password_file: its first line is the password"))
    else:
        lines.append(f"  username: {_text(broker.username)}")
    if broker.password_file is not None:
        lines.append(_line(f"  password_file: {_text(str(broker.password_file))}", "its first line is the password"))
    elif broker.username is not None:
        lines.append(_line("  # password_file: PATH", "else the environment variable LAENNEC_MQTT_PASSWORD"))
    if not broker.tls:
        return [*lines, _line("  # tls: {ca: ca.pem}", "port 8883; {}: the certificates of the system")]
    return [*lines, "  tls: {}" if broker.ca is None else f"  tls: {{ca: {_text(str(broker.ca))}}}"]


def _line(text: str, comment: str) -> str:
    return f"{text:<{COMMENT_AT - 2}}  # {comment}"


def _text(value: str) -> str:
    """A text so that YAML reads it as this text: plain where it can be, else as JSON has it."""
    is_plain = re.fullmatch(r"[A-Za-z/][\w./-]*", value, re.ASCII) and parse_yaml(value, "") == value  # not `no`
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def check_options(options: Mapping[str, str | list[str] | None], box: bool, has_name: bool) -> None:
    """Refuse what the options of `laennec init` cannot be: all of it at once.

    Args:
        options: option -> its value.
        box: whether the settings are for another machine.
        has_name: whether that has a name, or a person can be asked for it.

    Raises:
        ConfigError: naming each option.
    """
    from edge.settings.errors import joined

    checks: dict[str, Callable[[str], str]] = {
        "--source": partial(source_named, box=box),
        "--age": age_of,
        "--broker": address_of,
        "--user": name_of,
    }
    mistakes = [] if has_name or not box else ["--node: expected the name of the box, beside --box; each needs its own"]
    for option, values in options.items():
        for value in [values] if isinstance(values, str) else values or ():
            try:
                checks.get(option, id_of)(value)
            except ValueError as error:
                mistakes.append(f"{option}: {error}")
    if mistakes:
        raise ConfigError(joined("command line", mistakes))


def id_of(text: str) -> str:
    """An answer that is a name in MQTT topics."""
    from edge.contract.fields import ID_PATTERN

    if not re.fullmatch(ID_PATTERN, text):
        raise ValueError(f"{text!r} is not an id; use 1 to 32 of a-z, 0-9 and '-'")
    return text


def ids_of(text: str) -> str:
    """Several of them, each another."""
    names = [id_of(part.strip()) for part in text.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"{text!r}: each bed needs a name of its own")
    return ", ".join(names)


def age_of(text: str) -> str:
    """An age, or that it is not known."""
    from edge.settings.sections import years_of

    if text != NO_AGE:
        try:
            years_of(text)
        except ValueError as error:
            raise ValueError(f"{text!r} {error}, or {NO_AGE!r}") from None
    return text


def source_named(text: str, box: bool = False) -> str:
    """What `--source` may be."""
    if not text:
        raise ValueError("'' names nothing; give mic, mic:DEVICE or a sound file")
    return box_source_of(text) if box else text


def box_source_of(text: str) -> str:
    """What a box can listen to."""
    if text != "demo" and text.partition(":")[0] not in LIVE and not text.startswith("/"):
        raise ValueError(f"{text!r} is not on the box; give mic, mic:DEVICE, demo, or a full path there")
    return text


def address_of(text: str) -> str:
    """HOST or HOST:PORT."""
    host, colon, port = text.partition(":")
    if not re.fullmatch(r"[^\s/]+", host) or (colon and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise ValueError(f"{text!r} is no HOST or HOST:PORT, such as broker.ward.example:1883")
    return text


def name_of(text: str) -> str:
    """The name of a user."""
    if not text or not text.isprintable():
        raise ValueError(f"expected a name, found {text!r}")
    return text
