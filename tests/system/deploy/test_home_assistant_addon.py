"""The add-on for Home Assistant, without a Supervisor: its script with the real `laennec init`, and its files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from edge import __version__
from edge.settings.node import load_config
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S

FOLDER = Path(__file__).parents[3] / "deploy" / "home_assistant"
# What Home Assistant's images have: functions that ask the Supervisor.
BASHIO = """
bashio::services.available() {{ [ -n "{port}" ]; }}
bashio::services() {{
    case $2 in host) echo 127.0.0.1;; port) echo "{port}";; username) echo addons;; password) echo secret;; esac
}}
bashio::config() {{ echo "{source}"; }}
bashio::exit.nok() {{ echo "$1" >&2; exit 1; }}
"""


def started(folder: Path, source: str, port: object = "") -> subprocess.CompletedProcess[str]:
    """What the script does up to the node itself, which only says how it was called."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    (bin_folder / "laennec").write_text(
        f'#!/bin/sh\n[ "$1" = run ] && echo "$@" && exit\nexec {sys.executable} -m edge "$@"\n'
    )
    (bin_folder / "laennec").chmod(0o755)
    (folder / "bashio").write_text(BASHIO.format(port=port, source=source))
    script = f"source {folder}/bashio; source {FOLDER}/run.sh"
    variables = {"LAENNEC_CONFIG": str(folder / "ward.yaml"), "STATE_DIRECTORY": str(folder), "PYTHONPATH": os.getcwd()}
    variables["CACHE_DIRECTORY"] = str(folder / "cache")
    environment = {**os.environ, **variables, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", script],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )


def test_the_first_start_writes_settings_with_the_broker_of_home_assistant(tmp_path: Path) -> None:
    done = started(tmp_path, str(DEMO_AUDIO), 1)
    assert done.stdout.splitlines()[-1] == f"run --config {tmp_path}/ward.yaml", done.stderr
    config = load_config(tmp_path / "ward.yaml")
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.username) == ("127.0.0.1", 1, "addons")
    assert config.home_assistant is not None
    assert config.streams[0].source == str(DEMO_AUDIO)
    assert (tmp_path / "mqtt-password").read_text() == "secret\n"
    assert stat.S_IMODE((tmp_path / "mqtt-password").stat().st_mode) == 0o600


def test_settings_that_are_there_are_the_operators(tmp_path: Path) -> None:
    (tmp_path / "ward.yaml").write_text("own: 1\n")
    done = started(tmp_path, "mic")
    assert done.stdout == f"run --config {tmp_path}/ward.yaml\n"
    assert (tmp_path / "ward.yaml").read_text() == "own: 1\n"


def test_a_source_that_cannot_be_ends_with_what_is_wrong(tmp_path: Path) -> None:
    done = started(tmp_path, "", 1883)
    assert done.returncode == 1
    assert "--source: '' names nothing" in done.stderr


def test_its_description_is_of_this_version_and_needs_what_the_script_asks_for() -> None:
    described = yaml.safe_load((FOLDER / "config.yaml").read_text())
    assert described["version"] == __version__
    assert set(described["options"]) == set(described["schema"]) == {"source"}
    assert described["services"] == ["mqtt:want"]
    assert set(yaml.safe_load((FOLDER / "build.yaml").read_text())["build_from"]) == set(described["arch"])
    assert os.access(FOLDER / "run.sh", os.X_OK)


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "hadolint").exists(), reason="hadolint is not installed (x86-64 only)"
)
def test_hadolint_has_nothing_to_say() -> None:
    line = [str(Path(sys.executable).parent / "hadolint"), "--no-color", str(FOLDER / "Dockerfile")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
