"""The table of a fleet."""

from __future__ import annotations

from deploy.rollout import draw, row

REPORTED = {
    "running": "0002-0.1.0-1a2b3c4d",
    "phase": "ready",
    "settings_sha256": "5" * 64,
    "deaf_s": 3.24,
    "model": {"kind": "promoted", "id": "a" * 64, "name": "bed"},
}


def test_a_box_says_what_it_runs() -> None:
    found = row("edge-7", "w/edge-7", REPORTED, "5" * 64)
    assert found == ("edge-7", "w/edge-7", "0002-0.1.0-1a2b3c4d", "a" * 12 + " promoted", "5" * 12, "ready", "3.2 s")


def test_settings_that_are_not_those_of_the_file_are_seen() -> None:
    assert row("edge-7", "w/edge-7", REPORTED, "6" * 64)[4] == f"{'5' * 12} (file: {'6' * 12})"
    assert row("edge-7", "w/edge-7", REPORTED)[4] == "5" * 12, "a fleet's file that gives none asks for none"


def test_a_box_without_anything_and_one_that_does_not_answer_are_told_apart() -> None:
    bare = {"running": "", "phase": "stopped"}
    assert row("b", "w/b", bare)[2:6] == ("none", "", "", "stopped")
    assert row("c", "w/c", None)[5] == "no answer"


def test_columns_are_as_wide_as_they_must_be() -> None:
    lines = draw([row("edge-7", "w/edge-7", REPORTED), row("c", "w/c", None)]).splitlines()
    assert len({line.index(word) for line, word in zip(lines, ("site/node", "w/edge-7", "w/c"), strict=True)}) == 1
    assert lines[0].split() == ["box", "site/node", "release", "model", "settings", "service", "deaf"]
