"""Settings of a ward, for tests of what looks at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from edge.commands.demo_broker import free_port
from edge.settings.node import Config, Stream, parse_config
from edge.sources.file_search import DEMO_AUDIO


def settings(tmp_path: Path, **changed: Any) -> Config:
    tree = {
        "node": "n1",
        "streams": [{"id": "bed1", "source": str(DEMO_AUDIO)}],
        "outbox": {"path": str(tmp_path / "state" / "outbox.db")},
        "mqtt": {"port": free_port()},
        **changed,
    }
    return parse_config(tree, "test")


def ward(tmp_path: Path, **changed: Any) -> Path:
    path = tmp_path / "ward.yaml"
    path.write_text(yaml.safe_dump(json.loads(settings(tmp_path, **changed).model_dump_json(exclude_unset=True))))
    return path


def stream(source: str, **more: Any) -> Stream:
    return Stream.model_validate({"id": "bed1", "source": source, **more})
