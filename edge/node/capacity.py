"""How many beds this box sustained when it was measured, stored for the next start of a node.

Not for measuring (`edge.node.played_beds`). A number holds for one artefact in one runtime on one processor; after any
upgrade there is none until `laennec bench` is run again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edge.artefact.choice import cpu_name
from edge.artefact.engine_cache import CACHE
from edge.artefact.model import Model

HEADROOM = 0.3  # share of a core that stays free with so many beds
SUFFIX = ".beds"
MAX_FILES = 8
FEW = 8  # streams that are not worth a measurement: the slowest box that is supported sustains them


def save_capacity(model: Model, beds: int) -> Path | None:
    """Store how many beds were sustained; None where nothing can be written."""
    return CACHE.write(_name(model), json.dumps(beds).encode(), MAX_FILES)


def read_capacity(model: Model) -> int | None:
    """How many beds were sustained; None if that was not measured."""
    try:
        return int(json.loads(CACHE.read(_name(model)) or b""))
    except (ValueError, TypeError):
        return None


def warning(model: Model, streams: int) -> str:
    """A line for the log if so many streams may be too many for this box; empty if not."""
    beds = read_capacity(model)
    if beds is None:
        return "" if streams <= FEW else f"streams={streams} capacity=unknown repair=run_laennec_bench"
    if streams <= beds:
        return ""
    effect = "sound_will_be_left_out" if streams > beds / (1 - HEADROOM) else "no_headroom"
    return f"streams={streams} capacity={beds} effect={effect} repair=fewer_streams_or_another_box"


def _name(model: Model) -> str:
    """Of the file, from what the number holds for."""
    of = [model.sha256, model.runtime, cpu_name()]
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32] + SUFFIX
