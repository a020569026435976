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
from edge.artefact.variants import find_variants

HEADROOM = 0.3  # share of a core that stays free with so many beds
SUFFIX = ".beds"
MAX_FILES = 8
FEW = 8  # streams that are not worth a measurement: the slowest box that is supported sustains them


def save_capacity(model: Model, beds: int) -> Path | None:
    """Store how many beds were sustained; None where nothing can be written."""
    return CACHE.write(_name(model.sha256, model.runtime), json.dumps(beds).encode(), MAX_FILES)


def read_capacity(model: Model) -> int | None:
    """How many beds were sustained; None if that was not measured."""
    return _read(model.sha256, model.runtime)


def warning(model: Model, streams: int, lighter: Path | None = None) -> str:
    """A line for the log if so many streams may be too many for this box; empty if not.

    Args:
        model: that hears them.
        streams: how many there are.
        lighter: the fp32 artefact of the bundled `light` model where that can take its place.
    """
    beds = read_capacity(model)
    if beds is None:
        return "" if streams <= FEW else f"streams={streams} capacity=unknown repair=run_laennec_bench"
    if streams <= beds:
        return ""
    effect = "sound_will_be_left_out" if streams > beds / (1 - HEADROOM) else "no_headroom"
    line = f"streams={streams} capacity={beds} effect={effect}"
    light = _beds_of(lighter, model) if lighter is not None else None
    if light is None:
        return f"{line} repair=fewer_streams_or_another_box"
    repair = "set_model_light" if streams <= light else "fewer_streams_or_another_box"
    return f"{line} capacity_of_light={light} repair={repair}"


def _beds_of(lighter: Path, model: Model) -> int | None:
    """How many beds the same variant of another model sustained in the same runtime; None if that was not measured."""
    found = [one.sha256 for one in find_variants(lighter) if one.variant.name == model.variant.name]
    return _read(found[0], model.runtime) if found else None


def _read(sha256: str, runtime: str) -> int | None:
    try:
        return int(json.loads(CACHE.read(_name(sha256, runtime)) or b""))
    except (ValueError, TypeError):
        return None


def _name(sha256: str, runtime: str) -> str:
    """Of the file, from what the number holds for."""
    of = [sha256, runtime, cpu_name()]
    return hashlib.sha256(repr(of).encode()).hexdigest()[:32] + SUFFIX
