"""A checkpoint is there whole or not at all; a full disk is one line and harms nothing that was there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edge.errors import ConfigError
from tests.conftest import HANGS_S
from tests.training.loop.tiny import ROOT
from training.loop.checkpoint import disk_may_be_full, load, whole_file

_ON_A_SMALL_DISK = """
import resource, sys
from pathlib import Path
import torch
from edge.errors import ConfigError
from training.loop.checkpoint import disk_may_be_full, save

folder = Path(sys.argv[1])
save(folder / "last.pt", {"weights": torch.ones(10)})
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save(folder / "last.pt", {"weights": torch.ones(100_000)})
except ConfigError as error:
    print(error)
try:
    with disk_may_be_full(folder):
        (folder / "metrics.jsonl").write_bytes(bytes(100_000))
except ConfigError as error:
    print(error)
"""


def test_a_full_disk_is_one_line_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    """In a process of its own, where no file may become larger than 20 kB: writing further fails as on a full disk."""
    command = [sys.executable, "-c", _ON_A_SMALL_DISK, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=True)
    saving, writing = done.stdout.splitlines()
    assert re.search(r"last\.pt: the disk is full \(.*\); what was there before is kept\. Free", saving)
    assert "the disk is full" in writing
    assert torch.equal(load(tmp_path / "last.pt")["weights"], torch.ones(10))
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "metrics.jsonl"}


def test_a_training_on_a_full_disk_ends_with_one_line_and_code_2(tmp_path: Path) -> None:
    limited = f"ulimit -f 12; exec {sys.executable} -m tests.training.loop.tiny {tmp_path}"  # blocks of 1 kB
    done = subprocess.run(
        ["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("training: ")
    assert "the disk is full" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_error_that_is_no_full_disk_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_may_be_full(tmp_path):
        raise PermissionError(13, "no")
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "never written"):
        pass


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"last\.pt: damaged, or not a checkpoint"):
        load(path)


def test_objects_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"object": Path("x")}, path)
    with pytest.raises(ConfigError, match="damaged, or not a checkpoint"):
        load(path)
