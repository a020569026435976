"""A board that is stopped ends, whatever comes at that moment and whatever a thread of it still waits for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from edge.server.board import server, service
from edge.server.board.server import serve
from edge.server.board.service import Board
from edge.settings.board import BoardSettings, parse_board


@pytest.mark.parametrize("turns", range(5))
def test_a_board_ends_also_if_a_message_comes_at_that_moment(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.0)

    async def is_over() -> bool:
        watch = Board(BoardSettings())
        monkeypatch.setattr(watch.reader, "start", lambda: None)
        monkeypatch.setattr(watch.reader, "stop", lambda: None)
        task = asyncio.create_task(watch.run())
        for _ in range(20):  # until it waits
            await asyncio.sleep(0)
        watch.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        return bool((await asyncio.wait([task], timeout=5.0))[0])

    assert asyncio.run(is_over())


def test_a_thread_that_waits_for_a_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, disk = threading.Event(), threading.Event()
    monkeypatch.setattr(server, "LATE_S", 0.1)
    monkeypatch.setattr(server, "_leave", disk.set)  # a process would end here
    tree = {"listen": {"port": 0}, "mqtt": {"port": 1}, "audit": str(tmp_path / "audit.log")}

    def on_ready(_url: str) -> None:
        asyncio.get_running_loop().run_in_executor(None, disk.wait, 60.0)
        stop.set()

    serve(parse_board(tree, "test"), stop, on_ready)
    assert disk.is_set(), "else it would have waited"
