"""The ledger: what is open, what is done, what changed; by the sound's own hash, and the same after a kill."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import ConfigError, SourceError
from edge.server.archive import ledger as ledger_module
from edge.server.archive.ledger import Ledger
from edge.server.archive.listing import Item
from edge.server.archive.recording import Result, failed

ABOUT = {"model": "a" * 64, "channel": ""}
A, B, C = (Item(name, name.encode(), 10, 1) for name in ("a.wav", "b.wav", "c.wav"))


def ledger(folder: Path, resume: bool = True, **about: str) -> Ledger:
    return Ledger(folder, {**ABOUT, **about}, resume)


def ok(item: Item, sound: str = "") -> Result:
    return Result(item.name, sound or f"{item.name:0<64}", json.dumps({"status": "ok", "of": item.name}))


def is_open(one: Ledger) -> list[str]:
    return [name for name, _ in one.open_items()]


def test_what_is_listed_is_open_until_it_has_a_result(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([C, A, B])
        assert is_open(one) == ["a.wav", "b.wav", "c.wav"]
        one.put(ok(B))
        assert is_open(one) == ["a.wav", "c.wav"]
        assert one.counts() == (3, 1)


def test_results_are_there_in_the_next_run_and_nothing_of_them_is_open(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A, B])
        one.put(ok(A))
    with ledger(tmp_path) as two:
        two.take_listing([A, B])
        assert is_open(two) == ["b.wav"]


def test_a_file_that_changed_is_open_again_and_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A, B])
        one.put(ok(A))
        one.put(ok(B))
        assert one.take_listing([replace(A, stamp=2)]) == 1
        assert is_open(one) == ["a.wav"]
        assert one.counts() == (1, 0)


def test_what_could_not_be_read_is_tried_again_and_what_is_no_sound_is_not(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A, B])
        one.put(failed("a.wav", "cannot be opened"))
        one.put(replace(ok(B), body=json.dumps({"status": "damaged", "reason": "no sound"})))
        assert (is_open(one), one.damaged()) == ([], 2)
        one.take_listing([A, B])
        assert is_open(one) == ["a.wav"]


def test_one_sound_of_two_names_is_one_result(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A, B])
        one.put(ok(A, "s" * 64))
        one.put(ok(B, "s" * 64))
        assert [(each.name, each.body["of"]) for each in one.results(["a.wav", "b.wav"])] == [
            ("a.wav", "a.wav"),
            ("b.wav", "a.wav"),
        ]


def test_each_open_recording_comes_once_also_while_results_are_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "AT_ONCE", 2)
    listed = [Item(f"{number:02}.wav", b"x", 1, 1) for number in range(9)]
    with ledger(tmp_path) as one:
        one.take_listing(listed)
        found = []
        for name, _ in one.open_items():
            found.append(name)
            if len(found) % 2:
                one.put(ok(Item(name, b"x")))
        assert found == [item.name for item in listed]
        assert one.counts() == (9, 5)


def test_of_a_ledger_of_before_what_was_in_containers_is_forgotten_and_the_rest_is_there(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A, B])
        one.put(ok(A))
        one._base.execute("INSERT INTO item VALUES ('t.tar::a.wav', 't.tar', 1, 9, 1, 1, NULL)")
        one._base.execute("CREATE INDEX item_place ON item (path, name)")
    with ledger(tmp_path) as two:
        assert two.take_listing([A, B]) == 1
        assert (is_open(two), two.counts()) == (["b.wav"], (2, 1))


def test_a_shard_is_complete_when_all_of_it_has_a_result(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A, B, C])
        one.put(ok(A))
        assert one.shard("", 2) is None
        one.put(ok(B))
        names, digest = one.shard("", 2) or ([], "")
        assert names == ["a.wav", "b.wav"]
        assert one.shard("b.wav", 2) is None
        one.put(ok(C))
        assert one.shard("b.wav", 2) != (["c.wav"], digest)
        assert (one.shard("c.wav", 2) or (None,))[0] == []


def test_a_folder_with_results_needs_resume(tmp_path: Path) -> None:
    with ledger(tmp_path, resume=False):
        pass
    with pytest.raises(ConfigError, match="give --resume to go on there, or another --out"):
        ledger(tmp_path, resume=False)


def test_results_of_another_model_are_not_gone_on_with(tmp_path: Path) -> None:
    with ledger(tmp_path):
        pass
    with pytest.raises(ConfigError, match=r"was made with model aaaa.*, found bbbb"):
        ledger(tmp_path, model="b" * 64)


def test_two_processes_do_not_write_one_ledger(tmp_path: Path) -> None:
    with (
        ledger(tmp_path),
        closing(sqlite3.connect(tmp_path / "ledger.sqlite", timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("SELECT * FROM item").fetchall()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be opened"):
        ledger(tmp_path / "file" / "out")


def fill(folder: Path) -> None:
    with ledger(folder) as one:
        one._base.execute("PRAGMA max_page_count = 1")  # as if nothing more had room
        for number in range(1000):
            one.put(Result("a.wav", f"{number:064}", "x" * 10_000))


def test_a_disk_that_is_full_is_one_line_and_what_was_kept_before_is_there(tmp_path: Path) -> None:
    with ledger(tmp_path) as one:
        one.take_listing([A])
    with pytest.raises(SourceError, match="make room and run again with --resume"):
        fill(tmp_path)
    with ledger(tmp_path) as two:
        assert two.counts() == (1, 0)
