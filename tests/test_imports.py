"""Imports go one way, folder by folder and without a cycle; nothing heavy reaches the device. Read with `ast`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("edge", "firmware_bridge", "training", "export", "deploy")
NOT_ON_THE_DEVICE = {
    "torch",
    "librosa",
    "pandas",
    "sklearn",
    "scipy",
    "matplotlib",
    "onnx",
    "training",
    "export",
    "pyarrow",
    "dask",
}
EXTRAS = {  # modules of the edge that may import what an extra brings
    "matplotlib": {"edge/pictures/drawing.py", "edge/api/recording.py"},
    "pandas": {"edge/api/recording.py"},
    "pyarrow": {"edge/server/exports/tables.py"},
    "distributed": {"edge/server/archive/run.py"},
}
STEPS = {
    path.relative_to(ROOT).as_posix() for path in (ROOT / "edge" / "server" / "history" / "migrations").rglob("*.py")
}
STARLETTE = ("app", "bed_api", "listen_api", "feed", "guard")  # of the board
ADAPTERS = {  # what may be missing or slow, and the modules that may import it
    "onnxruntime": {"edge/model/backends/onnx.py"},
    "tensorrt": {"edge/model/backends/tensorrt.py"},
    "amqtt": {"edge/commands/demo_broker.py"},
    "uvicorn": {"edge/server/board/server.py", "edge/server/board/connections.py"},
    "starlette": {f"edge/server/board/{name}.py" for name in STARLETTE},
    "apprise": {"edge/server/board/notifier.py"},
    "argon2": {"edge/server/board/users.py"},
    "psycopg": set(),  # SQLAlchemy loads it
    "alembic": {"edge/server/history/database.py", *STEPS},
    "sqlalchemy": {
        "edge/server/history/breath_queries.py",
        *STEPS,
        *(f"edge/server/history/{name}.py" for name in ("database", "ingester", "queries")),
        *(f"edge/server/history/{name}.py" for name in ("service", "tables", "writer")),
    },
}
EVERYBODY = {"types", "errors", "log", "files", "kernels"}  # the ground
FOLDERS = {  # the rooms of the edge in their order, and what each may import of those before it, besides EVERYBODY
    "contract": set(),
    "settings": {"contract"},
    "sources": {"settings"},
    "features": {"settings"},
    "model": {"settings", "features"},
    "detector": {"settings", "sources", "features", "model"},
    "ward": {"contract", "model"},
    "delivery": {"contract", "settings", "sources", "ward"},
    "clips": {"contract", "settings", "features", "model", "detector", "delivery"},
    "node": {"contract", "settings", "sources", "features", "model", "detector", "ward", "delivery", "clips"},
    "pictures": {"settings", "sources", "features", "model", "detector"},
    "api": {"settings", "sources", "features", "model", "detector", "ward", "pictures"},
    "server.exports": {"contract", "settings", "ward", "delivery"},
    "server.history": {"contract", "settings", "delivery", "server.exports"},
    "server.archive": {
        *("contract", "settings", "sources", "features", "model", "detector", "ward", "pictures", "api"),
        "server.exports",
    },
    "server.board": {*("contract", "settings", "features", "ward", "delivery", "clips", "pictures"), "server.exports"},
    "commands": {"*"},
}
NO_ROOM = {"__main__": {"commands"}, **{name: set() for name in EVERYBODY}}
TRAINING_MAY_USE = {
    "errors",
    "kernels",
    "types",
    "features",
    "model.specs",
    "model.training_domain",
    "model.alarm_limits",
    "clips.speech",
    "ward.burden",
    "ward.alarm_budget",
    "ward.breath_rhythm",
    "ward.respiratory_rate",
    "ward.pauses",
    "detector.breath_sound",
    "detector.change_point_rules",
    "detector.chunks",
    "detector.tracker",
    "detector.concealment",
    "detector.training_domain",
    "detector.sound_check",
    "detector.statistics",
    "sources",
    "detector.quality",
    "detector.quality_measures",
    "detector.recording",
}
HEARS_ARTEFACTS = {  # what is judged runs
    "training/evaluation/artefact.py": {"model.model", "detector.pipeline"},
    "training/evaluation/breath_pauses.py": {"model.model", "detector.pipeline"},
    "training/evaluation/breath_rate.py": {"model.model", "api"},
    "training/adapt.py": {"model.adaptation", "model.model", "detector.pipeline"},
    "training/left_out.py": {"model.adaptation", "model.model", "detector.recalibration"},
    "training/fine_tune.py": {"model.adaptation", "model.model", "detector.level", "detector.recalibration"},
}


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _name(path: Path) -> str:
    """Dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {_name(path): path for package in PACKAGES for path in _modules(package)}


@cache
def _imports(path: Path) -> set[str]:
    """Modules that a module imports, wherever in it; of other projects whatever stands there."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {name if name in NAMES else node.module or "" for name in whole}
    return names


def _of_edge(path: Path) -> set[str]:
    """Modules of the edge that a module imports, without `edge.`."""
    return {name.removeprefix("edge.") for name in _imports(path) if name.startswith("edge.")}


def _within(name: str, allowed: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def _found(forbidden: dict[Path, set[str]]) -> dict[str, list[str]]:
    """Of each module that imports what it may not, what that is."""
    return {path.relative_to(ROOT).as_posix(): sorted(names) for path, names in forbidden.items() if names}


def _roots(path: Path) -> set[str]:
    """Packages that a module imports from."""
    return {name.split(".")[0] for name in _imports(path)}


def _but(allowed: dict[str, set[str]], path: Path) -> set[str]:
    """Packages of which a module may not import."""
    return {package for package, modules in allowed.items() if path.relative_to(ROOT).as_posix() not in modules}


def test_nothing_of_the_workstation_is_imported_on_the_device() -> None:
    modules = [*_modules("edge"), *_modules("firmware_bridge")]
    never = NOT_ON_THE_DEVICE - EXTRAS.keys()
    assert _found({path: _roots(path) & (never | _but(EXTRAS, path)) for path in modules}) == {}


def _room(path: Path) -> str:
    """The room of a module: `contract`, or `server.board` of the four that the server has."""
    parts = path.relative_to(ROOT / "edge").with_suffix("").parts
    return ".".join(parts[:2] if parts[0] == "server" and len(parts) > 2 else parts[:1])


def test_every_folder_of_the_edge_stands_in_the_law() -> None:
    rooms = {_room(path) for path in _modules("edge")} - {"__init__", "server"}
    assert rooms == FOLDERS.keys() | NO_ROOM.keys()
    order = list(FOLDERS)
    assert [room for room in order if not {*FOLDERS[room]} - {"*"} <= {*order[: order.index(room)]}] == []


def test_a_folder_of_the_edge_imports_only_what_lies_below_it() -> None:
    forbidden = {}
    for path in _modules("edge"):
        room = _room(path)
        allowed = {**FOLDERS, **NO_ROOM}.get(room, set()) | EVERYBODY | {room}
        forbidden[path] = {name for name in _of_edge(path) if "*" not in allowed and not _within(name, allowed)}
    assert _found(forbidden) == {}


def test_no_module_reaches_itself_through_its_imports() -> None:
    below = {name: _imports(path) & NAMES.keys() - {name} for name, path in NAMES.items()}
    while free := {name for name, names in below.items() if not names & below.keys()}:
        below = {name: names for name, names in below.items() if name not in free}
    assert not {name: sorted(names & below.keys()) for name, names in below.items()}


def test_the_bridge_knows_the_records_of_the_edge_and_nothing_else() -> None:
    known = {"types", "errors", "kernels"}
    assert _found({path: _of_edge(path) - known for path in _modules("firmware_bridge")}) == {}


def test_training_uses_the_pure_parts_of_the_edge() -> None:
    forbidden = {}
    for path in _modules("training"):
        allowed = TRAINING_MAY_USE | HEARS_ARTEFACTS.get(path.relative_to(ROOT).as_posix(), set())
        forbidden[path] = {name for name in _of_edge(path) if not _within(name, allowed)} | _roots(path) & {"export"}
    assert _found(forbidden) == {}


def test_only_the_adapters_import_what_may_be_missing_or_slow() -> None:
    assert _found({path: _roots(path) & _but(ADAPTERS, path) for path in _modules("edge")}) == {}


def test_modules_stay_short() -> None:
    lengths = {p: len(p.read_text().splitlines()) for k in PACKAGES for p in _modules(k)}
    a_paper = ROOT / "training" / "papers"
    assert not {str(p): n for p, n in lengths.items() if n > (400 if p.parent == a_paper else 350)}
