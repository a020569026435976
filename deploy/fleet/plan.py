"""From a fleet's file to what each box is told: templates filled, settings read, words of commands.

Not for telling them (`deploy.fleet.rollout`). Everything that can be wrong without asking a box is wrong here.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import DeployError
from deploy.fleet.settings import BoxSection, FleetSettings, merged
from deploy.fleet.template import fill
from edge.settings.board import load_board
from edge.settings.node import load_config


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
        said = getattr(found, key) if key in found.model_fields_set else "none"
        if said != wanted:
            raise DeployError(
                f"{name}: {box.config}: expected {key} {wanted}, as the fleet's file says, found {said}; write  "
                f"{key}: ${{{key}}}"
            )
