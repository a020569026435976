"""Deploying where systemd runs the service: which of its commands are given, and how its answers are understood.

The commands are stand-ins that note how they were called: there is no systemd in a container. The unit itself is tested
in `test_units.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.tools import PROJECT
from tests.deploy.conftest import Box

UNIT = (PROJECT / "deploy/systemd/laennec.service").read_text()
# Answers as systemd would of a service that does what the release below `current` does; NO_ANSWER: a verdict on a bad
# one never comes, so that who is to be killed meanwhile is not quicker.
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> {notes}
well=no
grep -qs "BEHAVIOUR = 'ends'" {current}/venv/lib/*/site-packages/edge/__main__.py || well=yes
case "$(basename "$0") $1 $well" in
"systemctl show yes") printf 'ActiveState=active\\nSubState=running\\nResult=success\\nStatusText=heard\\nJob=\\n' ;;
"systemctl show no") [ -z "${{NO_ANSWER:-}}" ] || exec sleep 600
    printf 'ActiveState=activating\\nSubState=auto-restart\\nResult=exit-code\\nJob=\\n' ;;
"journalctl "*) echo "laennec: no microphone" ;;
"systemd-run "*) while [ "${{1#-}}" != "$1" ]; do [ "$1" = -p ] && shift; shift; done; exec "$@" ;;
esac
"""
Deploy = Callable[..., dict[str, Any]]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def deploy(box: Box, tmp_path: Path, notes: Path) -> Deploy:
    """Asks the box below its root as if it were a whole one; the last thing that it tells."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "systemd-run", "journalctl", "udevadm"):
        (programs / name).write_text(FAKE.format(notes=notes, current=box.layout.current))
        (programs / name).chmod(0o755)

    def send_request(
        command: str,
        behaviour: str = "well",
        kill_at: str = "",
        more_files: dict[str, str] | None = None,
        **more: object,
    ) -> dict[str, Any]:
        house = box.house(behaviour)
        paths = {part.sha256: path for part, path in house.software.parts.items()}
        request = {"command": command, "root": str(box.layout.root), "systemd": True, **more}
        if command == "install":
            request = {**box.request(house), **request}
            unit = f"# {behaviour}\n{UNIT}"
            request["files"] = {**request["files"], "laennec.service": unit, "70-laennec.rules": "# rules\n"}
            request["files"] |= more_files or {}
        with subprocess.Popen(
            [sys.executable, "-m", "deploy.box"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "NO_ANSWER": kill_at},
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            message: dict[str, Any] = {}
            for line in child.stdout:
                message = json.loads(line)
                if message.get("begin", "").startswith(kill_at or "never"):
                    child.kill()
                for name in message.get("want", []):
                    child.stdin.write(paths[name].read_bytes())
                    child.stdin.flush()
        return message

    return send_request


def test_a_release_becomes_a_unit_that_is_enabled_and_restarted(deploy: Deploy, box: Box, notes: Path) -> None:
    assert deploy("install")["result"]["status"] == "heard"
    assert (box.layout.root / "etc/systemd/system/laennec.service").read_text() == f"# well\n{UNIT}"
    assert (box.layout.root / "etc/udev/rules.d/70-laennec.rules").exists()
    called = [line for line in notes.read_text().splitlines() if line.startswith("systemctl") and "show" not in line]
    assert [line.split()[1] for line in called] == ["daemon-reload", "reset-failed", "enable", "restart"]


def test_a_release_is_examined_with_the_rights_that_its_service_will_have(deploy: Deploy, notes: Path) -> None:
    deploy("install")
    runs = [line for line in notes.read_text().splitlines() if line.startswith("systemd-run")]
    assert len(runs) == 2, "doctor, self-test"
    for line in runs:
        assert "-p DynamicUser=yes -p User=laennec -p SupplementaryGroups=audio dialout" in line
        assert "-p CacheDirectory=laennec" in line
        assert "RuntimeDirectory" not in line, "it would be removed at the end, and is the running service's"


def test_a_unit_that_does_not_stay_up_is_gone_back_from(deploy: Deploy, box: Box) -> None:
    first = deploy("install", "one")["result"]["running"]
    output = deploy("install", "ends")
    assert "was not healthy: expected it to run, found that it ended (Result=exit-code)" in output["error"]
    assert "laennec: no microphone" in output["error"]
    assert output["state"] == f"{first} is current and its service is ready (heard)"
    assert box.releases() == [first]


def test_a_switch_that_is_cut_off_is_undone_by_the_next_start_with_its_unit(
    deploy: Deploy, box: Box, notes: Path, tmp_path: Path
) -> None:
    first = deploy("install", "one")["result"]["running"]
    deploy("install", "ends", kill_at="waiting until it is ready", hold_s=600.0)
    unit = box.layout.root / "etc/systemd/system/laennec.service"
    assert unit.read_text().startswith("# ends\n")
    line = next(line for line in UNIT.splitlines() if line.startswith("ExecStartPre=")).partition("+")[2]
    line = line.replace(" /opt", f" {box.layout.root}/opt").replace("undo.sh /'", f"undo.sh {box.layout.root}'")
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=True)
    assert f"going back to {first}" in done.stdout
    assert box.layout.running() == first
    assert unit.read_text() == f"# one\n{UNIT}"
    output = [line for line in notes.read_text().splitlines() if "show" not in line][-2:]
    assert output == ["systemctl daemon-reload", "systemctl --no-block restart laennec.service"]
    unit.write_text(f"# ends\n{UNIT}")  # as if it had been cut off between the release and its unit
    subprocess.run(["sh", "-c", line], env=environment, check=True)
    assert unit.read_text() == f"# one\n{UNIT}"
    assert deploy("rollback", release="", hold_s=0.1)["result"]["running"] == first
    assert box.releases() == [first]


def test_a_board_is_a_second_unit_that_stays_until_it_is_taken_away(deploy: Deploy, box: Box, notes: Path) -> None:
    unit = box.layout.root / "etc/systemd/system/laennec-board.service"
    board = {"board.yaml": "title: Ward B\n", "laennec-board.service": "# board\n"}
    assert "unknown key 'sight'" in deploy("install", "one", more_files={**board, "board.yaml": "sight: x\n"})["error"]
    assert not unit.exists()
    deploy("install", "one", more_files=board)
    assert unit.read_text() == "# board\n"
    assert "systemctl restart --no-block laennec-board.service" in notes.read_text()
    files = {"laennec-board.service": "# newer\n"}
    second = deploy("install", "two", more_files=files, keeps_board=True)["result"]["running"]
    assert (box.layout.releases / second / "board.yaml").read_text() == "title: Ward B\n"
    assert unit.read_text() == "# newer\n"
    deploy("install", "two", more_files=files)
    assert not unit.exists()
    assert "systemctl disable --now laennec-board.service" in notes.read_text()
    assert deploy("rollback", release="", hold_s=0.1)["result"]["running"] == second
    assert unit.exists(), "it goes back with its release"
    deploy("undeploy", purge=False)
    assert not unit.exists()


def test_undeploy_removes_unit_and_rules(deploy: Deploy, box: Box, notes: Path) -> None:
    deploy("install")
    deploy("undeploy", purge=False)
    assert not list(box.layout.root.glob("etc/systemd/system/*"))
    assert not list(box.layout.root.glob("etc/udev/rules.d/*"))
    assert "systemctl disable --now laennec.service" in notes.read_text()
