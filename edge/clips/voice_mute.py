"""Sound in, the same sound out a second later, with every second in which somebody speaks muted. Pure.

Not for what speech is: that is `edge.clips.speech`, by which clips are withheld. A second is muted where four frames of
it are voiced, so a sample is decided when the second behind it is received; no sound leaves that was not decided so,
also none of the first second of a stretch, for whoever spoke then may have begun before. What was lost is silent and
marked. Sound leaves in pieces on a grid of absolute samples: any cut gives the same pieces.

    [----- 4.1 s that show its band -----][ piece, 0.5 s ][- 1 s behind it -]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.clips.pcm_ring import LOST, Pcm, PcmRing, to_block
from edge.clips.speech import HOP_S, spoken
from edge.types import Block

BEFORE_HOPS, PIECE_HOPS, BEHIND_HOPS = 128, 16, 32  # of the statistic; a second and its last frame are 32


@dataclass(frozen=True, slots=True)
class MutedPiece:
    """A segment that may be played."""

    start: int
    """Absolute index of the first sample."""
    pcm: Pcm
    """(N,) samples, 0 in what is silent."""
    silent: tuple[tuple[int, int, Literal["speech", "lost"]], ...]
    """Samples [from, to), counted from the first, and why they are silent."""
    is_speech: NDArray[np.bool_]
    """(N,) where somebody speaks."""


class VoiceMute:
    """Of one stream.

    Args:
        rate_hz: of the sound, as for `edge.clips.speech.voicing`.
    """

    def __init__(self, rate_hz: int) -> None:
        hop = round(HOP_S * rate_hz)
        self._rate_hz = rate_hz
        self._before, self._piece, self._behind = BEFORE_HOPS * hop, PIECE_HOPS * hop, BEHIND_HOPS * hop
        self.reset()

    def reset(self) -> None:
        """What comes next is another sound."""
        self._ring = PcmRing(self._before + self._behind + 2 * self._piece)
        self._next: int | None = None  # absolute index of the first sample of the next piece

    def push(self, block: Block) -> list[MutedPiece]:
        """Take a block; the pieces that are decided by it."""
        made: list[MutedPiece] = []
        if self._next is not None and block.start < self._ring.stop:  # a device that counts anew
            made += self.flush()
        if self._next is not None and block.start - self._ring.stop >= self._behind:  # nothing of before tells of it
            made += self.flush()
        if self._next is None:
            # On one grid of pieces for any begin, and a second of sound lies before the first one.
            self._next = -(-(block.start + self._behind) // self._piece) * self._piece
        # The ring has room for two pieces beside what they are judged by: more at once would overwrite one.
        for at in range(0, len(block.samples), self._piece):
            part = slice(at, at + self._piece)
            self._ring.push(Block(block.start + at, block.samples[part], block.valid[part]))
            made += self._decided(self._ring.stop)
        return made

    def flush(self) -> list[MutedPiece]:
        """What is left of the sound; what comes next is another."""
        stop, made = self._ring.stop, []
        while self._next is not None and self._next < stop:
            # What is lost stands for the second behind the last piece, which never comes.
            lost = Block(self._ring.stop, np.zeros(self._piece, np.float32), np.zeros(self._piece, np.bool_))
            self._ring.push(lost)
            made += self._decided(self._ring.stop)
        self.reset()
        return made

    def _decided(self, stop: int) -> list[MutedPiece]:
        """The next pieces, as far as a second behind each is received."""
        made = []
        while self._next is not None and self._next + self._piece + self._behind <= stop:
            made.append(self._made(self._next))
            self._next += self._piece
        return made

    def _made(self, first: int) -> MutedPiece:
        begin = max(self._ring.start, first - self._before)
        begin += (first - begin) % (self._piece // PIECE_HOPS)  # frames lie where they lie for any cut
        block = to_block(begin, self._ring.copy(begin, first + self._piece + self._behind))
        own = slice(first - begin, first - begin + self._piece)
        speech = spoken(block.samples, block.valid, self._rate_hz)[own]
        pcm = self._ring.copy(first, first + self._piece)
        is_lost = (pcm == LOST) & ~speech
        silent = sorted([*_runs(speech, "speech"), *_runs(is_lost, "lost")])
        return MutedPiece(first, np.where(speech | is_lost, np.int16(0), pcm), tuple(silent), speech)


def _runs(mask: NDArray[np.bool_], why: Literal["speech", "lost"]) -> list[tuple[int, int, Literal["speech", "lost"]]]:
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return [(int(begin), int(end), why) for begin, end in zip(edges[::2], edges[1::2], strict=True)]
