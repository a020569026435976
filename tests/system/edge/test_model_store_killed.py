"""A kill, a full disk or two at once: the model store is as it was, or as it was to become."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.edge.signed_releases import Signer, active_id, leftovers
from tests.edge.small_graph import small_artefact

ROOT = Path(__file__).parents[3]
PROCESS = "tests.system.edge.model_store_process"


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """Whose model is of some kilobytes: it is copied and read for each step."""
    made = Signer(tmp_path)
    made.artefact.write_bytes(small_artefact())
    return made


def _killed(signer: Signer, *command: str) -> list[dict[str, object]]:
    """What was left after a kill at each step, and at the end after none."""
    run = subprocess.run(
        [sys.executable, "-m", PROCESS, signer.folder / "models", signer.keys, *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_kill_at_any_step_of_install_changes_nothing_or_everything(signer: Signer) -> None:
    store = signer.store()
    old = store.install(signer.package("old")).sha256
    store.promote(old)
    left = _killed(signer, "install", str(signer.package("new", 1)))
    assert len(left) > 20
    assert {record["active"] for record in left} == {old}
    assert not [record for record in left if record["damaged"]]
    assert [len(record["whole"]) for record in left] == sorted(len(record["whole"]) for record in left)  # type: ignore[arg-type]
    assert len(left[-1]["whole"]) == 2  # type: ignore[arg-type]
    assert not leftovers(signer.folder)


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_a_kill_at_any_step_of_a_flip_leaves_the_old_or_the_new(
    signer: Signer, two: tuple[str, str], command: str
) -> None:
    left = _killed(signer, command, *([two[0]] if command == "promote" else []))
    active = [record["active"] for record in left]
    flip = active.index(two[0])
    assert flip > 3
    assert active == [two[1]] * flip + [two[0]] * (len(left) - flip)
    assert not [record for record in left if record["damaged"]]


def test_a_kill_at_any_step_of_a_repair_leaves_it_refused_or_repaired(signer: Signer) -> None:
    store = signer.store()
    release = store.install(signer.package("a"))
    store.promote(release.sha256)
    release.artefact.write_bytes(b"")
    left = _killed(signer, "install", str(signer.folder / "a.model"))
    faults = [bool(record["fault"]) for record in left]
    assert faults == sorted(faults, reverse=True)
    assert (faults[0], faults[-1], left[-1]["active"]) == (True, False, release.sha256)


def test_two_processes_that_install_and_promote_at_once_both_end_well(signer: Signer) -> None:
    packages = [signer.package(f"p{days}", days) for days in range(2)]
    code = "import sys; from pathlib import Path; from edge.model.releases.store import ModelStore; "
    code += "s = ModelStore(*map(Path, sys.argv[1:3])); r = s.install(Path(sys.argv[3])); s.promote(r.sha256)"
    line = [sys.executable, "-c", code, signer.folder / "models", signer.keys]
    running = [subprocess.Popen([*line, package], cwd=ROOT) for package in (*packages, packages[0])]
    assert [process.wait() for process in running] == [0, 0, 0]
    store = signer.store()
    assert len(store.installed()) == 2
    assert not [s for s in store.installed() if s.fault]
    assert active_id(store) in {s.sha256 for s in store.installed()}
