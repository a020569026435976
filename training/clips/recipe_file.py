"""Recipes as files: `training/recipes/*.yaml`, a size of them, and what a command line changes. Decides no number.

A recipe's `size` holds what differs from its other keys: `small` trains on two cores, `paper` is the published one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edge.errors import ConfigError
from training.clips.schema import ClassifierRecipe, HearRecipe
from training.recipes.parser import read_recipe, recipe_path

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "classify": TypeAdapter(ClassifierRecipe),
    "masked": TypeAdapter(HearRecipe),
}
_SHOWN = 5  # mistakes of a recipe that a message names


def load_recipe(name: str, size: str = "small", changes: Mapping[str, Any] | None = None) -> Any:
    """One recipe.

    Args:
        name: of one in `training/recipes`, or a path to a file of the user's own.
        size: one of those under the recipe's `size`.
        changes: dotted keys and their values, which come last.

    Returns:
        A ClassifierRecipe or a HearRecipe.

    Raises:
        ConfigError: naming file, key, the value found and what was expected.
    """
    path = recipe_path(name)
    tree = read_recipe(name)
    sizes = tree.pop("size", {})
    if not isinstance(sizes, Mapping):
        raise ConfigError(f"{path}: size = {sizes!r}, expected a mapping of names to keys")
    if size not in sizes and (sizes or size != "small"):
        raise ConfigError(f"{path}: size = {size!r}, expected one of {', '.join(sizes) or 'small'}")
    tree = merged(tree, _mapping(sizes.get(size) or {}, f"{path}: size.{size}"))
    for key, value in (changes or {}).items():
        tree = merged(tree, _nested(key, value))
    return parse_recipe(tree, str(path))


def parse_recipe(tree: Mapping[str, Any], where: str) -> Any:
    """A recipe from its keys.

    Args:
        tree: as YAML or JSON holds it.
        where: file that a message names.

    Raises:
        ConfigError: naming the keys that are wrong.
    """
    method = tree.get("method", "classify")
    if not isinstance(method, str) or method not in _ADAPTERS:
        raise ConfigError(f"{where}: method = {method!r}, expected one of {', '.join(_ADAPTERS)}")
    try:
        return _ADAPTERS[method].validate_python(dict(tree))
    except ValidationError as error:
        raise ConfigError(_explained(error, where)) from None


def merged(tree: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with some of its leaves replaced; a list is a leaf, and so is a mapping of another `kind`."""
    result = dict(tree)
    for key, value in over.items():
        old = result.get(key)
        is_same = isinstance(old, Mapping) and isinstance(value, Mapping)
        if is_same and value.get("kind", old.get("kind")) == old.get("kind"):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} = {value!r}, expected keys and values")
    return value


def _nested(key: str, value: Any) -> dict[str, Any]:
    head, _, rest = key.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _explained(error: ValidationError, where: str) -> str:
    lines = []
    for mistake in error.errors()[:_SHOWN]:
        key = ".".join(str(part) for part in mistake["loc"])
        message = mistake["msg"].removeprefix("Value error, ")
        found = "" if isinstance(mistake["input"], dict | list) else f" (found {mistake['input']!r:.60})"
        lines.append(f"{key}: {message}{found}" if key else message)
    more = len(error.errors()) - _SHOWN
    return f"{where}: " + "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
