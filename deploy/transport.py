"""How a command reaches the box: as a child of this program, or through OpenSSH's client.

Not for what is asked (`deploy.session`). A transport turns the words of a command on the box into the words of one
here, and a failure of its own into a line that says what to do.

Source: ssh(1), ssh_config(5).
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from deploy.errors import DeployError

CONNECT_S = 10
SSH_FAILED = 255


class Transport(Protocol):
    """How commands reach the box: run here, or through ssh."""

    where: str
    """For people: `this machine` or `user@box`."""

    def words(self, argv: Sequence[str]) -> list[str]:
        """The command to run here so that `argv` is run on the box, with its standard streams."""

    def explain(self, code: int, said: str) -> str:
        """Why no command ran there, judged by exit code and standard error; empty if one did."""


class Local:
    """This machine is the box."""

    where = "this machine"

    def words(self, argv: Sequence[str]) -> list[str]:
        """The command itself: it needs no transport."""
        return list(argv)

    def explain(self, code: int, said: str) -> str:
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
        }
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        port = [] if self._port is None else ["-p", str(self._port)]
        return ["ssh", "-T", *self._options, *options, *port, self._host, shlex.join(argv)]

    def explain(self, code: int, said: str) -> str:
        """What ssh said, with what to do about it; empty if it is not ssh that failed."""
        if code != SSH_FAILED or not said.strip():  # without a word: it was there, and what ran on the box was killed
            return ""
        port = f" -p {self._port}" if self._port else ""
        cause, cure = self._known(said, f"{port} {self._host}".lstrip())
        last = said.strip().splitlines()[-1]
        return f"expected to reach {self._host} by ssh, found: {cause or last.strip()}; {cure}"

    def _known(self, said: str, words: str) -> tuple[str, str]:
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
            if sign in said:
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
