"""Settings as trees of keys: merged, changed by dotted key, checked; those that are more than a number.

For the recipes of the papers (`training.papers`), each a `Published`, and of the edge
(`training.detector.hyperparameters`). Decides no number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from edge.errors import ConfigError
from edge.features import FRONT_ENDS, FeatureSpec
from edge.features.spec import ANALYSES, COMPRESSIONS

EDGE = "edge"  # the detector's own recipe
_SHOWN = 5  # mistakes of a recipe that a message names
T = TypeVar("T")


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values of a file.

    Raises:
        ConfigError: if it cannot be read or is no YAML mapping.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not readable ({error}); expected text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: not readable ({error.strerror}); expected a recipe") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected keys and values, found a {type(tree).__name__}")
    return tree


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
            expected, fine = "a number from 0 to below 1", type(value) in (int, float) and 0 <= value < 1
        elif key in SWITCHES:
            expected, fine = "true or false", type(value) is bool
        elif key in LISTS:
            expected = "a list of whole numbers from 1"
            fine = isinstance(value, list) and bool(value) and all(map(_is_size, value))
        else:
            expected, fine = "a whole number from 1", _is_size(value)
        if not fine:
            raise ValueError(f"{key} = {value!r}, expected {expected}")
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
