"""Which changes of alarms are sent to phones and chats, to whom, and in what words. Pure.

Not for sending (`edge.server.board.notifier`), and no alarm channel: whoever must be alarmed is alarmed by the board.
What is compared are retained states, so one that was sent is not sent again, however often it is published or the
board starts. A notice holds the names of the topic and the condition, and nothing that a person typed: no patient.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge.contract.alarms import AlarmMessage
from edge.contract.fields import Kind, Priority, Signal
from edge.contract.topics import Address
from edge.server.board.tiles import condition_words
from edge.settings.board import Receiver, Step
from edge.ward.alarm_records import PRIORITIES
from edge.ward.quotas import Limit, Quotas

HOUR_S = 3600.0
WORDS_OF_PRIORITY: dict[Priority, str] = {"Hi": "high", "Me": "medium", "Lo": "low"}
MOST_URGENT = 4  # times `per_hour`: what is raised or escalated with priority Hi; beyond, nobody reads any of it
GONE = "gone"  # condition of a box that says nothing, and of the broker
NO_ALARM = "No alarm channel: look at the board."


@dataclass(frozen=True)
class Notified:
    """An alarm as it was last looked at."""

    episode: int | None
    began: float | None
    rev: int
    boot_id: str
    signal: Signal
    escalated: bool


@dataclass(frozen=True)
class Notice:
    """One change that is worth a message."""

    key: str
    """Of the alarm: site/node/stream/condition."""
    address: Address
    step: Step
    words: str
    kind: Kind
    priority: Priority
    since: float | None
    """When the episode began, seconds since 1970 on the node's clock."""
    episode: int | None
    is_test: bool


def key_of(address: Address, condition: str) -> str:
    """The same for every message of one alarm."""
    return f"{address}/{condition}"


def look_at(before: Notified | None, address: Address, body: AlarmMessage) -> tuple[Notified, Notice | None]:
    """What is known of an alarm from now on, and what is to be sent of it.

    Args:
        before: what was known; None: nothing.
        address: of the bed, or of the node itself.
        body: the alarm's present state.
    """
    if before is not None and before.boot_id == body.boot_id and body.rev <= before.rev:
        return before, None  # said again, or late
    now = Notified(body.episode, body.began, body.rev, body.boot_id, body.signal, body.escalated)
    step = _step(before, now)
    if step is None:
        return now, None
    key, words = key_of(address, body.condition), condition_words(body.condition)
    since = body.since if body.began is None else body.began
    return now, Notice(key, address, step, words, body.kind, body.priority, since, body.episode, body.mode == "Test")


def _step(before: Notified | None, now: Notified) -> Step | None:
    if now.signal != "On":
        return None
    if before is None or not is_same_episode(before, now):
        return "escalation" if now.escalated else "raise"
    if now.escalated and not before.escalated:
        return "escalation"
    return None if before.signal == "On" else "return"


def is_same_episode(before: Notified, now: Notified) -> bool:
    """Whether both are of one episode; a node that was installed anew counts from 1 again."""
    is_other_begin = (
        before.boot_id != now.boot_id
        and before.began is not None
        and now.began is not None
        and abs(before.began - now.began) > 1
    )
    return before.episode == now.episode and not is_other_begin


class Selection:
    """What one receiver gets."""

    def __init__(self, receiver: Receiver) -> None:
        self._of = receiver
        self._limit = Limit(receiver.per_hour, HOUR_S)
        self._urgent = Limit(MOST_URGENT * receiver.per_hour, HOUR_S)
        self._repeats = Quotas(1, receiver.repeat_s)
        self.held = 0
        """Notices that were held back since the last one, because there were too many."""

    def takes(self, notice: Notice, now_s: float, minute: int) -> bool:
        """Whether it is notified of this; counts it.

        An alarm of high priority is held back where it returns again and again, or `MOST_URGENT` times `per_hour` came.

        Args:
            notice: what happened.
            now_s: monotonic seconds.
            minute: of the local day.
        """
        if not self._is_subscribed(notice, minute):
            return False
        is_first_of_repeats = self._repeats.take(f"{notice.step} {notice.key}", now_s)
        is_urgent = notice.priority == "Hi" and notice.step != "return"
        is_held = not is_first_of_repeats or self._limit.is_reached(now_s)
        if self._urgent.is_reached(now_s) if is_urgent else is_held:
            self.held += 1
            return False
        for limit in (self._limit, *([self._urgent] if is_urgent else [])):
            limit.count(now_s)
        return True

    def _is_subscribed(self, notice: Notice, minute: int) -> bool:
        of = self._of
        is_urgent_enough = PRIORITIES.index(notice.priority) >= PRIORITIES.index(of.priority)
        is_of_kind = notice.kind in of.kinds and notice.step in of.of and (of.test or not notice.is_test)
        return is_of_kind and is_urgent_enough and is_among(notice.address, of.beds) and is_within(of.hours, minute)


def is_among(address: Address, beds: Sequence[str]) -> bool:
    """Whether a bed is one of `bed1`, `edge-7/bed1` or `ward-b/edge-7/bed1`; of none all are."""
    path = f"/{address}"
    return not beds or (address.stream != "" and any(path.endswith(f"/{bed}") for bed in beds))


def is_within(hours: str, minute: int) -> bool:
    """Whether a minute of the day is in `20:00-07:00`; empty is the whole day."""
    if not hours:
        return True
    begin, end = (60 * int(each[:2]) + int(each[3:]) for each in hours.split("-"))
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def text_of(notice: Notice, board: str, held: int) -> tuple[str, str]:
    """Title and body of a message; `held` others were held back before it."""
    steps: dict[Step, str] = {"raise": "", "escalation": "Nobody has answered: ", "return": "Again: "}
    name = notice.address.stream or notice.address.node
    title = f"{'TEST ' if notice.is_test else ''}{steps[notice.step]}{name}: {notice.words}"
    since = "" if notice.since is None else f", since {time.strftime('%H:%M:%S', time.localtime(notice.since))}"
    where = "/".join(part for part in (notice.address.site, notice.address.node) if part)
    more = f"{held} more were held back. " if held else ""
    return title, f"{board}, {where}: {WORDS_OF_PRIORITY[notice.priority]} priority{since}. {more}{NO_ALARM}"
