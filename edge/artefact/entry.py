"""Entries that are JSON of their own, in the metadata of an artefact or beside it: bounded, read, refused in one way.

Not for what an entry means: its class reads the fields. Whatever the text holds, what comes back is whole, or a
`ModelError` names the entry.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

from edge.errors import ModelError

T = TypeVar("T")


def read_entry(name: str, text: str, longest: int, build: Callable[[Any], T]) -> T:
    """What `build` makes of a JSON text.

    Args:
        name: of the entry, such as `laennec.known`.
        text: of the entry.
        longest: how much is read at all, characters.
        build: makes it of the parsed JSON, whatever that is; a KeyError, TypeError, ValueError or AttributeError of it
            refuses the entry.

    Raises:
        ModelError: the text is too long, no JSON, nested too deeply, or refused by `build`.
    """
    try:
        if len(text) > longest:
            raise ValueError(f"{len(text)} characters, expected up to {longest}")
        return build(json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(f"metadata not understood: {name}: {error!r}") from error


def numbers(values: Any, count: int, largest: float) -> tuple[float, ...]:
    """So many finite numbers.

    Raises:
        TypeError, ValueError: they are no numbers, not `count` of them, or one is beyond ± `largest`.
    """
    found = tuple(float(value) for value in values)
    if len(found) != count or any(not math.isfinite(x) or abs(x) > largest for x in found):
        raise ValueError(f"expected {count} numbers within {largest:g}, found {list(found)}")
    return found
