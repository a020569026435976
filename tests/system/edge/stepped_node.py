"""`tests.system.edge.node_under_test` on a wall clock that a test steps: lines of seconds on standard input, in all."""

from __future__ import annotations

import sys
import threading
import time

OFFSET_S = [0.0]
wall = time.time
time.time = lambda: wall() + OFFSET_S[0]  # before anything else is imported, which may keep it


def listen() -> None:
    """Step the clock with each line."""
    for line in sys.stdin:
        OFFSET_S[0] = float(line)


if __name__ == "__main__":
    from tests.system.edge.node_under_test import main

    threading.Thread(target=listen, daemon=True).start()
    main(*sys.argv[1:])
