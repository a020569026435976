"""The files of an export: written into a draft folder, then moved to where they belong. Tests and makes nothing.

Variants are moved first, then the fp32 artefact whose hash they name, then the card and the report. Killed in between,
a box finds the old model or the new one, with fewer variants: those of another fp32 artefact are ignored.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge.model.runtime import read_variant
from export.build import FP32, KINDS
from export.report import Report


def file_name(stem: str, variant: str) -> str:
    """File name of a variant."""
    return f"{stem}.onnx" if variant == FP32 else f"{stem}.{variant}.onnx"


def write(out: Path, sealed: Mapping[str, bytes], card: str, report: Report) -> None:
    """Write all files of an export.

    Args:
        out: the fp32 artefact; the others go beside it.
        sealed: artefacts by variant.
        card: as Markdown.
        report: of all of them.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    names = {name: file_name(out.stem, name) for name in sealed}
    card_name, report_name = f"{out.stem}.md", f"{out.stem}.report.json"
    draft = Path(tempfile.mkdtemp(prefix=f".{out.stem}-", dir=out.parent))
    try:
        for name, content in sealed.items():
            (draft / names[name]).write_bytes(content)
        (draft / card_name).write_text(card)
        (draft / report_name).write_text(report.to_json(names))
        variants = [names[name] for name in sealed if name != FP32]
        for file in (*variants, names[FP32], card_name, report_name):
            os.replace(draft / file, out.parent / file)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    remove_stale(out)


def remove_stale(out: Path) -> None:
    """Remove variants of another fp32 artefact of this name."""
    sha256 = read_variant(out).sha256
    for name in KINDS:
        beside = out.with_name(file_name(out.stem, name))
        if name != FP32 and beside.exists() and read_variant(beside).variant.parent != sha256:
            beside.unlink()
