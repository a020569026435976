"""What the detector finds in a file."""

from __future__ import annotations

from pathlib import Path

from edge.api.detect import detect_file
from edge.api.detector import Detector
from edge.api.recording import Event
from edge.model.model import Model


def detected(path: Path, model: Model) -> list[Event]:
    """The events, each once."""
    return [item for item in detect_file(path, Detector(model)) if isinstance(item, Event)]
