"""Programs that a deployment runs on the box: to their end, with their last words when they fail.

Not for the service (`service`), which outlives the deployment.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
from collections.abc import Sequence

from deploy.box.layout import Refusal

TELLING = ("FAIL", "laennec:", "ERROR")  # how the lines begin that say why something failed


def die_with_parent() -> None:
    """In a new child: end when this program does, so that nothing goes on behind the next deployment's back."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)


def call(argv: Sequence[object], environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a program to its end.

    Returns:
        Its exit code (127: there is no such program, or none that this user may run), and what it printed, errors too.
    """
    try:
        done = subprocess.run(
            [str(each) for each in argv],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=die_with_parent,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        return 127, str(error)
    return done.returncode, done.stdout


def must(argv: Sequence[object], what: str, environment: dict[str, str] | None = None) -> str:
    """Run a program that has to succeed; what it printed.

    Raises:
        Refusal: it failed; with the lines that say why.
        OSError: it failed for want of room on the disk.
    """
    code, said = call(argv, environment)
    if code == 0:
        return said
    if os.strerror(errno.ENOSPC) in said:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    telling = [line.strip() for line in said.splitlines() if line.strip().startswith(TELLING)]
    raise Refusal(f"{what} failed (exit code {code}): {' | '.join(telling) or last_words(said)}")


def last_words(text: str, count: int = 3) -> str:
    """The end of what a program printed, in one line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it printed nothing"
