"""Mistakes in the settings in an operator's words: all that there are, each with its key, its value and the repair.

Not for finding them (pydantic, by the models of `edge.settings`). What pydantic says is in the words of its types and
of Python; nothing of it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from edge.errors import ConfigError, LaennecError

MOST = 20  # lines; a file with more mistakes than this is of another program

# Types of pydantic's errors, and what it expected
EXPECTED = {
    **dict.fromkeys(("tuple_type", "list_type"), "a list, each item after a dash"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "keys with values"),
    **dict.fromkeys(("string_type", "path_type"), "text"),
    **dict.fromkeys(("string_unicode",), "text in UTF-8 (rename a file that is called so)"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("ip_v4_address",), "an IPv4 address such as 192.168.7.1"),
}
# The same for values out of bounds, filled with pydantic's context
BOUNDS = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "literal_error": "must be {expected}",
}


class MistakesError(ConfigError):
    """One or several mistakes, a line for each.

    Args:
        origin: as for `joined`.
        mistakes: at least one.
    """

    def __init__(self, origin: str, mistakes: Sequence[str]) -> None:
        super().__init__(joined(origin, mistakes))
        self.mistakes = tuple(mistakes)


def errors_of(checks: Iterable[Callable[[], object]]) -> list[LaennecError]:
    """What is wrong by each of the checks, each of which raises it; one that fails does not keep the others."""
    errors: list[LaennecError] = []
    for check in checks:
        try:
            check()
        except LaennecError as error:
            errors.append(error)
    return errors


def together(origin: str, errors: Sequence[LaennecError]) -> LaennecError:
    """The errors of several checks as one, at least one; the only one as it is."""
    if len(errors) == 1:
        return errors[0]
    lines = [error.mistakes if isinstance(error, MistakesError) else (str(error),) for error in errors]
    return MistakesError(origin, [line for each in lines for line in each])


def joined(origin: str, mistakes: Sequence[str]) -> str:
    """One mistake on one line; several with a line for each.

    Args:
        origin: where they are: a path or `command line`.
        mistakes: at least one.
    """
    if len(mistakes) == 1:
        return f"{origin}: {mistakes[0]}"
    shown = mistakes if len(mistakes) <= MOST else [*mistakes[:MOST], f"and {len(mistakes) - MOST} more"]
    return "\n  ".join((f"{origin}: {len(mistakes)} mistakes", *shown))


def mistakes_of(error: ValidationError, model: type[BaseModel], patterns: dict[str, str]) -> list[str]:
    """Every mistake that pydantic found; unknown keys first, for they are likely causes of the others.

    Args:
        error: what pydantic raised.
        model: the whole of the settings, whose keys are suggested.
        patterns: what text must match, each with the words that say so.
    """
    errors = error.errors(include_url=False)
    unknown = [each for each in errors if each["type"] == "extra_forbidden"]
    misspelt = {(*each["loc"][:-1], _closest(each, model)) for each in unknown}
    others = [each for each in errors if each not in unknown]
    follows = [
        each
        for each in others
        if (each["type"] == "missing" and each["loc"] in misspelt)
        or (each["type"] == "too_short" and each["input"])  # not empty: its items are wrong, and named
    ]
    return [
        *(_unknown(each, model) for each in unknown),
        *(_message(each, patterns) for each in others if each not in follows),
    ]


def closest(name: str, known: Sequence[str]) -> str:
    """` (did you mean ...?)` where a known name is close to it, else nothing."""
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shortened(value: object) -> str:
    """A value as the operator wrote it, cut where it is long."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown(error: Any, model: type[BaseModel]) -> str:
    known, name = _known_keys(error["loc"][:-1], model), str(error["loc"][-1])
    key = _key_path(error["loc"])
    return f"unknown key {key!r}{closest(name, known)}; known here: {', '.join(known)}"


def _message(error: Any, patterns: dict[str, str]) -> str:
    key, value, kind, context = _key_path(error["loc"]), error["input"], error["type"], error.get("ctx", {})
    found = shortened(value)
    if kind == "missing":
        return f"{key}: missing; it is required"
    if kind in EXPECTED:
        return f"{key}: expected {EXPECTED[kind]}, found {found}"
    if kind == "too_short":
        return f"{key}: expected at least {context['min_length']} item, found {found}"
    if kind == "string_pattern_mismatch":
        return f"{key}: {found} is not {patterns.get(context['pattern'], 'of the form ' + context['pattern'])}"
    if kind == "value_error" and value is None:
        return f"{key}: {error['msg'].removeprefix('Value error, ')}"
    bounds = {name: f"{at:g}" if isinstance(at, float) else at for name, at in context.items()}  # 1, not 1.0
    allowed = BOUNDS[kind].format(**bounds) if kind in BOUNDS else error["msg"].removeprefix("Value error, ")
    return f"{key}: {found} is not allowed: {allowed}"


def _key_path(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.lstrip(".")


def _closest(error: Any, model: type[BaseModel]) -> str:
    close = get_close_matches(str(error["loc"][-1]).lower(), _known_keys(error["loc"][:-1], model), n=1, cutoff=0.5)
    return close[0] if close else ""


def _known_keys(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of the section at `loc`, found by walking the models' annotations."""
    section = model
    for part in loc:
        if isinstance(part, str) and part in section.model_fields:  # else it is a key of a mapping, such as a class
            section = _section_of(section.model_fields[part].annotation) or section
    return tuple(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_of(inner))), None)
