"""Records that pass between the stages: frozen, a unit under every field.

Not for behaviour. Everything is placed by an absolute int64 index, per stream: samples for blocks, gaps and events,
frames for features, score frames for scores. An index that jumps forward means that everything between was lost:
the next stage treats it as invalid, exactly as if it had arrived with `valid` false. Blocks and frames, hundreds a
second, are named tuples, made in half the time of a frozen dataclass (0.21 us against 0.43).

Shape letters: N samples, T frames, H frames of a chunk, L frames of lookahead, M bands, C classes, B batch, S numbers
in a model's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Block(NamedTuple):
    """Consecutive samples of one stream."""

    start: int
    """Absolute index of the first sample."""
    samples: NDArray[np.float32]
    """(N,) sound pressure, full scale = 1.0."""
    valid: NDArray[np.bool_]
    """(N,) false where the sample was lost or cannot be trusted."""

    @property
    def stop(self) -> int:
        """Absolute index one past the last sample."""
        return self.start + len(self.samples)


def joined(blocks: Sequence[Block]) -> Block:
    """One or more blocks that follow each other, as one."""
    if len(blocks) == 1:
        return blocks[0]
    samples, valid = (np.concatenate([each[part] for each in blocks]) for part in (1, 2))
    return Block(blocks[0].start, samples, valid)


@dataclass(frozen=True, slots=True)
class Gap:
    """Lost samples: they will never come; the source gives the cause."""

    start: int
    """Absolute index of the first lost sample."""
    stop: int
    """Absolute index one past the last lost sample."""
    cause: str
    """Short lower-case words for the operator, such as `device lost` or `overflow`."""
    restart: bool = False
    """Whether the detector must start anew: what follows is of another boot, or its distance in time is a guess."""


class Frames(NamedTuple):
    """Consecutive feature frames of one stream."""

    start: int
    """Absolute index of the first frame; frame t covers samples [t * hop, t * hop + window)."""
    values: NDArray[np.float32]
    """(T, M) in the unit of the feature spec."""
    valid: NDArray[np.bool_]
    """(T,) false where a frame touches an invalid sample."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The frames that the model scores next, and which frames are decided with them: those that lie L before."""

    start: int
    """Absolute index of the first frame, on a grid of H frames (may lie before the stream began)."""
    values: NDArray[np.float32]
    """(H, M) normalised features, 0 where invalid."""
    valid: NDArray[np.bool_]
    """(H,) false where a frame is missing or touches an invalid sample."""
    decided_valid: NDArray[np.bool_]
    """(H,) the same of the frames that this chunk decides, [start - L, start - L + H)."""
    restart: bool = False
    """Whether the model starts anew with this chunk: nothing came before it, or not for a long time."""
    gain_db: float = 0.0
    """What was added to the level of the stream, dB (`edge.detector.level`)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The model's scores of consecutive score frames."""

    start: int
    """Absolute index of the first score frame; score frame t covers samples [t * s, (t + 1) * s), s the score hop."""
    values: NDArray[np.float32]
    """(T, C) calibrated probability that the class sounds in the score frame, 0 to 1."""
    valid: NDArray[np.bool_]
    """(T,) false where a frame of the score frame is invalid; its values then mean nothing."""


Fault = Literal["no contact", "rubbing", "clipping", "dead microphone", "speech", "mains hum", "steady tone", "faint"]
"""What can be wrong with sound that arrived, so that nothing in it can be judged."""


class BreathSound(NamedTuple):
    """What is to be known of breath in consecutive score frames of one stream."""

    start: int
    """Absolute index of the first score frame."""
    score: NDArray[np.float32]
    """(T,) probability that a breath sounds, 0 to 1."""
    level_db: NDArray[np.float32]
    """(T,) level of the sound where breath is."""
    bands_db: NDArray[np.float32]
    """(T, 3) the same of the lower, the middle and the upper of its bands."""
    usable: NDArray[np.bool_]
    """(T,) false where sound was lost or masked."""
    fault: Fault | None = None
    """What is known to be wrong with their sound."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of an adventitious sound: it was confirmed (`onset`), it lasts (`update`) or it is over (`end`)."""

    kind: Literal["onset", "update", "end"]
    """`onset` comes first; an `end` with the same label and onset always follows."""
    label: str
    """Class name of the model."""
    onset: int
    """Absolute sample index at which the sound began."""
    end: int | None
    """Absolute sample index one past the sound, in an `update` one past what was received of it; None in an `onset`."""
    peak: float
    """Highest score so far, 0 to 1."""
    mean: float
    """Mean score so far, 0 to 1."""
    threshold: float
    """Score that opened the event, 0 to 1."""
    end_reason: Literal["", "quiet", "gap", "stream_end"]
    """Why it ended: the sound stopped, a gap came, or the stream was closed; empty in all but an `end`."""
    verified: bool | None = None
    """Whether the stream sounded like what the model knows when this was decided; None where that was not judged."""
