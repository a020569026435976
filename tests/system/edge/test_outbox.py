"""The outbox loses nothing that was decided, whatever happens to the process or the disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from edge.delivery.outbox import Outbox
from tests.edge.delivery import test_outbox
from tests.edge.outboxes import numbers

outbox = test_outbox.outbox
path = test_outbox.path


WRITER = """
import sys
from pathlib import Path
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 100, 1)
for number in range(10**6):
    outbox.put([Message("t", {"n": number, "time": {}}, 60, (f"id{number}", 1))])
    print(number, flush=True)
"""


def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_written(path: Path) -> None:
    written = -1
    for _ in range(3):
        path.unlink(missing_ok=True)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                written = int(line)
                if written == 50:
                    child.send_signal(signal.SIGKILL)
        outbox = Outbox(path, 100, 1)
        found = numbers(outbox)
        assert found == list(range(len(found)))
        assert len(found) >= written + 1
        outbox.close()
