"""The lock of a box: one deployment at a time, also beside one that takes the lock away."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import cast

import pytest

from deploy.box import session as locks
from deploy.box.layout import BoxLayout, Refusal, remove
from deploy.box.service import Service
from deploy.box.session import Session, Wire, at_work, only_one


def session(root: Path) -> Session:
    return Session(BoxLayout(str(root)), cast(Service, None), Wire(io.BytesIO()))


def test_nobody_is_at_work_on_a_box_that_nobody_touched(tmp_path: Path) -> None:
    assert at_work(BoxLayout(str(tmp_path))) == ""
    assert not list(tmp_path.iterdir())


def test_who_holds_the_lock_is_told_and_the_next_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.05)
    with only_one(session(tmp_path)):
        assert at_work(BoxLayout(str(tmp_path))).startswith(f"process {os.getpid()}, since ")
        with pytest.raises(Refusal, match="another deployment to this box is under way"), only_one(session(tmp_path)):
            pass
    assert at_work(BoxLayout(str(tmp_path))) == ""


def test_a_folder_that_cannot_be_made_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "OPENINGS", 2)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/laennec").symlink_to(tmp_path / "a disk that is unplugged")
    with pytest.raises(FileExistsError) as caught, only_one(session(tmp_path)):
        pass
    assert caught.value.filename == str(tmp_path / "opt/laennec")


def test_a_lock_whose_file_was_taken_away_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, is_there = BoxLayout(str(tmp_path)), locks._is_there

    def taken_away_once(lock: int, path: Path) -> bool:
        monkeypatch.setattr(locks, "_is_there", is_there)
        remove(layout.lock)
        return is_there(lock, path)

    monkeypatch.setattr(locks, "_is_there", taken_away_once)
    with only_one(session(tmp_path)):
        assert layout.lock.exists()
        assert at_work(layout)
