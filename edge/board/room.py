"""Which bed makes room for another, where a board has no more: so that no node takes the room of all others. Pure.

Not for how much room there is (`edge.board.ward_state`). Anybody whom the broker lets write a node's topics can invent
beds there. A node has a claim to as many beds as its `info` says, once it has told its birth; what it has beyond that
is surplus. A bed that its node has a claim to takes the place of surplus, of the node with most; where there is none,
the node with most beds gives one to a node that has fewer. Surplus takes the place of nothing but surplus, of a node
that has more of it. So what settles is the same in any order of messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.board.kept import NodeState


def claim_of(node: NodeState) -> int:
    """How many beds it says to have; none before its birth."""
    return 0 if node.status is None or node.info is None else node.info.streams


def surplus_of(node: NodeState) -> int:
    """How many beds it has beyond that."""
    return max(0, len(node.beds) - claim_of(node))


def giving_room(nodes: Sequence[NodeState], node: NodeState) -> NodeState | None:
    """The node that gives a bed, so that `node` may have one more; None: that one has no room.

    Args:
        nodes: all there are.
        node: one of them.
    """
    most = max(nodes, key=surplus_of)
    if len(node.beds) >= claim_of(node):
        return most if surplus_of(most) > surplus_of(node) + 1 else None
    if surplus_of(most) > 0:
        return most
    largest = max(nodes, key=lambda each: len(each.beds))
    return largest if len(largest.beds) > len(node.beds) + 1 else None


def least_of(node: NodeState) -> str:
    """The bed of a node that goes first: the newest of those that its settings do not list, else the newest."""
    names = list(node.beds)[::-1]
    return next((name for name in names if not node.beds[name].is_listed), names[0])
