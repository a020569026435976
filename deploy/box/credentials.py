"""Passwords, keys and certificates, brought to /etc/laennec: in no release, in no log, on no command line.

They come on standard input, as everything does, and are looked at again once they lie there: content, owner, rights.
Not for what they open (the broker, the models). Invariant: a secret is never in a file that others may read, not even
half written.
"""

from __future__ import annotations

import base64
import hashlib
import os
import pwd
import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from deploy.box.layout import Refusal, call, last_words, write_whole
from deploy.box.session import Session

NAME = re.compile(r"([a-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")  # at most one folder below /etc/laennec
OF_RELEASES = ("ward.yaml", "ward.yaml.before", "ward.yaml.edited")
SECRET, PUBLIC = 0o600, 0o644
# Users whom systemd makes up while a service with DynamicUser= runs: tomorrow a number may be another service's.
# Source: https://systemd.io/UIDS-GIDS
MADE_UP = range(61184, 65520)


@dataclass(frozen=True)
class Arrival:
    """One file that came."""

    path: Path
    content: bytes
    owner: int
    """User who may read it, a number."""
    mode: int

    @property
    def is_there(self) -> bool:
        """Whether it lies there already, with its owner and its rights."""
        if self.path.is_symlink() or not self.path.is_file():
            return False
        about = self.path.stat()
        rights = about.st_uid == self.owner and stat.S_IMODE(about.st_mode) == self.mode
        return rights and self.path.read_bytes() == self.content


def credentials(session: Session, request: dict[str, Any], _stdin: BinaryIO) -> dict[str, Any]:
    """Put files below /etc/laennec, each checked as it arrives and as it lies there.

    Args:
        session: whose.
        request: `carried`: of each file `name`, `content` (base64), `sha256`, `is_secret`, `reader`; `users`: text of
            sysusers.d(5), for a box that lacks the service's user.

    Returns:
        `written` and `unchanged`: names.

    Raises:
        Refusal: a file arrived damaged, or nobody is there who should read it; nothing, or not all, was written.
    """
    layout = session.layout
    with session.wire.step("checking what arrived"):
        arrivals = [_arrival(session, each, request["users"]) for each in request["carried"]]
    written, unchanged = list[str](), list[str]()
    with session.wire.step(f"writing it below {layout.config.parent}") as remarks:
        for each in arrivals:
            name = str(each.path.relative_to(layout.config.parent))
            (unchanged if each.is_there else written).append(name)
            if not each.is_there:
                write_whole(each.path, each.content, rights=(each.owner, each.mode))
            if not each.is_there:
                raise Refusal(f"{each.path} is not what was written (content, owner or rights); look at it on the box")
        remarks.append(f"{len(written)} written, {len(unchanged)} unchanged")
    return {"written": written, "unchanged": unchanged, "running": layout.running()}


def _arrival(session: Session, each: dict[str, Any], users: str) -> Arrival:
    name, content = str(each["name"]), base64.b64decode(each["content"])
    path = session.layout.config.parent / name
    if not NAME.fullmatch(name) or name in OF_RELEASES:
        raise Refusal(
            f"expected a name below {session.layout.config.parent} that is no file of a release, found {name!r}"
        )
    if hashlib.sha256(content).hexdigest() != each["sha256"]:
        raise Refusal(f"{name} arrived damaged; try again")
    if b"-----BEGIN CERTIFICATE" in content:
        _check_certificate(name, content)
    if not each["is_secret"]:
        return Arrival(path, content, os.geteuid(), PUBLIC)
    return Arrival(path, content, _reader(session, str(each["reader"]), users), SECRET)


def _check_certificate(name: str, content: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise Refusal(
            f"{name}: expected certificates (PEM), found something else; copy it from the broker again"
        ) from None


def _reader(session: Session, name: str, users: str) -> int:
    """The user whom a secret belongs to: below a ROOT this one, else the service's, who is made if it is missing."""
    if not session.service.is_of_the_system:
        return os.geteuid()
    if (user := _lasting(name)) is not None:
        return user
    if session.service.health().phase != "stopped":
        raise Refusal(
            f"expected a lasting user {name}, whom its secrets could belong to, found none; stop the service for a "
            "moment, then try again:  sudo systemctl stop laennec"
        )
    conf = session.layout.root / "etc/sysusers.d/laennec.conf"
    write_whole(conf, users.encode())
    code, output = call(["systemd-sysusers", conf])
    if (user := _lasting(name)) is None:
        raise Refusal(f"systemd-sysusers made no user {name} (exit code {code}): {last_words(output, 1)}")
    return user


def _lasting(name: str) -> int | None:
    """Number of a user who is there also while the service is stopped; None: there is no such user."""
    try:
        number = pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
    return None if number in MADE_UP else number
