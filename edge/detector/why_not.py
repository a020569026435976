"""Why a recording cannot be judged: its length, its loudness, its device, its contact or the model; and what to do.

Not for finding what is wrong (`edge.detector.quality`, `edge.detector.sound_check`). Pure.
"""

from __future__ import annotations

from pathlib import Path

from edge.artefact.model import Model
from edge.detector.pipeline import Pipeline
from edge.detector.quality import LEAST_S
from edge.detector.sample_counts import MOST_NOT_NUMBERS
from edge.errors import LaennecError, ModelError, SourceError
from edge.sources.file import FileSource
from edge.types import Fault

SHORT_S = 1.0  # of which nothing can be judged where the model, with what it looks ahead, hears nearly nothing
TOO_SHORT = f"length: record {LEAST_S} s or more"
CAUSES: dict[Fault | None, tuple[str, str]] = {
    "dead microphone": ("loudness", "check the plug, the mute switch and the gain"),
    "faint": ("loudness", "raise the gain"),
    "clipping": ("loudness", "lower the gain"),
    "no contact": ("contact", "press the sensor onto the skin, over the lung"),
    "rubbing": ("contact", "fix sensor and cable, and hold still"),
    "mains hum": ("device", "move it and its cable away from power supplies"),
    "steady tone": ("device", "switch off what sounds near it"),
    "speech": ("other sound", "record while nobody speaks or cries"),
    None: ("device", "adapt to it:  laennec adapt"),
}
"""Of each fault which of the four it is, and the repair; None: the sound is not like what the model knows."""


def advice(fault: Fault | None) -> str:
    """Cause and repair in some words."""
    return ": ".join(CAUSES[fault])


def nothing_judged(path: Path, source: FileSource, pipeline: Pipeline, model: Model, read_s: float) -> LaennecError:
    """The error of a recording of which no score frame could be judged.

    Args:
        path: of the recording.
        source: read to its end.
        pipeline: that took all of it.
        model: that the pipeline asked.
        read_s: length of what was read, seconds.
    """
    if pipeline.failed_chunks:
        return ModelError(
            f"model {model.id}: what it gives is not a number, so nothing in {path} was judged; the recording is not to"
            " blame: export the model again, or use another one"
        )
    verdict, broken = pipeline.whole(), source.not_sound / max(source.read, 1)
    if broken > MOST_NOT_NUMBERS:
        why = f"{broken:.0%} of its samples are no sound: not a number, or beyond all bounds (device: convert it again)"
    elif read_s < SHORT_S:
        why = f"too short ({TOO_SHORT})"
    elif verdict.reason and not verdict.too_short:
        why = f"{verdict.reason} ({advice(verdict.fault)})"
    else:
        why = "no second of it is whole (device: record it again without losses)"
    return SourceError(f"{path}: nothing in {read_s:.2f} s can be judged: {why}")
