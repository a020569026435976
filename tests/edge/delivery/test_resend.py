"""Events of the log once more: which, in which order, and what an operator is told when it cannot be done."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.commands.demo.broker import Broker, free_port
from edge.delivery.messages import EVENT_EXPIRY_S, Message, rfc3339
from edge.delivery.outbox import Outbox
from edge.delivery.resend import Progress, Span, parse_span, parse_time, resend, select_events
from edge.errors import ConfigError, LaennecError, SourceError
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import RudeBroker
from tests.edge.wards import settings, ward

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
        ("2027-01-15T08:00:00Z", NOW_S), ("2027-01-15 10:00:00+02:00", NOW_S),
        ("2027-01-15T08:00:00.500Z", NOW_S + 0.5),
        ("90s", NOW_S - 90), ("30min", NOW_S - 1800), ("2h", NOW_S - 7200), ("1.5 h", NOW_S - 5400),
        ("7d", NOW_S - 604_800),
    ],
)  # fmt: skip
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


@pytest.mark.parametrize("text", ["999999999d", "0001-01-01T00:00:00+14:00", "9" * 400 + "d"])
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
    wanted = Span(rfc3339(NOW_S + 60 + 10), rfc3339(NOW_S + 120 + 10))  # in event 1, and in event 2
    assert select_events(path, wanted) == ({"id1", "id2"}, 4)
    with pytest.raises(ConfigError, match=r"no event between .* its log begins at 2027-01-15T08:00:00\.000Z"):
        select_events(path, Span("2000", "2001"))


def test_an_empty_log_is_said_to_be_empty(tmp_path: Path) -> None:
    log(tmp_path / "outbox.db", 0)
    with pytest.raises(ConfigError, match="its log is empty"):
        select_events(tmp_path / "outbox.db", ALL)


@pytest.mark.system
def test_events_go_out_in_order_and_marked_under_the_present_names(tmp_path: Path) -> None:
    path, said = tmp_path / "outbox.db", list[int]()
    log(path, 60)
    before = path.read_bytes()
    with Broker("mosquitto") as broker:
        watcher = Watcher(broker.port)
        config = settings(tmp_path, site="ward-b", mqtt={"port": broker.port})
        tally = resend(config, path, ALL, lambda tally: said.append(tally.acknowledged), threading.Event())
        wait_for(lambda: len(watcher.messages) == 120, "every message")
        watcher.close()
    assert tally == Progress(120, 120)
    assert said == list(range(1, 121))
    assert {topic for topic, _, _ in watcher.messages} == {"laennec/v1/ward-b/n1/s/bed1/event"}
    assert [(body["id"], body["rev"]) for _, _, body in watcher.messages] == [
        (f"id{number}", rev) for number in range(60) for rev in (1, 2)
    ]
    assert all(body["resent"] and body["late"] and body["time"]["published"] for _, _, body in watcher.messages)
    assert path.read_bytes() == before


@pytest.mark.system
def test_a_broker_without_subscribers_says_so_and_one_that_refuses_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 2)
    with Broker("mosquitto") as broker:
        config = settings(tmp_path, mqtt={"port": broker.port})
        assert resend(config, path, ALL, lambda _: None, threading.Event()) == Progress(4, 4, without_subscriber=4)
    rude = RudeBroker("refuse")
    tally = resend(settings(tmp_path, mqtt={"port": rude.port}), path, ALL, lambda _: None, threading.Event())
    rude.close()
    assert tally == Progress(4, 0, 4, "Quota exceeded")


@pytest.mark.system
def test_a_broker_that_goes_away_is_told_with_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 10)
    rude = RudeBroker("flaky")  # breaks off at the seventh message
    config = settings(tmp_path, mqtt={"port": rude.port})
    with pytest.raises(SourceError, match=r"went away: \d of 20 messages .*; run the same command again"):
        resend(config, path, ALL, lambda _: None, threading.Event())
    rude.close()


@pytest.mark.system
def test_a_stop_ends_it_with_what_is_under_way_acknowledged(tmp_path: Path) -> None:
    path, stop = tmp_path / "outbox.db", threading.Event()
    log(path, 60)
    with Broker("mosquitto") as broker:
        config = settings(tmp_path, mqtt={"port": broker.port})
        tally = resend(config, path, ALL, lambda _: stop.set(), stop)
    assert 0 < tally.acknowledged < 60


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "edge", "resend", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


@pytest.mark.system
def test_mistakes_of_an_operator_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 1)
    config = ward(tmp_path, mqtt={"port": free_port()})
    all_of_it = ("--since", "2027-01-01T00:00:00Z", "--until", "2028-01-01T00:00:00Z")
    for arguments, said in (
        (("--config", config, "--outbox", path, "--since", "5m"), "--since: expected an RFC 3339 time"),
        (("--config", config, "--since", "2h"), "no outbox at"),
        (("--config", config, "--outbox", tmp_path, "--since", "2h"), "is a folder"),
        (("--config", config, "--outbox", path, "--since", "2000-01-01T00:00:00Z", "--until", "10000d"), "not before"),
        (("--config", tmp_path / "none.yaml", "--since", "2h"), "cannot read the configuration"),
        (
            ("--config", config, "--outbox", path, *all_of_it),
            "cannot be reached: [Errno 111] Connection refused; run this again when it is there",
        ),
    ):  # fmt: skip
        done = command(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.system
def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    log(path, 1)
    times = ("--since", "2027-01-01T00:00:00Z", "--until", "2028-01-01T00:00:00Z")
    with Broker("mosquitto") as broker:
        done = command("--host", "127.0.0.1", "--port", broker.port, "--node", "n2", "--outbox", path, *times)
        assert done.stdout == "2 of 2 messages sent again, of events since 2027-01-01T00:00:00.000Z\n"
        assert done.stderr == "laennec: the broker took 2 of them but has no subscriber for them\n"
        assert done.returncode == 0
    rude = RudeBroker("refuse")
    done = command("--port", rude.port, "--outbox", path, *times)
    topics, bodies = rude.topics, [json.loads(payload) for payload in rude.payloads]
    rude.close()
    assert (done.returncode, "the broker refused 2 (Quota exceeded)" in done.stderr) == (2, True)
    old = RudeBroker("close_v5")
    done = command("--port", old.port, "--outbox", path, *times)
    old.close()
    assert (done.returncode, "MQTT 3.1.1, which reports no refusal" in done.stderr) == (0, True)
    assert len(topics) == len(bodies) == 2


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"x" * 5000)
    with pytest.raises(LaennecError, match="is damaged"):
        select_events(tmp_path / "outbox.db", ALL)
