"""The real thing, whole: `make deploy DEVICE=local` with the real wheels, the real kernels and the real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.box.layout import BoxLayout
from deploy.box.process import Process
from deploy.wheelhouse import PROJECT

Make = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="laennec-root-") as folder:
        yield Path(folder)
        Process(BoxLayout(folder)).stop()


@pytest.fixture(scope="module")
def make(root: Path) -> Make:
    """Runs make as a person would, from another shell's environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "LAENNEC", "MAKE"))}
    kept |= {"ARGS": "--of-another-make", "PURGE": "1"}  # as under `make test ARGS=...`, which hands them on

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = ["make", *words, "DEVICE=local", f"ROOT={root}", f"PYTHON={sys.executable}"]
        return subprocess.run(argv, cwd=PROJECT, env=kept, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def deployed(make: Make, root: Path) -> str:
    done = make("deploy", "HEALTHY_S=2")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_clone_becomes_a_service_that_hears(deployed: str, root: Path) -> None:
    last = deployed.splitlines()[-1]
    assert last.startswith(
        f"laennec {BoxLayout(str(root)).running()} runs on this machine (1 of 1 streams heard; broker away"
    )
    assert "warn  broker" in deployed, "an unreachable broker is said, and is no reason to go back"
    assert list((root / "var/lib/laennec").glob("outbox-*.db")), "events wait on disk"


def test_a_start_compiles_nothing(deployed: str, root: Path) -> None:
    edge = next((root / "opt/laennec/current/venv").glob("lib/*/site-packages/edge"))
    assert list(edge.glob("**/__pycache__/kernels/*.kernel")), "in the release itself, whoever the service is run by"


def test_exactly_the_locked_versions_are_installed(deployed: str, root: Path) -> None:
    release = root / "opt/laennec/current"
    locked = {line.split("==")[0].lower() for line in (release / "requirements.lock").read_text().splitlines()}
    found = {
        path.name.split("-")[0].replace("_", "-").lower()
        for path in release.glob("venv/lib/*/site-packages/*.dist-info")
    }
    assert found == locked
    assert {"numba", "numpy", "onnxruntime", "laennec"} <= found
    assert not {"torch", "scipy", "pandas", "pip"} & found


def test_what_runs_can_be_asked(deployed: str, make: Make) -> None:
    assert "its service is running (" in make("status").stdout
    assert "mqtt broker=unreachable" in make("logs").stdout


def test_the_doctor_that_a_deployment_asks_refuses_settings_with_a_mistake(
    deployed: str, root: Path, tmp_path: Path
) -> None:
    config = tmp_path / "ward.yaml"
    config.write_text("streams:\n  - {id: bed1, sauce: mic}\n")
    doctor = [root / "opt/laennec/current/venv/bin/laennec", "doctor", "--config", config]
    done = subprocess.run(doctor, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "sauce" in done.stdout + done.stderr


def test_a_mistake_in_config_is_told_before_anything_is_built(make: Make, tmp_path: Path) -> None:
    config = tmp_path / "ward.yaml"
    config.write_text("streams:\n  - {id: bed1, sauce: mic}\n")
    done = make("deploy", f"CONFIG={config}")
    assert done.returncode != 0
    assert f"deploy: CONFIG: {config}: unknown key 'streams[0].sauce' (did you mean 'source'?)" in done.stderr
    assert "wheelhouse" not in done.stdout


def test_the_same_release_again_is_nothing_to_do(deployed: str, make: Make, root: Path) -> None:
    first = BoxLayout(str(root)).running()
    assert "nothing to do" in make("deploy").stdout
    assert BoxLayout(str(root)).running() == first


def test_the_service_knows_the_name_of_its_release(deployed: str, root: Path) -> None:
    python = root / "opt/laennec/current/venv/bin/python"
    line = [python, "-I", "-c", "from edge.node.service import release; print(release())"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert BoxLayout(str(root)).running().endswith(f"-{done.stdout.strip()}")
    assert done.stdout.strip().startswith("0.")


def test_status_for_programs(deployed: str, make: Make, root: Path) -> None:
    told = json.loads(make("status", "ARGS=--json").stdout)
    assert (told["running"], told["phase"], told["trial"]) == (BoxLayout(str(root)).running(), "running", "")


def test_undeploy_keeps_events_and_settings(deployed: str, make: Make, root: Path) -> None:
    done = make("undeploy")
    assert done.returncode == 0, done.stderr
    assert not (root / "opt/laennec/releases").exists()
    assert (root / "etc/laennec/ward.yaml").exists()
    assert make("status").returncode != 0
