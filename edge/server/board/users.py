"""Who may sign in: a file with a line for each person or screen, and what each may do.

    NAME:ROLE:HASH                of a password, argon2id, or `sha256=` and the hash of a token
    #disabled NAME:ROLE:HASH      may not sign in; earlier versions read it as a remark

Not for sessions (`edge.server.board.access`). A name that is not known takes as long to refuse as a wrong password. A
running board looks every `LOOK_S` whether the file has changed; one that cannot be read changes nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from edge.errors import ConfigError
from edge.files import open_private, written_whole
from edge.log import RateLimitedLog

Role = Literal["view", "acknowledge", "admit", "configure"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[^\s\x00-\x1f\x7f:#][^\x00-\x1f\x7f:]{0,39}(?<!\s)")
DISABLED = "#disabled "
TOKEN = "sha256="
MIN_PASSWORD, MAX_PASSWORD = 8, 256
MAX_FILE_BYTES = 256 * 1024
LOOK_S = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class User:
    """One who may sign in."""

    name: str
    role: Role
    hash: str
    is_enabled: bool = True

    @property
    def is_screen(self) -> bool:
        """Whether it has a token, not a password."""
        return self.hash.startswith(TOKEN)


class Users:
    """Those who may sign in."""

    def __init__(self, users: tuple[User, ...]) -> None:
        """Know these; argon2 is needed from here on.

        Raises:
            ImportError: it is not installed.
        """
        self._all = frozenset(users)
        enabled = [user for user in users if user.is_enabled]
        self._users = {user.name: user for user in enabled if not user.is_screen}
        self._tokens = {user.hash.removeprefix(TOKEN): user for user in enabled if user.is_screen}
        self._nobody = hash_password(secrets.token_hex(16)) if self._users else ""

    def __contains__(self, user: User) -> bool:
        """Whether this one may sign in, with that hash and that role."""
        return user.is_enabled and user in self._all

    def named(self, name: str) -> User | None:
        """Who has a password under that name."""
        return self._users.get(name)

    def by_password(self, name: str, password: str) -> User | None:
        """Who that is; takes some 50 ms of a core and 64 MB."""
        from argon2 import PasswordHasher
        from argon2.exceptions import Argon2Error, InvalidHashError

        user = self._users.get(name)
        expected = self._nobody if user is None else user.hash
        try:
            is_right = bool(expected) and PasswordHasher().verify(expected, password[:MAX_PASSWORD])
        except (Argon2Error, InvalidHashError):
            return None
        return user if is_right else None

    def by_token(self, token: str) -> User | None:
        """Whose token that is."""
        digest = hashlib.sha256(token[:MAX_PASSWORD].encode()).hexdigest()
        return next((user for each, user in self._tokens.items() if hmac.compare_digest(each, digest)), None)


class UsersFile:
    """The users of a file, as it is now."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            ConfigError: as `read_users`.
            ImportError: argon2 is not installed.
        """
        self._path, self._limited_log = path.expanduser(), RateLimitedLog(logger)
        self._found = self._look()
        self.users = read_users(path)

    def has_changed(self) -> bool:
        """Read the file again if it is another; whether that gave users. Waits for the disk."""
        found = self._look()
        if found == self._found:
            return False
        self._found = found
        try:
            self.users = read_users(self._path)
        except ConfigError as error:
            self._limited_log.log("users", f'board users=unchanged reason="{error}"')
            return False
        self._limited_log.clear("users")
        return True

    def _look(self) -> tuple[int, int, int, int] | None:
        """What distinguishes a file from the one before; None if it is not there."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def read_users(path: Path) -> Users:
    """Read the file.

    Raises:
        ConfigError: as `list_users`, or nobody is in it.
    """
    if not (users := list_users(path)):
        raise ConfigError(f"users: {path} is empty; add one with  laennec board users add NAME --role ROLE")
    return Users(users)


def list_users(path: Path) -> tuple[User, ...]:
    """All users of a file, in its order.

    Raises:
        ConfigError: unreadable, readable by everybody, or a line that is none.
    """
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o007:
                raise ConfigError(f"users: everybody on this machine may read {path}; run  chmod 600 {path}")
            text = file.read(MAX_FILE_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"users: cannot read {path}: {error}; laennec board users add NAME makes it") from None
    found = (_user(line.strip(), f"{path}:{number}") for number, line in enumerate(text.splitlines(), 1))
    return tuple(user for user in found if user is not None)


def hash_password(given: str | Callable[[], str]) -> str:
    """An argon2id hash with its parameters.

    Args:
        given: the password, or what asks a person for it: only once argon2 is there.

    Raises:
        ImportError: argon2 is not installed.
        ConfigError: the password is too short or too long.
    """
    from argon2 import PasswordHasher

    password = given if isinstance(given, str) else given()
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ConfigError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, found {len(password)}")
    return PasswordHasher().hash(password)


def new_token() -> tuple[str, str]:
    """A token and what stands for it in the file."""
    token = secrets.token_urlsafe(32)
    return token, f"{TOKEN}{hashlib.sha256(token.encode()).hexdigest()}"


def add_user(path: Path, user: User) -> None:
    """Write a line for `user`, instead of one that has the same name.

    Raises:
        ConfigError: the name or the role is none, or the file cannot be written.
    """
    if not NAME.fullmatch(user.name) or user.role not in ROLES:
        roles = ", ".join(ROLES)
        raise ConfigError(
            f"expected a name without ':', as  nurse K , and one of the roles {roles}, found {user.name!r}"
        )
    _write(path, lambda lines: [*(line for line in lines if _name_of(line) != user.name), _line(user)])


def change_user(path: Path, name: str, change: Callable[[User], User]) -> None:
    """Change one user, and leave all else of the file as it is now.

    Raises:
        ConfigError: there is no such user, or the file cannot be read or written.
    """
    names = [user.name for user in list_users(path)]
    if name not in names:
        raise ConfigError(f"users: {name!r} is not in {path}; it has {', '.join(names) or 'nobody'}")

    def changed(line: str) -> str:
        user = _user(line.strip(), str(path)) if _name_of(line) == name else None
        return line if user is None else _line(change(user))

    _write(path, lambda lines: [changed(line) for line in lines])


def _write(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the file as it is now: whole, one writer at a time; its owner and mode stay."""
    path = path.expanduser().resolve()
    try:
        with open_private(path.with_name(f"{path.name}.lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.stat() if path.exists() else None
            lines = [] if before is None else path.read_text(encoding="utf-8").splitlines()
            with written_whole(path) as file:
                os.fchmod(file.fileno(), 0o600 if before is None else before.st_mode & 0o660)
                if before is not None and (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                file.write("\n".join([*change(lines), ""]).encode())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"users: cannot write {path}: {error}; run it as the owner of that file") from None


def _line(user: User) -> str:
    return f"{'' if user.is_enabled else DISABLED}{user.name}:{user.role}:{user.hash}"


def _name_of(line: str) -> str:
    return line.strip().removeprefix(DISABLED).partition(":")[0]


def _user(line: str, where: str) -> User | None:
    """The user of a line; None of a remark or an empty one."""
    is_enabled = not line.startswith(DISABLED)
    if not line or (is_enabled and line.startswith("#")):
        return None
    name, _, rest = line.removeprefix(DISABLED).partition(":")
    role, _, digest = rest.partition(":")
    allowed = next((each for each in ROLES if each == role), None)
    if not NAME.fullmatch(name) or allowed is None or not digest.startswith(("$argon2id$", TOKEN)):
        raise ConfigError(
            f"{where}: expected NAME:ROLE:HASH as  laennec board users add  writes it, found another line"
        )
    return User(name, allowed, digest, is_enabled)
