"""The kinds of source and runtime that settings can name. Constants alone, so that a child starts fast."""

from __future__ import annotations

from typing import Literal

MICROPHONE = "mic"
LINK = "link"
LIVE = (MICROPHONE, LINK)  # kinds that arrive in real time, whatever `pace` says

RuntimeName = Literal["auto", "onnxruntime", "tensorrt"]
"""What scores the sound; `auto` leaves it to what the machine has and what was measured there."""
