"""Who is asking, what they may, and how often: sessions, roles, limits. For one event loop.

Not for HTTP (`edge.board.app`), signing in (`edge.board.sign_in`) or the file of users (`edge.board.users`). Without
such a file everybody who reaches the board may do everything; it then listens on this machine alone
(`edge.settings.board`). What changes anything needs the session's own token beside its cookie, which no other site's
page can read.
"""

from __future__ import annotations

import hmac
import secrets
from collections import Counter
from dataclasses import dataclass

from edge.board.users import ROLES, Role, User
from edge.ward.quotas import Limit

MAX_SESSIONS = 256
ROLE_OF_VERB: dict[str, Role] = {
    "acknowledge": "acknowledge",
    "pause": "acknowledge",
    "inactivate": "configure",
    "limit": "configure",
}
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
        session = Session(ident, csrf, name, role, now_s + self._session_s, self._orders_of(name))
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


def is_same(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in the same time for any two."""
    return hmac.compare_digest(given.encode(), wanted.encode())
