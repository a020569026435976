"""The broker in a file of settings, for commands that need nothing else of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.settings.mqtt import Mqtt


def broker_of(path: Path | None) -> Mqtt:
    """The section `mqtt` of a node's settings, or of a file that has it alone; None: the broker of this machine.

    Raises:
        ConfigError: the file cannot be read, or holds a mistake.
    """
    from edge.settings.config import parse_config
    from edge.settings.yaml_file import read_yaml

    tree = {} if path is None else read_yaml(path)
    no_beds = {"streams": [{"id": "none", "source": "none"}]}
    named = {**no_beds, **tree} if isinstance(tree, dict) else tree
    return parse_config(named, str(path or "command line"), None if path is None else path.parent).mqtt
