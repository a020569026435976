"""What every request passes first and every answer carries: names, origins and sizes; headers that bind the browser.

Not for sessions (`edge.board.access`). The Host header must be one of the board's own names, or another site's name
could be pointed here; what changes anything must come from the board's own page. The policy lets no script, style or
connection in but the board's own files, and no text become markup (Trusted Types).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_REQUEST_BYTES = 4096
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
    "connection": "close",  # one request for each: `edge.board.connection`
}
OWN_PAGES = (None, "same-origin", "none")  # Sec-Fetch-Site; None: a client that does not send it


class Guard:
    """Refuses what no page of the board sends."""

    def __init__(self, app: ASGIApp, names: frozenset[str], is_encrypted: bool) -> None:
        """Stand before `app`; `names` are those that browsers may call the board by."""
        self._app, self._names, self._is_encrypted = app, names, is_encrypted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._is_encrypted:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"], scope["path"])
        answer = self._app if refusal is None else PlainTextResponse(refusal[1], refusal[0])
        await answer(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str, path: str) -> tuple[int, str] | None:
        """Status and reason, if a request is refused."""
        host = headers.get("host", "")
        if (_name_of(host)) not in self._names:
            return 421, "this board is not called so; add the name to listen.names"
        if path.startswith("/api/") and headers.get("sec-fetch-site") not in OWN_PAGES:
            return 403, "only the board's own page may ask this"
        if method in ("GET", "HEAD"):
            return None
        if method != "POST":
            return 405, "expected GET or POST"
        if (origin := headers.get("origin")) is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "only the board's own page may change anything"
        if headers.get("content-type") != "application/json":
            return 415, "expected application/json"
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_REQUEST_BYTES:
            return 413, f"expected at most {MAX_REQUEST_BYTES} bytes, and how many"
        return None


def _name_of(host: str) -> str:
    """A Host header without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
