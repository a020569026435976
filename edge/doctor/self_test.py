"""The self-test: the bundled synthetic recording through the real pipeline, its events compared with what is in it.

Not a measure of accuracy on patients: a model that passes only shows that everything works together, from the file
reader over the features and the runtime to the tracker.
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

NEAR_S = 0.5  # largest distance between a sound and the event that counts as found
LEAST_SHARE = 0.75  # of the sounds; another model than the bundled one may miss some, a broken engine misses all
MOST_FALSE_ALARMS = 2
MAY_MISS = (
    1  # the bundled model misses the faintest of the eight: seven clicks with half a second of nothing among them
)
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Comparison:
    """The sounds of the recording against the events of the detector."""

    sounds: int
    """Sounds in the recording that the model has a class for."""
    found: int
    """Sounds with an event."""
    false_alarms: int
    """Events without a sound."""


def self_test(model: Model) -> Check:
    """Detect on the recording at full speed and compare its events with its sounds."""
    from edge.api.detect import detect_file
    from edge.api.detector import Detector
    from edge.api.recording import Event
    from edge.sources.demo import DEMO_AUDIO, DEMO_TRUTH

    truth, stop = json.loads(DEMO_TRUTH.read_text())["sounds"], threading.Event()
    timer = threading.Timer(TIMEOUT_S, stop.set)
    timer.start()
    try:
        items = list(detect_file(DEMO_AUDIO, Detector(model), None, stop))
    except LaennecError as error:
        return fail("self-test", str(error), "deploy or install again")
    finally:
        timer.cancel()
    if stop.is_set():
        return fail("self-test", f"did not finish 56 s of sound in {TIMEOUT_S:.0f} s", "this box is too slow, or busy")
    groups = {label: group.name for group in model.groups for label in group.classes}
    return verdict(compare(truth, [item.record() for item in items if isinstance(item, Event)], groups))


def compare(sounds: list[dict[str, Any]], events: list[dict[str, Any]], groups: dict[str, str]) -> Comparison:
    """Pair sounds and events of one group (a coarse crackle for a fine one will do) that overlap or begin together.

    Args:
        sounds: label, onset_s and end_s of each.
        events: the same.
        groups: name of the group of each class that the model reports; sounds of other classes are left out.
    """
    known = [sound for sound in sounds if sound["label"] in groups]

    def fits(event: dict[str, Any], sound: dict[str, Any]) -> bool:
        is_near = event["onset_s"] < sound["end_s"] + NEAR_S and event["end_s"] > sound["onset_s"] - NEAR_S
        return is_near and groups[event["label"]] == groups[sound["label"]]

    found = sum(any(fits(event, sound) for event in events) for sound in known)
    false_alarms = sum(not any(fits(event, sound) for sound in known) for event in events)
    return Comparison(len(known), found, false_alarms)


def verdict(comparison: Comparison) -> Check:
    """The check that a comparison amounts to."""
    found = f"{comparison.found} of {comparison.sounds} synthetic sounds found, {comparison.false_alarms} false alarms"
    if comparison.found < LEAST_SHARE * comparison.sounds or comparison.false_alarms > MOST_FALSE_ALARMS:
        return fail(
            "self-test", found, "the model, its runtime or the features are broken: go back to the last version"
        )
    if comparison.found < comparison.sounds - MAY_MISS or comparison.false_alarms:
        return warn("self-test", found, "expected with another model than the bundled one, else deploy again")
    return ok("self-test", found)
