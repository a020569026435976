"""What a paper's file says of itself: where it is from, what is followed, what is chosen here, and every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Keys = Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """The recipe of one paper; `training.clips.schema` says which keys there are, and what they may be."""

    name: str
    source: str
    """Where the method is published."""
    follows: tuple[str, ...]
    """Parts of the paper that are followed."""
    chosen: tuple[str, ...]
    """Parts that are chosen here, because the paper does not say."""
    keys: Keys
    """Every number."""
    sizes: Mapping[str, Keys]
    """What differs: `small` trains on two cores, `paper` is as published."""
    parts: Mapping[str, Keys]
    """What the keys become when a part that the paper credits is left out, by the name of that variant."""

    def tree(self) -> dict[str, Any]:
        """Keys and values as a file of a recipe has them."""
        said = {"name": self.name, "source": self.source, "follows": [*self.follows], "chosen": [*self.chosen]}
        return {**said, **self.keys, "size": self.sizes, "parts": self.parts}
