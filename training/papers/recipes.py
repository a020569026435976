"""Recipes by name, as the papers' files have them, or from a file of the user's own: read, in one size, without a part.

`edge` has its numbers in `training.detector.hyperparameters`; here it is a name alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.errors import ConfigError
from training.options import EDGE, merged, read_yaml
from training.papers import hear, ngo2022, ngo2023, patchmix, qlung

SMALL = "small"
PUBLISHED = {module.RECIPE.name: module.RECIPE for module in (hear, ngo2022, ngo2023, patchmix, qlung)}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the project, in order."""
    return [EDGE, *PUBLISHED]


def recipe_path(name: str) -> str:
    """Where a recipe stands, for a message."""
    return f"training/papers/{name}.py" if name in PUBLISHED else name


def read_recipe(name: str) -> dict[str, Any]:
    """Keys and values of a recipe, all sizes.

    Raises:
        ConfigError: if there is none of this name, or a file cannot be read.
    """
    if name in PUBLISHED:
        return PUBLISHED[name].tree()
    if name == EDGE:
        return {"method": EDGE}
    if not name.endswith((".yaml", ".yml")):
        raise ConfigError(f"recipe {name!r}: expected one of {', '.join(recipe_names())}, or a .yaml file")
    return read_yaml(Path(name))


def sized_recipe(name: str, size: str = SMALL) -> dict[str, Any]:
    """Keys and values of one size of a recipe.

    Raises:
        ConfigError: as `read_recipe`, or for a size that the recipe does not have.
    """
    tree, path = read_recipe(name), recipe_path(name)
    tree.pop("parts", None)
    sizes = tree.pop("size", {})
    if not isinstance(sizes, Mapping):
        raise ConfigError(f"{path}: size = {sizes!r}, expected a mapping of names to keys")
    if size not in sizes and (sizes or size != SMALL):
        raise ConfigError(f"{path}: size = {size!r}, expected one of {', '.join(sizes) or SMALL}")
    own = sizes.get(size) or {}
    if not isinstance(own, Mapping):
        raise ConfigError(f"{path}: size.{size} = {own!r}, expected keys and values")
    return merged(tree, own)


def recipe_parts(name: str) -> dict[str, Mapping[str, Any]]:
    """What a recipe's keys become when one of its parts is left out, by the name of that variant.

    Raises:
        ConfigError: as `read_recipe`, or if they are no mappings.
    """
    parts = read_recipe(name).get("parts") or {}
    if not isinstance(parts, Mapping) or not all(isinstance(keys, Mapping) for keys in parts.values()):
        raise ConfigError(f"{recipe_path(name)}: parts = {parts!r}, expected names, each with keys and values")
    return dict(parts)
