"""YAML from an operator, read as data: a bounded file, a safe loader, nothing ambiguous.

Not for the meaning of the keys (`edge.settings.node`). Aliases are refused because they can grow without bound, a key
given twice because one of the two would be ignored, as a merge key (`<<`) would hide; tags (`!!int`) because nothing
needs them, and PyYAML fails on them in many ways.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge.errors import ConfigError

MERGE = "tag:yaml.org,2002:merge"
MAX_DIGITS = 64  # of a whole number; one of thousands cannot even be shown
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
    return parse_yaml(text, str(path))


def parse_yaml(text: str | bytes, origin: str) -> object:
    """The tree that a text holds, not yet validated; `origin` is named at the head of an error.

    Raises:
        ConfigError: it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ConfigError(f"{origin}: nested too deeply to be a configuration") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date such as 2026-13-45; 1:00:00 ... :00.0
        raise ConfigError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases, tags, merge keys, keys given twice and numbers of hundreds of digits."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not used here")
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if event.tag is not None:
            raise yaml.YAMLError(f"tags are not used here; remove {event.tag}, {_place(event)}")
        return super().compose_node(parent, index)

    def whole_number(self, node: Any) -> int:
        """A number, unless it is too long."""
        if len(node.value) > MAX_DIGITS:
            raise yaml.YAMLError(f"a number of {len(node.value)} digits, {_place(node)}; expected {MAX_DIGITS} at most")
        return int(self.construct_yaml_int(node))

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                raise yaml.YAMLError(f"merge keys (<<) are not used here, {_place(key)}; write the keys themselves")
            if (name := str(key.value)) in seen:
                raise yaml.YAMLError(f"key {name!r} is given twice, {_place(key)}")
            seen.add(name)
        return super().construct_mapping(node, deep)


def _place(of: Any) -> str:
    return f"line {of.start_mark.line + 1}"


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)
