"""Who is asking, what they may, and how often: sessions, roles, limits. For one event loop.

Not for HTTP (`edge.board.app`) or the file of users (`edge.board.users`). Without such a file everybody who reaches the
board may do everything; it then listens on this machine alone (`edge.settings.board`). What changes anything needs
the session's own token beside its cookie, which no other site's page can read.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from dataclasses import dataclass, field

from edge.board.users import ROLES, Role, User

MAX_SESSIONS = 256
ROLE_OF_VERB: dict[str, Role] = {
    "acknowledge": "acknowledge", "pause": "acknowledge", "inactivate": "configure", "limit": "configure",
}  # fmt: skip
TRIES, TRIES_S = 5, 60.0  # wrong passwords of one address
ALL_TRIES = 30  # of all addresses in the same time: each costs 50 ms of a core
ORDERS, ORDERS_S = 60, 60.0  # orders of one session
MAX_ADDRESSES = 1024


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

    def may(self, role: Role) -> bool:
        """Whether it has that role or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass
class Limit:
    """At most so many in so many seconds."""

    most: int
    seconds: float
    times: deque[float] = field(default_factory=deque)

    def is_reached(self, now_s: float) -> bool:
        """Whether another one would be too many."""
        while self.times and now_s - self.times[0] >= self.seconds:
            self.times.popleft()
        return len(self.times) >= self.most

    def count(self, now_s: float) -> None:
        """One more."""
        self.times.append(now_s)


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
        self._tries: dict[str, Limit] = {}
        self._all_tries = Limit(ALL_TRIES, TRIES_S)

    def session(self, ident: str | None, now_s: float) -> Session | None:
        """The session of a cookie, if it lasts."""
        found = self._sessions.get(ident or "")
        if found is not None and now_s >= found.ends_s:
            del self._sessions[found.ident]
            return None
        return found

    def begin(self, user: User | None, now_s: float) -> Session:
        """A new session of one who has signed in; of anybody, where the board is open (None)."""
        if len(self._sessions) >= MAX_SESSIONS:  # the one that ends first
            del self._sessions[min(self._sessions.values(), key=lambda each: each.ends_s).ident]
        name, role = ("", ROLES[-1]) if user is None else (user.name, user.role)
        ident, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = Session(ident, csrf, name, role, now_s + self._session_s, Limit(ORDERS, ORDERS_S))
        self._sessions[ident] = session
        return session

    def end(self, session: Session) -> None:
        """Signed out."""
        self._sessions.pop(session.ident, None)

    def may_try(self, address: str, now_s: float) -> bool:
        """Whether another password of this address is looked at; counts it."""
        if address not in self._tries and len(self._tries) >= MAX_ADDRESSES:
            self._tries = {name: limit for name, limit in self._tries.items() if limit.is_reached(now_s)}
        own = self._tries.setdefault(address, Limit(TRIES, TRIES_S))
        if own.is_reached(now_s) or self._all_tries.is_reached(now_s):
            return False
        own.count(now_s)
        self._all_tries.count(now_s)
        return True

    def forget_tries(self, address: str) -> None:
        """The password was right."""
        self._tries.pop(address, None)


def is_same(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in the same time for any two."""
    return hmac.compare_digest(given.encode(), wanted.encode())
