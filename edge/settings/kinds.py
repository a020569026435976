"""The kinds of source and runtime that settings can name. Constants alone, so that a child starts fast."""

from __future__ import annotations

from typing import Literal

MICROPHONE = "mic"
LINK = "link"
STANDARD_INPUT = "-"
LIVE = (MICROPHONE, LINK)  # kinds that arrive in real time, whatever `pace` says

Outside = Literal["unverified", "not_measurable", "ignore"]
"""What a stream is whose sound is not like what the model knows: heard, its events marked as not verified; not
measurable, without events; or not judged at all."""

RuntimeName = Literal["auto", "onnxruntime", "tensorrt"]
"""What scores the sound; `auto` leaves it to what the machine has and what was measured there."""
