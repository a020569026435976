"""Whose live screens there are: few of one session, and of nobody so many that there is no place for another person.

Not for what a screen is told (`edge.board.hub`, `edge.board.bed_hub`), which have the places. A screen that has to go
is the oldest; its browser connects again by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edge.board.hub import Viewer

MAX_OF_SESSION = 8  # of the ward and of beds together; a browser keeps six connections to a board


@dataclass(frozen=True)
class Owner:
    """Who looks."""

    session: str = ""
    """Empty: none, as on a board that is open to everybody on its machine."""
    name: str = ""


@dataclass(frozen=True, eq=False)
class Screen:
    """One page that looks."""

    owner: Owner
    viewer: Viewer
    kind: str
    leave: Callable[[Viewer], None]


class Screens:
    """All live screens of a board; to be used from one event loop."""

    def __init__(self) -> None:
        self._open: dict[Screen, None] = {}

    def open(
        self, owner: Owner, kind: str, join: Callable[[], Viewer | None], leave: Callable[[Viewer], None]
    ) -> Screen | None:
        """One more screen.

        Args:
            owner: who looks.
            kind: which places it takes: screens of another kind make no room for it.
            join: takes a place; None where there is none.
            leave: gives one back.

        Returns:
            None if there is no place, and nobody has more than `owner`.
        """
        own = [screen for screen in self._open if screen.owner.session == owner.session]
        if len(own) >= MAX_OF_SESSION:
            self._drop(own[0])
        viewer = join()
        if viewer is None and (other := self._one_of_most(owner, kind)) is not None:
            self._drop(other)
            viewer = join()
        if viewer is None:
            return None
        screen = Screen(owner, viewer, kind, leave)
        self._open[screen] = None
        return screen

    def close(self, screen: Screen) -> None:
        """It looks no more."""
        self._open.pop(screen, None)
        screen.leave(screen.viewer)

    def _drop(self, screen: Screen) -> None:
        screen.viewer.drop()
        self.close(screen)

    def _one_of_most(self, owner: Owner, kind: str) -> Screen | None:
        """The oldest screen of whoever has most of a kind, if `owner` has fewer even with one more."""
        names = Counter(screen.owner.name for screen in self._open if screen.kind == kind)
        name, count = max(names.items(), key=lambda each: each[1], default=("", 0))
        if count <= names[owner.name] + 1:
            return None
        return next(screen for screen in self._open if screen.kind == kind and screen.owner.name == name)
