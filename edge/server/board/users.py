"""Who may sign in: a file with a line for each person or screen, and what each may do.

    NAME:ROLE:HASH     of a password, argon2id, or `sha256=` and the hash of a token

Not for sessions (`edge.server.board.access`). A name that is not known takes as long to refuse as a wrong password. The
file is read once, at the start.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edge.errors import ConfigError

Role = Literal["view", "acknowledge", "configure"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[^\x00-\x1f\x7f:]{1,40}")
MIN_PASSWORD, MAX_PASSWORD = 8, 256
MAX_FILE_BYTES = 256 * 1024


@dataclass(frozen=True)
class User:
    """One who may sign in."""

    name: str
    role: Role
    hash: str


class Users:
    """Those who may sign in."""

    def __init__(self, users: tuple[User, ...]) -> None:
        """Know these; argon2 is needed from here on.

        Raises:
            ImportError: it is not installed.
        """
        self._users = {user.name: user for user in users if not user.hash.startswith("sha256=")}
        self._tokens = {user.hash.removeprefix("sha256="): user for user in users if user.hash.startswith("sha256=")}
        self._nobody = hash_password(secrets.token_hex(16)) if self._users else ""

    def named(self, name: str) -> User | None:
        """Who has a password under that name."""
        return self._users.get(name)

    def by_password(self, name: str, password: str) -> User | None:
        """Who that is; takes some 50 ms of a core and 64 MB."""
        from argon2 import PasswordHasher
        from argon2.exceptions import Argon2Error, InvalidHashError

        user = self._users.get(name)
        wanted = self._nobody if user is None else user.hash
        try:
            is_right = bool(wanted) and PasswordHasher().verify(wanted, password[:MAX_PASSWORD])
        except (Argon2Error, InvalidHashError):
            return None
        return user if is_right else None

    def by_token(self, token: str) -> User | None:
        """Whose token that is."""
        digest = hashlib.sha256(token[:MAX_PASSWORD].encode()).hexdigest()
        return next((user for each, user in self._tokens.items() if hmac.compare_digest(each, digest)), None)


def read_users(path: Path) -> Users:
    """Read the file.

    Raises:
        ConfigError: unreadable, readable by everybody, or a line that is none.
    """
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise ConfigError(f"users: everybody on this machine may read {path}; run  chmod 600 {path}")
            text = file.read(MAX_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"users: cannot read {path}: {error}; laennec board --add-user NAME makes it") from None
    numbered = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    users = tuple(_user(line, f"{path}:{number}") for number, line in numbered if line and not line.startswith("#"))
    if not users:
        raise ConfigError(f"users: {path} is empty; add one with  laennec board --add-user NAME --role ROLE")
    return Users(users)


def hash_password(password: str) -> str:
    """An argon2id hash with its parameters.

    Raises:
        ImportError: argon2 is not installed.
        ConfigError: the password is too short or too long.
    """
    from argon2 import PasswordHasher

    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ConfigError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, found {len(password)}")
    return PasswordHasher().hash(password)


def new_token() -> tuple[str, str]:
    """A token and what stands for it in the file."""
    token = secrets.token_urlsafe(32)
    return token, f"sha256={hashlib.sha256(token.encode()).hexdigest()}"


def add_user(path: Path, user: User) -> None:
    """Write a line for `user`, instead of one that has the same name.

    Raises:
        ConfigError: the name or the role is none, or the file cannot be written.
    """
    if not NAME.fullmatch(user.name) or user.role not in ROLES:
        raise ConfigError(f"expected a name without ':' and one of the roles {', '.join(ROLES)}, found {user.name!r}")
    path = path.expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if line.partition(":")[0] != user.name]
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*kept, f"{user.name}:{user.role}:{user.hash}", ""]))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"users: cannot write {path}: {error}") from None


def _user(line: str, where: str) -> User:
    name, _, rest = line.partition(":")
    role, _, digest = rest.partition(":")
    if not NAME.fullmatch(name) or role not in ROLES or not digest.startswith(("$argon2id$", "sha256=")):
        raise ConfigError(
            f"{where}: expected NAME:ROLE:HASH as  laennec board --add-user  writes it, found another line"
        )
    return User(name, role, digest)
