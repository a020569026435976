"""What every section of the settings has in common: unknown keys and NUL are errors, nothing changes after the start.

Not for any key (`edge.settings.node`, and a module for each section that is long).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from edge.errors import ConfigError
from edge.settings.names import model_path


class Section(BaseModel):
    """One mapping of the YAML file; an unknown key is refused, and a NUL character in any text."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _has_no_nul(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:  # ends a path, a host and a topic for the system
            raise ValueError("holds a NUL character; write it without")
        return value


def beside_the_file(value: Path, info: ValidationInfo) -> Path:
    """A path of the settings: a relative one begins at the folder of their file, where they have one."""
    folder = (info.context or {}).get("folder")
    return value if folder is None or value.parts[:1] == ("~",) else Path(folder) / value


def state_folder(keys: str) -> Path:
    """Where files lie for which `keys` of the settings name no place: of the systemd unit, else of the user (XDG).

    Raises:
        ConfigError: the user has no home.
    """
    state = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    base = Path(state) if state else Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "laennec"
    return expanded(base, keys)


def expanded(path: Path, key: str) -> Path:
    """A path with the user's home in place of `~`.

    Raises:
        ConfigError: there is none; `key` is named.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{key}: {path} needs a home directory, and there is none; give a full path") from error


def _without_spaces(value: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("expected a host name or an address, without spaces")
    return value


def _named_model(value: object) -> object:
    return model_path(value) if isinstance(value, str) else value


PathBeside = Annotated[Path, AfterValidator(beside_the_file)]
ModelPath = Annotated[PathBeside, BeforeValidator(_named_model)]
"""The name of a bundled model, or a path."""
Host = Annotated[str, Field(min_length=1), AfterValidator(_without_spaces)]
