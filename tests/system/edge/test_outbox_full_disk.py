"""A disk that is full, read-only or unreadable: at the start, in mid-run, over kills; and no number is given twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.server.history.sequences import Start, joined, missing_of
from tests.edge.delivery import test_outbox_full_disk
from tests.edge.full_disk import SmallDisk, small_disk

disk = test_outbox_full_disk.disk


MESSAGES = 30
PLAN = ("..", ".", "free", ".fill.free.fill", "free.fill", ".free.fill", ".", ".free", "fill.")  # of each process
PROCESSES = len(PLAN)
PUTTER = """
import os, sys, time
from pathlib import Path
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), 1, 1)
while True:
    body = {"id": os.urandom(4).hex(), "time": {}, "boot_id": sys.argv[2], "filling": "x" * 1000}
    outbox.put([Message("t", body, 60, (body["id"], 1))])
    for entry in outbox.waiting(outbox.last_seq - 1, outbox.last_seq, 1):
        before = entry.body["seq_before"]
        print(entry.seq, entry.body["seq_start"], -1 if before is None else before, flush=True)  # as if it was sent
    outbox.ack([outbox.last_seq])
    time.sleep(0.001)
    outbox.tidy()
"""


def run_until_killed(path: Path, boot: int, changes: list[Callable[[], None]]) -> list[tuple[int, int, int]]:
    """`seq`, `seq_start` and `seq_before` (-1: not known) of what a process handed out before its kill -9.

    Args:
        path: the outbox.
        boot: which process.
        changes: what is done to its disk, the first before its start, the others after each `MESSAGES` messages.
    """
    changes[0]()
    reported = []
    with subprocess.Popen(
        [sys.executable, "-c", PUTTER, str(path), str(boot)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            reported.append(line)
            turn, rest = divmod(len(reported), MESSAGES)
            if rest or turn > len(changes):  # it may have said more than was read when it was killed
                continue
            if turn == len(changes):
                child.send_signal(signal.SIGKILL)
            else:
                changes[turn]()
    numbers = [tuple(map(int, line.split())) for line in reported if line.endswith("\n")]
    return [(seq, start, before) for seq, start, before in numbers]


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_no_number_is_given_twice_over_kills_with_a_disk_that_is_full_at_any_time(tmp_path: Path, kind: str) -> None:
    with small_disk(tmp_path / "disk", kind) as disk:
        used = fill_and_kill(disk)
    seqs = [seq for seq, _, _ in used]
    assert len(seqs) >= 21 * MESSAGES - 9  # of the last message of each process the line may be cut off
    assert len(set(seqs)) == len(seqs)
    runs: dict[int, list[int]] = {}
    for seq, start, _ in used:
        runs.setdefault(start, []).append(seq)
    for start, run in runs.items():
        assert run == list(range(start, start + len(run)))
    assert max(seqs) < 1 << 53  # exact in a double
    assert_only_what_was_cut_off_is_missing(used)


def assert_only_what_was_cut_off_is_missing(used: list[tuple[int, int, int]]) -> None:
    """By what the messages say; the last of each process may be on disk and in no line."""
    starts: dict[int, Start] = {}
    for seq, start, before in used:
        made = starts.setdefault(start, Start(None if before < 0 else before, []))
        made.ranges[:] = joined(made.ranges, [seq], 0)
        assert made.before == (None if before < 0 else before), "one for all messages of a start"
    assert sum(start.before is not None for start in starts.values()) >= PROCESSES - 3, "two cannot know, and the first"
    missing = missing_of(starts)
    assert all(gap.count == 1 for gap in missing)
    assert len(missing) < PROCESSES


def fill_and_kill(disk: SmallDisk) -> list[tuple[int, int, int]]:
    """(`seq`, `seq_start`, `seq_before`) of every message that was put."""
    used: list[tuple[int, int, int]] = []
    path = disk.path / "state" / "o.db"
    disk.fill()  # at the first two starts nothing at all can be written
    actions = {"free": disk.free, "fill": disk.fill, "": lambda: None}
    for boot, words in enumerate(PLAN):
        used += run_until_killed(path, boot, [actions[word] for word in words.split(".")])
    return used
