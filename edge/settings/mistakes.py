"""A mistake in the settings as one line for the operator: the full key, the value, and what is allowed.

Not for any key of its own (`edge.settings.config`).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from edge.settings.section import EXPECTED

ID_PATTERN = r"^[a-z0-9-]{1,32}$"  # ids are levels of an MQTT topic: no '/', '+', '#' and no patient names


def describe(error: Any, root: type[BaseModel]) -> str:
    """One of pydantic's errors as key, value and what is allowed.

    Args:
        error: one of `ValidationError.errors()`.
        root: the section that was validated.
    """
    loc, value = error["loc"], error["input"]
    key = _key_path(loc)
    if error["type"] == "extra_forbidden":
        known = _known_keys(root, loc[:-1])
        return f"unknown key {key!r}{closest(str(loc[-1]), known)}; known here: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{key}: missing; it is required"
    if error.get("ctx", {}).get("pattern") == ID_PATTERN:
        return f"{key}: {shortened(value)} is not an id; use 1 to 32 of a-z, 0-9 and '-'"
    if error["type"] in EXPECTED:
        return f"{key}: expected {EXPECTED[error['type']]}, found {shortened(value)}"
    if error["type"] == "too_short":
        return f"{key}: expected at least {error['ctx']['min_length']} item, found {shortened(value)}"
    return f"{key}: {shortened(value)} is not allowed: {error['msg'].removeprefix('Value error, ')}"


def _key_path(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.lstrip(".")


def _known_keys(root: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys of the section at `loc`, found by walking the models' annotations."""
    section = root
    for part in loc:
        if isinstance(part, str) and part in section.model_fields:  # else it is a key of a mapping, such as a group
            section = _section_of(section.model_fields[part].annotation) or section
    return tuple(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_of(inner))), None)


def closest(name: str, known: tuple[str, ...]) -> str:
    """What was probably meant, in brackets; empty if nothing is near."""
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shortened(value: object) -> str:
    """A value as an error shows it, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
