"""No message of an event overtakes an earlier one, and none is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.delivery.entries import Entry
from edge.delivery.sender import InFlight, next_messages


@dataclass
class Box:
    """What waits, in a list."""

    entries: list[Entry] = field(default_factory=list)
    last_seq: int = 0

    def put(self, event: tuple[str, int] | None) -> int:
        self.last_seq += 1
        self.entries.append(Entry(self.last_seq, "t", {}, 60, event))
        return self.last_seq

    def drop(self, seq: int) -> None:
        self.entries = [entry for entry in self.entries if entry.seq != seq]

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        return [entry for entry in self.entries if after < entry.seq <= until][:limit]

    def earlier(self, entry: Entry) -> list[Entry]:
        if entry.event is None:
            return []
        ident, rev = entry.event
        same = [each for each in self.entries if each.event and each.event[0] == ident and each.event[1] < rev]
        return sorted(same, key=lambda each: each.event or ("", 0))


class Connections:
    """A node that is connected again and again; the broker answers when the test says so."""

    def __init__(self, box: Box, limit: int) -> None:
        self.box, self.limit, self.now_s, self.mid = box, limit, 0.0, 0
        self.sent: list[Entry] = []
        self.in_flight = InFlight()
        self.connect()

    def connect(self) -> None:
        self.in_flight = InFlight(str(self.mid), self.limit, self.box.last_seq, self.now_s)

    def step(self, seconds: float = 0.1) -> None:
        self.now_s += seconds
        for entry in next_messages(self.in_flight, self.box, self.now_s):
            assert not self.box.earlier(entry), "an event overtook itself"
            assert entry in self.box.entries
            assert not self.in_flight.contains(entry.seq)
            self.mid += 1
            self.in_flight.record(self.mid, entry.seq, self.now_s)
            self.sent.append(entry)
        assert len(self.in_flight.unacknowledged) <= self.limit

    def answer(self, which: int, is_refused: bool) -> None:
        mids = sorted(self.in_flight.unacknowledged)
        if mids:
            seq, _ = self.in_flight.unacknowledged.pop(mids[which % len(mids)])
            assert seq is not None
            if not is_refused:
                self.box.drop(seq)
                self.in_flight.release_held(seq)

    def seqs(self) -> list[int]:
        return [entry.seq for entry in self.sent]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["event", "event", "gap", "step", "step", "ack", "ack", "refuse", "retry", "connect", "evict"]),
        st.integers(0, 5),
    ),
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.integers(1, 20), st.integers(0, 40))
def test_whatever_breaks_no_rev_goes_before_an_earlier_one_and_all_come(
    steps: list[tuple[str, int]], limit: int, backlog: int
) -> None:
    box, revs = Box(), dict.fromkeys("abcdef", 0)
    for number in range(backlog):
        box.put((f"old{number // 2}", number % 2 + 1))
    node = Connections(box, limit)

    def put_event(number: int) -> None:
        ident = "abcdef"[number]
        revs[ident] += 1
        box.put((ident, revs[ident]))

    def evict(_number: int) -> None:
        for entry in box.entries[:1]:
            box.drop(entry.seq)
            node.in_flight.requeue()

    actions: dict[str, Callable[[int], object]] = {
        "event": put_event,
        "gap": lambda _: box.put(None),
        "step": lambda n: node.step(n / 20),
        "evict": evict,
        "ack": lambda n: node.answer(n, False),
        "refuse": lambda n: node.answer(n, True),
        "retry": lambda _: node.in_flight.requeue(),
        "connect": lambda _: node.connect(),
    }
    for action, number in steps:
        actions[action](number)
    node.in_flight.requeue()  # what was refused is tried again some time
    for _ in range(40 + 4 * len(box.entries)):
        node.step()
        node.answer(0, False)
    assert box.entries == []


def test_a_live_end_brings_its_onset_forward_out_of_the_backlog() -> None:
    box = Box()
    for number in range(1000):
        box.put((f"old{number}", 1))
    node = Connections(box, 20)
    end, other = box.put(("old900", 2)), box.put(("new", 1))
    node.step(0.0)
    assert node.seqs() == [901, other]
    assert all(seq <= node.in_flight.backlog_end for seq in node.seqs()[:1])  # and it is late
    node.answer(0, False)
    node.step(0.0)
    assert node.seqs() == [901, other, end]


def test_with_room_for_one_a_live_end_still_follows_its_onset() -> None:
    box = Box()
    for number in range(3):
        box.put((f"old{number}", 1))
    node = Connections(box, 1)
    end = box.put(("old2", 2))
    for _ in range(10):
        node.step()
        node.answer(0, False)
    assert node.seqs() == [3, end, 1, 2]


def test_a_refused_onset_keeps_its_end_back_until_it_is_taken() -> None:
    box = Box()
    onset, end = box.put(("a", 1)), box.put(("a", 2))
    node = Connections(box, 20)
    node.step()
    node.answer(0, True)
    node.step()
    assert end not in node.seqs()
    node.in_flight.requeue()
    node.step()
    node.answer(0, False)
    node.step()
    assert node.seqs()[-2:] == [onset, end]


def test_what_is_due_at_the_start_goes_before_live_messages_and_a_long_backlog() -> None:
    box = Box()
    for number in range(100):
        box.put((f"old{number}", 1))
    first = [box.put((ident, 2)) for ident in ("x", "y", "z")]  # their onsets were delivered before
    node = Connections(box, 2)
    node.in_flight.make_due(first)
    live = box.put(("new", 1))
    for _ in range(7):
        node.step(1.0)
        node.answer(0, False)
    assert node.seqs() == [*first, live, 1, 2, 3, 4]


def test_a_state_that_is_under_way_keeps_no_event_back() -> None:
    box = Box()
    node = Connections(box, 2)
    node.in_flight.record(77, None, 0.0)
    live = box.put(("a", 1))
    node.step()
    assert node.seqs() == [live]


def test_while_more_is_under_way_than_the_broker_takes_nothing_goes() -> None:
    box = Box()
    for number in range(3):
        box.put((f"old{number}", 1))
    node = Connections(box, 1)
    for mid in (77, 78):  # the status is said in time, room or not
        node.in_flight.record(mid, None, 0.0)
    for number in range(3):
        box.put((f"new{number}", 1))
    node.limit = 2
    node.step(1.0)
    assert node.seqs() == []
    node.in_flight.unacknowledged.clear()
    node.step()
    assert node.seqs() == [4]


def test_a_backlog_goes_at_a_hundred_in_a_second_however_often_it_is_asked_for() -> None:
    box = Box()
    for number in range(300):
        box.put((f"old{number}", 1))
    node, sent = Connections(box, 1000), []
    for seconds in (0.0, 0.5, 0.0, 0.25, 5.0):
        node.step(seconds)
        sent.append(len(node.sent))
    assert sent == [0, 50, 50, 75, 175]  # after five seconds a hundred, not five hundred


def test_while_the_onset_cannot_be_read_its_end_waits_and_other_messages_go() -> None:
    class Unreadable(Box):
        is_readable = False

        def earlier(self, entry: Entry) -> list[Entry] | None:  # type: ignore[override]
            return super().earlier(entry) if self.is_readable or entry.event is None else None

    box = Unreadable()
    node = Connections(box, 20)
    box.put(("a", 2))
    gap = box.put(None)
    box.is_readable = False
    sent = list(next_messages(node.in_flight, box, 1.0))
    assert [entry.seq for entry in sent] == [gap]
    box.is_readable = True
    node.in_flight.record(1, gap, 1.0)
    node.in_flight.requeue()
    assert [entry.seq for entry in next_messages(node.in_flight, box, 2.0)] == [1]
