"""Signed packages and a model store for tests: real keys, the default model."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import onnx

from edge.model.model import DEFAULT_PATH
from edge.model.onnx_file import read_artefact, seal
from edge.model.releases.store import ModelStore
from export.sign import Terms, new_key, read_private, sign

SEAL_BYTES = 82
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


class Signer:
    """A workstation with a key, and the keys folder of a box that trusts it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder, folder / "keys"
        self.keys.mkdir(parents=True)
        self.artefact = folder / "bed.onnx"  # not beside the variants of the bundled one
        shutil.copy(DEFAULT_PATH, self.artefact)
        self.private = folder / "first.pem"
        self.trust(new_key(self.private))

    def trust(self, public: Path) -> None:
        shutil.copy(public, self.keys)

    def package(self, name: str, days: int = 0, artefact: Path | None = None, needs: str = "0.1.0") -> Path:
        """A package signed so many days after noon."""
        terms = Terms(NOON + timedelta(days=days), needs)
        path = self.folder / f"{name}.model"
        path.write_bytes(sign(artefact or self.artefact, read_private(self.private), terms)[1])
        return path

    def add_variant(self) -> None:
        """Another artefact beside the first, which says that it is a variant of it."""
        parent = hashlib.sha256(self.artefact.read_bytes()).hexdigest()
        names = {"name": "cpu-int8", "runtime": "onnxruntime", "precision": "int8", "parent": parent, "checkpoint": ""}
        target = self.folder / "bed.cpu-int8.onnx"
        edited(self.artefact, target, variant={**names, "calibration": None, "made_with": {}})

    def store(self) -> ModelStore:
        return ModelStore(self.folder / "models", self.keys)


def edited(source: Path, path: Path, **changes: object) -> Path:
    """An artefact with some metadata replaced, sealed again."""
    graph = onnx.load_from_string(read_artefact(source)[:-SEAL_BYTES])
    stored = {p.key: p.value for p in graph.metadata_props}
    del graph.metadata_props[:]
    for key, value in {**stored, **{f"laennec.{k}": json.dumps(v) for k, v in changes.items()}}.items():
        graph.metadata_props.add(key=key, value=value)
    path.write_bytes(seal(graph.SerializeToString()))
    return path


def active_id(store: ModelStore) -> str:
    """SHA-256 of the active release, or "bundled"."""
    release = store.active()
    return release.sha256 if release else "bundled"


def leftovers(folder: Path) -> list[str]:
    """Half releases below a signer's folder."""
    return [path.name for path in (folder / "models").iterdir() if path.name.startswith(".incoming")]
