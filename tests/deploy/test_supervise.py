"""The supervisor below a root of one's own: what it takes from whom, and what it does with a service that fails it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.wheelhouse import PROJECT

pytestmark = pytest.mark.system
SUPERVISE = PROJECT / "deploy/box/supervise.py"
SHORT = f"import runpy; m = runpy.run_path({str(SUPERVISE)!r}); m['Supervisor'].run.__globals__.update"
SPEAK = """
import os, socket, sys, time
def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), chr(0) + os.environ["NOTIFY_SOCKET"][1:])
"""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Starts a supervisor whose service is the Python text that is given."""
    children = []

    def start(text: str, start_s: float = 600.0) -> None:
        program = tmp_path / "opt/laennec/releases/0001/venv/bin/laennec"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!{sys.executable}\n{SPEAK}\n{text}")
        program.chmod(0o755)
        (tmp_path / "opt/laennec/current").symlink_to("releases/0001")
        code = f"{SHORT}(WATCHDOG_S=0.6, START_S={start_s}); from pathlib import Path"
        code += f"; m['Supervisor'](Path({str(tmp_path)!r})).run()"
        children.append(subprocess.Popen([sys.executable, "-c", code]))

    yield start
    for child in children:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def _state(root: Path) -> dict[str, Any]:
    path = root / "run/laennec/state.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _until(root: Path, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    until_s = time.monotonic() + 20
    while time.monotonic() < until_s:
        state = _state(root)
        if state and holds(state):
            return state
        time.sleep(0.02)
    raise AssertionError(f"not reached: {_state(root)}")


def test_ready_comes_with_the_words_of_the_service(supervised: Callable[[str], None], tmp_path: Path) -> None:
    supervised("tell('STATUS=1 of 1 streams heard\\nREADY=1')\nwhile True: tell('WATCHDOG=1'); time.sleep(.1)")
    state = _until(tmp_path, lambda state: state["phase"] == "ready")
    assert state["status"] == "1 of 1 streams heard"
    assert state["release"] == "0001"


def test_a_service_that_stops_feeding_the_watchdog_is_ended_and_started_again(
    supervised: Callable[[str], None], tmp_path: Path
) -> None:
    supervised("tell('READY=1')\ntime.sleep(60)")
    state = _until(tmp_path, lambda state: state["starts"] == 2)
    assert state["failures"] == 1
    assert "watchdog" in state["last_end"]


def test_a_service_that_never_gets_ready_is_ended_and_started_again(
    supervised: Callable[..., None], tmp_path: Path
) -> None:
    supervised("time.sleep(60)", start_s=0.5)
    state = _until(tmp_path, lambda state: state["starts"] == 2)
    assert "not ready within" in state["last_end"]


def test_a_service_that_hangs_may_still_close_what_is_open(supervised: Callable[[str], None], tmp_path: Path) -> None:
    close = "def close(*_): open('closed', 'w'); sys.exit(0)"
    supervised(f"import signal\n{close}\nsignal.signal(signal.SIGTERM, close)\ntell('READY=1')\ntime.sleep(60)")
    state = _until(tmp_path, lambda state: state["starts"] == 2)
    assert (tmp_path / "closed").exists()
    assert state["failures"] == 1, "an orderly end, but not one that was asked for"


def test_a_message_of_another_process_is_not_believed(supervised: Callable[[str], None], tmp_path: Path) -> None:
    supervised("open('address', 'w').write(os.environ['NOTIFY_SOCKET'])\ntime.sleep(60)")
    _until(tmp_path, lambda state: (tmp_path / "address").exists())
    time.sleep(0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(b"READY=1", "\0" + (tmp_path / "address").read_text()[1:])
    time.sleep(0.5)
    assert _state(tmp_path)["phase"] == "starting"


def test_the_service_ends_with_its_supervisor_even_if_that_is_killed(
    supervised: Callable[[str], None], tmp_path: Path
) -> None:
    supervised("tell('READY=1')\nwhile True: tell('WATCHDOG=1'); time.sleep(.1)")
    state = _until(tmp_path, lambda state: state["phase"] == "ready")
    os.kill(state["supervisor"], signal.SIGKILL)
    until_s = time.monotonic() + 10
    while Path(f"/proc/{state['pid']}/exe").exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not Path(f"/proc/{state['pid']}/exe").exists()


def test_a_second_supervisor_of_a_root_does_not_start(supervised: Callable[[str], None], tmp_path: Path) -> None:
    supervised("tell('READY=1')\nwhile True: tell('WATCHDOG=1'); time.sleep(.1)")
    _until(tmp_path, lambda state: state["phase"] == "ready")
    second = subprocess.run([sys.executable, SUPERVISE, tmp_path], capture_output=True, text=True, timeout=20)
    assert "another supervisor of this root runs" in second.stderr
    assert second.returncode == 1
