"""The keys of settings, with those of the sections inside of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from edge.settings.section import Section


def keys_of(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Name of the section and of the key, of this section and all below it."""
    for key, field in section.model_fields.items():
        yield section.__name__, key
        yield from (inner for kind in _sections_in(field.annotation) for inner in keys_of(kind))


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)
