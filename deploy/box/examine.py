"""Let the software of a release say what it thinks of this box and of these settings, before anything is switched.

Not for making the release (`build`, `configure`), nor for judging the service once it runs (`switch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.box.child import must
from deploy.box.durable import sync_disk, sync_folder, write_record, write_whole
from deploy.box.layout import BOARD, BoxLayout, Refusal, Release
from deploy.box.wire import Session

EXAMINED = "examined.yaml"  # in the release: the settings as they will be, once it is current
# Before the minutes that compiling and measuring take: a mistake in the settings is told at once.
READ_SETTINGS = """
import pathlib, sys
from edge.settings.node import load_config
from edge.errors import LaennecError
try: load_config(pathlib.Path(sys.argv[1]))
except LaennecError as error: sys.exit(f"laennec: {error}")
"""
READ_BOARD = READ_SETTINGS.replace("edge.settings.node", "edge.settings.board").replace("load_config", "load_board")
DOCTOR = ("asking the release how it finds this box (doctor)", "doctor --config")
EXAMINATION = (
    ("choosing the fastest runtime by measuring (optimize)", "optimize"),
    DOCTOR,
    ("letting it hear the bundled recording (self-test)", "doctor --self-test"),
)


def write_settings(layout: BoxLayout, folder: Path, text: str | None) -> None:
    """Put settings into a release; None: those that are active. Who may read them stays as the operator chose."""
    like = layout.config if layout.config.exists() else None
    write_whole(folder / "ward.yaml", layout.config.read_bytes() if text is None else text.encode(), like=like)


def read_settings(session: Session, folder: Path) -> None:
    """See that the release can read them; `examine` sees what they lead to."""
    layout, config, own = session.layout, folder / EXAMINED, folder / "venv/bin/python"
    text = (folder / "ward.yaml").read_text()
    text = text.replace(f"{layout.current}/", f"{folder}/")  # as if it were current already
    write_whole(config, text.encode(), like=folder / "ward.yaml")
    with session.wire.step("reading the settings"):
        must([own, "-I", "-c", READ_SETTINGS, config], "reading the settings", layout.variables())
        if (folder / BOARD).exists():
            must([own, "-I", "-c", READ_BOARD, folder / BOARD], "reading those of the board", layout.variables())


@contextmanager
def named_as_given(session: Session, files: Mapping[str, str], name: str) -> Iterator[None]:
    """In what is refused, name the settings as the operator knows them: the examined copy goes with the release.

    Args:
        session: whose.
        files: what the workstation sent for the release.
        name: of the release.
    """
    layout = session.layout
    try:
        yield
    except Refusal as error:
        known = "CONFIG" if "ward.yaml" in files else str(layout.config)
        said = str(error).replace(str(layout.releases / name / EXAMINED), known)
        raise Refusal(said.replace(str(layout.releases / name / BOARD), "BOARD")) from None


def examine(session: Session, folder: Path, steps: Sequence[tuple[str, str]] = EXAMINATION) -> None:
    """Let the release say what it thinks of this box and these settings.

    Args:
        session: whose.
        folder: of the release, with its settings.
        steps: what to tell, and the words of `laennec` that are run with the rights of the service.

    Raises:
        Refusal: with what it found.
    """
    layout, config, laennec = session.layout, folder / EXAMINED, folder / "venv/bin/laennec"
    for what, words in steps:
        argv = [laennec, *words.split(), *([config] if words.endswith("--config") else [])]
        with session.wire.step(what) as remarks:
            argv = session.service.command_as_service(folder, argv)
            said = must(argv, f"laennec {words}", layout.variables())
            remarks += [line.strip() for line in said.splitlines() if line.startswith("warn")]


def complete(session: Session, files: Mapping[str, str], made: Release) -> None:
    """Bring a release to disk, and say that it is whole.

    Args:
        session: whose.
        files: what the workstation sent for it.
        made: what is known of it.

    Raises:
        Refusal: the settings that it copied were changed meanwhile.
    """
    layout, folder = session.layout, session.layout.releases / made.name
    if "ward.yaml" not in files and (folder / "ward.yaml").read_bytes() != layout.config.read_bytes():
        raise Refusal(f"{layout.config} was changed while the release was being made; deploy again")
    with session.wire.step("writing it to disk"):
        sync_disk(folder)
        write_record(folder / "release.json", made)
        sync_folder(folder.parent)
