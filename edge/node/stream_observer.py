"""What follows a stream of a running node: its counts, messages, burden, clips, a second model.

The stream itself knows no more of them than this. Not for what it must do to be heard: inbox, detector, state. A new
concern of a bed is a new observer. All is called by the thread that scores, in the order of the sound: whoever follows
must not wait, and an error there ends the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.detector.sound_check import Verdict
from edge.node.inbox import Item
from edge.types import Chunk, Event, Scores


class StreamObserver(Protocol):
    """Hears what happens to one stream; what one does not define is nothing to it."""

    def hear(self, item: Item) -> None:
        """The stream took this from its inbox; its detector has it, so the gains of its sound are known."""
        return

    def note_state(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        """The model heard this chunk with that state, (S,); its scores come next."""
        return

    def judge(self, scores: Scores, verdict: Verdict) -> None:
        """The next scores, and what is said of their sound."""
        return

    def find(self, events: Sequence[Event]) -> None:
        """What the detector decided."""
        return

    def finish(self) -> None:
        """No sound follows that could be joined to what was."""
        return
