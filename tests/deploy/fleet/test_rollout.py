"""One box first, then some at once, and no new one after the first that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable

from deploy.rollout import Outcome, Rollout, all_at_once, roll_out

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
