"""A box that is too slow for its beds for a while: it says so, leaves out what it must, tells it, and recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.node.inbox import OVERLOAD
from edge.node.stream_status import BEHIND_S, LEAVES_OUT
from edge.types import Chunk
from tests.edge.conftest import wait_for
from tests.edge.fakes import Answer, Bursts, LoudnessModel
from tests.edge.node.test_engine import PATIENCE_S, Ward

BEDS, OVERLOAD_S = 4, 12.0
CHUNK_S = LoudnessModel.chunk.chunk_frames * LoudnessModel.spec.hop_samples / LoudnessModel.rate_hz


class Busy(LoudnessModel):
    """Takes twice the time that there is for each chunk, while it is told to."""

    def __init__(self) -> None:
        self.busy = threading.Event()

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        if self.busy.is_set():
            time.sleep(2 * CHUNK_S / BEDS)
        return super().score(chunk, state)

    def score_many(self, chunks: Sequence[Chunk], states: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [self.score(chunk, state) for chunk, state in zip(chunks, states, strict=True)]


def test_under_twice_the_load_no_stream_is_ok_and_late_what_is_left_out_is_told_and_all_recover(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.node.stream_status.RECENT_S", 2.0)  # how long what was left out is remembered
    model = Busy()
    ward = Ward(*(Bursts(1000, pace=True) for _ in range(BEDS)), model=model)
    ward.start()
    wait_for(lambda: {stream.status.state.name for stream in ward.streams} == {"ok"}, "all streams")
    model.busy.set()
    reported: set[tuple[str, str]] = set()
    until_s, overload = time.monotonic() + OVERLOAD_S, ("degraded", LEAVES_OUT.rstrip("0123456789 s"))

    def look() -> bool:
        for stream in ward.streams:
            status = stream.status
            reported.add((status.state.name, status.state.reason.rstrip("0123456789 s")))
            assert status.state.name != "ok" or status.lag_s <= BEHIND_S
        return time.monotonic() >= until_s and overload in reported

    wait_for(look, "what is said of an overload")
    model.busy.clear()
    wait_for(
        lambda: all(stream.status.state.name == "ok" and stream.status.lag_s < BEHIND_S for stream in ward.streams),
        "the recovery of all streams",
    )
    ward.stop.set()
    ward.readers.finish()
    assert ward.engine.end(PATIENCE_S)
    for stream, expected in zip(ward.streams, ward.published, strict=True):
        totals = stream.status.totals
        gaps_s = sum(m.body["ms"] / 1000 for m in expected if m.topic.endswith("/gap") and m.body["cause"] == OVERLOAD)
        assert totals.left_out_s == totals.lost_s == pytest.approx(gaps_s, abs=0.01)
        assert totals.received_s > 3 * CHUNK_S  # no stream was silenced
    assert sum(stream.status.totals.left_out_s for stream in ward.streams) > 0
