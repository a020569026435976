"""The broker in the operator's settings: where it is, how it is encrypted, the times of the session with it.

Not for the session itself (`edge.delivery.session`). A password is named by the file that holds it or by the
environment variable `LAENNEC_MQTT_PASSWORD`, and never stands in the YAML.
"""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field, field_validator

from edge.errors import ConfigError
from edge.settings.section import Host, PathBeside, Section

PASSWORD_VARIABLE = "LAENNEC_MQTT_PASSWORD"
PREFIX_PATTERN = r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"


class Tls(Section):
    """Encryption towards the broker; its presence switches TLS on."""

    ca: PathBeside | None = None
    """Certificate authority (PEM); None: those of the system."""
    cert: PathBeside | None = None
    """Client certificate (PEM)."""
    key: PathBeside | None = None
    """Key of the client certificate (PEM)."""


class Mqtt(Section):
    """The broker, and the times of the MQTT session with it; `username` None is an anonymous one."""

    host: Host = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """None: 8883 with `tls`, else 1883."""
    username: str | None = None
    password_file: PathBeside | None = None
    """File whose first line is the password; else the environment variable `LAENNEC_MQTT_PASSWORD`."""
    tls: Tls | None = None
    prefix: Annotated[str, Field(pattern=PREFIX_PATTERN, max_length=64)] = "laennec/v1"
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
