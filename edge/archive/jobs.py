"""What of an archive is to be scored, as work for processes: files by their path, what is in containers by its bytes.

Not for scoring. Invariant: whatever is open in the ledger comes out once, as work or as a result that says why not.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.archive.containers import members
from edge.archive.item import Item
from edge.archive.ledger import Ledger, path_of
from edge.archive.worker import Job, Result, failed
from edge.errors import SourceError


def open_jobs(ledger: Ledger) -> Iterator[Job | Result]:
    """What is to be scored, in the order of the listing; a recording that cannot be had comes as its result."""
    for path, is_container in ledger.open_places():
        if not is_container:
            yield from (Job(name, path) for name in ledger.take_at(path))
            continue
        yield from _jobs_of_container(ledger, path)


def _jobs_of_container(ledger: Ledger, path: bytes) -> Iterator[Job | Result]:
    taken: set[str] = set()  # and not yielded yet: of what is damaged, reading it ends here

    def wanted(item: Item) -> bool:
        if not ledger.take(item.name):
            return False
        taken.add(item.name)
        return True

    damage = "is in its container no more"
    try:
        for item, content in members(path_of(path), wanted):
            taken.discard(item.name)
            if isinstance(content, bytes):
                yield Job(item.name, path, content)
            elif content:
                yield failed(item.name, content)
    except SourceError as error:
        damage = str(error)
    yield from (failed(name, damage) for name in sorted(taken))
    yield from (failed(name, damage) for name in ledger.take_at(path))
