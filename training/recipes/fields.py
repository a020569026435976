"""Keys of a recipe that are more than a number: feature specs, sizes of networks. Not the recipe itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, PlainSerializer, PlainValidator

from edge.errors import ConfigError
from edge.features import FRONT_ENDS, FeatureSpec
from edge.features.spec import ANALYSES, COMPRESSIONS

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
