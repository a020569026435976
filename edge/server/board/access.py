"""Who may see and do what: signing in, sessions, roles and limits, and the log of it. For one event loop.

The log has a JSON line for who signed in and for what was ordered, in a file of its own. It is not for alarms, of which
the node logs every transition (`laennec alarms`). It grows to `MAX_BYTES`, then the one before is
replaced. A disk that takes no line stops no order: that an alarm is answered counts more, and the node logs it too.

Not for the file of users (`edge.server.board.users`). Without such a file everybody who reaches the board may do
everything; it then listens on this machine alone (`edge.settings.board`). What changes anything needs the session's own
token beside its cookie, which no other site's page can read.

Quotas keep guessing slow and nobody else out. A wrong password or token counts against the host that it came from and
never against the person that was named: nobody can lock another one out. A browser in which somebody has signed in
before has a quota of its own for that person, proven by a cookie (OWASP's device cookie), so a flood from its own
address does not keep it out either. A token has 256 bits, so nobody guesses one, and checking it costs no hash: wrong
and right ones have quotas of their own, for the log's sake.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edge.contract.fields import rfc3339
from edge.errors import ConfigError
from edge.files import make_private_folder, open_private, restrict
from edge.log import RateLimitedLog
from edge.server.board.fair_share import KNOWN, BusyError, FairQueue, host_of, network_of
from edge.server.board.users import ROLES, Role, User, Users, UsersFile
from edge.ward.quotas import Limit, Quotas

MAX_BYTES = 10_000_000

logger = logging.getLogger(__name__)


class Audit:
    """Appends lines."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ConfigError: it cannot be written.
        """
        self._path, self._limited_log = path, RateLimitedLog(logger)
        try:
            make_private_folder(path.parent)
            restrict(path)
            self._open()
        except OSError as error:
            raise ConfigError(f"audit: cannot write {path}: {error.strerror}; give another file") from None

    def write(self, what: str, **fields: object) -> None:
        """Append one line: what happened, when, and what is known of it."""
        line = json.dumps({"ts": rfc3339(time.time()), "what": what, **fields}) + "\n"
        try:
            if self._file.tell() > MAX_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._open()
            self._file.write(line)
            self._file.flush()
        except (OSError, ValueError) as error:
            self._limited_log.log("audit", f'board audit=failed file={self._path} reason="{error}"; make room there')

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        self._file = open_private(self._path, "a", encoding="utf-8")


MAX_SESSIONS = 256
REMOVE = "remove"  # of the board alone: no node is informed
ROLE_OF_VERB: dict[str, Role] = {
    "acknowledge": "acknowledge",
    "pause": "acknowledge",
    "inactivate": "configure",
    "limit": "configure",
    "patient": "admit",
    REMOVE: "admit",
}
LISTEN_ROLE: Role = "acknowledge"  # as for hearing clips
ORDERS, ORDERS_S = 60, 60.0  # orders of one person, however many browsers; of a session, where nobody has a name


@dataclass
class Session:
    """One browser that may look."""

    ident: str
    csrf: str
    name: str
    """Who signed in; empty where nobody has to."""
    role: Role
    ends_s: float
    orders: Limit
    user: User | None = None
    """As the file of users had it then; None where nobody has to sign in."""

    def may(self, role: Role) -> bool:
        """Whether it has that role or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Access:
    """The sessions of a board."""

    def __init__(self, is_open: bool, session_s: float) -> None:
        """Know nobody.

        Args:
            is_open: whether everybody who reaches the board may do everything.
            session_s: how long a session lasts.
        """
        self.is_open, self._session_s = is_open, session_s
        self._sessions: dict[str, Session] = {}
        self._orders: dict[str, Limit] = {}  # of each person

    def session(self, ident: str | None, now_s: float) -> Session | None:
        """The session of a cookie, if it lasts."""
        found = self._sessions.get(ident or "")
        if found is not None and now_s >= found.ends_s:
            del self._sessions[found.ident]
            return None
        return found

    def begin(self, user: User | None, now_s: float) -> Session:
        """A new session of one who has signed in; of anybody, where the board is open (None)."""
        if len(self._sessions) >= MAX_SESSIONS:
            self._drop_one()
        name, role = ("", ROLES[-1]) if user is None else (user.name, user.role)
        ident, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = Session(ident, csrf, name, role, now_s + self._session_s, self._orders_of(name), user)
        self._sessions[ident] = session
        return session

    def _orders_of(self, name: str) -> Limit:
        """The limit of a person, whatever browser; of a session, where nobody has to sign in."""
        fresh = Limit(ORDERS, ORDERS_S)
        return self._orders.setdefault(name, fresh) if name else fresh

    def _drop_one(self) -> None:
        """The first to end, of whoever has most: who signs in again and again ends nobody else's."""
        names = Counter(each.name for each in self._sessions.values())
        name, _ = names.most_common(1)[0]
        own = [each for each in self._sessions.values() if each.name == name]
        del self._sessions[min(own, key=lambda each: each.ends_s).ident]

    def end(self, session: Session) -> None:
        """Signed out."""
        self._sessions.pop(session.ident, None)

    def end_changed(self, users: Users) -> list[Session]:
        """End the sessions of those who are not in `users` as they were: disabled, another role, another password."""
        ended = [each for each in self._sessions.values() if each.user is not None and each.user not in users]
        for session in ended:
            self.end(session)
        return ended


def is_same(value: str, expected: str) -> bool:
    """Whether two secrets are the same, in the same time for any two."""
    return hmac.compare_digest(value.encode(), expected.encode())


QUOTA_S = 60.0
TRIES = 5  # wrong passwords of one host, and of one browser that has signed in before
WRONG_TOKENS = 30  # of one host
RIGHT_TOKENS = 256  # sign-ins of one token from one host: many screens may share both
MAX_NAME = 40  # letters of a name in the log
NONCE_BYTES, PROOF_BYTES = 9, 16


@dataclass(frozen=True)
class Attempt:
    """What somebody gave."""

    address: str
    name: str
    password: str
    token: str
    device: str
    """The cookie that `device_cookie` gave this browser for this name; empty: none."""

    @property
    def is_text(self) -> bool:
        """Whether it can be written as UTF-8: JSON may hold halves of letters, which no password has."""
        return not any("\ud800" <= letter <= "\udfff" for letter in self.name + self.password + self.token)


@dataclass(frozen=True)
class Refusal:
    """Why nobody has signed in: a status of HTTP, and words for a person."""

    status: int
    reason: str


TOO_MANY = Refusal(429, "too many tries; wait a minute")
BUSY = Refusal(429, "too many sign in at once; try again")


class SignIn:
    """Checks attempts; to be used from one event loop."""

    def __init__(self, file: UsersFile, audit: Audit) -> None:
        self._file, self._audit = file, audit
        self._hashing = FairQueue()
        self._tries, self._wrong_tokens = Quotas(TRIES, QUOTA_S), Quotas(WRONG_TOKENS, QUOTA_S)
        self._right_tokens, self._logged = Quotas(RIGHT_TOKENS, QUOTA_S), Quotas(1, QUOTA_S)

    async def check(self, attempt: Attempt) -> User | Refusal:
        """Who that is, or why not."""
        found: User | Refusal
        if not attempt.is_text:
            found = self._wrong(attempt, 401)
        elif attempt.token:
            found = self._by_token(attempt)
        else:
            found = await self._by_password(attempt)
        if isinstance(found, User):
            self._audit.write("signed in", address=attempt.address, name=found.name, role=found.role)
        return found

    def _by_token(self, attempt: Attempt) -> User | Refusal:
        user = self._file.users.by_token(attempt.token)
        if user is None:
            return self._wrong(attempt, 403)
        key = f"{host_of(attempt.address)} {user.name}"
        return user if self._right_tokens.take(key, time.monotonic()) else self._too_many(attempt, key)

    async def _by_password(self, attempt: Attempt) -> User | Refusal:
        users, host = self._file.users, host_of(attempt.address)
        named = users.named(attempt.name)
        nonce = "" if named is None else _proven(named, attempt.device)
        key = f"browser {nonce}" if nonce else f"host {host}"
        if not self._tries.take(key, time.monotonic()):
            return self._too_many(attempt, key)
        try:
            async with self._hashing.turn(*((KNOWN, nonce) if nonce else (network_of(attempt.address), host))):
                user = await asyncio.to_thread(users.by_password, attempt.name, attempt.password)
        except BusyError:
            self._tries.give_back(key)
            return BUSY
        if user is None:
            self._log("sign-in refused", attempt)
            return Refusal(403, "name or password is wrong")
        if user not in self._file.users:  # changed while the hash was computed
            return Refusal(403, "name or password is wrong")
        self._tries.give_back(key)
        return user

    def _wrong(self, attempt: Attempt, status: int) -> Refusal:
        """What costs no hash and was wrong."""
        host = host_of(attempt.address)
        if not self._wrong_tokens.take(host, time.monotonic()):
            return self._too_many(attempt, host)
        self._log("sign-in refused", attempt)
        return Refusal(status, "name or password is wrong")

    def _too_many(self, attempt: Attempt, key: str) -> Refusal:
        if self._logged.take(key, time.monotonic()):  # once a minute: who is refused must not fill the log
            self._log("sign-in refused", attempt, reason="too many tries")
        return TOO_MANY

    def _log(self, what: str, attempt: Attempt, **more: str) -> None:
        self._audit.write(what, address=attempt.address, name=attempt.name[:MAX_NAME], **more)


def device_cookie_name(name: str) -> str:
    """The cookie of a browser in which `name` has signed in; one for each, for a ward shares its browsers."""
    return f"laennec_device_{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def device_cookie(user: User) -> str:
    """What proves later that `user` has signed in with this browser, until the password is another."""
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    return f"{nonce}.{_proof(user, nonce)}"


def _proven(user: User, device: str) -> str:
    """The browser that a cookie is of; empty if it is none of this user's."""
    nonce, _, proof = device.partition(".")
    return nonce if hmac.compare_digest(proof.encode(), _proof(user, nonce).encode()) else ""


def _proof(user: User, nonce: str) -> str:
    """Its key is what the file of users has for this one, which no browser sees."""
    digest = hmac.digest(user.hash.encode(), f"{user.name}\n{nonce}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:PROOF_BYTES]).decode().rstrip("=")
