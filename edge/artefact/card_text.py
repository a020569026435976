"""The card and the specs of a model as text for a person: YAML, a line for each figure.

Not for programs: they read the metadata of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

COLUMNS = 100  # lines of text are broken here


def as_text(tree: Mapping[str, Any]) -> str:
    """A card as YAML, each figure of `validation` with its interval of `intervals` beside it, at any depth."""
    return yaml.safe_dump(_joined(tree), sort_keys=False, allow_unicode=True, width=COLUMNS).rstrip("\n")


def _joined(tree: Any) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    figures, intervals = tree.get("validation"), tree.get("intervals")
    if isinstance(figures, Mapping) and isinstance(intervals, Mapping):
        with_intervals = {name: _with_interval(value, intervals.get(name)) for name, value in figures.items()}
        rest = {name: value for name, value in tree.items() if name != "intervals"}
        tree = {**rest, "validation": with_intervals}
    return {name: _joined(value) for name, value in tree.items()}


def _with_interval(value: Any, interval: Any) -> Any:
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return value
    return f"{value} ({interval[0]} to {interval[1]})"
