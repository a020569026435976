"""`python -m deploy.fleet`: run `deploy.fleet.command` with the Python that can read settings.

Not for anything else: this module is imported by a Python that may have nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import os
import sys

from deploy.__main__ import guarded
from deploy.install import BUILD
from deploy.wheelhouse import PROJECT, make_tools


def _go_on() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tools = make_tools(BUILD)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    os.execve(tools, [str(tools), "-m", "deploy.fleet.command", *sys.argv[1:]], environment)


if __name__ == "__main__":
    sys.exit(guarded(_go_on))
