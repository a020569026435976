"""Recipes as files, `training/recipes/*.yaml` or the user's own: found, read, and not yet understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from edge.errors import ConfigError

FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """Names of the recipes that come with the project, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_path(name: str) -> Path:
    """Where a recipe lies: a name of `recipe_names`, or a path to a file of the user's own."""
    return Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"


def read_recipe(name: str) -> dict[str, Any]:
    """Keys and values of a recipe.

    Raises:
        ConfigError: if it cannot be read or is no YAML mapping.
    """
    path = recipe_path(name)
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not readable ({error}); expected text in UTF-8") from None
    except OSError as error:
        raise ConfigError(
            f"recipe {path.stem!r}: {path} is not readable ({error.strerror}); "
            f"expected one of {', '.join(recipe_names())}, or a .yaml file"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected keys and values, found a {type(tree).__name__}")
    return tree
