"""`laennec demo --board`: eight simulated beds through the real pipeline, on the board."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.edge.conftest import PATIENCE_S
from tests.system.edge.server.board.conftest import shown


def test_the_demo_shows_eight_beds_and_ends_with_one_signal(open_page: Callable[..., Any]) -> None:
    command = [sys.executable, "-m", "edge", "demo", "--board", "--listen", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            lines = [demo.stdout.readline() for _ in range(2)]
            assert "synthetic" in lines[0]
            page = open_page(lines[1].removeprefix("board: ").strip())
            shown(page, ".tile", 8)
            page.get_by_text("TEST").first.wait_for()
        finally:
            demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE_S) == 0
