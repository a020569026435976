"""What follows a stream of a running node: its counts, messages, burden, clips, a second model.

The stream itself knows no more of them than this. Not for what scores it: inbox, detector, state. A new concern of a
bed is a new observer. All is called by the thread that scores, in the order of the sound: whoever follows
must not wait, and an error there ends the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.detector.sound_check import SoundAssessment
from edge.node.inbox import Item
from edge.types import Chunk, Event, Scores


class StreamObserver(Protocol):
    """Follows one stream; what a follower does not define, it does not need."""

    def on_item(self, item: Item) -> None:
        """The stream took this from its inbox; its detector has it, so the gains of its sound are known."""
        return

    def on_chunk(self, chunk: Chunk, state: NDArray[np.float32]) -> None:
        """The model scored this chunk with that state, (S,); its scores come next."""
        return

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        """The next scores, and what is said of their sound."""
        return

    def on_events(self, events: Sequence[Event]) -> None:
        """What the detector decided."""
        return

    def on_end(self) -> None:
        """No sound follows that could be joined to what was."""
        return

    def on_new_patient(self) -> None:
        """After such an end: what follows is of another patient."""
        return
