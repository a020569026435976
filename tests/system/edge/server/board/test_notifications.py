"""Notifications, at a real broker, to servers of this machine that take them as a webhook or ntfy does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from edge.errors import ConfigError
from edge.server.board import gone, notifier
from edge.server.board.notifier import AppriseService
from edge.settings.board import Receiver
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard

SECRET = "hunter2secret"
Start = Callable[..., RunningBoard]


class Phone:
    """A server that takes what is posted, or refuses it."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.refused = 0
        self.status = 200
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if phone.status == 200:
                    phone.got.append(body)
                else:
                    phone.refused += 1
                self.send_response(phone.status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def titles(self) -> list[str]:
        """Of what it took."""
        return [body["title"] for body in self.got]

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_S)


@pytest.fixture
def phone() -> Iterator[Phone]:
    running = Phone()
    yield running
    running.close()


@pytest.fixture
def hanging() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def receiver(folder: Path, name: str, *urls: str, **changed: Any) -> dict[str, Any]:
    """In the settings, with its file of URLs."""
    (folder / f"urls-{name}").write_text("# a remark\n\n" + "\n".join(urls) + "\n")
    return {"name": name, "urls_file": f"urls-{name}", **changed}


@pytest.fixture
def start_notifying(start_board: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts boards that notify, and try again soon."""
    monkeypatch.setattr(notifier, "RETRY_MIN_S", 0.1)
    return lambda *receivers: start_board(notify=list(receivers), notified=str(tmp_path / "notified.json"))


def test_an_alarm_is_told_when_it_is_raised_escalated_and_back(
    start_notifying: Start, ward: FakeWard, phone: Phone, tmp_path: Path
) -> None:
    start_notifying(receiver(tmp_path, "night", f"ntfy://127.0.0.1:{phone.port}/topic"))
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    wait_for(lambda: len(phone.got) == 1, "the alarm")
    ward.alarm("bed1")  # the next revision says nothing new
    ward.alarm("bed1", priority="Hi", escalated=True)
    wait_for(lambda: len(phone.got) == 2, "the escalation")
    ward.alarm("bed1", signal="Ack", escalated=True)
    ward.publish_bed("bed2")  # so that each of these states is seen: of one topic the board takes the last that waits
    ward.alarm("bed2")
    wait_for(lambda: len(phone.got) == 3, "another bed's")
    ward.alarm("bed1", cause="returned")
    wait_for(lambda: len(phone.got) == 4, "the return")
    assert phone.titles == [
        "bed1: Wheezing",
        "Nobody has answered: bed1: Wheezing",
        "bed2: Wheezing",
        "Again: bed1: Wheezing",
    ]
    assert all("No alarm channel" in body["message"] for body in phone.got)


def test_a_board_that_starts_again_tells_of_what_lasts_no_second_time_but_of_what_it_missed(
    start_notifying: Start, ward: FakeWard, phone: Phone, tmp_path: Path
) -> None:
    settings = receiver(tmp_path, "night", f"json://127.0.0.1:{phone.port}")
    ward.publish_bed("bed1")
    ward.publish_bed("bed2")
    board = start_notifying(settings)
    ward.alarm("bed1")
    wait_for(lambda: phone.titles == ["bed1: Wheezing"], "the alarm")
    board.close()
    ward.alarm("bed2")
    start_notifying(settings)  # the broker gives it both alarms
    wait_for(lambda: "bed2: Wheezing" in phone.titles, "what came meanwhile")
    ward.alarm("bed1", priority="Hi", escalated=True)
    wait_for(lambda: len(phone.got) == 3, "the escalation")
    assert phone.titles == ["bed1: Wheezing", "bed2: Wheezing", "Nobody has answered: bed1: Wheezing"]


def test_a_receiver_that_refuses_is_logged_once_shown_and_told_when_it_is_back(
    start_notifying: Start,
    ward: FakeWard,
    phone: Phone,
    tmp_path: Path,
    open_page: Callable[..., Any],
    lines: pytest.LogCaptureFixture,
) -> None:
    phone.status = 500
    board = start_notifying(receiver(tmp_path, "night", f"json://user:{SECRET}@127.0.0.1:{phone.port}/{SECRET}"))
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    page = open_page(board.url)
    page.get_by_text("Notifications to night fail. They are no alarm channel: look at the board.").wait_for()
    boxes = open_page(f"{board.url}fleet")
    boxes.get_by_text("No alarm channel: nobody may rely on it.").wait_for()
    boxes.get_by_text("fails: check URLs and network; none sent").wait_for()
    wait_for(lambda: phone.refused >= 3, "some tries")
    assert lines.text.count("board notify=failed") == 1
    assert SECRET not in lines.text
    phone.status = 200
    wait_for(lambda: phone.titles == ["bed1: Wheezing"], "the alarm")
    boxes.get_by_text("the last was sent").wait_for()


def test_one_that_hangs_holds_up_neither_the_others_nor_the_board(
    start_notifying: Start, ward: FakeWard, phone: Phone, hanging: int, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    board = start_notifying(
        receiver(tmp_path, "slow", f"json://127.0.0.1:{hanging}?rto={PATIENCE_S:.0f}"),
        receiver(tmp_path, "night", f"json://127.0.0.1:{phone.port}"),
    )
    page = open_page(board.url)
    for number in range(notifier.MAX_WAITING + 8):  # more than wait
        ward.publish_bed(f"bed{number}")
        ward.alarm(f"bed{number}", priority="Hi")
    page.locator(".tile.level-alarm").nth(notifier.MAX_WAITING + 7).wait_for(state="attached")
    wait_for(lambda: len(phone.got) > 1, "alarms at the other")
    assert {title.partition(": ")[2] for title in phone.titles} == {"Wheezing"}


def test_an_alarm_is_told_again_after_a_restart_if_nobody_had_taken_it(
    start_notifying: Start, ward: FakeWard, phone: Phone, tmp_path: Path
) -> None:
    settings = receiver(tmp_path, "night", f"json://127.0.0.1:{phone.port}")
    phone.status = 500
    board = start_notifying(settings)
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    wait_for(lambda: phone.refused >= 1, "a try")
    board.close()
    phone.status = 200
    start_notifying(settings).close()  # ends what is on its way
    assert phone.titles in ([], ["bed1: Wheezing"])
    start_notifying(settings)
    wait_for(lambda: phone.titles == ["bed1: Wheezing"], "the alarm, once")


def test_a_damaged_memory_is_logged_and_what_lasts_is_told(
    start_notifying: Start, ward: FakeWard, phone: Phone, tmp_path: Path, lines: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notified.json").write_text('{"ward-b/box-1/bed1/continuous": {"rev": "many"}}')
    start_notifying(receiver(tmp_path, "night", f"json://127.0.0.1:{phone.port}"))
    assert "cannot be read" in lines.text
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    wait_for(lambda: phone.titles == ["bed1: Wheezing"], "the alarm")


def test_the_command_sends_one_test_to_each_and_says_which_takes_none(
    broker: Broker, phone: Phone, tmp_path: Path
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"json://user:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/{SECRET}"
        receivers = [
            receiver(tmp_path, "night", f"ntfy://127.0.0.1:{phone.port}/ward", hours="00:00-00:00"),
            receiver(tmp_path, "day", url),
        ]
        (tmp_path / "board.yaml").write_text(json.dumps({"notify": receivers}))
        command = [sys.executable, "-m", "edge", "board", "notify", "--config", tmp_path / "board.yaml"]
        done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=4 * PATIENCE_S)
    assert done.returncode == 1
    assert [line.split(":")[:2] for line in done.stdout.splitlines()] == [["night", " sent"], ["day", " not taken"]]
    assert done.stderr == ""
    assert SECRET not in done.stdout
    assert phone.titles == ["TEST: Ward"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"nonsense://{SECRET}", "line 1 of .* is no URL that Apprise knows"),
        (f"json://127.0.0.1\n{SECRET}", "line 2 of .* is no URL that Apprise knows"),
        ("# nobody\n", "expected 1 to 16 URLs"),
        (None, "cannot read"),
    ],
)
def test_urls_that_cannot_be_used_are_one_line_without_them(tmp_path: Path, text: str | None, expected: str) -> None:
    if text is not None:
        (tmp_path / "urls").write_text(text)
    with pytest.raises(ConfigError, match=expected) as error:
        AppriseService(Receiver(name="night", urls_file=tmp_path / "urls"))
    assert SECRET not in str(error.value)


def test_a_box_that_is_gone_is_told_of_once_and_again_when_it_goes_again(
    start_notifying: Start, ward: FakeWard, phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gone, "GONE_S", 3.0)  # what the broker has stored is there by then
    settings = receiver(tmp_path, "night", f"json://127.0.0.1:{phone.port}", repeat_s=1)
    board = start_notifying(settings)
    ward.publish("status", made.status(time.time(), ward.boot_id, state="offline"))
    wait_for(lambda: phone.titles == ["box-1: box is offline"], "the notice")
    board.close()
    board = start_notifying(settings)  # the broker tells it the same
    ward.publish_node()
    ward.publish_bed("bed1")
    ward.alarm("bed1")
    wait_for(lambda: phone.titles[1:] == ["bed1: Wheezing"], "what comes next")
    stored = tmp_path / "notified.json"
    wait_for(lambda: json.loads(stored.read_bytes())["ward-b/box-1//gone"]["signal"] == "Off", "that it is back")
    ward.publish("status", made.status(time.time(), ward.boot_id, state="stopped"))
    wait_for(lambda: len(phone.titles) > 2, "the next notice")
    assert phone.titles == ["box-1: box is offline", "bed1: Wheezing", "box-1: box was stopped"]
