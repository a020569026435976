"""Every text that people read on the board, as the sources have it."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from typing import get_args

from edge.contract.stream_status import StreamState
from edge.server.board import app, tiles
from edge.server.board.labels import CLASSES
from edge.server.board.language import ATTRIBUTE, NAME, SUGGESTION, TEXT
from edge.ward.coverage import CAUSES
from edge.ward.respiratory_rate import REASONS

TELLERS = (
    "refused",
    "Refusal",
    "Outcome",
    "SourceError",
    "_Head",
    "BreathLine",
)  # what they are called with is for people
PURE = (
    "validity.py",
    "ward_view.py",
    "bed_feed.py",
    "bed_history.py",
    "tiles.py",
)  # what they return is for people, too
FOR_PROGRAMS = (
    "expected ",
    "only the board's",
    "this board is not called",
)  # no page of the board sends what they answer
CALLED = re.compile(r'\b(?:t|said)\(\s*"((?:[^"\\]|\\.)*)"')
QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
SENTENCE = re.compile(r"^[A-Z][a-z]+[ .,:]|[a-z]{2,} [a-z]{2,}|^[A-Z][a-z]{3,}$")
NO_TEXT = re.compile(  # of a script: classes, selectors, paths, keys, and what a canvas or an event calls its own
    r"^[#./]|^<|^M\d|^(use|card|row|tile|now-state|event|look|figure|count|signal-|shape|level-|edge|kind-)\b"
    r"|[#.]\w+-?\w*[ ,:]|^\$?\{"
    r"|^Arrow|^Latch$|px |\d+px|system-ui"
)


def of_pages() -> set[str]:
    """Texts of the HTML pages and the manifest."""
    found: set[str] = set()
    for path in (*app.FOLDER.glob("*.html"), *app.PARTS.glob("*.html"), *app.FOLDER.glob("*.webmanifest")):
        page = path.read_text()
        found |= {html.unescape(text).strip() for text in TEXT.findall(page)} if path.suffix == ".html" else set()
        found |= {groups[1] for pattern in (ATTRIBUTE, SUGGESTION, NAME) for groups in pattern.findall(page)}
    return found


def of_scripts() -> set[str]:
    """Texts that the scripts translate."""
    return {text for path in app.FOLDER.glob("*.js") for text in CALLED.findall(path.read_text())}


def left_in(script: str) -> list[str]:
    """What looks like a text of a script and is not translated."""
    code = re.sub(r"^\s*//.*|\s//\s.*|^import .*", "", CALLED.sub("", script), flags=re.M)
    texts = [first or second for first, second in QUOTED.findall(code)]
    return [text for text in texts if SENTENCE.search(re.sub(r"\$\{[^{}]*\}", "", text)) and not NO_TEXT.search(text)]


def names() -> set[str]:
    """Words for what the contract names: conditions, sounds, causes, states."""
    sounds = {name.replace("_", " ").capitalize() for name in CLASSES}
    return {*tiles.WORDS.values(), *sounds, *CAUSES, *REASONS, *get_args(StreamState)}


def of_board() -> set[str]:
    """What the board says to its pages; `{}` where something stands that is not text of its own."""
    found: set[str] = set()
    for path in app.FOLDER.parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in TELLERS:
                found |= {text for argument in node.args for text in _texts(argument)}
            elif isinstance(node, ast.Return) and path.name in PURE and node.value is not None:
                found |= {text for text in _texts(node.value) if " " in text}
    return {text for text in found if re.search("[A-Z ]", text) and not text.startswith(FOR_PROGRAMS)}


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, (ast.IfExp, ast.BoolOp, ast.Tuple)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _texts(child)
