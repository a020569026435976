"""Who signs in: a password or a token, with quotas that keep guessing slow and nobody else out.

Not for sessions (`edge.board.access`) or the file of users (`edge.board.users`). What is wrong counts, against the host
that it came from and never against the person that was named: nobody can lock another one out. A browser in which
somebody has signed in before has a quota of its own for that person, proven by a cookie (OWASP's device cookie), so a
flood from its own address does not keep it out either. A token has 256 bits, so nobody guesses one, and checking it
costs no hash: wrong and right ones have quotas of their own, for the log's sake.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from edge.board.addresses import host_of, network_of
from edge.board.audit import Audit
from edge.board.fair_queue import BusyError, FairQueue
from edge.board.users import User, Users
from edge.ward.quotas import Quotas

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

    def __init__(self, users: Users, audit: Audit) -> None:
        self._users, self._audit = users, audit
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
        user = self._users.by_token(attempt.token)
        if user is None:
            return self._wrong(attempt, 403)
        key = f"{host_of(attempt.address)} {user.name}"
        return user if self._right_tokens.take(key, time.monotonic()) else self._too_many(attempt, key)

    async def _by_password(self, attempt: Attempt) -> User | Refusal:
        named, host = self._users.named(attempt.name), host_of(attempt.address)
        nonce = "" if named is None else _proven(named, attempt.device)
        key = f"browser {nonce}" if nonce else f"host {host}"
        if not self._tries.take(key, time.monotonic()):
            return self._too_many(attempt, key)
        try:
            async with self._hashing.turn(*(("browsers", nonce) if nonce else (network_of(attempt.address), host))):
                user = await asyncio.to_thread(self._users.by_password, attempt.name, attempt.password)
        except BusyError:
            self._tries.give_back(key)
            return BUSY
        if user is None:
            self._log("sign-in refused", attempt)
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
