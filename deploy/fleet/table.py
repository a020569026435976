"""What runs where, in one table: release, model, settings, service, and how long the last switch was deaf.

Not for asking the boxes (`deploy.fleet.command`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEAD = ("box", "site/node", "release", "model", "settings", "service", "deaf")
WELL = ("ready", "running")
DIGITS = 12  # of a hash


def row(name: str, node: str, told: Mapping[str, Any] | None, wanted_sha256: str = "") -> tuple[str, ...]:
    """One line of the table.

    Args:
        name: of the box.
        node: site and node.
        told: what the box says of itself (`status`); None: it did not answer.
        wanted_sha256: of the settings that the fleet's file gives it; empty: it gives none.
    """
    if told is None:
        return (name, node, "?", "?", "?", "no answer", "")
    if not told["running"]:
        return (name, node, "none", "", "", told["phase"], "")
    model, digest = told.get("model") or {}, told.get("settings_sha256", "")
    differs = wanted_sha256 and digest != wanted_sha256
    settings = f"{digest[:DIGITS]} (file: {wanted_sha256[:DIGITS]})" if differs else digest[:DIGITS]
    which = f"{model['id'][:DIGITS]} {model['kind']}" if model else "not told"
    deaf = "" if told.get("deaf_s") is None else f"{told['deaf_s']:.1f} s"
    return (name, node, str(told["running"]), which, settings, str(told["phase"]), deaf)


def draw(rows: Sequence[Sequence[str]]) -> str:
    """The table, its columns as wide as they must be."""
    lines = [HEAD, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
