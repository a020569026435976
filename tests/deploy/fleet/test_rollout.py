"""One box first, then some at once, and no new one after the first that fails; and the table of a fleet."""

from __future__ import annotations

import threading
from collections.abc import Callable

from deploy.rollout import Outcome, Rollout, all_at_once, draw, roll_out, row

NAMES = ("canary", "b", "c", "d", "e")


class Ward:
    """Boxes that note who is worked on at the same time; those that are sick fail."""

    def __init__(self, *sick: str) -> None:
        self.sick, self.begun, self.most, self.now = sick, list[str](), 0, 0
        self.lock, self.reported = threading.Lock(), {name: threading.Event() for name in NAMES}
        self.waits_for: Callable[[str], object] = lambda name: None

    def work(self, name: str) -> Outcome:
        with self.lock:
            self.begun.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
        self.waits_for(name)
        with self.lock:
            self.now -= 1
        return Outcome(name, name not in self.sick, 0.0, name)

    def roll_out(self) -> Rollout:
        return roll_out(NAMES, 2, self.work, lambda outcome: self.reported[outcome.name].set())


def test_a_sick_canary_stops_everything_before_it_began() -> None:
    ward = Ward("canary")
    reported = ward.roll_out()
    assert ward.begun == ["canary"]
    assert ([each.name for each in reported.failed], reported.done, reported.untouched) == (
        ["canary"],
        [],
        ["b", "c", "d", "e"],
    )


def test_after_the_canary_some_are_worked_on_at_once_and_never_more() -> None:
    ward, both = Ward(), threading.Barrier(2)  # two that wait for each other: neither ends alone
    ward.waits_for = lambda name: name == "canary" or both.wait(timeout=60)
    reported = ward.roll_out()
    assert ward.most == 2
    assert [each.name for each in reported.done] == list(NAMES)
    assert reported.untouched == []


def test_what_was_begun_beside_a_box_that_fails_is_finished_and_the_rest_untouched() -> None:
    ward = Ward("c")
    ward.waits_for = lambda name: name != "b" or ward.reported["c"].wait(timeout=60)
    reported = ward.roll_out()
    assert [each.name for each in reported.failed] == ["c"]
    assert [each.name for each in reported.done] == ["canary", "b"]
    assert reported.untouched == ["d", "e"]


def test_who_failed_stands_in_order_whoever_failed_first() -> None:
    ward = Ward("b", "c")
    ward.waits_for = lambda name: name != "b" or ward.reported["c"].wait(timeout=60)
    reported = ward.roll_out()
    assert [each.name for each in reported.failed] == ["b", "c"]


def test_for_a_table_everyone_is_asked_and_stands_in_order() -> None:
    ward = Ward("a", "c")
    assert [each.output for each in all_at_once(["a", "b", "c"], 3, ward.work)] == ["a", "b", "c"]


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
