"""The lock of a box: one deployment at a time, also beside one that takes the lock away."""

from __future__ import annotations

import contextlib
import getpass
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.box import session as locks
from deploy.box.layout import BoxLayout, Refusal, Trial, remove, write_record
from deploy.box.session import only_one
from deploy.remote import send_command
from deploy.tools import PROJECT
from tests.deploy.conftest import Box
from tests.deploy.test_box_lock import session

ATTACK_S = 2.0


def _deploy(root: Path, mark: Path, undeploys: bool, faults: Callable[[str], None]) -> None:
    locks.PATIENCE_S = 0.02
    layout, until_s = BoxLayout(str(root)), time.monotonic() + ATTACK_S
    while time.monotonic() < until_s:
        try:
            with only_one(session(root)):
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                mark.unlink()
                if undeploys:
                    remove(layout.lock)
                    with contextlib.suppress(OSError):  # as undeploy does: somebody else may be there already
                        layout.base.rmdir()
        except Refusal:
            pass
        except OSError as error:
            faults(repr(error))


def test_two_never_hold_it_while_others_take_it_away(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    faults = fork.SimpleQueue()
    workers = [
        fork.Process(target=_deploy, args=(tmp_path / "root", tmp_path / "mark", index % 2 == 1, faults.put))
        for index in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert faults.empty(), faults.get()


def test_status_tells_a_first_switch_that_was_cut_off_and_not_one_under_way(tmp_path: Path) -> None:
    layout = BoxLayout(str(tmp_path))
    write_record(layout.trial, Trial("0001-a", "", had_config=False, is_untried=True))
    line = [sys.executable, "-m", "deploy", "status", "--device", "local", "--root", str(tmp_path)]

    def answered() -> str:
        return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=False).stdout

    assert "a switch to 0001-a was cut off" in answered()
    with only_one(session(tmp_path)):
        assert "is under way (process" in answered()
        assert "cut off" not in answered()


def test_of_five_deployments_at_once_four_are_refused_and_say_who_is_at_work(box: Box, tmp_path: Path) -> None:
    config = tmp_path / "ward.yaml"
    config.write_text("config: first\n")
    line = box.command(box.house("slow"), config)
    running = [
        subprocess.Popen(line, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    try:
        until_s = time.monotonic() + 300
        while sum(each.poll() is not None for each in running) < 4:
            assert time.monotonic() < until_s, [each.poll() for each in running]
            time.sleep(0.1)
        refused = [each for each in running if each.poll() is not None]
        assert len(refused) == 4
        assert send_command(box.target, "status")["busy"].startswith("process ")
        who = rf"under way \(process \d+ for {getpass.getuser()}@{socket.gethostname()}, since .* UTC\)"
        for each in refused:
            assert each.stderr is not None
            assert re.search(who, each.stderr.read())
    finally:
        for each in running:
            each.kill()
            each.communicate()
    assert box.install("well").endswith(box.house("well").software.version), "the lock of a dead one is taken over"
