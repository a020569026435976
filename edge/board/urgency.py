"""How urgent what a tile or one of its alarms says is: one table for both. Pure.

Not for finding what it says (`edge.board.ward_view`, `edge.board.lines`). Patients come before the unknown, and those
before the monitoring of the same priority; what nobody has seen before what lasts and was seen.
"""

from __future__ import annotations

from edge.board.tile import AlarmLine, Level
from edge.contract.fields import Kind, Priority, Signal

RANKS: dict[tuple[Level, Kind | None, Priority | None], int] = {
    ("alarm", "Phy", "Hi"): 0,
    ("alarm", "Phy", "Me"): 1,
    ("unknown", None, None): 2,
    ("latched", "Phy", "Hi"): 3,
    ("alarm", "Tec", "Hi"): 4,
    ("latched", "Phy", "Me"): 5,
    ("alarm", "Tec", "Me"): 6,
    ("alarm", "Phy", "Lo"): 7,
    ("alarm", "Tec", "Lo"): 8,
    ("latched", "Tec", "Hi"): 9,
    ("latched", "Phy", "Lo"): 10,
    ("latched", "Tec", "Me"): 11,
    ("latched", "Tec", "Lo"): 12,
}
RANKS_OF_LEVELS: dict[Level, int] = {"waiting": 13, "seen": 14, "inactive": 16, "quiet": 18}  # of a patient; else + 1
LEVELS: dict[Signal, Level] = {"On": "alarm", "Latch": "latched", "Ack": "seen"}


def rank_of(level: Level, kind: Kind | None, priority: Priority | None) -> int:
    """How urgent something is; 0 is the most."""
    rank = RANKS.get((level, kind, priority))
    return RANKS_OF_LEVELS[level] + (kind == "Tec") if rank is None else rank


def level_of(line: AlarmLine) -> Level:
    """What one alarm would make of its bed alone."""
    return LEVELS.get(line.signal, "quiet" if line.off_by is None else "inactive")


def order_of(line: AlarmLine) -> tuple[int, float, str]:
    """Alarms of a bed are sorted by it: rank of urgency, since when, name."""
    since_s = line.since_s if line.since_s is not None else 0.0
    return rank_of(level_of(line), line.kind, line.priority), since_s, line.condition
