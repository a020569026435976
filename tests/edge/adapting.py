"""An adaptation to be changed: for tests of what uses one."""

from __future__ import annotations

from typing import Any

from edge.model.adaptation import Adaptation


def adaptation(**changes: Any) -> Adaptation:
    """One that changes nothing, but for these fields."""
    fields: dict[str, Any] = {
        "device": "mine",
        "model": "a" * 64,
        "made": "2026-11-22",
        "recordings": 12,
        "measured_s": 120.0,
        "level_db": -60.0,
        "equaliser_db": (0.0,) * 8,
        "outside_db": (3.0, 0.1),
    }
    return Adaptation(**{**fields, **changes})
