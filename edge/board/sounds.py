"""The events of every bed, as last heard: one sound for each id, its onset, updates and end together. Pure.

Not for the live picture (`edge.board.bed_hub`) and not for keeping them: this is memory, the last `MAX_SOUNDS` of a
bed. Copies and late revs change nothing, as the contract says: of an id the highest rev counts, of two the first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from edge.contract.clips import ClipMessage
from edge.contract.events import EventMessage
from edge.contract.topics import Place

MAX_SOUNDS = 200  # of one bed; some hours of a bed that wheezes
MAX_BEDS = 512
KINDS = EventMessage, ClipMessage
CLIP_WORDS = {"speech": "somebody speaks in it", "queue full": "the box was too busy", "disk": "its disk fails"}


@dataclass(frozen=True)
class Sound:
    """One event, as far as it was told of."""

    id: str
    rev: int
    label: str
    is_open: bool
    """No end was told of."""
    boot_id: str
    """Of the process whose samples are counted."""
    begin_s: float
    """Onset in the stream: sample index / rate."""
    end_s: float | None
    """The same of its end, or of what was heard of it last; None: nobody said."""
    time: float
    """Of the onset, seconds since 1970 on the node's clock."""
    peak: float
    threshold: float
    is_test: bool
    clip: str
    """Id of the clip that holds it; empty: there is none."""
    clip_lost: str
    """Why that clip is not kept, for a person; empty: nothing is known against it."""


class Sounds:
    """What was heard of all beds."""

    def __init__(self) -> None:
        self._beds: dict[Place, dict[str, Sound]] = {}
        self.refused: Counter[str] = Counter()
        """Events that had no room, by cause."""

    def push(self, place: Place, told: EventMessage | ClipMessage) -> list[Sound]:
        """Take one message; return the sounds that it changed."""
        if isinstance(told, ClipMessage):
            return self._clip(place, told)
        if told.self_test:
            return []
        bed = self._beds.get(place)
        if bed is None:
            if len(self._beds) >= MAX_BEDS:
                self.refused["more beds with events than fit"] += 1
                return []
            bed = self._beds[place] = {}
        before = bed.get(told.id)
        if before is not None and told.rev <= before.rev:
            return []
        if before is None and len(bed) >= MAX_SOUNDS:
            del bed[min(bed, key=lambda ident: bed[ident].time)]
        bed[told.id] = _sound(told, before)
        return [bed[told.id]]

    def of(self, place: Place) -> list[Sound]:
        """Of a bed, the latest onset last."""
        return sorted(self._beds.get(place, {}).values(), key=lambda sound: (sound.time, sound.id))

    def _clip(self, place: Place, told: ClipMessage) -> list[Sound]:
        bed = self._beds.get(place, {})
        lost = "" if told.state == "stored" else _why(told.state, told.cause)
        changed = [replace(each, clip_lost=lost) for each in bed.values() if each.clip == told.id]
        bed.update({each.id: each for each in changed})
        return changed


def _sound(told: EventMessage, before: Sound | None) -> Sound:
    sample, clip = told.sample, told.clip
    last = sample.end if sample.end is not None else sample.until
    lost = before.clip_lost if before is not None else ""
    if clip is not None and clip.withheld:
        lost = _why("withheld", clip.withheld)
    return Sound(
        told.id,
        told.rev,
        told.label,
        told.type != "end",
        told.boot_id,
        sample.onset / sample.rate,
        None if last is None else last / sample.rate,
        told.time.onset,
        told.scores.peak,
        told.scores.threshold,
        told.mode == "Test",
        "" if clip is None else clip.id,
        lost,
    )


def _why(state: str, cause: str) -> str:
    return f"{state}: {CLIP_WORDS.get(cause, cause)}"
