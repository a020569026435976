"""Events of the log once more: which, in which order, and what an operator is told when it cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import rfc3339
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.delivery.resend import Span, parse_span, parse_time, select_events
from edge.errors import ConfigError, LaennecError

ALL = Span("2000", "3000")
NOW_S = 1_800_000_000.0


def event(number: int, begin_s: float, end_s: float | None) -> Message:
    rev = 1 if end_s is None else 2
    end = None if end_s is None else rfc3339(end_s)
    body = {"id": f"id{number}", "rev": rev, "stream": "bed1", "time": {"onset": rfc3339(begin_s), "end": end}}
    return Message("old/tree/node/s/bed1/event", body, EVENT_EXPIRY_S, (f"id{number}", rev))


def log(path: Path, number: int) -> None:
    """`number` events, one each minute from `NOW_S` on, that last 30 s; the outbox has delivered them all."""
    outbox = Outbox(path, 10, 1)
    for each in range(number):
        begin_s = NOW_S + 60 * each
        outbox.put([event(each, begin_s, None), event(each, begin_s, begin_s + 30)])
    outbox.ack(range(1, 2 * number + 1))
    outbox.close()


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("2027-01-15T08:00:00Z", NOW_S),
        ("2027-01-15 10:00:00+02:00", NOW_S),
        ("2027-01-15T08:00:00.500Z", NOW_S + 0.5),
        ("90s", NOW_S - 90),
        ("30min", NOW_S - 1800),
        ("2h", NOW_S - 7200),
        ("1.5 h", NOW_S - 5400),
        ("7d", NOW_S - 604_800),
    ],
)
def test_a_time_is_a_moment_or_how_long_ago(text: str, expected_s: float) -> None:
    assert parse_time(text, "--since", NOW_S) == pytest.approx(expected_s)


@given(st.text(alphabet="xyz:-T+ \n\0é", max_size=30))
def test_any_other_text_is_a_mistake_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="--since: expected an RFC 3339 time") as caught:
        parse_time(text, "--since", NOW_S)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "5m", "yesterday", "2027-01-15T08:00:00", "-2h", "2027-13-01T00:00:00Z"])
def test_times_that_could_mean_two_things_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--since: expected"):
        parse_time(text, "--since", NOW_S)


@pytest.mark.parametrize("text", ["999999999d", "99999999999999d", "0001-01-01T00:00:00+14:00", "9" * 400 + "d"])
def test_times_that_no_calendar_has_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--since: expected"):
        parse_time(text, "--since", NOW_S)


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    assert parse_span("2h", None, NOW_S) == Span("2027-01-15T06:00:00.000Z", "2027-01-15T08:00:00.000Z")
    with pytest.raises(ConfigError, match="is not before"):
        parse_span("1h", "2h", NOW_S)


def test_an_event_is_chosen_whole_if_it_began_or_ended_in_the_span(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 4)
    required = Span(rfc3339(NOW_S + 60 + 10), rfc3339(NOW_S + 120 + 10))  # in event 1, and in event 2
    assert select_events(path, required) == ({"id1", "id2"}, 4)
    with pytest.raises(ConfigError, match=r"no event between .* its log begins at 2027-01-15T08:00:00\.000Z"):
        select_events(path, Span("2000", "2001"))


def test_an_empty_log_is_said_to_be_empty(tmp_path: Path) -> None:
    log(tmp_path / "outbox.db", 0)
    with pytest.raises(ConfigError, match="its log is empty"):
        select_events(tmp_path / "outbox.db", ALL)


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"x" * 5000)
    with pytest.raises(LaennecError, match="is damaged"):
        select_events(tmp_path / "outbox.db", ALL)
