"""Recipes from files, `training/recipes/*.yaml` or the user's own: found, read, changed by key, checked.

The one parser of every recipe. A recipe's `size` holds what differs from its other keys: `small` trains on two cores,
`paper` is the published one; its `parts` hold what changes when a part that the paper credits is left out. Which keys
there are, and what they may be, is said where a recipe is used (`training.clips.schema`,
`training.detector.hyperparameters`); decides no number.

Keys of a recipe that are more than a number: feature specs, sizes of networks. Not the recipe itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from edge.errors import ConfigError
from edge.features import FRONT_ENDS, FeatureSpec
from edge.features.spec import ANALYSES, COMPRESSIONS

FOLDER = Path(__file__).parent
SMALL = "small"
_SHOWN = 5  # mistakes of a recipe that a message names
T = TypeVar("T")


def recipe_names() -> list[str]:
    """Names of the recipes that come with the project, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_path(name: str) -> Path:
    """Where a recipe lies: a name of `recipe_names`, or a path to a file of the user's own."""
    return Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"


def read_recipe(name: str) -> dict[str, Any]:
    """Keys and values of a recipe, all sizes.

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


def merged(tree: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with some of its leaves replaced; a list is a leaf, and so is a mapping of another `kind`.

    What becomes null is left out.
    """
    result = dict(tree)
    for key, value in over.items():
        old = result.pop(key, None)
        if value is None:
            continue
        result[key] = value
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            is_same = value.get("kind", old.get("kind")) == old.get("kind")
            result[key] = merged(old, value) if is_same else value
    return result


def with_changes(tree: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with the values of dotted keys, as in `loop.epochs`, replaced or added."""
    result = dict(tree)
    for key, value in changes.items():
        for part in reversed(key.split(".")):
            value = {part: value}
        result = merged(result, value)
    return result


def dotted_keys(tree: Mapping[str, Any]) -> set[str]:
    """Every key of a tree, as in `loop` and `loop.epochs`."""
    parts = {key: value for key, value in tree.items() if isinstance(value, Mapping)}
    return set(tree) | {f"{key}.{inner}" for key, part in parts.items() for inner in dotted_keys(part)}


def check_known(tree: Mapping[str, Any], changes: Mapping[str, Any], where: str) -> None:
    """Refuse a dotted key that a complete tree does not have.

    Raises:
        ConfigError: naming the key and those that are known in its place.
    """
    for key in changes:
        *parents, last = key.split(".")
        place: Any = tree
        for parent in parents:
            place = place.get(parent) if isinstance(place, Mapping) else None
        if not isinstance(place, Mapping) or last not in place:
            known = ", ".join(sorted(place if isinstance(place, Mapping) else tree))
            raise ConfigError(f"{where}: {key}: no such key; expected one of {known}")


def checked(kind: TypeAdapter[T], tree: Mapping[str, Any], where: str, is_strict: bool = False) -> T:
    """A recipe from its keys.

    Args:
        kind: which keys there are.
        tree: as YAML or JSON holds it.
        where: file, or command line, that a message names.
        is_strict: take no text for a number and no number for true or false.

    Raises:
        ConfigError: naming the keys that are wrong.
    """
    try:
        return kind.validate_json(json.dumps(tree), strict=True) if is_strict else kind.validate_python(dict(tree))
    except ValidationError as error:
        raise ConfigError(_explained(error, where)) from None


def _explained(error: ValidationError, where: str) -> str:
    lines = []
    for mistake in error.errors()[:_SHOWN]:
        key = ".".join(str(part) for part in mistake["loc"])
        message = mistake["msg"].removeprefix("Value error, ")
        found = "" if isinstance(mistake["input"], dict | list) else f" (found {mistake['input']!r:.60})"
        lines.append(f"{key}: {message}{found}" if key else message)
    more = len(error.errors()) - _SHOWN
    return f"{where}: " + "; ".join(lines) + (f"; and {more} more" if more > 0 else "")


SHARES = ("dropout", "ratio")
LISTS = ("channels", "widths", "strides")
SWITCHES = ("attention", "focusing")
LARGEST = 1 << 16


def spec_from(fields: object) -> FeatureSpec:
    """A feature spec from a recipe's mapping: `preset`, and fields that differ from it.

    `analysis` and `compression` are mappings with a `kind`. With deltas, `offset` and `scale` may hold one number for
    the levels, one for their deltas and one for the deltas of those.

    Raises:
        ValueError: naming the field (pydantic adds where it stands).
    """
    if isinstance(fields, FeatureSpec):
        return fields
    if not isinstance(fields, Mapping):
        raise ValueError("expected a mapping of a feature spec's fields")
    if "schema" in fields:  # as a run folder keeps it
        return FeatureSpec.from_json(json.dumps(fields, sort_keys=True, separators=(",", ":")))
    given = dict(fields)
    preset = given.pop("preset", "log-mel")
    if preset not in FRONT_ENDS:
        raise ValueError(f"preset = {preset!r}, expected one of {', '.join(FRONT_ENDS)}")
    try:
        for key, kinds in (("analysis", ANALYSES), ("compression", COMPRESSIONS)):
            if key in given:
                given[key] = _of_kind(key, given[key], kinds)
        planes = {key: _numbers(key, given.pop(key)) for key in ("offset", "scale") if key in given}
        spec = replace(FRONT_ENDS[preset], **given)
        repeated: dict[str, Any] = {key: _for_each(values, spec) for key, values in planes.items()}
        return replace(spec, **repeated)
    except (ConfigError, TypeError) as error:
        raise ValueError(str(error)) from None


def _of_kind(key: str, fields: object, kinds: Mapping[str, Any]) -> Any:
    kind = fields.get("kind") if isinstance(fields, Mapping) else None
    if not isinstance(fields, Mapping) or not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{key}.kind = {kind!r}, expected one of {', '.join(kinds)}")
    return kinds[kind](**{name: value for name, value in fields.items() if name != "kind"})


def _numbers(key: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, list | tuple):
        raise ValueError(f"{key} = {values!r}, expected a list of numbers")
    return tuple(values)


def _check_sizes(sizes: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers from 1, shares from 0 to below 1, lists of whole numbers, switches; networks know which."""
    for key, value in sizes.items():
        if key in SHARES:
            wanted, fine = "a number from 0 to below 1", type(value) in (int, float) and 0 <= value < 1
        elif key in SWITCHES:
            wanted, fine = "true or false", type(value) is bool
        elif key in LISTS:
            wanted = "a list of whole numbers from 1"
            fine = isinstance(value, list) and bool(value) and all(map(_is_size, value))
        else:
            wanted, fine = "a whole number from 1", _is_size(value)
        if not fine:
            raise ValueError(f"{key} = {value!r}, expected {wanted}")
    return sizes


def _is_size(value: object) -> bool:
    return type(value) is int and 1 <= value <= LARGEST


Sizes = Annotated[dict[str, Any], AfterValidator(_check_sizes)]


def _for_each(values: tuple[float, ...], spec: FeatureSpec) -> tuple[float, ...]:
    """One number for each plane of a frame, repeated for its bands."""
    if len(values) == 1 + spec.deltas > 1:
        return tuple(value for value in values for _ in range(spec.levels))
    return values


Spec = Annotated[
    FeatureSpec,
    PlainValidator(spec_from),
    PlainSerializer(lambda spec: json.loads(spec.to_json()), return_type=dict),
]
