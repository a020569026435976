"""The manifest of a release: which files it holds and what they promise, as canonical JSON that can be signed.

Not for signatures (`edge.model.releases.signature`), for packages (`edge.model.releases.release`) or for installed
releases (`edge.model.releases.store`). The invariant: one manifest has exactly one spelling. What does not
come out of `canonical` byte for byte as it went in is refused, so no key is given twice, no field is unknown and the
SHA-256 of the bytes names the release.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timezone
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge import __version__
from edge.errors import ModelError
from edge.model.onnx_file import MAX_BYTES

SCHEMA: Final = "laennec.release/1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_MANIFEST_BYTES = 64 << 10  # a release of 16 files and 100 classes needs about 6 kB
MAX_FILES = 16  # the artefact and its variants are 5 today
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
FILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.onnx$"  # no folders, nothing hidden, nothing a shell would read
VERSION_PATTERN = r"^[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}$"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=FILE_PATTERN)]
Name = Annotated[
    str, Field(pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$")
]  # printable: it is shown in a terminal


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class File(_Record):
    """One file of a release: name, size and hash."""

    sha256: Sha256
    bytes: Annotated[int, Field(gt=0, le=MAX_BYTES)]
    variant: Name
    """`fp32`, or which variant of it the file is."""


class Manifest(_Record):
    """What `manifest.json` of a signed release says."""

    schema_: Annotated[Literal["laennec.release/1"], Field(alias="schema")] = SCHEMA
    id: Name
    """The model's own name, as events carry it."""
    created: Annotated[str, Field(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}Z$")]
    """When it was signed, UTC; text that sorts as time does."""
    needs: Annotated[str, Field(pattern=VERSION_PATTERN)]
    """Oldest version of Laennec that runs it."""
    artefact: FileName
    """The fp32 file, which the others are variants of."""
    files: Annotated[dict[FileName, File], Field(min_length=1, max_length=MAX_FILES)]
    features: Sha256
    """Hash of the feature spec."""
    classes: Annotated[list[Name], Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _whole(self) -> Manifest:
        datetime.strptime(self.created, TIME_FORMAT)
        plain = [name for name, file in self.files.items() if file.variant == "fp32"]
        if plain != [self.artefact]:
            raise ValueError(f"artefact {self.artefact!r} and the fp32 files {plain} are not the same")
        return self

    def canonical(self) -> bytes:
        """The one spelling: keys sorted, no space, ASCII, a newline at the end."""
        tree = self.model_dump(by_alias=True)
        return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"

    @property
    def sha256(self) -> str:
        """Id of the release: SHA-256 of the canonical manifest, hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @property
    def created_at(self) -> datetime:
        """When it was signed, UTC."""
        return datetime.strptime(self.created, TIME_FORMAT).replace(tzinfo=timezone.utc)

    def check_version(self, version: str = __version__) -> None:
        """Refuse a release for a newer Laennec.

        Raises:
            ModelError: naming both versions.
        """
        if _numbers(self.needs) > _numbers(version):
            raise ModelError(f"{self.id} needs Laennec {self.needs} or newer, found {version}; update Laennec first")


def parse_manifest(content: bytes) -> Manifest:
    """A manifest from the bytes of `manifest.json`; they are untrusted.

    Raises:
        ModelError: for anything but the canonical spelling of a valid manifest.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise ModelError(f"{MANIFEST}: expected at most {MAX_MANIFEST_BYTES} bytes, found {len(content)}")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{MANIFEST}: {where + ': ' if where else ''}{first['msg']}; sign the release again") from None
    if manifest.canonical() != content:
        raise ModelError(f"{MANIFEST}: expected canonical JSON, found another spelling of it; sign the release again")
    return manifest


def _numbers(version: str) -> tuple[int, ...]:
    """`1.2.3` as numbers that compare; what follows them, such as `.dev1`, does not count."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
