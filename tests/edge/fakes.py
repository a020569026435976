"""A model that scores loudness, a source of noise bursts, a broker that misbehaves: for tests of delivery."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from edge.features import FeatureSpec, Mel
from edge.model.specs import ChunkSpec, GroupSpec, Variant
from edge.model.training_domain import TrainingDomain
from edge.sources.source import Wait
from edge.types import Block, Chunk, Gap, Scores

Answer = tuple[Scores, NDArray[np.float32]]
"""The scores of a chunk, and the state for the next."""

BLOCK_S = 0.1
LOUD = 0.05  # rms, full scale = 1.0


class LoudnessModel:
    """Stands for `edge.model.model.Model`: the wheeze score is 0.9 in every score frame that is loud."""

    spec = FeatureSpec(
        hop_samples=64, analysis=Mel(windows_samples=(128,), fft_size=256), offset=(-60.0,), scale=(20.0,)
    )
    chunk = ChunkSpec(chunk_frames=25, lookahead_frames=10, score_frames=5)
    classes = ("wheeze", "fine_crackle", "breath")
    groups = (
        GroupSpec("continuous", ("wheeze",), median_frames=3, keep=0.7, confirm_frames=3, quiet_frames=3),
        GroupSpec("discontinuous", ("fine_crackle",), median_frames=1, keep=0.7, confirm_frames=1, quiet_frames=3),
    )
    thresholds = {"wheeze": 0.5, "fine_crackle": 0.5}  # noqa: RUF012 - a stand-in for an instance
    event_classes = ("wheeze", "fine_crackle")
    rate_hz = spec.rate_hz
    score_hop_samples = spec.hop_samples * chunk.score_frames
    id, sha256, features_sha256, runtime = "loudness", "a" * 64, "b" * 64, "numpy 0"
    known: TrainingDomain | None = None
    variant = Variant()

    def thresholds_at(self, age_years: float | None) -> dict[str, float]:
        """The same at every age."""
        return {}

    def new_state(self) -> NDArray[np.float32]:
        """Levels of the frames that are not decided yet, (L,): none was heard."""
        return np.zeros(self.chunk.lookahead_frames, np.float32)

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        """0.9 where the frames are loud; what was not heard at either end is left out, as by the model."""
        steps, ahead = self.chunk.score_frames, self.chunk.lookahead_frames
        levels = np.concatenate([self.new_state() if chunk.restart else state, chunk.values.mean(axis=1)])
        loud = levels[:-ahead].reshape(-1, steps).mean(axis=1) > -0.5
        values = np.full((len(loud), 3), 0.02, np.float32)
        values[loud, 0] = 0.9
        valid = np.asarray(chunk.decided_valid.reshape(-1, steps).all(axis=1))
        is_valid = np.flatnonzero(valid)
        part = slice(int(is_valid[0]), int(is_valid[-1]) + 1) if len(is_valid) else slice(0, 0)
        return Scores((chunk.start - ahead) // steps + part.start, values[part], valid[part]), levels[-ahead:]

    def score_many(self, chunks: Sequence[Chunk], states: Sequence[NDArray[np.float32]]) -> list[Answer]:
        """One after the other."""
        return [self.score(chunk, state) for chunk, state in zip(chunks, states, strict=True)]


class Bursts:
    """Stands for a source: half a second of noise in every second; each burst is one event of `LoudnessModel`.

    `period_s` makes the seconds longer, and with them the bursts: all of each but its last half second.
    """

    name = "bursts"

    def __init__(
        self,
        seconds: float,
        pace: bool,
        fail_after_s: float | None = None,
        gap_at_s: float | None = None,
        period_s: int = 1,
    ) -> None:
        self.seconds, self.pace, self.fail_after_s, self.gap_at_s = seconds, pace, fail_after_s, gap_at_s
        self.period_s = period_s
        self.closed = False

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """Blocks of 0.1 s."""
        rate, length = LoudnessModel.rate_hz, round(LoudnessModel.rate_hz * BLOCK_S)
        noise, begin_s = np.random.default_rng(1), time.monotonic()
        for number in range(round(self.seconds / BLOCK_S)):
            while (
                self.pace and not stop.is_set() and (early_s := begin_s + (number + 1) * BLOCK_S - time.monotonic()) > 0
            ):
                yield Wait(early_s)
            if stop.is_set():
                return
            start = number * length
            if self.fail_after_s is not None and start >= self.fail_after_s * rate:
                raise RuntimeError("the source has a bug")
            if self.gap_at_s is not None and round(self.gap_at_s / BLOCK_S) == number:
                yield Gap(start, start + length, "device lost")
                continue
            level = LOUD if start % (self.period_s * rate) < self.period_s * rate - rate // 2 else 0.0
            samples = (level * noise.standard_normal(length)).astype(np.float32)
            yield Block(start, samples, np.ones(length, np.bool_))

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class RudeBroker:
    """Accepts TCP on a free port and then does what `behaviour` says.

    `mute`: CONNACK, but never a PUBACK. `close`: closes instead of CONNACK. `close_v5`: the same, but talks 3.1.1.
    `refuse`: PUBACK with reason 0x97 (quota exceeded) for every message. `flaky`: closes at every 7th message,
    half of the times before its PUBACK. `taken over`: DISCONNECT with reason 0x8E at once. `silent`: no CONNACK.
    `deaf`: CONNACK, then reads nothing more.
    """

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.connects: list[int] = []  # protocol level of each CONNECT
        self.publishes = 0
        self.topics: list[str] = []
        self.payloads: list[bytes] = []
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        with suppress(OSError):  # else the thread goes on listening until somebody comes
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._take(peer)

    def _take(self, peer: socket.socket) -> None:
        threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        gone = (OSError, IndexError, struct.error)  # in the middle of a packet, or before it took an answer
        with peer, peer.makefile("rb") as stream, suppress(*gone):
            while head := stream.read(1):
                packet = stream.read(_remaining_length(stream))
                if head[0] == 0x16:  # somebody tries TLS
                    return
                if not self._answer(peer, head[0], packet):
                    return

    def _connack(self, peer: socket.socket, packet: bytes) -> bool:
        level = packet[6]  # of CONNECT: 00 04 'MQTT' level
        self.connects.append(level)
        if self.behaviour == "silent":
            return True
        if self.behaviour == "close" or (self.behaviour == "close_v5" and level == 5):
            return False
        peer.sendall(b"\x20\x03\x00\x00\x00" if level == 5 else b"\x20\x02\x00\x00")
        self.level = level
        if self.behaviour == "taken over":
            peer.sendall(b"\xe0\x01\x8e")
        if self.behaviour == "deaf":
            self._closed.wait()
        return self.behaviour not in ("taken over", "deaf")

    def _answer(self, peer: socket.socket, head: int, packet: bytes) -> bool:
        kind = head >> 4
        if kind == 1:
            return self._connack(peer, packet)
        if kind == 3:  # PUBLISH, QoS 1
            self.publishes += 1
            length = struct.unpack("!H", packet[:2])[0]
            mid, rest = packet[2 + length : 4 + length], packet[4 + length :]
            self.topics.append(packet[2 : 2 + length].decode())
            self.payloads.append(rest[1 + rest[0] :] if self.level == 5 else rest)
            if self.behaviour == "flaky":
                if self.publishes % 14:
                    peer.sendall(b"\x40\x02" + mid)
                return self.publishes % 7 != 0
            if self.behaviour == "refuse":
                peer.sendall(b"\x40\x03" + mid + b"\x97")
            elif self.behaviour == "close_v5":
                peer.sendall(b"\x40\x02" + mid)
        elif kind == 12:
            peer.sendall(b"\xd0\x00")
        return kind != 14


def _remaining_length(stream: object) -> int:
    value = shift = 0
    while True:
        byte = stream.read(1)[0]  # type: ignore[attr-defined]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value
