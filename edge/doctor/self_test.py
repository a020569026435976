"""The self-test: the bundled synthetic recording through the real pipeline, its events compared with what is in it.

Not evidence of how well it hears patients: a model that passes has only shown that everything is plugged in, from the
file reader over the kernels and the runtime to the tracker.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge.doctor import Check, fail, ok, warn
from edge.errors import LaennecError

if TYPE_CHECKING:
    from edge.artefact.model import Model

NEAR_S = 0.5  # an event begins so near to its sound, or overlaps it
LEAST_SHARE = 0.75  # of the sounds; another model than the bundled one may miss some, a broken engine misses all
MOST_INVENTED = 2
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Comparison:
    """The recording's sounds and the detector's events, paired."""

    sounds: int
    found: int
    invented: int
    """Events where there is no such sound."""


def self_test(model: Model) -> Check:
    """Play the recording at full speed and compare."""
    from edge.detector.detect import Wanted, detect_file
    from edge.sources.demo import DEMO_AUDIO, DEMO_TRUTH

    truth, stop = json.loads(DEMO_TRUTH.read_text())["sounds"], threading.Event()
    timer = threading.Timer(PATIENCE_S, stop.set)
    timer.start()
    try:
        events = list(detect_file(DEMO_AUDIO, model, Wanted(), stop))
    except LaennecError as error:
        return fail("self-test", str(error), "deploy or install again")
    finally:
        timer.cancel()
    if stop.is_set():
        return fail("self-test", f"not through 56 s of sound in {PATIENCE_S:.0f} s", "this box is too slow, or busy")
    groups = {label: group.name for group in model.groups for label in group.classes}
    return judge(compare(truth, events, groups))


def compare(sounds: list[dict[str, Any]], events: list[dict[str, Any]], groups: dict[str, str]) -> Comparison:
    """Pair sounds and events of one group (a coarse crackle for a fine one will do) that overlap or begin together.

    Args:
        sounds: label, onset_s and end_s of each.
        events: the same.
        groups: name of the group of each class that the model reports; sounds of other classes are left out.
    """
    wanted = [sound for sound in sounds if sound["label"] in groups]

    def fits(event: dict[str, Any], sound: dict[str, Any]) -> bool:
        is_near = event["onset_s"] < sound["end_s"] + NEAR_S and event["end_s"] > sound["onset_s"] - NEAR_S
        return is_near and groups[event["label"]] == groups[sound["label"]]

    found = sum(any(fits(event, sound) for event in events) for sound in wanted)
    invented = sum(not any(fits(event, sound) for sound in wanted) for event in events)
    return Comparison(len(wanted), found, invented)


def judge(comparison: Comparison) -> Check:
    """What a comparison means for the box."""
    found = f"{comparison.found} of {comparison.sounds} synthetic sounds found, {comparison.invented} invented"
    if comparison.found < LEAST_SHARE * comparison.sounds or comparison.invented > MOST_INVENTED:
        return fail("self-test", found, "the model, the runtime or the kernels are broken: go back to the last release")
    if comparison.found < comparison.sounds or comparison.invented:
        return warn("self-test", found, "expected with another model than the bundled one, else deploy again")
    return ok("self-test", found)
