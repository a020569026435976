"""The service below a ROOT: started, started again, replaced by another start, stopped; and whose word counts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.box.layout import BoxLayout, Refusal
from deploy.box.service import Process
from tests.deploy.conftest import RUN, until

SPEAK = """
import os, signal, socket, sys, time
def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), chr(0) + os.environ["NOTIFY_SOCKET"][1:])
with open("starts", "a") as starts: print(os.getpid(), file=starts)
"""
WELL = "tell('READY=1\\nSTATUS=1 of 1 streams ok')\nwhile True: time.sleep(.1)"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WELL
Service = Callable[[str], Process]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Gives the service below a root, whose program is the Python text that is given."""
    layout, made = BoxLayout(str(tmp_path)), list[Process]()
    release = layout.releases / "0001"
    (release / "venv/bin").mkdir(parents=True)
    (release / "run.sh").write_text(RUN)
    layout.current.symlink_to("releases/0001")

    def with_program(text: str) -> Process:
        program = release / "venv/bin/laennec"
        draft = program.with_name("draft")  # one that runs may be started again just now
        draft.write_text(f"#!{sys.executable}\n{SPEAK}\n{text}\n")
        draft.chmod(0o755)
        draft.replace(program)
        made.append(Process(layout))
        return made[-1]

    yield with_program
    for each in made:
        each.stop()
        each.close()


def started(root: Path) -> list[int]:
    """Process id of every start of the service so far."""
    return [int(line) for line in (root / "starts").read_text().split()] if (root / "starts").exists() else []


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_is_ready_when_it_says_so_with_its_own_status_text(service: Service) -> None:
    process = service(WELL)
    process.restart()
    until(lambda: process.health().phase == "ready", process.health)
    assert process.health().status == "1 of 1 streams ok"
    assert not process.health().has_failed


def test_who_did_not_start_it_knows_that_it_runs(service: Service) -> None:
    service(WELL).restart()
    process = service(WELL)
    until(lambda: process.health().phase == "running", process.health)
    assert process.health().is_current


def test_a_service_that_ends_with_an_error_is_started_again_and_has_failed(service: Service, tmp_path: Path) -> None:
    process = service("sys.exit(3)")
    process.restart()
    until(lambda: len(started(tmp_path)) > 1, process.health)
    assert process.health().has_failed
    assert process.health().status == "exit code 3"
    later = service("sys.exit(3)")
    until(lambda: later.health().phase == "running", later.health)
    assert later.health().has_failed


@pytest.mark.parametrize("end", ["sys.exit(0)", "os.kill(os.getpid(), signal.SIGTERM)"])
def test_a_service_that_comes_to_its_end_is_started_again_and_has_not_failed(
    service: Service, tmp_path: Path, end: str
) -> None:
    process = service(end)
    process.restart()
    until(lambda: len(started(tmp_path)) > 1, process.health)
    assert not process.health().has_failed


def test_of_two_starts_the_second_takes_the_place_of_the_first_and_two_never_run(
    service: Service, tmp_path: Path
) -> None:
    only = "import fcntl; alone = open('alone', 'a'); fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
    first, second = service(only + WELL), service(only + WELL)
    first.restart()
    until(lambda: first.health().phase == "ready", first.health)
    second.restart()
    until(lambda: second.health().phase == "ready" and not lives(started(tmp_path)[0]), second.health)
    assert not lives(started(tmp_path)[0])
    assert not first.health().is_current
    assert not second.health().has_failed


@pytest.mark.parametrize("ends", [Process.restart, Process.stop], ids=["restart", "stop"])
def test_a_service_that_does_not_hear_sigterm_is_killed(
    service: Service, tmp_path: Path, ends: Callable[[Process], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.box.service.STOP_S", 1.0)
    monkeypatch.setattr("deploy.box.service.START_S", 60.0)
    process = service(DEAF)
    process.restart()
    until(lambda: process.health().phase == "ready", process.health)
    first = started(tmp_path)[0]
    ends(process)
    until(lambda: not lives(first), process.health)  # it closes its files a moment before it is gone
    assert not lives(first)


def test_a_service_may_close_what_is_open_before_it_ends(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.box.service.STOP_S", 60.0)
    close = "def close(*_): time.sleep(.3); open('closed', 'w'); sys.exit(0)\nsignal.signal(signal.SIGTERM, close)\n"
    process = service(close + WELL)
    process.restart()
    until(lambda: process.health().phase == "ready", process.health)
    process.stop()
    assert (tmp_path / "closed").exists()
    assert process.health().phase == "stopped"


def test_a_service_whose_parent_was_killed_is_still_known_and_stopped(service: Service, tmp_path: Path) -> None:
    process = service(WELL)
    process.restart()
    until(lambda: process.health().phase == "ready", process.health)
    os.kill(int((tmp_path / "run/laennec/pid").read_text()), signal.SIGKILL)
    assert process.health().phase == "ready"
    process.stop()
    until(lambda: not lives(started(tmp_path)[0]), process.health)
    assert not lives(started(tmp_path)[0])


def test_a_start_that_still_waits_when_the_service_is_stopped_starts_nothing(service: Service, tmp_path: Path) -> None:
    ends = "while os.path.exists('run/laennec/newest'): time.sleep(.01)"  # until `stop` has said that none is to follow
    process = service(f"def end(*_):\n    {ends}\n    sys.exit(0)\nsignal.signal(signal.SIGTERM, end)\n{WELL}")
    (tmp_path / "opt/laennec/current/run.sh").write_text(RUN.replace("--wait 1", "--wait 600"))
    process.restart()
    until(lambda: process.health().phase == "ready", process.health)
    waiting = subprocess.Popen(["setsid", "sh", tmp_path / "opt/laennec/current/run.sh", tmp_path])
    until(lambda: (tmp_path / "run/laennec/newest").read_text().strip() == str(waiting.pid), process.health)
    process.stop()
    assert waiting.wait(60) == 0
    assert len(started(tmp_path)) == 1


def test_a_message_of_another_process_does_not_count(service: Service, tmp_path: Path) -> None:
    process = service("open('address', 'w').write(os.environ['NOTIFY_SOCKET'])\ntime.sleep(60)")
    process.restart()
    until(lambda: (tmp_path / "address").exists() and (tmp_path / "address").read_text() != "", process.health)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(b"READY=1", "\0" + (tmp_path / "address").read_text()[1:])
    assert process.health().phase == "starting"


def test_a_start_that_fails_is_refused_with_its_last_status_text(service: Service, tmp_path: Path) -> None:
    process = service(WELL)
    (tmp_path / "run").write_text("a file in place of the folder")
    with pytest.raises((Refusal, OSError)):
        process.restart()
    assert not started(tmp_path)
    (tmp_path / "run").unlink()
