"""YAML from an operator, read as data: a bounded file, a safe loader, nothing ambiguous.

Not for the meaning of the keys (`edge.settings.config`). Aliases are refused because they can grow without bound, a key
given twice because one of the two would be ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge.errors import ConfigError

MAX_FILE_BYTES = 256 * 1024  # a ward of 100 beds needs about 20 kB


def read_yaml(path: Path) -> object:
    """The tree that a YAML file holds, not yet validated.

    Raises:
        ConfigError: unreadable, too large, or not YAML.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES // 1024} kB; is this the configuration?")
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply to be a configuration") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-45
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases (they can grow without bound) and without keys given twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not used here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if (name := str(key.value)) in seen:
                raise yaml.YAMLError(f"key {name!r} is given twice, line {key.start_mark.line + 1}")
            seen.add(name)
        return super().construct_mapping(node, deep)
