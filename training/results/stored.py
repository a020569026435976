"""The JSON files that trainings and evaluations leave: what is missing or odd in one is named by its place.

Only what is asked for is looked at, so a later version may write more. Knows no run and shows nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class UnreadableError(Exception):
    """A file that cannot be read; the message says which and why. Never leaves this package."""


class Stored:
    """A mapping in such a file.

    Args:
        name: of the file.
        tree: what it holds here.
        place: dotted keys from the top.

    Raises:
        UnreadableError: if it is no mapping.
    """

    def __init__(self, name: str, tree: object, place: str = "") -> None:
        self._name, self._place = name, place
        self._tree: dict[str, Any] = self._checked(
            tree, place, lambda found: isinstance(found, dict), "keys and values"
        )

    @classmethod
    def read(cls, path: Path) -> Stored:
        """One file.

        Raises:
            UnreadableError: if it is not there, or no JSON object.
        """
        try:
            return cls(path.name, json.loads(path.read_bytes()))
        except OSError as error:
            raise UnreadableError(f"{path.name} cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"{path.name} is not JSON ({str(error)[:80]})") from None

    def part(self, key: str) -> Stored:
        """The mapping under a key."""
        return Stored(self._name, self._tree.get(key), self._at(key))

    def parts(self, key: str) -> list[Stored]:
        """A list of mappings; empty where the key is lacking."""
        found = self._checked(self._tree.get(key, []), self._at(key), lambda x: isinstance(x, list), "a list")
        return [Stored(self._name, one, f"{self._at(key)}.{i}") for i, one in enumerate(found)]

    def names(self) -> list[str]:
        """The keys, in their order."""
        return list(self._tree)

    def text(self, key: str, default: str | None = None) -> str:
        """A word, or its default."""
        return self._checked(self._tree.get(key, default), self._at(key), lambda x: isinstance(x, str), "text")

    def words(self, key: str) -> list[str]:
        """A list of words; empty where the key is lacking."""
        return [
            self._checked(x, self._at(key), lambda x: isinstance(x, str), "text") for x in self._tree.get(key) or ()
        ]

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number, or its default."""
        return self._checked(self._tree.get(key, default), self._at(key), lambda x: type(x) is int, "a whole number")

    def number(self, key: str) -> float:
        """The finite number under a key."""
        return self._checked(self._tree.get(key), self._at(key), _is_finite, "a finite number")

    def maybe(self, key: str) -> float | None:
        """A finite number, or None where it is undefined or lacking."""
        return None if self._tree.get(key) is None else self.number(key)

    def numbers(self) -> dict[str, float]:
        """Everything in it, all of it finite numbers."""
        return {key: self.number(key) for key in self._tree}

    def maybe_numbers(self, key: str) -> list[float | None]:
        """A list of such; empty where the key is lacking."""
        row = self._tree.get(key) or []
        return [None if x is None else self._checked(x, self._at(key), _is_finite, "a finite number") for x in row]

    def counts_by_name(self, key: str, size: int) -> dict[str, list[list[int]]]:
        """Tables of `size` rows and columns of whole numbers, by name; empty where the key is lacking."""
        tables = self.part(key) if key in self._tree else Stored(self._name, {}, self._at(key))
        found = {name: tables._tree[name] for name in tables.names()}
        for name, rows in found.items():
            self._checked(rows, tables._at(name), lambda x: _is_table(x, size), f"{size} rows of {size} whole numbers")
        return found

    def is_true(self, key: str) -> bool:
        """Whether it says yes; no where it is lacking."""
        return self._tree.get(key) is True

    def refuse(self, key: str, expected: str) -> UnreadableError:
        """What to raise when a value is of the right kind and still wrong."""
        return UnreadableError(f"{self._name}: {self._at(key)}: expected {expected}, found {self._tree.get(key)!r:.60}")

    def _at(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key

    def _checked(self, found: Any, place: str, is_fine: Callable[[Any], bool], expected: str) -> Any:
        if not is_fine(found):
            raise UnreadableError(f"{self._name}: {place or 'the whole'}: expected {expected}, found {found!r:.60}")
        return found


def _is_finite(found: object) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)


def _is_table(found: object, size: int) -> bool:
    rows = found if isinstance(found, list) and len(found) == size else [None]
    return all(isinstance(row, list) and len(row) == size and all(type(x) is int for x in row) for row in rows)
