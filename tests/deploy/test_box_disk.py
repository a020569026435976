"""A disk that is full, files that came damaged, and the order in which things are brought to disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.box.layout import Trial, point, read_record, write_record, write_whole
from deploy.devices import DeployError
from deploy.remote import Local, Target, send_command


def test_a_root_that_is_a_file_is_not_taken_for_another_users(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeployError) as caught:
        send_command(Target(Local(), str(tmp_path / "file")), "probe")
    assert "Not a directory" in str(caught.value)


ORDER = """
import os, sys
from pathlib import Path
from deploy.box import layout
done = []
for name in ("fsync", "replace"):
    def spy(*args, name=name, real=getattr(os, name)):
        target = os.readlink(f"/proc/self/fd/{args[0]}") if name == "fsync" else args[0]
        done.append((name, os.path.basename(target)))
        return real(*args)
    setattr(os, name, spy)
layout.write_whole(Path(sys.argv[1], "file"), b"content")
layout.point(Path(sys.argv[1], "link"), "file")
print(done)
"""


def test_content_is_on_disk_before_it_is_renamed_and_the_folder_after(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ORDER, tmp_path], capture_output=True, text=True, check=True)
    folder = tmp_path.name
    assert done.stdout.strip() == repr(
        [
            ("fsync", "file.part"),
            ("replace", "file.part"),
            ("fsync", folder),
            ("replace", ".link.new"),
            ("fsync", folder),
        ]
    )
    assert (tmp_path / "link").read_text() == "content"


def test_a_link_is_moved_even_when_an_earlier_attempt_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / ".current.new").symlink_to("half")
    point(tmp_path / "current", "one")
    point(tmp_path / "current", "two")
    assert (tmp_path / "current").readlink() == Path("two")
    assert [path.name for path in tmp_path.iterdir()] == ["current"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"new": "a"}', '{"unknown": 1}', "null"])
def test_a_record_that_is_not_one_counts_as_none(tmp_path: Path, text: str) -> None:
    write_whole(tmp_path / "trial.json", text.encode())
    assert read_record(tmp_path / "trial.json", Trial) is None


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    trial = Trial("0002-a", "", had_config=True, is_untried=False)
    write_record(tmp_path / "trial.json", trial)
    assert read_record(tmp_path / "trial.json", Trial) == trial
