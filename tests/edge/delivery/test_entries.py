"""The newest entries in memory say what the outbox would, or nothing."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import edge.delivery.entries
from edge.delivery.database import open_store
from edge.delivery.entries import Entry, LiveEntries, Stamp
from edge.delivery.messages import Message

ALL = 1 << 62


def message(name: str, rev: int) -> Message:
    body = {"id": name, "rev": rev, "type": "onset" if rev == 1 else "end"}
    return Message("a/b/c/s/bed/event", body, 60, (name, rev))


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), max_size=4)),
        st.tuples(st.just("delivered"), st.lists(st.integers(1, 30), max_size=4)),
        st.tuples(st.just("forget"), st.just([])),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(actions=ACTIONS, most=st.integers(1, 12))
def test_whatever_is_known_here_is_as_it_is_on_the_disk(actions: list[tuple[str, list]], most: int) -> None:  # type: ignore[type-arg]
    store, live, last, known = open_store(":memory:"), LiveEntries(), 0, 0
    edge.delivery.entries.MOST, before = most, edge.delivery.entries.MOST
    seen: set[tuple[str, int]] = set()
    try:
        for action, what in actions:
            if action == "put":
                new = [
                    (name, rev) for name, rev in sorted({*what}) if all(rev > other for of, other in seen if of == name)
                ]
                seen.update(new)
                entries = store.insert(Stamp(last + 1, 1, 0.0, 0.0), [message(*each) for each in new])
                last += len(entries)
                live.add(entries, last)
            elif action == "delivered":
                store.delete(what)
                live.remove(what)
            else:
                live.forget(last)
            for after, until, limit in (
                (0, ALL, 100),
                (live.after, ALL, 3),
                (last - 1, last, 1),
                (live.after, last, 2),
            ):
                found = live.waiting(after, until, limit)
                known += found is not None
                assert found in (None, store.waiting(after, until, limit))
            for event in seen:
                assert live.earlier(event) in (None, store.earlier(event))
    finally:
        edge.delivery.entries.MOST = before
        store.close()
    assert not actions or known


def test_more_than_its_bound_is_left_to_the_disk(tmp_path: Path) -> None:
    live = LiveEntries()
    entries = [Entry(seq, "t", {}, 60, (f"id{seq}", 1)) for seq in range(1, edge.delivery.entries.MOST + 2)]
    live.add(entries[:-1], entries[-2].seq)
    assert len(live.waiting(0, ALL, 10_000) or ()) == edge.delivery.entries.MOST
    live.add(entries[-1:], entries[-1].seq)
    assert (live.waiting(0, ALL, 10_000), live.after) == (None, entries[-1].seq)
    assert (live.waiting(live.after, ALL, 10_000), live.earlier(("id1", 2))) == ([], None)
