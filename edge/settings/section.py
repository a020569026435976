"""What all sections of the settings share: the YAML that is read, its sections, names of sources and models.

The kinds of source and runtime that settings can name. Constants alone, so that a child starts fast.

YAML from an operator, read as data: a bounded file, a safe loader, nothing ambiguous.

Not for the meaning of the keys (`edge.settings.node`). Aliases are refused because they can grow without bound, a key
given twice because one of the two would be ignored, as a merge key (`<<`) would hide; tags (`!!int`) because nothing
needs them, and PyYAML fails on them in many ways.

What every section of the settings has in common: unknown keys and NUL are errors, nothing changes after the start.

Not for any key (`edge.settings.node`, and a module for each section that is long).

The models that come with Laennec, by the names that settings and command lines may give instead of a path.

`default` is the more exact one, `light` costs a third of it. A file of that name is `./light`. Not for what is in them
(`edge.model`), nor for the model that is promoted on a box (`edge.model.releases`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from edge.errors import ConfigError

MICROPHONE = "mic"
LINK = "link"
STANDARD_INPUT = "-"
LIVE = (MICROPHONE, LINK)  # kinds that arrive in real time, whatever `pace` says

Outside = Literal["unverified", "not_measurable", "ignore"]
"""What a stream is whose sound is not like what the model knows: heard, its events marked as not verified; not
measurable, without events; or not judged at all."""

RuntimeName = Literal["auto", "onnxruntime", "tensorrt"]
"""What scores the sound; `auto` leaves it to what the machine has and what was measured there."""

MERGE = "tag:yaml.org,2002:merge"
MAX_DIGITS = 64  # of a whole number; one of thousands cannot even be shown
MAX_FILE_BYTES = 256 * 1024  # a ward of 100 beds needs about 20 kB


def read_yaml(path: Path) -> object:
    """The tree that a YAML file holds, not yet validated.

    Raises:
        ConfigError: unreadable, too large, or not YAML.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES // 1024} kB; is this the configuration?")
    return parse_yaml(text, str(path))


def parse_yaml(text: str | bytes, origin: str) -> object:
    """The tree that a text holds, not yet validated; `origin` is named at the head of an error.

    Raises:
        ConfigError: it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise ConfigError(f"{origin}: nested too deeply to be a configuration") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date such as 2026-13-45; 1:00:00 ... :00.0
        raise ConfigError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases, tags, merge keys, keys given twice and numbers of hundreds of digits."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not used here")
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if event.tag is not None:
            raise yaml.YAMLError(f"tags are not used here; remove {event.tag}, {_place(event)}")
        return super().compose_node(parent, index)

    def whole_number(self, node: Any) -> int:
        """A number, unless it is too long."""
        if len(node.value) > MAX_DIGITS:
            raise yaml.YAMLError(f"a number of {len(node.value)} digits, {_place(node)}; expected {MAX_DIGITS} at most")
        return int(self.construct_yaml_int(node))

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                raise yaml.YAMLError(f"merge keys (<<) are not used here, {_place(key)}; write the keys themselves")
            if (name := str(key.value)) in seen:
                raise yaml.YAMLError(f"key {name!r} is given twice, {_place(key)}")
            seen.add(name)
        return super().construct_mapping(node, deep)


def _place(of: Any) -> str:
    return f"line {of.start_mark.line + 1}"


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.whole_number)


class Section(BaseModel):
    """One mapping of the YAML file; an unknown key is refused, and a NUL character in any text."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _has_no_nul(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:  # ends a path, a host and a topic for the system
            raise ValueError("holds a NUL character; write it without")
        return value


def beside_the_file(value: Path, info: ValidationInfo) -> Path:
    """A path of the settings: a relative one begins at the folder of their file, where they have one."""
    folder = (info.context or {}).get("folder")
    return value if folder is None or value.parts[:1] == ("~",) else Path(folder) / value


def _without_spaces(value: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("expected a host name or an address, without spaces")
    return value


def _named_model(value: object) -> object:
    return model_path(value) if isinstance(value, str) else value


PathBeside = Annotated[Path, AfterValidator(beside_the_file)]
ModelPath = Annotated[PathBeside, BeforeValidator(_named_model)]
"""The name of a bundled model, or a path."""
Host = Annotated[str, Field(min_length=1), AfterValidator(_without_spaces)]

FOLDER = Path(__file__).parents[1] / "models"
NAMES = ("default", "light")


def bundled(name: str) -> Path:
    """Where the fp32 artefact of a bundled model lies."""
    return FOLDER / f"{name}.onnx"


def model_path(text: str) -> Path:
    """What was given as a model: the bundled one of that name, or a path."""
    return bundled(text) if text in NAMES else Path(text)
