"""fleet.yaml: which boxes there are, what each is to run, and the words of the commands that bring it there.

As in all settings, an unknown key is refused; deploy/fleet.example.yaml shows every key. Settings of boxes are texts
with `${name}` in them, filled from what a box is: no conditions, no loops. `$${` is a plain `${`, another `$` stays.
Values cannot hold anything that means something to YAML, so they cannot add keys. Invariant: what is wrong with the
file, or with any box's settings, is said before a box is touched. Not for changing the boxes (`deploy.rollout`).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from deploy.devices import DeployError
from edge.contract.fields import ID_PATTERN
from edge.errors import ConfigError
from edge.settings.board import load_board
from edge.settings.errors import closest, joined, mistakes_of, shortened
from edge.settings.node import load_config
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
PLACE = re.compile(r"\$(\$?)\{([^{}\n]*)\}")


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


def fill(text: str, values: Mapping[str, str], origin: str) -> str:
    """The text, with every `${name}` replaced.

    Args:
        text: a template.
        values: what may be named.
        origin: where the text is from, for messages: a box and a file.

    Raises:
        DeployError: it names something else; with the line, and what may be named.
    """

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        if found[2] in values:
            return values[found[2]]
        line = text.count("\n", 0, found.start()) + 1
        close = get_close_matches(found[2], values, n=1, cutoff=0.5)
        meant = f" (did you mean ${{{close[0]}}}?)" if close else ""
        raise DeployError(
            f"{origin}, line {line}: nothing is called {found[0]}{meant}; known: {', '.join(sorted(values))}; "
            "add it under `values`, or write $${...} for the text itself"
        )

    return PLACE.sub(value, text)


@dataclass(frozen=True)
class Box:
    """One box, and all that is known of it before it is asked."""

    name: str
    settings: BoxSection
    folder: Path
    """On this workstation: its filled settings, and its log."""
    config: Path | None
    board: Path | None
    files: tuple[str, ...]
    """[board:]NAME=PATH of each file that is carried."""
    artefact: str
    """Path of a model that goes into the release; empty: the bundled one."""
    model: str
    """Path of a signed package, the id of an installed model, or `bundled`; empty: the active one stays."""

    @property
    def node(self) -> str:
        """Site and node, as on the broker."""
        return f"{self.settings.site}/{self.settings.node}"

    @property
    def settings_sha256(self) -> str:
        """Of the settings that the file gives it; empty: it gives none."""
        return hashlib.sha256(self.config.read_bytes()).hexdigest() if self.config else ""

    def words(self, command: str) -> list[str]:
        """The command of `python -m deploy`, and which box it is for."""
        box, found = self.settings, [command, "--device", str(self.settings.device)]
        for option, value in (
            ("--host", box.host),
            ("--port", box.port),
            ("--root", box.root),
            ("--ssh-options", box.ssh_options),
        ):
            found += [f"{option}={value}"] if value is not None else []
        return found


def plan(fleet: FleetSettings, folder: Path, out: Path, only: Sequence[str] = ()) -> list[Box]:
    """Every box that is meant, the canary first, with its settings filled and read.

    Args:
        fleet: the file.
        folder: where its relative paths begin.
        out: folder for what is filled in.
        only: names; none: all.

    Raises:
        DeployError: a name that is none, a template with an unknown name, a file that is not there.
        ConfigError: settings that no node would take.
    """
    if unknown := [name for name in only if name not in fleet.boxes]:
        raise DeployError(f"ONLY: no box is called {', '.join(unknown)}; known: {', '.join(fleet.boxes)}")
    canary = fleet.canary or next(iter(fleet.boxes))
    names = sorted(only or fleet.boxes, key=lambda name: name != canary)
    return [_box(name, merged(fleet, name), folder, out / name) for name in names]


def _box(name: str, settings: BoxSection, folder: Path, out: Path) -> Box:
    own = {"name": name, "node": settings.node, "site": settings.site, "host": settings.host, "device": settings.device}
    values = {**{key: value for key, value in own.items() if value is not None}, **settings.values}
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = _filled(settings.config, out / "ward.yaml", values, name)
    board = _filled(settings.board, out / "board.yaml", values, name)
    if config is not None:
        _check_names(name, settings, config)
    if board is not None:
        load_board(board)
    carried = {key: fill(path, values, f"{name}: files.{key}") for key, path in settings.files.items()}
    files = tuple(f"{key}={folder.absolute() / path}" for key, path in carried.items())
    model = settings.model or ""
    if model.endswith((".onnx", ".model")):
        model = str(folder.absolute() / model)
        if not Path(model).is_file():
            raise DeployError(f"{name}: model: expected a file, found {model}; make one with make export, export.sign")
    artefact = model if model.endswith(".onnx") else ""
    return Box(name, settings, out, config, board, files, artefact, "" if artefact else model)


def _filled(template: Path | None, to: Path, values: dict[str, str], name: str) -> Path | None:
    if template is None:
        return None
    try:
        text = template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{name}: expected settings (YAML), found {template}: {error}") from None
    filled = fill(text, values, f"{name}: {template}")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=to.parent, delete=False) as file:  # mode 0600
        file.write(filled)
    os.replace(file.name, to)  # whole at every moment: another command for this fleet may read it just now
    return to


def _check_names(name: str, box: BoxSection, path: Path) -> None:
    """The settings must say the same site and node: of two boxes with one name, the broker throws one out."""
    found = load_config(path)
    for key, wanted in (("site", box.site), ("node", box.node)):
        actual = getattr(found, key) if key in found.model_fields_set else "none"
        if actual != wanted:
            raise DeployError(
                f"{name}: {box.config}: expected {key} {wanted}, as the fleet's file says, found {actual}; write  "
                f"{key}: ${{{key}}}"
            )
