"""The board's own files: pages, style and ES modules, read once at the start.

What several pages have, such as the dialog in which people sign in, is a file of `static/parts`, and a line
`<!-- part: NAME -->` in them. Not for anything that changes. A path that is not in the list is no file: nothing of the
disk can be asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "static"
PARTS = FOLDER / "parts"
PART = re.compile(rb"<!-- part: ([a-z]+) -->\n")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".js": "text/javascript; charset=utf-8",
}


def page_routes() -> list[Route]:
    """A route for each file; `/` is the ward."""
    files = {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
    pages = {f"/{name.removesuffix('.html')}": name for name in files if name.endswith(".html")}
    paths = {"/": "index.html", **pages, **{f"/static/{name}": name for name in files}}
    return [_route(path, files[name], TYPES[Path(name).suffix]) for path, name in paths.items()]


def _read(path: Path) -> bytes:
    """A file, a page with its parts in their places."""
    content = path.read_bytes()
    return PART.sub(lambda found: (PARTS / f"{found[1].decode()}.html").read_bytes(), content)


def _route(path: str, content: bytes, media_type: str) -> Route:
    async def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers={"cache-control": "no-cache"})

    return Route(path, answer)
