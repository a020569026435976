"""How a box is reached and asked: here or by OpenSSH's client, with a program of the standard library.

On the box's standard input: the package `deploy.box` as one archive, then one line of JSON, then the bytes of the
files that it wants. So nothing of an older release is ever trusted, and a box that is only asked keeps nothing. What
fails on the way is one line that says what to do. Not for what to ask (`deploy.commands`).

Source: ssh(1), ssh_config(5).
"""

from __future__ import annotations

import getpass
import io
import json
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from deploy.box.examine import OLDEST_PYTHON, PYTHONS, Facts, Python
from deploy.box.layout import CHUNK, Part
from deploy.devices import DeployError

CONNECT_S = 10
SSH_FAILED = 255
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
  "$found" -c 'import sys; sys.exit(sys.version_info < {oldest})' 2>/dev/null || continue
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


class Transport(Protocol):
    """How commands reach the box: run here, or through ssh."""

    where: str
    """For people: `this machine` or `user@box`."""

    def words(self, argv: Sequence[str]) -> list[str]:
        """The command to run here so that `argv` is run on the box, with its standard streams."""

    def explain(self, code: int, output: str) -> str:
        """Why no command ran there, judged by exit code and standard error; empty if one did."""


class Local:
    """This machine is the box."""

    where = "this machine"

    def words(self, argv: Sequence[str]) -> list[str]:
        """The command itself: it needs no transport."""
        return list(argv)

    def explain(self, code: int, output: str) -> str:
        """Always empty: there is nothing between here and this machine that could fail."""
        return ""


class Ssh:
    """A box that is reached through ssh, over one shared connection.

    Keys, user, jump hosts and the checking of host keys are as the user's ssh has them; nothing is ever asked.
    """

    def __init__(self, host: str, port: int | None, options: str = "") -> None:
        """Connect nothing yet.

        Args:
            host: user@box, or a name of the user's ssh configuration.
            port: None: 22, or what the user's configuration says.
            options: further options of ssh, as in a shell.

        Raises:
            DeployError: there is no ssh here, or the host is none.
        """
        if shutil.which("ssh") is None:
            raise DeployError(
                "expected OpenSSH's client on this workstation, found no ssh; apt-get install openssh-client"
            )
        if not host or host.startswith("-") or any(letter.isspace() for letter in host):
            raise DeployError(f"HOST: expected user@box, found {host!r}")
        self.where, self._host = host, host
        try:
            self._port, self._options = port, shlex.split(options)
        except ValueError as error:
            raise DeployError(f"SSH_OPTIONS: expected words as in a shell, found {options} ({error})") from None
        self._control = Path(tempfile.mkdtemp(prefix="laennec-ssh-"))  # short: a socket's path has 108 bytes

    def words(self, argv: Sequence[str]) -> list[str]:
        """One ssh; the first opens the connection that the others share."""
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": CONNECT_S,
            "ServerAliveInterval": 15,
            "ServerAliveCountMax": 4,
            "ControlMaster": "auto",
            "ControlPath": self._control / "%C",
            "ControlPersist": 30,
            "LogLevel": "ERROR",
            "Compression": "yes",
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        port = [] if self._port is None else ["-p", str(self._port)]
        return ["ssh", "-T", *self._options, *options, *port, self._host, shlex.join(argv)]

    def explain(self, code: int, output: str) -> str:
        """What ssh said, with what to do about it; empty if it is not ssh that failed."""
        if code != SSH_FAILED or not output.strip():  # without a word: it was there, and what ran on the box was killed
            return ""
        port = f" -p {self._port}" if self._port else ""
        cause, cure = self._known(output, f"{port} {self._host}".lstrip())
        last = output.strip().splitlines()[-1]
        return f"expected to reach {self._host} by ssh, found: {cause or last.strip()}; {cure}"

    def _known(self, output: str, words: str) -> tuple[str, str]:
        """What is wrong and what to do, for the failures that people meet; `words` name the box in a command."""
        command, name = f"ssh {words}", self._host.rpartition("@")[2]
        known_as = f"'[{name}]:{self._port}'" if self._port not in (None, 22) else name
        by_hand = f"try  {command}  by hand"
        for sign, cause, cure in (
            (
                "HOST IDENTIFICATION HAS CHANGED",
                "another host key than the one known for it (a box that was flashed "
                "again, or another machine in its place)",
                f"make sure which; only then  ssh-keygen -R {known_as}",
            ),
            (
                "Host key verification failed",
                "a host key that is not known here",
                f"run  {command}  once by hand and compare its fingerprint",
            ),
            ("Could not resolve hostname", "no such host name", "check HOST, or give its address"),
            (
                "Permission denied",
                "the login was refused (no key that it takes, or no such user)",
                f"put your key there:  ssh-copy-id {words}",
            ),
            ("Too many authentication failures", "too many keys were offered", "name one:  SSH_OPTIONS='-i KEY'"),
            ("Connection refused", "nobody listens on that port", "is ssh running there (PORT=...)?"),
            ("timed out", "no answer", "is the box on and in this network?"),
            ("No route to host", "no way to that address", "is the box on and in this network?"),
        ):
            if sign in output:
                return cause, cure
        return "", by_hand

    def __enter__(self) -> Ssh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = ["ssh", *self._options, "-o", f"ControlPath={self._control / '%C'}", "-O", "exit"]
        close += [] if self._port is None else ["-p", str(self._port)]
        subprocess.run([*close, self._host], capture_output=True, check=False)
        shutil.rmtree(self._control, ignore_errors=True)


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


def send_command(
    target: Target, command: str, parts: Mapping[Part, Path] | None = None, **request: object
) -> dict[str, Any]:
    """One request to the box.

    Args:
        target: which box.
        command: a key of `deploy.box.__main__.READING` or `CHANGING`.
        parts: files that the box may want, and where they lie here.
        request: what else the command needs.

    Returns:
        What the command gives.

    Raises:
        DeployError: the box cannot be reached, or refused, or broke off; the state it is in is in the error.
    """
    program = archive()
    start = _start(len(program), target.has_systemd and command != "probe")
    head = {"command": command, "root": target.root, "systemd": target.has_systemd, "who": _who(), **request}
    paths = {part.sha256: path for part, path in (parts or {}).items()}
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
            answer = _converse(box.stdin, box.stdout, program + json.dumps(head).encode() + b"\n", paths)
        finally:
            box.stdin.close()  # the box sees it, and ends what can be ended
            box.stdout.close()
            code = box.wait()
        errors.seek(0)
        output = errors.read().decode(errors="replace")
    if answer is not None and "result" in answer:
        return dict(answer["result"])
    if answer is not None:
        raise DeployError(answer["error"], answer["state"])
    raise DeployError(_why(target, code, output))


def _start(size: int, may_sudo: bool) -> str:
    """The command that runs a program of `size` bytes on the box, as root where it must."""
    return START.format(
        pythons=" ".join(PYTHONS),
        oldest=OLDEST_PYTHON,
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


def _converse(pipe: IO[bytes], output: IO[bytes], head: bytes, paths: Mapping[str, Path]) -> dict[str, Any] | None:
    """Send the head, feed what is wanted, print what happens; the last message, or None if the box broke off."""
    try:
        pipe.write(head)
        pipe.flush()
        for line in output:
            message = json.loads(line)
            if "want" in message:
                _feed(pipe, [paths[each] for each in message["want"]])
            elif "result" in message or "error" in message:
                return dict(message)
            else:
                print_progress(message)
    except (BrokenPipeError, ValueError):
        return None
    return None


def _feed(pipe: IO[bytes], paths: Sequence[Path]) -> None:
    for path in paths:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                pipe.write(chunk)
    pipe.flush()


def print_progress(message: Mapping[str, Any]) -> None:
    """Print how a step goes on: `begin`, `end` with its seconds and a `remark`, `failed`; or a `note`."""
    if "begin" in message:
        print(f"  {message['begin']} ... ", end="", flush=True)
    elif "failed" in message:
        print("failed", flush=True)
    elif "end" in message:
        remark = f" ({message['remark']})" if message["remark"] else ""
        print(f"{message['end']:.1f} s{remark}", flush=True)
    else:
        print(f"  {message['note']}", flush=True)


def _why(target: Target, code: int, output: str) -> str:
    """Why the box gave no answer."""
    last = " | ".join(line.strip() for line in output.strip().splitlines()[-2:])
    if explained := target.transport.explain(code, output):
        return explained
    if code == NO_PYTHON:
        return f"expected Python 3.10 or newer on {target.transport.where}, found {last or 'none'}; install python3"
    if code == NO_SUDO:
        return (
            f"expected sudo without a password on {target.transport.where}, found: {last}; allow it for the time of "
            "the deployment, or give ROOT=DIR to install below a folder of your own"
        )
    broken = f"the box broke off (exit code {code}): {last or 'it said nothing'}"
    if "Traceback" in output:
        return f"{broken}; this is a mistake in Laennec: please report it with this line"
    is_killed = code < 0 or code > 128 or not last  # signal(7), as Popen or as a shell reports it
    return f"{broken}; run the same command again, it goes on" if is_killed else broken


def facts_of(target: Target) -> Facts:
    """Ask the box what it is."""
    facts = send_command(target, "probe")
    return Facts(**{**facts, "pythons": tuple(Python(**each) for each in facts["pythons"])})
