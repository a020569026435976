"""What systemd hears: real datagrams of a real node, and a watchdog that is fed only by streams that move."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.node.systemd import Notifier, StreamHealth, Supervision, describe


class Manager:
    """Stands for systemd: a datagram socket that remembers what was said."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(0.1)
        self.received: list[str] = []

    def receive(self) -> list[str]:
        """Everything said so far, one assignment each."""
        while True:
            try:
                self.received += self._socket.recv(4096).decode().split("\n")
            except TimeoutError:
                return self.received

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@laennec-test-{os.getpid()}-{time.time_ns()}"
    running = Manager(address)
    yield running
    running.close()


def health(state: str = "ok", stalled_s: float = 0.0, is_broken: bool = False, stream: str = "bed1") -> StreamHealth:
    return StreamHealth(stream, state, "no sound arrives" if state == "lost" else "", stalled_s, is_broken)


class Node:
    """A supervision on a virtual clock, and what it said."""

    def __init__(self, watchdog_s: float | None = 30.0) -> None:
        self.now_s = 1000.0
        self.received: list[dict[str, str | int]] = []
        self.deaf = False
        node = self

        class Recorder(Notifier):
            def send(self, **variables: str | int) -> bool:
                if not node.deaf:
                    node.received.append(variables)
                return not node.deaf

        self.supervision = Supervision(Recorder("/somewhere", watchdog_s), lambda: self.now_s)

    def tick(self, *streams: StreamHealth, after_s: float = 0.25) -> None:
        self.now_s += after_s
        self.supervision.tick(streams or [health()], True)

    def count(self, name: str) -> int:
        return sum(name in expected_text for expected_text in self.received)


def test_it_is_ready_when_every_stream_was_heard_or_is_known_to_be_lost_and_only_once() -> None:
    node = Node()
    node.tick(health("ok"), health("unknown"))
    assert node.count("READY") == 0
    node.tick(health("ok"), health("lost"))
    assert node.count("READY") == 1
    node.tick(health("ok"), health("unknown"))
    node.tick(health("ok"), health("ok"))
    assert node.count("READY") == 1


def test_being_ready_is_said_again_until_it_was_taken() -> None:
    node = Node()
    node.deaf = True
    node.tick()
    node.deaf = False
    node.tick()
    node.tick()
    assert node.count("READY") == 1


def test_the_watchdog_is_fed_at_half_of_its_interval() -> None:
    node = Node(watchdog_s=30.0)
    for _ in range(4 * 60):
        node.tick()
    assert node.count("WATCHDOG") == 4


def test_without_a_watchdog_it_is_not_fed() -> None:
    node = Node(watchdog_s=None)
    node.tick(after_s=100.0)
    assert node.count("READY") == 1
    assert node.count("WATCHDOG") == 0


@pytest.mark.parametrize("bad", [health(stalled_s=15.1), health("lost", is_broken=True)])
def test_one_stream_that_hangs_or_broke_is_enough_to_starve_the_watchdog(bad: StreamHealth) -> None:
    node = Node(watchdog_s=30.0)
    for _ in range(100):
        node.tick(health(), bad, after_s=1.0)
    assert node.count("WATCHDOG") == 0
    node.tick(health(), health())
    assert node.count("WATCHDOG") == 1


@given(st.lists(st.sampled_from(["ok", "degraded", "lost", "disabled"]), min_size=1, max_size=5))
def test_a_state_that_is_told_never_starves_the_watchdog(states: list[str]) -> None:
    node = Node()
    node.tick(*(health(state, stalled_s=0.2) for state in states))
    assert node.count("WATCHDOG") == 1


def test_the_status_is_one_line_that_names_what_is_not_well() -> None:
    line = describe([health(), health("lost", stream="bed2"), health("unknown", stream="bed3")], False)
    assert line == ("1 of 3 streams ok; bed2 lost (no sound arrives); bed3 starting; broker away, events wait on disk")
    assert "\n" not in describe([StreamHealth("bed1", "lost", "a\nb", 0.0, False)], True)


def test_the_status_is_said_when_it_changes_and_not_before() -> None:
    node = Node()
    for _ in range(3):
        node.tick(health())
    node.tick(health("lost"))
    assert node.count("STATUS") == 2


def test_assignments_reach_a_path_and_an_abstract_address(manager: Manager) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})
    assert notifier.send(READY=1, STATUS="well")
    assert manager.receive() == ["READY=1", "STATUS=well"]


def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    assert not Notifier().send(READY=1)
    assert not Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "none")}).send(READY=1)


def test_a_manager_that_does_not_listen_is_not_waited_for(tmp_path: Path) -> None:
    busy = Manager(str(tmp_path / "notify"))
    notifier = Notifier(busy.address)
    taken = [notifier.send(STATUS="x" * 4000) for _ in range(2000)]
    busy.close()
    assert taken[0]
    assert not taken[-1]


@pytest.mark.parametrize("address", ["", "@", "relative/path", "vsock:2:1"])
def test_an_address_that_is_none_is_ignored(address: str) -> None:
    assert not Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}).send(READY=1)


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [("30000000", "", 30.0), ("30000000", "7", 30.0), ("30000000", "8", None), ("0", "", None), ("x", "", None)],
)
def test_the_watchdog_interval_counts_for_the_process_it_is_meant_for(
    usec: str, pid: str, expected: float | None
) -> None:
    environment = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    assert Notifier.from_environment(environment, pid=7).watchdog_s == expected
