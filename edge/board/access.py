"""Who is asking, what they may, and how often: sessions, roles, limits. For one event loop.

Not for HTTP (`edge.board.app`), signing in (`edge.board.sign_in`) or the file of users (`edge.board.users`). Without
such a file everybody who reaches the board may do everything; it then listens on this machine alone
(`edge.settings.board`). What changes anything needs the session's own token beside its cookie, which no other site's
page can read.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter, deque
from dataclasses import dataclass, field

from edge.board.users import ROLES, Role, User

MAX_SESSIONS = 256
ROLE_OF_VERB: dict[str, Role] = {
    "acknowledge": "acknowledge", "pause": "acknowledge", "inactivate": "configure", "limit": "configure",
}  # fmt: skip
ORDERS, ORDERS_S = 60, 60.0  # orders of one session
MAX_KEYS = 4096  # that a quota remembers


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


class Quotas:
    """The same limit for each of many: hosts, browsers, tokens."""

    def __init__(self, most: int, seconds: float) -> None:
        """Each may do so many things in so many seconds."""
        self._most, self._seconds = most, seconds
        self._limits: dict[str, Limit] = {}

    def __len__(self) -> int:
        """How many it remembers."""
        return len(self._limits)

    def take(self, key: str, now_s: float) -> bool:
        """Whether `key` may do one more; counts it."""
        if key not in self._limits and len(self._limits) >= MAX_KEYS:
            self._limits = {name: limit for name, limit in self._limits.items() if limit.is_reached(now_s)}
            if len(self._limits) >= MAX_KEYS:
                del self._limits[next(iter(self._limits))]
        limit = self._limits.setdefault(key, Limit(self._most, self._seconds))
        if limit.is_reached(now_s):
            return False
        limit.count(now_s)
        return True

    def give_back(self, key: str) -> None:
        """The last one does not count."""
        limit = self._limits.get(key)
        if limit is not None and limit.times:
            limit.times.pop()


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
        session = Session(ident, csrf, name, role, now_s + self._session_s, Limit(ORDERS, ORDERS_S))
        self._sessions[ident] = session
        return session

    def _drop_one(self) -> None:
        """The first to end, of whoever has most: who signs in again and again ends nobody else's."""
        names = Counter(each.name for each in self._sessions.values())
        name, _ = names.most_common(1)[0]
        own = [each for each in self._sessions.values() if each.name == name]
        del self._sessions[min(own, key=lambda each: each.ends_s).ident]

    def end(self, session: Session) -> None:
        """Signed out."""
        self._sessions.pop(session.ident, None)


def is_same(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in the same time for any two."""
    return hmac.compare_digest(given.encode(), wanted.encode())
