"""Who reads the sources, and when: one thread those that are due together, another one where that one hangs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import pytest

from edge.node.readers import TOGETHER_S
from edge.sources.source import Wait
from edge.types import Block, Gap
from tests.edge.conftest import wait_for
from tests.edge.fakes import BLOCK_S, Bursts
from tests.edge.node.test_engine import PATIENCE_S, Hangs, Ward

LONG_S = 600.0


class Watched(Bursts):
    """Remembers which threads read it."""

    def __init__(self) -> None:
        super().__init__(1000, pace=True)
        self.threads: list[int] = []

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        for item in super().blocks(stop):
            self.threads.append(threading.get_ident())
            yield item


def _end(ward: Ward) -> None:
    ward.stop.set()
    ward.readers.finish()
    ward.readers.join(PATIENCE_S)
    assert ward.engine.end(PATIENCE_S)


def test_one_thread_reads_all_sources_while_none_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.node.readers.WATCH_S", LONG_S)  # a machine that is busy may be late without it
    sources = [Watched() for _ in range(4)]
    ward = Ward(*sources)
    ward.start()
    wait_for(lambda: min(len(source.threads) for source in sources) > 8, "some readings of each source")
    assert len({thread for source in sources for thread in source.threads[4:8]}) == 1
    _end(ward)


def test_another_thread_reads_the_others_before_one_that_hangs_is_replaced() -> None:
    hanging, source = Hangs(0.5), Watched()
    ward = Ward(hanging, source)
    ward.start()
    wait_for(lambda: len(ward.events(1)) >= 3, "events of the other source")  # and nobody calls `relieve`
    assert ward.readers.stuck_s(0) > 0
    hanging.released.set()
    _end(ward)


@pytest.mark.parametrize("pace", [True, False])
def test_sources_in_real_time_are_due_at_common_moments_and_files_at_full_speed_when_they_like(pace: bool) -> None:
    class Pauses(Bursts):
        def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
            yield Wait(LONG_S + TOGETHER_S / 3)

    ward = Ward(*(Pauses(1, pace) for _ in range(5)))
    ward.start()
    wait_for(lambda: all(stream.due_s is not None for stream in ward.streams), "a pause of all sources")
    due = [(stream.due_s or 0.0) / TOGETHER_S for stream in ward.streams]
    assert all(abs(each - round(each)) < 1e-4 for each in due) is pace
    _end(ward)


@pytest.mark.parametrize("pace", [True, False])
def test_a_source_in_real_time_is_not_read_before_the_block_that_completes_a_chunk_can_have_come(pace: bool) -> None:
    ward = Ward(Bursts(1, pace))
    stream, blocks = ward.streams[0], [b for b in Bursts(2, False).blocks(threading.Event()) if isinstance(b, Block)]
    assert stream.missing_s == 0, "nothing is known yet"
    stream.arrive(blocks[0])
    stream.advance()
    complete_s = (stream._pipeline.next_chunk_at or 0) / ward.model.rate_hz
    chunk_s = ward.model.chunk.chunk_frames * ward.model.spec.hop_samples / ward.model.rate_hz
    found_s = []
    for block in blocks[1:]:
        stream.arrive(block)  # and nobody decides
        found_s.append(stream.missing_s)
        complete_s += chunk_s * (complete_s < block.stop / ward.model.rate_hz)
        blocks_s = math.ceil((complete_s - block.stop / ward.model.rate_hz) / BLOCK_S - 1e-9) * BLOCK_S
        assert stream.missing_s == pytest.approx(max(blocks_s - BLOCK_S, 0.0)), "all of them but the next"
        before_s = time.monotonic()
        due_s, after_s = ward.readers._due_s(0, 0.001), time.monotonic()
        expected_s = 0.001 + (stream.missing_s if pace else 0.0)
        assert before_s + expected_s <= due_s <= after_s + expected_s + (TOGETHER_S if pace else 0.0)
    assert max(found_s) > 0
