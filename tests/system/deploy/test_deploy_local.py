"""The real thing, whole: `make deploy DEVICE=local` with the real wheels, the real kernels and the real service.

It takes a minute or more, so it is done once, also where several processes share the tests: what was seen of it is
noted, and each test looks at one thing.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

import pytest

from deploy.box.layout import LISTING, BoxLayout, listed
from deploy.box.service import Process
from deploy.tools import PROJECT
from edge import __version__

MISTAKEN = "streams:\n  - {id: bed1, sauce: mic}\n"


def make(root: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs make as a person would, from another shell's environment."""
    stored = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "LAENNEC", "MAKE"))}
    stored |= {"ARGS": "--of-another-make", "PURGE": "1"}  # as under `make test ARGS=...`, which hands them on
    argv = ["make", *words, "DEVICE=local", f"ROOT={root}", f"PYTHON={sys.executable}"]
    return subprocess.run(argv, cwd=PROJECT, env=stored, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Seen:
    """What was seen of one deployment: what commands printed, and what lay below its root."""

    deployed: str
    running: str
    outboxes: list[str]
    kernels: list[str]
    locked: list[str]
    installed: list[str]
    status: str
    status_json: str
    logs: str
    again: str
    running_after_again: str
    configured: str
    settings_after: str
    release: str
    doctor: str
    doctor_code: int
    undeploy_code: int
    left: list[str]
    status_code_after: int


def _deploy_and_undeploy(root: str) -> Seen:
    layout = BoxLayout(root)
    deployed = make(root, "deploy", "HEALTHY_S=2")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    running, packages = layout.running(), next(layout.current.glob("venv/lib/*/site-packages"))
    (layout.root / "mistaken.yaml").write_text(MISTAKEN)
    doctor = _run(layout, "laennec", "doctor", "--config", str(layout.root / "mistaken.yaml"))
    return Seen(
        deployed=deployed.stdout,
        running=running,
        outboxes=[path.name for path in layout.state.glob("outbox-*.db")],
        kernels=[path.name for end in ("kernel", "nbi") for path in packages.glob(f"edge/**/*.{end}")],
        locked=[part.name for part in listed((layout.current / LISTING).read_text())],
        installed=[
            path.relative_to(packages).as_posix()
            for path in packages.rglob("*")
            if path.is_file() and path.suffix not in (".pyc", ".nbi", ".nbc", ".kernel")
        ],
        status=make(root, "status").stdout,
        status_json=make(root, "status", "ARGS=--json").stdout,
        logs=make(root, "logs").stdout,
        again=make(root, "deploy").stdout,
        running_after_again=layout.running(),
        configured=_configured(layout),
        settings_after=layout.config.read_text(),
        release=_run(layout, "python", "-I", "-c", "from edge.node.health import release; print(release())").stdout,
        doctor=doctor.stdout + doctor.stderr,
        doctor_code=doctor.returncode,
        undeploy_code=make(root, "undeploy").returncode,
        left=[name for name in ("opt/laennec/releases", "etc/laennec/ward.yaml") if (layout.root / name).exists()],
        status_code_after=make(root, "status").returncode,
    )


def _configured(layout: BoxLayout) -> str:
    """What make configure says of the same settings with a line more."""
    other = layout.root / "other.yaml"
    other.write_text(layout.config.read_text() + "mode: Test\n")
    done = make(str(layout.root), "configure", f"CONFIG={other}", "HEALTHY_S=1")
    return done.stdout + done.stderr


def _run(layout: BoxLayout, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [layout.current / "venv/bin" / name, *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder  # the one of all processes of this run
    note = folder / "deployment.json"
    with open(folder / "deployment.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            with tempfile.TemporaryDirectory(prefix="laennec-root-") as root:
                try:
                    note.write_text(json.dumps(asdict(_deploy_and_undeploy(root))))
                finally:
                    Process(BoxLayout(root)).stop()
    return Seen(**json.loads(note.read_text()))


def test_a_clone_becomes_a_service_that_hears(seen: Seen) -> None:
    last = seen.deployed.splitlines()[-1]
    assert last.startswith(f"laennec {seen.running} runs on this machine (1 of 1 streams ok; broker away")
    assert "warn  broker" in seen.deployed, "an unreachable broker is said, and is no reason to go back"
    assert seen.outboxes, "events wait on disk"


def test_a_start_compiles_nothing(seen: Seen) -> None:
    assert seen.kernels, "in the release itself, whoever the service is run by"


def test_exactly_the_listed_files_are_installed(seen: Seen) -> None:
    assert sorted(seen.installed) == sorted(seen.locked)
    packages = {name.partition("/")[0] for name in seen.installed}
    assert {"numba", "numpy", "onnxruntime", "edge"} <= packages
    assert not {"torch", "scipy", "pandas", "pip"} & packages


def test_what_runs_can_be_asked(seen: Seen) -> None:
    assert "its service is running (" in seen.status
    assert "mqtt broker=unreachable" in seen.logs


def test_the_doctor_that_a_deployment_asks_refuses_settings_with_a_mistake(seen: Seen) -> None:
    assert seen.doctor_code != 0
    assert "sauce" in seen.doctor


def test_the_same_release_again_is_nothing_to_do(seen: Seen) -> None:
    assert "nothing to do" in seen.again
    assert seen.running_after_again == seen.running


def test_settings_change_alone_without_a_build(seen: Seen) -> None:
    last = seen.configured.splitlines()[-1]
    assert last.startswith(f"laennec {seen.running.replace('0001-', '0002-')} runs on this machine (1 of 1 streams ok")
    assert re.search(r"; deaf for \d+\.\d s$", last)
    assert seen.settings_after.endswith("mode: Test\n")
    assert "making the release" not in seen.configured


def test_the_service_knows_the_name_of_its_release(seen: Seen) -> None:
    assert seen.running.endswith(f"-{seen.release.strip()}")
    assert seen.release.startswith(f"{__version__}-")


def test_status_for_programs(seen: Seen) -> None:
    reported = json.loads(seen.status_json)
    assert (reported["running"], reported["phase"], reported["trial"]) == (seen.running, "running", "")
    assert (reported["model"]["kind"], len(reported["model"]["id"])) == ("bundled", 64)
    assert reported["deaf_s"] > 0


def test_undeploy_keeps_events_and_settings(seen: Seen) -> None:
    assert seen.undeploy_code == 0
    assert seen.left == ["etc/laennec/ward.yaml"]
    assert seen.status_code_after != 0
