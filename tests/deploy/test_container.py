"""The container file without an engine: linted by hadolint, and its wheel made from exactly what the image is given."""

from __future__ import annotations

import fnmatch
import subprocess
import sys
from pathlib import Path

import pytest

from edge.settings.node import load_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "container"
DOCKERFILE = FOLDER / "Dockerfile"


def tracked() -> list[str]:
    """Files of the repository, which is what a clean clone would give to the engine."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.skip("not a clone: git does not list the files")
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def given(names: list[str]) -> list[str]:
    """Those that .dockerignore lets through: the last pattern that fits decides."""
    patterns = [line for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in "#"]
    stored = []
    for name in names:
        is_in = True
        for pattern in patterns:
            bare = pattern.lstrip("!").removeprefix("**/")
            parts = name.split("/")
            heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
            if any(fnmatch.fnmatch(head, bare) for head in (parts if "**/" in pattern else heads)):
                is_in = pattern.startswith("!")
        stored += [name] * is_in
    return stored


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments of each line, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined)]


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "hadolint").exists(), reason="hadolint is not installed (x86-64 only)"
)
def test_hadolint_has_nothing_to_say() -> None:
    line = [str(Path(sys.executable).parent / "hadolint"), "--no-color", str(DOCKERFILE)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_given_the_package_and_nothing_that_could_be_a_secret() -> None:
    names = given([*tracked(), "edge/__pycache__/a.pyc", "ward.yaml", "edge/outbox.db", ".git/config", "ca.key"])
    assert {"pyproject.toml", "constraints.txt", "edge/__main__.py", "edge/models/default.onnx"} <= set(names)
    assert {name.split("/")[0] for name in names} <= {
        "edge",
        "firmware_bridge",
        "pyproject.toml",
        "constraints.txt",
        "LICENSE",
        "README.md",
    }
    assert not [name for name in names if name.endswith((".pyc", ".db", ".key"))]


def test_it_runs_as_a_user_that_is_not_root_and_ends_by_sigterm() -> None:
    found = dict(instructions())  # the last of each counts, as for the engine
    assert found["USER"] == "990"
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert found["ENTRYPOINT"] == '["laennec"]'


def test_its_health_is_what_the_doctor_says() -> None:
    found = dict(instructions())
    assert '"laennec", "doctor"' in found["HEALTHCHECK"]
    assert '"/etc/laennec/ward.yaml"' in found["HEALTHCHECK"]
    assert '"/etc/laennec/ward.yaml"' in found["CMD"]


def test_the_last_stage_has_no_compiler() -> None:
    words = [word for word, _ in instructions()]
    last = len(words) - words[::-1].index("FROM")
    assert words.count("FROM") == 2
    assert not [rest for word, rest in instructions()[last:] if word == "RUN" and "gcc" in rest]


def test_the_example_of_the_settings_is_valid() -> None:
    config = load_config(ROOT / "deploy" / "ward.example.yaml")
    assert config.mode == "Test"
    assert config.mqtt.tls is not None
