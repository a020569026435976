"""What all messages have in common: how one is built, encoded and read, and its MQTT properties.

Not for any one of them. What comes from the wire is data: `read` checks all of it, ignores fields that it does not know
(a newer node adds some) and refuses the rest with one line. What the program itself builds (`model_construct`) is not
checked: an alarm must go out though a number in it is one that nobody thought of; only NaN is refused, by `encode`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.contract.fields import Absent, Body

HOUR_S = 3600
ADDED = "Within /{} fields are only added: readers ignore what they do not know."

AnyPart = TypeVar("AnyPart", bound="Part")


class Part(BaseModel):
    """A message, or a part of one."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    absent: ClassVar[frozenset[str]] = frozenset()
    """Fields that are there or not, and never null."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Find those fields."""
        fields = cls.model_fields.items()
        cls.absent = frozenset(name for name, field in fields if Absent in get_args(field.annotation))

    @classmethod  # type: ignore[no-redef]  # pydantic's plugin of mypy gives each class its own, typed
    def model_construct(  # type: ignore[override]
        cls: type[AnyPart], _fields_set: set[str] | None = None, **values: Any
    ) -> AnyPart:
        """What the program itself builds, not checked; a field that is `absent` and None is left out."""
        for name in cls.absent & values.keys():
            if values[name] is None:
                del values[name]
        return super().model_construct(_fields_set, **values)

    def cells(self, *names: str) -> dict[str, Any]:
        """Fields as cells of a table's row, by their names."""
        return {name: getattr(self, name) for name in names}

    def body(self) -> Body:
        """What was given or read, as JSON has it; what was not is left out."""
        return self.model_dump(by_alias=True, exclude_unset=True, warnings=False)


@dataclass(frozen=True)
class Wire:
    """One kind of message at the broker."""

    schema: str
    """Such as `laennec.event/1`."""
    topics: tuple[str, ...]
    """Below `<prefix>/<site>/<node>/`, with + for a name."""
    what: str
    """In a few words, for a table."""
    retained: bool = False
    qos: int = 1
    expiry_s: int | None = None
    """How long the broker may keep it, seconds; None: for ever."""


class Message(Part):
    """A whole message."""

    wire: ClassVar[Wire]

    def body(self) -> Body:
        """As JSON has it, the name of its schema first."""
        return {"schema": self.wire.schema, **super().body()}

    def encode(self) -> bytes:
        """The bytes on the wire.

        Raises:
            ValueError: a number is not finite.
        """
        return encode(self.body())


def encode(body: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON; NaN and infinity are refused."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def decode(payload: bytes, most: int) -> Body:
    """Bytes of unknown origin as a JSON object.

    Raises:
        ValueError: they are none, or more than `most`; what is wrong, in one line.
    """
    if len(payload) > most:
        raise ValueError(f"expected at most {most} bytes, found {len(payload)}")
    try:
        body = json.loads(payload, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON, found none") from None
    if not isinstance(body, dict):
        raise ValueError(f"expected a JSON object, found {type(body).__name__}")
    return body


def read(kind: type[AnyPart], body: Body) -> AnyPart:
    """A body as a message of one kind.

    Raises:
        ValueError: which field is wrong, in one line.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(ascii(str(part)[:32])[1:-1] for part in first["loc"])  # a name there may be no text at all
        raise ValueError(f"{where}: {first['msg']}"[:200] if where else first["msg"][:200]) from None


def _no_number(name: str) -> float:
    """NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)
