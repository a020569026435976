"""Which boxes are gone, and whether the broker is: of which nobody else could notify a phone. Pure.

Not for tiles (`edge.server.board.ward_view`). A box that starts again, or whose network is away for a moment, is not
gone. A board that is gone itself notifies nobody: whoever must know that watches the board from outside.
"""

from __future__ import annotations

from edge.contract.topics import Address
from edge.server.board.notices import GONE, Notice
from edge.server.board.validity import node_condition, silent_since_s
from edge.server.board.ward import Ward

GONE_S = 60.0  # how long a box must be away; one that starts anew takes some seconds
BROKER = Address("", "broker")


class OfflineBoxes:
    """What was gone at the look before."""

    def __init__(self) -> None:
        self._reached_s: float | None = None  # since when the broker has been there, on the board's clock

    def look(self, ward: Ward, now_s: float, wall_s: float, lost_s: float | None) -> dict[Address, Notice | None]:
        """Every box of which something can be said now, and the broker: a notice where it is gone.

        Args:
            ward: what was received.
            now_s: on the board's clock.
            wall_s: the same in seconds since 1970.
            lost_s: since when the broker has been out of reach; None: it is there.
        """
        if lost_s is not None:
            self._reached_s = None
            is_gone = now_s - lost_s >= GONE_S
            return (
                {BROKER: _notice(BROKER, "the board has lost it", wall_s - (now_s - lost_s), False)} if is_gone else {}
            )
        if self._reached_s is None:
            self._reached_s = now_s
        found: dict[Address, Notice | None] = {BROKER: None}
        if now_s - self._reached_s < GONE_S:  # what boxes said meanwhile is still on its way
            return found
        for (site, name), node in ward.nodes.items():
            reason, since_s = node_condition(node, now_s), silent_since_s(node, now_s)
            if node.status is None or reason == "box is starting":
                continue
            address = Address(site, name)
            is_gone = bool(reason) and since_s is not None and now_s - since_s >= GONE_S
            is_test = node.info is not None and node.info.mode == "Test"
            begun_s = wall_s - (now_s - (since_s or now_s))
            found[address] = _notice(address, reason, begun_s, is_test) if is_gone else None
        return found


def _notice(address: Address, words: str, since_s: float, is_test: bool) -> Notice:
    key = f"{address.site}/{address.node}//{GONE}"
    return Notice(key, address, "raise", words, "Tec", "Me", since_s, None, is_test)
