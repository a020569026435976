"""Work that may not come back: it is waited for so long and no longer, and what came before is not overtaken."""

from __future__ import annotations

import threading

import pytest

import edge.delivery.disk
from edge.delivery.disk import PatientDisk, StalledError
from tests.edge.conftest import wait_for


def test_what_comes_back_in_time_is_given_and_what_fails_fails() -> None:
    disk = PatientDisk("disk")
    assert disk.do(lambda: 7) == 7
    with pytest.raises(OSError, match="full"):
        disk.do(lambda: (_ for _ in ()).throw(OSError("full")))
    assert disk.do(lambda: threading.current_thread().name) == "disk"
    disk.close()


def test_while_one_work_has_not_come_back_all_others_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.delivery.disk, "STALLED_S", 0.05)
    disk, answers, done = PatientDisk("disk"), threading.Event(), list[int]()

    def first() -> None:
        answers.wait()
        done.append(1)

    with pytest.raises(StalledError, match=r"has not answered for 0\.05 s"):
        disk.do(first)
    for _ in range(100):
        with pytest.raises(StalledError):
            disk.do(lambda: done.append(2))
    answers.set()
    wait_for(lambda: done, "the first")
    monkeypatch.setattr(edge.delivery.disk, "STALLED_S", 60.0)
    wait_for(lambda: disk._last is not None and disk._last.done(), "its end")
    disk.do(lambda: done.append(3))
    assert done == [1, 3]
    disk.close()
