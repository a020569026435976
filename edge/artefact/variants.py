"""The artefacts of one checkpoint in one folder: NAME.onnx (fp32) and NAME.VARIANT.onnx.

A file counts as a variant of another only if it is whole and says so itself: its seal holds and its parent is the
SHA-256 of the fp32 file. What a copy left half, or what belongs to an older model of the same name, is ignored with one
line in the log. Read without a runtime. Not for choosing between them (`edge.artefact.runtime`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from edge.artefact.onnx_file import read_metadata
from edge.artefact.seal import read_artefact
from edge.artefact.specs import Variant
from edge.errors import ModelError
from edge.log import warn_once

VARIANT_KEY = "laennec.variant"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A whole file and which variant it says it is."""

    path: Path
    sha256: str
    variant: Variant


def read_variant(path: Path) -> Artefact:
    """Which artefact a file is.

    Raises:
        ModelError: missing, damaged, or not understood.
    """
    content = read_artefact(path)
    try:
        text = read_metadata(content).get(VARIANT_KEY)
        variant = Variant() if text is None else Variant.from_json(text)
    except ModelError as error:
        raise ModelError(f"model {path}: {error}; export it again with this version of Laennec") from None
    return Artefact(path, hashlib.sha256(content).hexdigest(), variant)


def find_variants(path: Path) -> list[Artefact]:
    """The artefact at `path`, and after it, if it is the fp32 one, its variants in the same folder, sorted by name.

    Raises:
        ModelError: if the file at `path` itself is missing, damaged or not understood.
    """
    given = read_variant(path)
    found = [given]
    for beside in sorted(path.parent.glob(f"{escape(path.stem)}.*.onnx")):
        try:
            artefact = read_variant(beside)
        except ModelError as error:
            warn_once(f"variant=ignored cause={str(error)!r}")
            continue
        if artefact.variant.parent == given.sha256:
            found.append(artefact)
        else:
            warn_once(f"variant=ignored file={beside} cause=made_for_another_{path.name} repair=export_it_again")
    return found


def variant_paths(path: Path) -> dict[str, Path]:
    """Variants beside the fp32 artefact at `path`, by name.

    Raises:
        ModelError: as `find_variants`.
    """
    return {artefact.variant.name: artefact.path for artefact in find_variants(path)[1:]}
