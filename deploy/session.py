"""A conversation with `deploy.box` on the box: send the program, ask, feed it wheels, hear how it goes.

Not for how the box is reached (`deploy.transport`), and not for what to ask (`deploy.__main__`).

On the box's standard input: the package `deploy.box` as one archive, then one line of JSON, then the bytes of the
wheels that it wants. So nothing of an older release is ever trusted, and a box that is only asked keeps nothing.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import socket
import subprocess
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deploy.box.durable import CHUNK
from deploy.box.facts import PYTHONS, Facts, Python
from deploy.errors import DeployError
from deploy.transport import Transport
from deploy.wheelhouse import Wheel

PACKAGE = Path(__file__).with_name("box")
# Of the edge, what the standard library alone can run: the files of keys are read by the same code as on any box.
OF_THE_EDGE = (
    "__init__.py",
    "errors.py",
    "model/__init__.py",
    "model/releases/__init__.py",
    "model/releases/key_file.py",
)
NO_PYTHON, NO_SUDO = 86, 87
# The first interpreter that will do, then the program from standard input; {may} is empty or `sudo -n`.
START = """
for name in {pythons}; do
  found=$(command -v $name) || continue
  "$found" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue
  {check}
  exec {may} "$found" -I -c '{load}' {size}
done
python3 --version >&2
exit {no_python}
"""
# The archive stays in memory: a box that is only asked keeps nothing. Python imports from whatever has a path.
LOAD = """
import os, runpy, sys
held = os.memfd_create("laennec")
with open(held, "wb", closefd=False) as file:
    file.write(sys.stdin.buffer.read(int(sys.argv[1])))
sys.path.insert(0, "/proc/self/fd/%d" % held)
runpy.run_module("deploy.box", run_name="__main__", alter_sys=True)
"""
CHECK_SUDO = "sudo -n true || exit {no_sudo}"


def archive() -> bytes:
    """The box's half as one zip file, which Python can import from."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        edge = [PACKAGE.parents[1] / "edge" / name for name in OF_THE_EDGE]
        for path in [PACKAGE.with_name("__init__.py"), *sorted(PACKAGE.glob("*.py")), *edge]:
            file.write(path, path.relative_to(PACKAGE.parents[1]).as_posix())
    return packed.getvalue()


@dataclass(frozen=True)
class Target:
    """Which box, and where on it."""

    transport: Transport
    root: str
    """Folder on the box below which everything lies; "/" for the box as a whole."""

    @property
    def has_systemd(self) -> bool:
        """Whether systemd runs the service, and administration is needed."""
        return self.root == "/"


def ask(target: Target, command: str, wheels: Sequence[Wheel] = (), **request: object) -> dict[str, Any]:
    """One request to the box.

    Args:
        target: which box.
        command: a key of `deploy.box.__main__.READING` or `CHANGING`.
        wheels: files that the box may want.
        request: what else the command needs.

    Returns:
        What the command gives.

    Raises:
        DeployError: the box cannot be reached, or refused, or broke off; the state it is in is in the error.
    """
    program = archive()
    start = _start(len(program), target.has_systemd and command != "probe")
    head = {"command": command, "root": target.root, "systemd": target.has_systemd, "who": _who(), **request}
    if wheels:
        head["wheels"] = [each.entry() for each in wheels]
    with tempfile.TemporaryFile() as errors:
        box = subprocess.Popen(
            target.transport.words(["sh", "-c", start]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        assert box.stdin is not None
        assert box.stdout is not None
        try:
            answer = _converse(box.stdin, box.stdout, program + json.dumps(head).encode() + b"\n", wheels)
        finally:
            box.stdin.close()  # the box sees it, and ends what can be ended
            box.stdout.close()
            code = box.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if answer is not None and "result" in answer:
        return dict(answer["result"])
    if answer is not None:
        raise DeployError(answer["error"], answer["state"])
    raise DeployError(_why(target, code, said))


def _start(size: int, may_sudo: bool) -> str:
    """The command that runs a program of `size` bytes on the box, as root where it must."""
    return START.format(
        pythons=" ".join(PYTHONS),
        load=LOAD,
        size=size,
        no_python=NO_PYTHON,
        may='$([ "$(id -u)" = 0 ] || echo sudo -n)' if may_sudo else "",
        check=f'[ "$(id -u)" = 0 ] || {CHECK_SUDO.format(no_sudo=NO_SUDO)}' if may_sudo else "",
    )


def _who() -> str:
    """Who deploys, for others who want to: user@workstation."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _converse(given: IO[bytes], output: IO[bytes], head: bytes, wheels: Sequence[Wheel]) -> dict[str, Any] | None:
    """Send the head, feed what is wanted, print what happens; the last message, or None if the box broke off."""
    try:
        given.write(head)
        given.flush()
        for line in output:
            message = json.loads(line)
            if "want" in message:
                _feed(given, [each for each in wheels if each.path.name in set(message["want"])])
            elif "result" in message or "error" in message:
                return dict(message)
            else:
                _print(message)
    except (BrokenPipeError, ValueError):
        return None
    return None


def _feed(given: IO[bytes], wheels: Sequence[Wheel]) -> None:
    for wheel in wheels:
        with open(wheel.path, "rb") as file:
            while chunk := file.read(CHUNK):
                given.write(chunk)
    given.flush()


def _print(message: dict[str, Any]) -> None:
    if "begin" in message:
        print(f"  {message['begin']} ... ", end="", flush=True)
    elif "failed" in message:
        print("failed", flush=True)
    elif "end" in message:
        remark = f" ({message['remark']})" if message["remark"] else ""
        print(f"{message['end']:.1f} s{remark}", flush=True)
    else:
        print(f"  {message['note']}", flush=True)


def _why(target: Target, code: int, said: str) -> str:
    """Why the box gave no answer."""
    last = " | ".join(line.strip() for line in said.strip().splitlines()[-2:])
    if explained := target.transport.explain(code, said):
        return explained
    if code == NO_PYTHON:
        return f"expected Python 3.10 or newer on {target.transport.where}, found {last or 'none'}; install python3"
    if code == NO_SUDO:
        return (
            f"expected sudo without a password on {target.transport.where}, found: {last}; allow it for the time of "
            "the deployment, or give ROOT=DIR to install below a folder of your own"
        )
    broken = f"the box broke off (exit code {code}): {last or 'it said nothing'}"
    if "Traceback" in said:
        return f"{broken}; this is a mistake in Laennec: please report it with this line"
    is_killed = code < 0 or code > 128 or not last  # signal(7), as Popen or as a shell tells it
    return f"{broken}; run the same command again, it goes on" if is_killed else broken


def facts_of(target: Target) -> Facts:
    """Ask the box what it is."""
    facts = ask(target, "probe")
    return Facts(**{**facts, "pythons": tuple(Python(**each) for each in facts["pythons"])})
