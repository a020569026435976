"""What the doctor says of the outbox and of the disk below it; it changes nothing, whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.delivery.outbox import Outbox
from tests.edge.commands.doctor.test_doctor_outbox import look
from tests.edge.conftest import wait_for
from tests.edge.wards import settings

is_root = pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounting needs root")


@is_root
def test_a_full_disk_fails_also_while_the_service_runs_and_a_read_only_one(tmp_path: Path) -> None:
    disk = tmp_path / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", str(disk)], check=True)
    try:
        config = settings(tmp_path)
        store = Outbox(config.outbox_path(), 1, 1)
        with (disk / "ballast").open("wb") as ballast:
            wait_for(lambda: not _more(ballast.fileno()), "a full disk")
        check = look(config)["disk"]
        assert (check.verdict, "0 MB free" in check.found) == ("fail", True)
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "read-only" in look(config)["disk"].found
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def _more(file: int) -> bool:
    try:
        return os.write(file, b"0" * 4096) > 0
    except OSError:
        return False
