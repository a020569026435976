"""fleet.yaml: which boxes there are, and what each of them is to run. As in all settings, an unknown key is refused.

Not for what a box is told (`deploy.fleet.plan`). deploy/fleet.example.yaml shows every key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from edge.contract.fields import ID_PATTERN
from edge.errors import ConfigError
from edge.settings.errors import closest, joined, mistakes_of, shortened
from edge.settings.section import PathBeside, Section
from edge.settings.yaml_file import read_yaml

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"
KEY_PATTERN = r"^[a-z][a-z0-9_]{0,31}$"
VALUE_PATTERN = r"^[A-Za-z0-9._:/@+-]{1,200}$"  # no space and no sign that means something to YAML
HOST_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._:/@%+-]{0,199}$"  # likewise, for `${host}` is a value too
WORDS = {
    ID_PATTERN: "an id: a-z, 0-9 and '-', at most 32",
    NAME_PATTERN: "a name of a box: a-z, 0-9 and '-'",
    KEY_PATTERN: "a name of a value: a-z, 0-9 and '_'",
    VALUE_PATTERN: "a value for a template: letters, digits and . _ : / @ + - (no space, no quotes)",
    HOST_PATTERN: "user@box, or a name of your ssh's configuration",
}
SSH_PORT = 22
OWN = ("name", "node", "site", "host", "device")  # what a template knows of every box

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Value = Annotated[str, Field(pattern=VALUE_PATTERN)]
Key = Annotated[str, Field(pattern=KEY_PATTERN)]


class Common(Section):
    """What a box says, or `defaults` for those that do not."""

    device: Literal["jetson", "rpi", "x86", "local"] | None = None
    site: Id | None = None
    config: PathBeside | None = None
    """Settings of the node, a template; None: those on the box stay."""
    board: PathBeside | None = None
    """Settings of a board on this box, a template; None: as it is."""
    model: str | None = None
    """An artefact (.onnx) that goes into the release; or a signed package (.model), an installed one's id, bundled."""
    files: dict[str, str] = Field(default_factory=dict)
    """Passwords, keys and certificates: name below /etc/laennec, and the path here, a template."""
    values: dict[Key, Value] = Field(default_factory=dict)
    """What else templates may name."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    root: str | None = None
    """A folder on the box, for an installation without any right; None: the box as a whole, with systemd. Of device
    local it begins, if it is relative, at the folder of the file."""
    ssh_options: str | None = None
    wheelhouse: PathBeside | None = None
    """Wheels made elsewhere; None: they are made here."""


class BoxSection(Common):
    """One box."""

    host: Annotated[str, Field(pattern=HOST_PATTERN)] | None = None
    """user@box; None for DEVICE=local."""
    node: Id | None = None
    """None: the name of the box."""


class FleetSettings(Section):
    """Everything that a fleet is."""

    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    canary: str | None = None
    """The box that goes first, alone; None: the first of `boxes`."""
    keep: Annotated[int, Field(ge=2, le=100)] | None = None
    """How many releases and models stay on a box; None: 3."""
    sign: PathBeside | None = None
    """Private key that releases are signed with."""
    healthy_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    """How long a box must be healthy; None: 60, with `root` 5."""
    defaults: Common = Common()
    boxes: Annotated[dict[Annotated[str, Field(pattern=NAME_PATTERN)], BoxSection], Field(min_length=1)]


def load_fleet(path: Path) -> FleetSettings:
    """Read one YAML file.

    Raises:
        ConfigError: unreadable, not YAML, an unknown key, a value out of its range, or boxes in each other's way.
    """
    tree = read_yaml(path)
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{path}: expected keys such as `boxes:` at the top, found {shortened(tree)}")
    try:
        fleet = FleetSettings.model_validate(tree, context={"folder": path.parent.absolute()})
    except ValidationError as error:
        raise ConfigError(joined(str(path), mistakes_of(error, FleetSettings, WORDS))) from None
    places = {name: fleet.boxes[name].model_copy(update={"root": _root(fleet, name, path)}) for name in fleet.boxes}
    fleet = fleet.model_copy(update={"boxes": places})
    if mistakes := [*_canary(fleet), *_boxes(fleet), *_twice(fleet)]:
        raise ConfigError(joined(str(path), mistakes))
    return fleet


def merged(fleet: FleetSettings, name: str) -> BoxSection:
    """A box with what it takes from `defaults`; files and values are those of both."""
    own, common = fleet.boxes[name], fleet.defaults
    plain = {key: value for key, value in common if key not in ("files", "values") and getattr(own, key) is None}
    both = {"files": {**common.files, **own.files}, "values": {**common.values, **own.values}}
    return own.model_copy(update={**plain, **both, "node": own.node or name})


def _root(fleet: FleetSettings, name: str, path: Path) -> str | None:
    """The root of a box, written in one way, so that one folder is not two boxes."""
    box = merged(fleet, name)
    if box.root is None or box.device != "local":
        return box.root and (box.root.rstrip("/") or "/")
    return os.path.normpath(path.parent.absolute() / Path(box.root).expanduser())


def _canary(fleet: FleetSettings) -> list[str]:
    if fleet.canary is None or fleet.canary in fleet.boxes:
        return []
    known = tuple(fleet.boxes)
    return [f"canary: no box is called {fleet.canary!r}{closest(fleet.canary, known)}; known: {', '.join(known[:9])}"]


def _boxes(fleet: FleetSettings) -> list[str]:
    mistakes = []
    for name in fleet.boxes:
        box, key = merged(fleet, name), f"boxes.{name}"
        if box.device is None:
            mistakes.append(f"{key}.device: missing; say what the box is, here or in defaults: jetson, rpi, x86, local")
        if box.site is None:
            mistakes.append(f"{key}.site: missing; it is required, here or in defaults")
        if box.device == "local" and (box.host or not box.root):
            mistakes.append(f"{key}: device local is this machine: give a root, and no host")
        if box.device not in (None, "local") and not box.host:
            mistakes.append(f"{key}.host: missing; give user@box")
        for taken in sorted(set(box.values) & set(OWN)):
            mistakes.append(f"{key}.values.{taken}: every box has this already; choose another name")
    return mistakes


def _twice(fleet: FleetSettings) -> list[str]:
    """Boxes that would be one: on the broker, where two of a name throw each other out, or on the network."""
    mistakes, seen = [], dict[tuple[object, ...], str]()
    for name in fleet.boxes:
        box = merged(fleet, name)
        for what, key in (
            (f"site and node {box.site}/{box.node}", ("node", box.site, box.node)),
            (f"host, port and root {box.host or 'this machine'}", ("host", box.host, box.port or SSH_PORT, box.root)),
        ):
            if seen.setdefault(key, name) != name:
                mistakes.append(f"boxes.{name}: has the {what} of {seen[key]}; every box needs its own")
    return mistakes
