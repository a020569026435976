"""Which installed models are old enough to go.

Not for removing them (`edge.releases.model_store`). Pure: what is installed and what was promoted in, what may go out.
Invariant: the active model, the one that a rollback returns to, and one that waits to be promoted never go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.releases.promotions import BUNDLED


def too_old(history: Sequence[str], created: Mapping[str, str], keep: int) -> list[str]:
    """Models that may be removed.

    Args:
        history: promotions in their order, the active one last; `bundled` among them.
        created: when each usable installed model was signed, by id; text that sorts as time does.
        keep: how many stay, counted from the one promoted last; the active one and the one before stay in any case.

    Returns:
        Their ids, sorted.
    """
    latest_first = list(dict.fromkeys(reversed(history)))
    never = sorted(set(created) - set(latest_first), key=lambda sha256: created[sha256], reverse=True)
    order = [sha256 for sha256 in [*latest_first, *never] if sha256 != BUNDLED]
    active = latest_first[0] if latest_first else BUNDLED
    waiting = {sha256 for sha256 in never if created[sha256] > created.get(active, "")}
    kept = set(history[-2:]) | set(order[: max(keep, 0)]) | waiting
    return sorted(set(created) - kept)


def without(history: Sequence[str], gone: Sequence[str]) -> list[str]:
    """The promotions that can still be rolled back to, none twice in a row."""
    left = [sha256 for sha256 in history if sha256 not in gone]
    return [sha256 for at, sha256 in enumerate(left) if at == 0 or left[at - 1] != sha256]
