"""The file of the outbox and what is held in memory while the disk refuses, read as one; the same may be in both.

Not for writing, nor for locks: whoever calls this holds the mutex of the outbox (`edge.delivery.outbox`).
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.contract.fields import Body
from edge.delivery.disk import Disk
from edge.delivery.entries import Entry
from edge.delivery.store import Store


def waiting(disk: Disk, memory: Store, after: int, until: int, limit: int) -> list[Entry]:
    """The oldest entries with after < seq <= until, at most `limit`."""
    return _by_seq(disk.waiting(after, until, limit) + memory.waiting(after, until, limit))[:limit]


def earlier(disk: Disk, memory: Store, event: tuple[str, int]) -> list[Entry] | None:
    """What waits of the same event with a lower `rev`, lowest first; None if that cannot be known now."""
    on_disk = disk.earlier(event)
    return None if on_disk is None else _by_seq(on_disk + memory.earlier(event))


def unfinished(disk: Disk, memory: Store, boot_id: str) -> list[Body] | None:
    """Of each event of other processes than `boot_id` without an end the last that was published, oldest first.

    Returns:
        None if that cannot be known now.
    """
    found: list[Body] | None = disk.read(Store.unfinished, None)
    if found is None:
        return None

    def has_later(ident: str, rev: int) -> bool:
        return memory.has_later((ident, rev)) or disk.read(lambda store: store.has_later((ident, rev)), False)

    both = [*found, *memory.unfinished()]
    of_others = {body["id"]: body for body in both if body.get("boot_id", boot_id) != boot_id}
    return [body for body in of_others.values() if not has_later(body["id"], body.get("rev", 1))]


def _by_seq(entries: Sequence[Entry]) -> list[Entry]:
    return sorted({entry.seq: entry for entry in entries}.values(), key=lambda entry: entry.seq)
