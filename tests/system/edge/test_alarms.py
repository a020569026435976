"""Alarms and commands through a real broker: retained, answered, idempotent; rebuilt after kill -9."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery.outbox_reading import alarm_log
from edge.node import alarms as alarm_service
from edge.ward.alarm_records import Transition
from tests.edge.conftest import Watcher, wait_for
from tests.system.edge.alarms_under_test import Ward
from tests.system.edge.ordering import BED, Staff

NURSE = {"by": "nurse K"}
ALARM = "s/bed1/alarm/continuous"


@pytest.fixture
def ward(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.02)
    running = Ward(broker.port, tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def staff(broker: Broker, ward: Ward, watcher: Watcher) -> Iterator[Staff]:
    terminal = Staff(broker.port)
    until(watcher, lambda body: body["activation"] == "On")  # the node is there, and subscribed before it publishes
    yield terminal
    terminal.close()


def until(watcher: Watcher, is_so: Callable[[dict[str, Any]], bool], topic: str = ALARM) -> dict[str, Any]:
    """The last state of an alarm, once it is so."""
    found: dict[str, Any] = wait_for(
        lambda: next((body for body in watcher.bodies(topic)[-1:] if is_so(body)), None), f"a state of {topic}"
    )
    return found


def rings(watcher: Watcher, ward: Ward) -> dict[str, Any]:
    ward.burden = 20.0
    return until(watcher, lambda body: body["signal"] == "On")


def test_an_alarm_is_retained_and_everything_that_is_told_obeys_the_schema(
    ward: Ward, watcher: Watcher, broker: Broker
) -> None:
    body = rings(watcher, ward)
    assert (body["kind"], body["priority"], body["value"], body["limit"]["s_per_min"]) == ("Phy", "Hi", 20.0, 6.0)
    late = Watcher(broker.port)
    found = until(late, lambda body: body["signal"] == "On")
    late.close()
    assert found["rev"] == body["rev"]
    assert until(watcher, lambda body: body["activation"] == "Off", "s/bed1/alarm/discontinuous")["limit"] is None
    assert until(watcher, lambda _: True, "node/alarm/clock")["stream"] is None


def test_an_alarm_is_said_again_while_nothing_changes(
    ward: Ward, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = rings(watcher, ward)
    monkeypatch.setattr(alarm_service, "REFRESH_S", 0.1)
    later = until(watcher, lambda found: found["ts"] > body["ts"] and found["signal"] == "On")
    assert later["rev"] == body["rev"]
    assert later["valid_until"] > body["valid_until"]


def test_a_command_is_answered_with_its_correlation_data_where_its_sender_asked(
    ward: Ward, staff: Staff, watcher: Watcher
) -> None:
    episode = rings(watcher, ward)["episode"]
    required = f"{BED}/result/acknowledge/board/tablet-3"
    body = staff.request("acknowledge", answer_to=required, id="a1", condition="continuous", episode=episode, **NURSE)
    assert (body["id"], body["ok"], body["conditions"]) == ("a1", True, ["continuous"])
    assert staff.answers[0][:2] == (required, b"a1\x00\xff")
    acked = until(watcher, lambda found: found["signal"] == "Ack")
    assert acked["acknowledged"]["by"] == "nurse K (board)"


def test_a_client_of_mqtt_3_gets_its_answer_on_its_own_topic(
    ward: Ward, staff: Staff, watcher: Watcher, broker: Broker
) -> None:
    rings(watcher, ward)
    old = Staff(broker.port, "old-board", v5=False)
    body = old.request("pause", id="p1", duration_s=100, **NURSE)
    old.close()
    assert (old.answers[0][0], body["ok"]) == (f"{BED}/result/pause/old-board", True)
    assert until(watcher, lambda found: not found["audible"])["audio_paused_until"] is not None


def test_nobody_makes_the_node_write_what_looks_like_an_alarm(ward: Ward, staff: Staff, watcher: Watcher) -> None:
    rings(watcher, ward)
    staff.request("pause", answer_to=f"{BED}/alarm/continuous", id="x", **NURSE)
    assert staff.answers[0][0] == f"{BED}/result/pause/board"
    assert {body["schema"] for body in watcher.bodies(ALARM)} == {"laennec.alarm/1"}


def test_a_limit_is_set_by_a_person_who_says_why_and_judged_at_once(ward: Ward, staff: Staff, watcher: Watcher) -> None:
    ward.burden = 5.0
    until(watcher, lambda found: found["validity"] == "Vld")
    limit = {"condition": "continuous", "limit_s_per_min": 4.0, "why": "asthma"}
    assert staff.request("limit", id="l1", **limit, **NURSE)["ok"]
    body = until(watcher, lambda found: found["signal"] == "On")
    assert body["limit"]["set"]["why"] == "asthma"
    assert staff.request("limit", id="l2", condition="continuous", limit_s_per_min=4.0, **NURSE)["reason"].startswith(
        "why:"
    )


def test_what_is_wrong_or_retained_is_not_carried_out(ward: Ward, staff: Staff, watcher: Watcher) -> None:
    rings(watcher, ward)
    staff.send("acknowledge", retain=True, id="r1", **NURSE)
    answered = [staff.request("threshold", id="c", **NURSE), staff.request("acknowledge", id="c", bed="x", **NURSE)]
    assert ["not available" in answered[0]["reason"], answered[1]["reason"]] == [
        True,
        "bed: Extra inputs are not permitted",
    ]
    assert staff.request("pause", BED.replace("bed1", "bed9"), id="c", **NURSE)["reason"].startswith("no bed 'bed9'")
    assert "no sound is kept here" in staff.request("clip", id="c", **NURSE)["reason"]
    assert "at most 2048 bytes" in staff.request("pause", id="x" * 5000, **NURSE)["reason"]
    assert watcher.bodies(ALARM)[-1]["signal"] == "On"


def test_while_the_bed_is_lost_its_alarm_stays_and_a_technical_one_joins_it(
    ward: Ward, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings(watcher, ward)
    ward.state = "lost"
    body = until(watcher, lambda found: found["validity"] == "NA")
    assert (body["signal"], body["presence"], body["value"]) == ("On", True, None)
    assert until(watcher, lambda found: found["presence"], "bed1/alarm/signal-lost")["kind"] == "Tec"


def test_after_a_broker_died_the_next_knows_every_alarm(ward: Ward, broker: Broker, watcher: Watcher) -> None:
    body = rings(watcher, ward)
    broker.kill()
    ward.burden = 0.0
    broker.stop()
    with Broker("mosquitto", broker.port):
        fresh = Watcher(broker.port)
        found = until(fresh, lambda found: found["signal"] == "Latch")
        fresh.close()
    assert found["episode"] == body["episode"]
    assert found["rev"] > body["rev"]


def test_kill_9_at_any_moment_loses_no_alarm_and_no_acknowledgement(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(17)
    command = [sys.executable, "-m", "tests.system.edge.alarms_under_test", str(port), str(tmp_path)]
    seen: list[int] = []
    with Broker("mosquitto", port):
        for number in range(6):
            watcher, terminal = Watcher(port), Staff(port)
            watcher.catch_up()
            boots = {body["boot_id"] for body in watcher.bodies(ALARM)}
            node = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            try:
                assert node.stdin is not None
                node.stdin.write("unknown\n" if number else "20\n")
                node.stdin.flush()
                body = until(watcher, lambda found, old=boots: found["boot_id"] not in old and found["signal"] != "Off")
                assert (body["signal"], body["episode"], body["presence"]) == ("Ack" if number > 3 else "On", 1, True)
                assert body["rev"] >= max(seen, default=0)
                if number == 3:
                    assert terminal.request("acknowledge", id="a1", **NURSE)["ok"]
                    body = until(watcher, lambda found: found["signal"] == "Ack")
                for burden in chance.choices(["20", "unknown", "7"], k=20):
                    node.stdin.write(f"{burden}\n")
                    node.stdin.flush()
                time.sleep(chance.uniform(0, 0.2))
            finally:
                node.kill()
                node.communicate()
            seen = [found["rev"] for found in watcher.bodies(ALARM)]
            watcher.close()
            terminal.close()
            assert seen == sorted(seen)
    read = alarm_log(tmp_path / "outbox.db")
    mine = [each for each in read.records if isinstance(each, Transition) and each.key.condition == "continuous"]
    revs = [each.state.rev for each in mine]
    assert (read.damaged, read.damaged_before, revs) == (0, 0, list(range(1, len(revs) + 1)))


def test_the_burden_of_what_a_node_hears_raises_its_alarm(tmp_path: Path, broker: Broker, watcher: Watcher) -> None:
    arguments = [str(broker.port), str(tmp_path / "outbox.db"), "100000", "fast"]
    command = [sys.executable, "-m", "tests.system.edge.node_under_test", *arguments]
    quiet = subprocess.DEVNULL
    node = subprocess.Popen(command, env={**os.environ, "LIMIT": "6"}, stdout=quiet, stderr=quiet)
    try:
        body = until(watcher, lambda found: found["signal"] == "On")
    finally:
        node.kill()
        node.wait()
    assert 24 < body["value"] < 30  # bursts of half a second in every second, scored .9
    assert (body["stream"], body["priority"], body["limit"]) == ("bed1", "Me", {"s_per_min": 6.0, "set": None})


def test_a_whole_node_has_its_alarms_and_answers(tmp_path: Path, broker: Broker, watcher: Watcher) -> None:
    arguments = [str(broker.port), str(tmp_path / "outbox.db"), "1000", "pace"]
    command = [sys.executable, "-m", "tests.system.edge.node_under_test", *arguments]
    terminal = Staff(broker.port)
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        bed = until(watcher, lambda body: body["validity"] == "Vld", "s/bed1/alarm/signal-lost")
        assert (bed["signal"], bed["presence"], bed["activation"]) == ("Off", False, "On")
        assert until(watcher, lambda _: True)["activation"] == "Off"  # no limit was set
        where = BED.replace("ward/node", "local/node")
        assert terminal.request("acknowledge", where, id="a1", **NURSE) == {
            **terminal.answers[0][2],
            "ok": True,
            "conditions": [],
        }
        wait_for(lambda: watcher.bodies("node/health"), "its health")
        assert watcher.bodies("node/health")[-1]["checks"]["alarms"] == "ok"
    finally:
        node.terminate()
        node.wait()
        terminal.close()
    assert alarm_log(tmp_path / "outbox.db").records


def test_a_flood_of_one_user_is_answered_to_the_last_command_and_delays_nobodys_acknowledgement(
    ward: Ward, staff: Staff, watcher: Watcher, broker: Broker
) -> None:
    rings(watcher, ward)
    flood = Staff(broker.port, "flood")
    numbers = range(400)
    for number in numbers:
        flood.send("pause", id=f"f{number}", by="flood")
    assert staff.request("acknowledge", id="a1", by="nurse K", condition="continuous")["ok"]
    until(watcher, lambda body: body["signal"] == "Ack")
    wait_for(lambda: len(flood.answers) == len(numbers), "an answer to each")
    assert {body["id"] for _, _, body in flood.answers} == {f"f{number}" for number in numbers}
    refused = {body["reason"] for _, _, body in flood.answers if not body["ok"]}
    assert refused <= {"16 commands of 'flood' wait already; try again", "too many commands of 'flood'; wait a minute"}
    assert refused
    flood.close()
