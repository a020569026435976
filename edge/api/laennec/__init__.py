"""Laennec in Python: wheezes, rhonchi, stridor and crackles in breath sounds. Not a medical device.

    import laennec

    recording = laennec.detect("breath.wav")       # a whole file
    for event in recording.events:
        print(event.label, event.onset_s, event.end_s, event.score)

    detector = laennec.load()                      # sound as it comes, of one microphone
    for samples in microphone:                     # (N,) numbers, full scale = 1.0, as many at once as you like
        for event in detector.push(samples, 16000):
            print(event.kind, event.label, event.onset_s)
    detector.flush()                               # the end: closes what is open

The build installs the folder `edge/api/laennec` under this name. Everything is defined in `edge.api`.
"""

from __future__ import annotations

from edge import __version__
from edge.api.detect import detect
from edge.api.detector import Detector, load
from edge.api.recording import BreathRate, Event, Quality, Recording
from edge.errors import ConfigError, LaennecError, ModelError, SourceError

__all__ = [
    "BreathRate",
    "ConfigError",
    "Detector",
    "Event",
    "LaennecError",
    "ModelError",
    "Quality",
    "Recording",
    "SourceError",
    "__version__",
    "detect",
    "load",
]
