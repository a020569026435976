"""A box's half that kills itself at a step that a test chooses: what a power cut leaves, nearly.

Not for what must hold afterwards (`test_box_killed.py`, `test_undo.py`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from deploy.tools import PROJECT
from tests.deploy.conftest import Box, House

# Runs one request as deploy.box does, and kills itself before the change number argv[1]; prints the number at the end.
DIES = """
import os, signal, sys
changes, limit = 0, int(sys.argv[1])
def watch(event, args):
    global changes
    files = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.link")
    is_change = event in (*files, "subprocess.Popen", "os.kill")
    is_look = event == "time.sleep" and args[0] == POLL_S  # Python 3.11 and newer tells
    if is_change or is_look or event == "open" and args[2] and args[2] & (os.O_WRONLY | os.O_RDWR):
        changes += 1
        if changes == limit:
            os.kill(os.getpid(), signal.SIGKILL)
from deploy.box.__main__ import main
from deploy.box.switch import POLL_S
sys.addaudithook(watch)
main(sys.stdin.buffer, sys.stdout.buffer)
print(changes, file=sys.stderr)
"""


def run_until(box: Box, change: int, request: dict[str, Any], house: House | None = None, refusal: str = "") -> int:
    """Ask the box, killing it before that change; how many changes there were, 0 if it was killed.

    A change is also each look at a service that is waited for.
    """
    paths = {part.sha256: path for part, path in house.software.parts.items()} if house else {}
    request = {**request, "root": str(box.layout.root), "systemd": False}
    with subprocess.Popen(
        [sys.executable, "-c", DIES, str(change)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        output = _converse(child.stdin, child.stdout, request, paths)
        counted = child.stderr.read().decode().strip()
        with suppress(BrokenPipeError):  # it was killed before it had read all that was written
            child.stdin.close()
    if child.returncode == -signal.SIGKILL:
        return 0
    assert '"error"' not in output or (refusal and refusal in output), output
    return int(counted)


def _converse(given: IO[bytes], output: IO[bytes], request: dict[str, Any], paths: dict[str, Path]) -> str:
    """Everything that was told; standard input stays open, for the workstation is there."""
    lines = []
    with suppress(BrokenPipeError):
        given.write(json.dumps(request).encode() + b"\n")
        given.flush()
        for line in output:
            lines.append(line.decode())
            for name in json.loads(line).get("want", []):
                given.write(paths[name].read_bytes())
                given.flush()
    return "".join(lines)
