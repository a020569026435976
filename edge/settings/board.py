"""The settings of `laennec board`: a YAML file of its own, for the board need not run on any node.

Not for a node's settings (`edge.settings.node`), which know nothing of who looks at it. Who may sign in, with hashes
of passwords and tokens, stands in the file that `users` names, never in the YAML.

    mqtt: {host: broker.ward.example, username: board-b, password_file: board-password, tls: {ca: ca.pem}}
    listen: {host: 0.0.0.0, port: 8443, names: [board.ward.example], cert: board.pem, key: board.key}
    users: board-users
    notify: [{name: night, urls_file: notify-night, priority: Hi, hours: "20:00-07:00"}]
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from edge.contract.fields import ID_PATTERN, Kind, Priority
from edge.errors import ConfigError
from edge.settings.broker import PREFIX_PATTERN, Mqtt
from edge.settings.errors import joined, mistakes_of, shortened
from edge.settings.section import PathBeside, Section, expanded, state_folder
from edge.settings.yaml_file import read_yaml

MAX_PROXIES = 16
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
Address = Annotated[str, Field(max_length=43)]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Language = Literal["en", "de", "fr", "es", "zh", "ja"]
"""zh: Chinese in simplified letters."""


class Listen(Section):
    """Where browsers reach the board."""

    host: Name = "127.0.0.1"
    """Address that it listens on; 0.0.0.0: all of this machine."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0: a free one."""
    names: tuple[Name, ...] = ()
    """Names and addresses that browsers call it by, beside those of this machine's loopback."""
    cert: PathBeside | None = None
    """Certificate (PEM); with `key` the board speaks HTTPS."""
    key: PathBeside | None = None
    plain_http: bool = False
    """Whether passwords may cross the network in plain text, as behind a proxy that adds HTTPS."""
    proxies: Annotated[tuple[Address, ...], Field(max_length=MAX_PROXIES)] = ()
    """Addresses and networks of proxies: what they say in X-Forwarded-For counts, and each may bring many browsers."""

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"expected addresses or networks as 10.0.0.5 or 10.0.0.0/24, found {error}") from None
        return proxies

    @property
    def is_local(self) -> bool:
        """Whether nobody outside this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def is_encrypted(self) -> bool:
        """Whether it speaks HTTPS."""
        return self.cert is not None

    @property
    def allowed_names(self) -> frozenset[str]:
        """What may stand in the Host header: no other page's name may be made to lead here."""
        return frozenset((*LOCAL_NAMES, *(name.lower() for name in (self.host, *self.names))))


Step = Literal["raise", "escalation", "return"]
"""Of an alarm: it is signalled; nobody has acknowledged it in time; it is back soon after somebody has."""
BED_PATTERN = r"^([a-z0-9-]{1,32}/){0,2}[a-z0-9-]{1,32}$"
HOURS_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$"


class Receiver(Section):
    """A phone or a chat that is notified of alarms. It is no alarm channel: nobody may rely on it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9 _-]{1,40}$")]
    """Stands in logs and on the page."""
    urls_file: PathBeside
    """File with a URL of Apprise a line (ntfy://..., mailto://...); they are secrets, so never in the YAML."""
    beds: Annotated[tuple[Annotated[str, Field(pattern=BED_PATTERN)], ...], Field(max_length=512)] = ()
    """`bed1`, `edge-7/bed1` or `ward-b/edge-7/bed1`; none: all, and the nodes' own alarms."""
    priority: Priority = "Me"
    """The lowest that is sent."""
    kinds: tuple[Kind, ...] = ("Phy", "Tec")
    of: tuple[Step, ...] = ("raise", "escalation", "return")
    hours: Annotated[str, Field(pattern=HOURS_PATTERN)] = ""
    """Local time of this machine, `20:00-07:00`; empty: always."""
    per_hour: Annotated[int, Field(ge=1, le=1000)] = 30
    """More are held back and counted; of what is raised or escalated with priority Hi, more than 4 times as many."""
    repeat_s: Annotated[float, Field(ge=1, le=86400)] = 300.0
    """The same of one alarm is sent once in so long; but for priority Hi, as above."""
    test: bool = False
    """Whether alarms of mode Test are sent, too."""


class BoardSettings(Section):
    """Everything that an operator decides of a board."""

    title: Annotated[str, Field(min_length=1, max_length=40)] = "Ward"
    """Stands at the top of the screen."""
    language: Language | None = None
    """Of the pages; None: for each browser the first of its own that the board speaks."""
    sites: tuple[Id, ...] = ()
    """Sites whose beds are shown; none: all that the broker lets this user read."""
    mqtt: Mqtt = Mqtt()
    listen: Listen = Listen()
    users: PathBeside | None = None
    """Who may sign in (`laennec board users add`); None: everybody on this machine, and nobody else."""
    audit: PathBeside | None = None
    """Log of who signed in and what was ordered; None: `laennec/board-audit.log` in the user's state directory."""
    clips: PathBeside | None = None
    """Folder of a node's clips (`edge.settings.sections`), which the board may read; None: no sound is shown."""
    labels: PathBeside | None = None
    """What people said of events; None: `laennec/board-labels.jsonl` in the user's state directory."""
    notify: Annotated[tuple[Receiver, ...], Field(max_length=8)] = ()
    """Who is notified of alarms beside the page; needs Apprise."""
    notified: PathBeside | None = None
    """What they were notified of; None: `laennec/board-notified.json` in the user's state directory."""
    session_h: Annotated[float, Field(gt=0, le=24 * 7)] = 12.0
    """How long a person stays signed in, hours."""

    @field_validator("notify")
    @classmethod
    def _has_names_once(cls, notify: tuple[Receiver, ...]) -> tuple[Receiver, ...]:
        if len({each.name for each in notify}) < len(notify):
            raise ValueError("two receivers have the same name; give each its own")
        return notify

    @model_validator(mode="after")
    def _is_not_open_to_a_network(self) -> BoardSettings:
        listen = self.listen
        if (listen.cert is None) != (listen.key is None):
            raise ValueError("listen.cert and listen.key belong together; give both or none")
        if listen.is_local:
            return self
        if self.users is None:
            raise ValueError(
                f"listen.host {listen.host} is reached by others, so  users  is needed: the file of those who may sign"
                " in, made by  laennec board users add NAME --role ROLE; or listen on 127.0.0.1"
            )
        if not listen.is_encrypted and not listen.plain_http:
            raise ValueError(
                f"listen.host {listen.host} is reached by others, and passwords would cross the network in plain text:"
                " give listen.cert and listen.key, or  plain_http: true  behind a proxy that adds HTTPS"
            )
        return self

    def audit_path(self) -> Path:
        """Where the log of who did what lies."""
        return expanded(self.audit or state_folder("audit") / "board-audit.log", "audit")

    def labels_path(self) -> Path:
        """Where what people said of events lies."""
        return expanded(self.labels or state_folder("labels") / "board-labels.jsonl", "labels")

    def notified_path(self) -> Path:
        """The file of what receivers were notified of."""
        return expanded(self.notified or state_folder("notified") / "board-notified.json", "notified")


def load_board(path: Path) -> BoardSettings:
    """Read one YAML file.

    Raises:
        ConfigError: unreadable, not YAML, an unknown key, or a value out of its range.
    """
    return parse_board(read_yaml(path), str(path), path.parent)


def parse_board(tree: object, origin: str, folder: Path | None = None) -> BoardSettings:
    """Validate settings that are already a tree of mappings and lists.

    Args:
        tree: what a YAML file holds, or what the command line was turned into.
        origin: named at the head of an error.
        folder: where relative paths begin; None for the working directory.

    Raises:
        ConfigError: naming every mistake by its key and what is allowed.
    """
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin}: expected keys such as `mqtt:` at the top, found {shortened(tree)}")
    try:
        return BoardSettings.model_validate(tree, context={"folder": folder})
    except ValidationError as error:
        whole = [str(each["msg"]).removeprefix("Value error, ") for each in error.errors() if not each["loc"]]
        patterns = {ID_PATTERN: "a site's name (a-z, 0-9, '-')", PREFIX_PATTERN: "a prefix of topics"}
        raise ConfigError(joined(origin, whole or mistakes_of(error, BoardSettings, patterns))) from None
