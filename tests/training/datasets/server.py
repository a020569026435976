"""A real web server that can break off, change its file, and go on where a client stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Files(ThreadingHTTPServer):
    """Serves `content` by path; `breaks_after` bytes of an answer it closes the connection, once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content: dict[str, bytes] = {}
        self.etag: str | None = '"1"'
        self.breaks_after: int | None = None
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        required = self.headers.get("Range")
        self.server.ranges.append(required)
        whole = self.server.content.get(self.path)
        if whole is None:
            self.send_error(404)
            return
        unchanged = required and self.headers.get("If-Range") in (None, self.server.etag)  # RFC 9110, 13.1.5
        start = int(required.removeprefix("bytes=").rstrip("-")) if required and unchanged else 0
        if start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if unchanged else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()
        stop, self.server.breaks_after = self.server.breaks_after, None
        self.wfile.write(whole[start:stop])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is http.server's)
        """Say nothing."""


@contextmanager
def files() -> Iterator[Files]:
    """A running server."""
    with Files() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
