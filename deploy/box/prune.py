"""Which releases stay on the box, and the removal of the others.

Not for models (`laennec model prune` in the release itself). Invariant: the release that runs, the one before it and
every environment that one of those that stay uses are never removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from deploy.box.durable import remove
from deploy.box.layout import BoxLayout


def prune(layout: BoxLayout, first: Sequence[str], keep: int) -> None:
    """Remove the releases that are too old, and the wheels that none of the others was made of.

    Args:
        layout: where they are.
        first: names that stay, whatever their age: what runs, and what ran before; empty names are none.
        keep: how many stay in all; beside them the releases whose software they use.
    """
    others = [release.name for release in layout.complete()]
    wanted = list(dict.fromkeys(name for name in (*first, *others) if name))
    named = {name for name in first if name} | set(wanted[:keep])
    kept = named | {layout.software(name) for name in named}
    for folder in layout.releases.glob("*"):
        if folder.name not in kept:
            discard(layout, folder.name)
    used = {wheel for release in layout.complete() for wheel in release.wheels}
    for wheel in layout.wheels.glob("*"):
        if wheel.name not in used:
            remove(wheel)


def discard(layout: BoxLayout, name: str) -> None:
    """Remove a release; first of all it is not complete any more."""
    remove(layout.releases / name / "release.json")
    shutil.rmtree(layout.releases / name, ignore_errors=True)
