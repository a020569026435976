"""The first settings of a node as commented YAML, for an operator to go on with.

Not for reading settings (`edge.settings.node`), and not for every key (`deploy/ward.example.yaml`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from edge.settings.section import parse_yaml

COMMENT_AT = 26  # column of the comments


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
        _line("# metrics: {port: 9108}", "for Prometheus, on this box alone"),
    ]
    return "\n".join(lines) + "\n"


def _of_stream(stream: FirstStream) -> list[str]:
    lines = [f"  - id: {_text(stream.id)}", f"    source: {_text(stream.source)}"]
    if stream.channel is not None:
        lines.append(_line(f"    channel: {stream.channel}", "of several, counted from 1"))
    age = f"    age: {_text(stream.age)}" if stream.age is not None else "    # age: 8 months"
    return [*lines, _line(age, "of the patient, or 4 years, adult: thresholds of that age")]


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
