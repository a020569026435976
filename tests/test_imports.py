"""Imports go one way; nothing heavy reaches the device. Read from the source with `ast`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("edge", "firmware_bridge", "training", "export", "deploy")
NOT_ON_THE_DEVICE = {"torch", "librosa", "pandas", "sklearn", "scipy", "matplotlib", "onnx", "training", "export"}
EXTRAS = {"matplotlib": {"edge/pictures/drawing.py"}}  # modules of the edge that may import what an extra brings
STAGES = {"ring", "features", "quality", "windows", "model", "backends", "tracker", "alarms", "outbox", "mqtt"}
JOIN = {
    "pipeline": 1,
    "runtime": 1,
    "tune": 2,
    "scheduler": 2,
    "detect": 2,
    "service": 3,
    "spectrogram": 3,
    "demo": 4,
    "drawing": 4,
    "commands": 4,
    "__main__": 4,
}  # may not import what is above itself
TRAINING_MAY_USE = {"errors", "types", "features", "windows", "tracker", "sources"}
HEARS_ARTEFACTS = {"training/evaluation/artefact.py": {"model", "pipeline"}}  # what is judged must be what runs


def _imports(path: Path) -> set[str]:
    """Dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _edge_parts(names: set[str]) -> set[str]:
    """First part below `edge` of every import."""
    return {name.split(".")[1] for name in names if name.startswith("edge.")}


@pytest.mark.parametrize("path", [p for k in ("edge", "firmware_bridge") for p in _modules(k)], ids=str)
def test_nothing_of_the_workstation_is_imported_on_the_device(path: Path) -> None:
    allowed = {extra for extra, modules in EXTRAS.items() if path.relative_to(ROOT).as_posix() in modules}
    assert not {name.split(".")[0] for name in _imports(path)} & NOT_ON_THE_DEVICE - allowed


@pytest.mark.parametrize("path", _modules("edge"), ids=str)
def test_a_stage_does_not_know_what_is_built_on_it(path: Path) -> None:
    inside = path.relative_to(ROOT / "edge")
    part = inside.parts[0].removesuffix(".py")
    used = _edge_parts(_imports(path))
    if part in STAGES or part in {"types", "errors"}:
        assert not used & JOIN.keys()
    if part in {"types", "errors"}:
        assert not used - {"errors"}
    if part in JOIN:
        assert not {other for other in used & JOIN.keys() if JOIN[other] > JOIN[part]}


@pytest.mark.parametrize("path", _modules("firmware_bridge"), ids=str)
def test_the_bridge_knows_the_records_of_the_edge_and_nothing_else(path: Path) -> None:
    assert _edge_parts(_imports(path)) <= {"types", "errors"}


@pytest.mark.parametrize("path", _modules("training"), ids=str)
def test_training_uses_the_pure_parts_of_the_edge(path: Path) -> None:
    names = _imports(path)
    assert _edge_parts(names) <= TRAINING_MAY_USE | HEARS_ARTEFACTS.get(path.relative_to(ROOT).as_posix(), set())
    assert not {name for name in names if name.split(".")[0] == "export"}


@pytest.mark.parametrize("path", _modules("edge"), ids=str)
def test_only_the_adapters_import_what_may_be_missing_or_slow(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    adapters = {
        "onnxruntime": {"backends/onnx.py"},
        "tensorrt": {"backends/tensorrt.py"},
        "amqtt": {"demo.py", "broker.py"},
    }
    name = path.relative_to(ROOT / "edge").as_posix()
    for package, allowed in adapters.items():
        assert package not in roots or name in allowed, f"{name} imports {package}"


def test_modules_stay_short() -> None:
    lengths = {p: len(p.read_text().splitlines()) for k in PACKAGES for p in _modules(k)}
    assert not {str(p): n for p, n in lengths.items() if n > 300}
